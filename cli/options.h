/*
 * options.h - options of a command as a table. One row = name, letter, argument, help, target.
 *
 *     static const struct sgl_option table[] = {
 *         {"seed", 0, SGL_OPTION_NATURAL, "N", &options.seed, "which luck: ...", .least = 0},
 *         {0},
 *     };
 *
 * The same table reads argv, reads a --config file (`name = value` lines, or JSON), prints --help
 * with the values the targets have then, and answers a misspelt option with the nearest name.
 * Texts are borrowed from argv or from the configuration.
 */
#ifndef SGL_CLI_OPTIONS_H
#define SGL_CLI_OPTIONS_H

#include "core/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sgl_option_kind {
    SGL_OPTION_FLAG,     /* bool *: set by its presence, unset by --no-NAME; in a file: on | off */
    SGL_OPTION_TEXT,     /* const char **: not empty */
    SGL_OPTION_PAIRS,    /* const char **: name=value, and more of them behind commas */
    SGL_OPTION_CHOICE,   /* const char **: one of the words of `argument`, "on|off" */
    SGL_OPTION_NATURAL,  /* uint64_t *: a whole number from `least` */
    SGL_OPTION_POSITIVE, /* double *: a finite number above 0 */
    SGL_OPTION_DURATION, /* int64_t *: ns from "5ms", at least `least`; 0 needs no unit */
    SGL_OPTION_LIST,     /* struct sgl_option_list *: a text, and again for each further one */
};

/* What has a value and is no list stands once on the command line, and once in a configuration:
 * of two values one would be lost. */

/* What was given for an option that may be given several times, in order: a configuration's first.
 */
#define SGL_OPTION_LIST_MAX 26
struct sgl_option_list {
    const char *items[SGL_OPTION_LIST_MAX];
    uint32_t count;
};

struct sgl_option {
    const char *name; /* NULL ends the table */
    char letter;      /* 0: none */
    enum sgl_option_kind kind;
    const char *argument; /* what --help calls it; the words of a choice */
    void *target;
    const char *help;
    uint64_t least;
};

/* What a command is, for help and messages. */
struct sgl_command {
    const char *name;
    const char *summary;
    int (*run)(int argument_count, char **arguments); /* arguments[0] is the command's name */
};

struct sgl_usage {
    const char *synopsis; /* "sglsim replay TRACE --policy P [options]" */
    const char *text;     /* what it does */
    const char *examples; /* lines to be typed */
    const struct sgl_option *options;
    size_t operands_least;
    size_t operands_most;
};

#define SGL_OPTIONS_RUN (-1) /* go on */

/* Reads options wherever they stand; the operands are gathered at arguments[1 ... count], in order.
 * `--config FILE` is understood for every command and applies before argv. Gives SGL_OPTIONS_RUN,
 * or the exit code of a command that has been answered already: help printed, or a complaint made.
 */
int sgl_options_parse(const struct sgl_usage *usage, int argument_count, char **arguments,
                      size_t *operand_count_out);

/* Puts `row` in the place of the row of that name: a command that reads an option in its own way.
 * The table must have it. */
void sgl_options_replace(struct sgl_option *table, const struct sgl_option *row);

/* Is the value of --NAME one of `least` to `most`? If not, that is complained of. */
bool sgl_option_in_range(const char *name, uint64_t value, uint64_t least, uint64_t most);

/* The numbers of "1,2,4", each above 0 and given once, behind the `*count` that are there. */
int sgl_option_numbers(const char *name, const char *text, double *numbers, uint32_t most,
                       uint32_t *count, struct sgl_failure *failure);

/* Has the option another value than in `standard`? Both are structs of one type, and the target of
 * the option lies in `options`. */
bool sgl_option_differs(const struct sgl_option *option, const void *options, const void *standard);

/* Whole nanoseconds of what was given in another unit, at most 10^18 (31 years). */
int64_t sgl_option_ns(double ns);

/* The next word of a list in which blanks and commas stand between them; NULL behind the last. The
 * text is cut into its words in place; `*text` begins as the whole of it. */
char *sgl_option_word(char **text);

void sgl_usage_print(const struct sgl_usage *usage);

#endif
