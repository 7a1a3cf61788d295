#include "program.h"

#include "cli.h"
#include "core/text.h"
#include "traces/partial.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* Only what may be called in a signal handler. */
static void stop(int number)
{
    static const char text[] = "\nsglsim: stopped: what was being written is removed, and what had "
                               "its name before is as it "
                               "was (start again)\n";

    /* Whether anybody reads it or not, there is nothing more to do. */
    const bool is_said =
        sgl_partial_abandon() > 0 && write(STDERR_FILENO, text, sizeof text - 1) > 0;
    (void)is_said;
    signal(number, SIG_DFL);
    raise(number);
}

void sgl_stop_tidily(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = stop};
    struct sigaction before;

    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        /* What was started to ignore a signal (nohup) goes on ignoring it. */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
}

static void say_kept(const char *partial, const char *kept)
{
    sgl_complain(
        "what stood at %s is kept as %s (if it is a log, sglsim verify tells how much of one)",
        partial, kept);
}

void sgl_say_kept(bool is_quiet)
{
    sgl_partial_listen(is_quiet ? NULL : say_kept);
}

int sgl_flushed(int status)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return status;
    sgl_complain("cannot write the results: %s", strerror(errno));
    return SGL_EXIT_FAILED;
}
