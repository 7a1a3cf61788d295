/*
 * ini_file.h - sections of `key = value` lines, with the place of each for messages.
 *
 *     # a comment, to the end of the line
 *     [worker]                 a section begins; its name
 *     name = big               entries; white space around names and values does not count
 *
 * What stands before the first section, a line without `=`, an entry without a value and a key
 * given twice in its section are errors, "file:line:column: what, expected what". Lines and columns
 * count from 1; columns count bytes. Everything borrows the text.
 */
#ifndef SGL_SIM_INI_FILE_H
#define SGL_SIM_INI_FILE_H

#include "sim/text_file.h"

#include <stdint.h>

#define SGL_INI_ENTRY_MAX 48 /* of one section */

struct sgl_ini_place {
    uint32_t line;
    uint32_t column;
};

struct sgl_ini_entry {
    struct sgl_span key;
    struct sgl_span value;
    struct sgl_ini_place key_place;
    struct sgl_ini_place value_place;
};

struct sgl_ini_section {
    struct sgl_span name;
    struct sgl_ini_place place;
    struct sgl_ini_entry entries[SGL_INI_ENTRY_MAX];
    uint32_t entry_count;
};

/* Start from {.file = its name for messages, .at = the text}. */
struct sgl_ini_reader {
    const char *file;
    const char *at;
    uint32_t line; /* lines begun */
};

/* The next section. 1, 0 at the end of the text, or a failure. */
int sgl_ini_next(struct sgl_ini_reader *reader, struct sgl_ini_section *section,
                 struct sgl_failure *failure);

/* The entry of that key, or NULL. */
const struct sgl_ini_entry *sgl_ini_find(const struct sgl_ini_section *section, const char *key);

/* "file:line:column: " and the text. */
int sgl_ini_fail(const char *file, struct sgl_ini_place place, struct sgl_failure *failure,
                 int code, const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
