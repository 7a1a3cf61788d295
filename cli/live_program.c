#include "live_program.h"

#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SELF "/proc/self/exe"
#define PROGRAM "sglsim-live"

/* The path of the program beside this one. False: where this one is cannot be told. */
static bool find(char *path, size_t size)
{
    const ssize_t length = readlink(SELF, path, size - 1);

    if (length <= 0)
        return false;
    path[length] = '\0';
    char *name = strrchr(path, '/');
    if (name == NULL || (size_t)(name + 1 - path) + sizeof PROGRAM > size)
        return false;
    memcpy(name + 1, PROGRAM, sizeof PROGRAM);
    return true;
}

int sgl_become_live_program(int argument_count, char **arguments)
{
    static char name[] = "sglsim";
    char path[PATH_MAX];

    if (!find(path, sizeof path)) {
        sgl_complain("cannot tell where this program is, and " PROGRAM " is beside it (is /proc "
                     "mounted?)");
        return SGL_EXIT_FAILED;
    }
    char **all = malloc(((size_t)argument_count + 2) * sizeof *all);
    if (all == NULL) {
        sgl_complain("out of memory");
        return SGL_EXIT_FAILED;
    }
    all[0] = name;
    memcpy(all + 1, arguments, (size_t)argument_count * sizeof *all);
    all[argument_count + 1] = NULL;
    execv(path, all);
    sgl_complain("cannot run %s: %s (%s needs that program beside it)", path, strerror(errno),
                 arguments[0]);
    free(all);
    return SGL_EXIT_FAILED;
}
