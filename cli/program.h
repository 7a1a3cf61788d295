/*
 * program.h - what a program does around its commands: sglsim (main.c) and sglsim-live
 * (live_main.c).
 */
#ifndef SGL_CLI_PROGRAM_H
#define SGL_CLI_PROGRAM_H

#include "options.h"

#include <stdbool.h>
#include <stddef.h>

/* The command of that name; NULL: there is none, which is said with the nearest name. */
const struct sgl_command *sgl_find_command(const struct sgl_command *commands, size_t count,
                                           const char *name);

/* Before anything is written: a file that may not grow is a failed write with a message, not a
 * death. */
void sgl_prepare_output(void);

/* A program that is told to stop (ctrl-C, SIGTERM, SIGHUP) while it writes a file removes what it
 * has of it, says so, and dies of the signal. What had the file's name before is as it was. */
void sgl_stop_tidily(void);

/* From now on stderr says when a file that a killed run left, or somebody put there, had the name
 * that ours has while it is written, and got another. Quiet: nothing does. */
void sgl_say_kept(bool is_quiet);

/* The exit code of a program whose results are all printed: a full disk under a redirected stdout
 * must not pass for success. */
int sgl_flushed(int status);

#endif
