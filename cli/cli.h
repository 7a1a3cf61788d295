/*
 * cli.h - what the commands share: exit codes, complaints, and the commands themselves.
 *
 * A command = one file with `int sgl_command_x(int argument_count, char **arguments)`, its name in
 * CMakeLists.txt and its prototype below + one line in the table of main.c (one that needs live/:
 * of live_main.c, too). Results go to stdout, talk and progress to stderr; one that writes files
 * says what it kept of others' (sgl_say_kept, program.h).
 */
#ifndef SGL_CLI_CLI_H
#define SGL_CLI_CLI_H

#include <stdbool.h>

enum {
    SGL_EXIT_DONE = 0,
    SGL_EXIT_FAILED = 1,
    SGL_EXIT_USAGE = 2,
    SGL_EXIT_DIFFERENT = 3,        /* a gate failed, or verify found a difference */
    SGL_EXIT_NOT_IDENTIFIABLE = 4, /* the question cannot be answered from what is there */
};

/* "sglsim: " and the text, on stderr: one line, whatever bytes of argv or of a file are in it. */
void sgl_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The text alone, which begins with the place: "file:line: ...". */
void sgl_complain_at(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A failure text: as it stands when it begins with that path, else after "sglsim: ". */
void sgl_complain_of(const char *path, const char *text);

/* The same of two files; `other` may be NULL. */
void sgl_complain_of_either(const char *path, const char *other, const char *text);

struct sgl_trace_facts;

/* What a reader of a trace has to warn of. */
void sgl_complain_of_rows(const struct sgl_trace_facts *facts);

/* Do both names mean one file? What does not exist is the same as nothing. */
bool sgl_is_same_file(const char *left, const char *right);

int sgl_command_replay(int argument_count, char **arguments);
int sgl_command_sweep(int argument_count, char **arguments);
int sgl_command_compare(int argument_count, char **arguments);
int sgl_command_verify(int argument_count, char **arguments);
int sgl_command_generate(int argument_count, char **arguments);
int sgl_command_serve(int argument_count, char **arguments);
int sgl_command_calibrate(int argument_count, char **arguments);
int sgl_command_validate(int argument_count, char **arguments);
int sgl_command_convert(int argument_count, char **arguments);
int sgl_command_emulate(int argument_count, char **arguments);
int sgl_command_load(int argument_count, char **arguments);
int sgl_command_policies(int argument_count, char **arguments);

#endif
