/*
 * log_parse.h - private to the log reader: a row of a log becomes a struct.
 *
 * The kinds of the values were checked by the source, and so was NULL where no column may be NULL.
 * Here they become numbers in their range, words that sglsim knows, texts. The first value that
 * does not fit sets status and failure; the getters go on giving harmless values, so that only the
 * end need look at status.
 */
#ifndef SGL_TRACES_LOG_PARSE_H
#define SGL_TRACES_LOG_PARSE_H

#include "core/decision.h"
#include "log_reader.h"

struct sgl_log_run_fact {
    char *key; /* owned; the value follows its terminating 0 */
    const char *value;
};

struct sgl_log_reader {
    char *path;
    struct sgl_log_source *source;
    struct sgl_log_run_fact *facts;
    size_t fact_count;
    uint64_t run_digest;  /* of the facts that digest.run covers */
    uint64_t *prefix_ids; /* of the last route, as the next */
    size_t prefix_max;
    uint32_t *excluded;
    size_t excluded_max;
    char *texts; /* of the row that the last input refers to */
    size_t texts_max;
};

struct sgl_parse {
    const struct sgl_log_reader *reader;
    enum sgl_log_table table;
    const struct sgl_log_value *values;
    struct sgl_failure *failure;
    int status;
};

/* "PATH: table input, sequence 3: kind is 'x', expected ..." unless something was refused before.
 */
void sgl_parse_refuse(struct sgl_parse *row, uint32_t column, const char *expected);

/* NULL is absent. */
int64_t sgl_parse_optional(const struct sgl_parse *row, uint32_t column);
double sgl_parse_optional_real(const struct sgl_parse *row, uint32_t column);
uint32_t sgl_parse_optional_worker(struct sgl_parse *row, uint32_t column); /* SGL_NO_WORKER */
const char *sgl_parse_text(struct sgl_parse *row, uint32_t column);         /* NULL */

/* NULL is refused. */
int64_t sgl_parse_integer(struct sgl_parse *row, uint32_t column, int64_t least, int64_t most);
uint64_t sgl_parse_sequence(struct sgl_parse *row, uint32_t column);
int64_t sgl_parse_request(struct sgl_parse *row, uint32_t column);
uint32_t sgl_parse_attempt(struct sgl_parse *row, uint32_t column);
uint32_t sgl_parse_worker(struct sgl_parse *row, uint32_t column);
enum sgl_pool sgl_parse_pool(struct sgl_parse *row, uint32_t column);
enum sgl_priority sgl_parse_priority(struct sgl_parse *row, uint32_t column);
enum sgl_reason sgl_parse_reason(struct sgl_parse *row, uint32_t column);
enum sgl_input_kind sgl_parse_kind(struct sgl_parse *row, uint32_t column);

/* The part of an outcome that its table stores. */
struct sgl_outcome sgl_parse_outcome(struct sgl_parse *row);

#endif
