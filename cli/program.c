#include "program.h"

#include "cli.h"
#include "core/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

const struct sgl_command *sgl_find_command(const struct sgl_command *commands, size_t count,
                                           const char *name)
{
    char hint[128];
    struct sgl_nearest nearest = {.wanted = name};

    for (size_t i = 0; i < count; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        sgl_nearest_offer(&nearest, commands[i].name);
    }
    sgl_complain("unknown command '%.60s'%s (sglsim help lists them)", name,
                 sgl_nearest_hint(&nearest, hint, sizeof hint));
    return NULL;
}

void sgl_prepare_output(void)
{
    signal(SIGXFSZ, SIG_IGN);
}

int sgl_flushed(int status)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return status;
    sgl_complain("cannot write the results: %s", strerror(errno));
    return SGL_EXIT_FAILED;
}
