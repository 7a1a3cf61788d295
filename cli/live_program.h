/*
 * live_program.h - serve, emulate and load, which are a program of their own, `sglsim-live`.
 *
 *     sglsim serve ...   --exec-->   sglsim-live serve ...     beside it: one process, one pid
 *
 * libcurl brings some thirty libraries with it. To load and bind those takes longer than to
 * simulate a thousand requests, a fifth of the CPU time of a short replay. So what needs it stands
 * apart; core/, traces/ and sim/ are the same libraries in both.
 */
#ifndef SGL_CLI_LIVE_PROGRAM_H
#define SGL_CLI_LIVE_PROGRAM_H

/* Becomes that program, with these arguments. Returns only when it cannot, an exit code. */
int sgl_become_live_program(int argument_count, char **arguments);

#endif
