#include "log_parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FACT_MAX 65536

/* ---- what the router said ---- */

int sgl_log_reader_next_decision(struct sgl_log_reader *reader, struct sgl_decision *out,
                                 struct sgl_failure *failure)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    struct sgl_parse row = {
        .reader = reader, .table = SGL_LOG_DECISION, .values = values, .failure = failure};
    const int got = reader->source->ops->next(reader->source, SGL_LOG_DECISION, values, failure);

    if (got != 1)
        return got;
    *out = (struct sgl_decision){
        .sequence = sgl_parse_sequence(&row, SGL_LOG_DECISION_SEQUENCE),
        .now_ns = SGL_ABSENT,
        .request = sgl_parse_request(&row, SGL_LOG_DECISION_REQUEST),
        .attempt = sgl_parse_attempt(&row, SGL_LOG_DECISION_ATTEMPT),
        .pool = sgl_parse_pool(&row, SGL_LOG_DECISION_POOL),
        .policy = sgl_parse_text(&row, SGL_LOG_DECISION_POLICY),
        .worker = sgl_parse_optional_worker(&row, SGL_LOG_DECISION_WORKER),
        .reason = sgl_parse_reason(&row, SGL_LOG_DECISION_REASON),
        .propensity = sgl_parse_optional_real(&row, SGL_LOG_DECISION_PROPENSITY),
        .decision_ns = sgl_parse_optional(&row, SGL_LOG_DECISION_DECISION_NS),
    };
    return row.status == SGL_OK ? 1 : row.status;
}

int sgl_log_reader_next_candidate(struct sgl_log_reader *reader, struct sgl_logged_candidate *out,
                                  struct sgl_failure *failure)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    struct sgl_parse row = {
        .reader = reader, .table = SGL_LOG_CANDIDATE, .values = values, .failure = failure};
    const int got = reader->source->ops->next(reader->source, SGL_LOG_CANDIDATE, values, failure);

    if (got != 1)
        return got;
    out->sequence = sgl_parse_sequence(&row, SGL_LOG_CANDIDATE_SEQUENCE);
    out->candidate = (struct sgl_candidate){
        .worker = sgl_parse_worker(&row, SGL_LOG_CANDIDATE_WORKER),
        .score = sgl_parse_optional_real(&row, SGL_LOG_CANDIDATE_SCORE),
        .throughput_gradient = sgl_parse_optional_real(&row, SGL_LOG_CANDIDATE_THROUGHPUT_GRADIENT),
        .latency_gradient = sgl_parse_optional_real(&row, SGL_LOG_CANDIDATE_LATENCY_GRADIENT),
        .outstanding = sgl_parse_optional(&row, SGL_LOG_CANDIDATE_OUTSTANDING),
        .queue_length = sgl_parse_optional(&row, SGL_LOG_CANDIDATE_QUEUE_LENGTH),
        .queue_age_ns = sgl_parse_optional(&row, SGL_LOG_CANDIDATE_QUEUE_AGE_NS),
        .matched_fraction = sgl_parse_optional_real(&row, SGL_LOG_CANDIDATE_MATCHED_FRACTION),
        .avg_throughput_tps = sgl_parse_optional_real(&row, SGL_LOG_CANDIDATE_AVG_THROUGHPUT_TPS),
        .avg_latency_s = sgl_parse_optional_real(&row, SGL_LOG_CANDIDATE_AVG_LATENCY_S),
        .window_size = sgl_parse_optional(&row, SGL_LOG_CANDIDATE_WINDOW_SIZE),
    };
    return row.status == SGL_OK ? 1 : row.status;
}

int sgl_log_reader_next_outcome(struct sgl_log_reader *reader, struct sgl_logged_outcome *out,
                                struct sgl_failure *failure)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    struct sgl_parse row = {
        .reader = reader, .table = SGL_LOG_OUTCOME, .values = values, .failure = failure};
    const int got = reader->source->ops->next(reader->source, SGL_LOG_OUTCOME, values, failure);

    if (got != 1)
        return got;
    const bool is_decided = values[SGL_LOG_OUTCOME_DECISION_SEQUENCE].kind != SGL_LOG_NULL;
    out->outcome = sgl_parse_outcome(&row);
    out->record = (struct sgl_outcome_record){
        .sequence = sgl_parse_sequence(&row, SGL_LOG_OUTCOME_SEQUENCE),
        .decision_sequence =
            is_decided ? sgl_parse_sequence(&row, SGL_LOG_OUTCOME_DECISION_SEQUENCE) : 0,
        .now_ns = SGL_ABSENT,
        .request = sgl_parse_request(&row, SGL_LOG_OUTCOME_REQUEST),
        .attempt = sgl_parse_attempt(&row, SGL_LOG_OUTCOME_ATTEMPT),
        .pool = sgl_parse_pool(&row, SGL_LOG_OUTCOME_POOL),
        .worker = sgl_parse_optional_worker(&row, SGL_LOG_OUTCOME_WORKER),
        .outcome = &out->outcome,
        .after =
            {
                .worker = sgl_parse_optional_worker(&row, SGL_LOG_OUTCOME_WORKER),
                .score = sgl_parse_optional_real(&row, SGL_LOG_OUTCOME_SCORE),
                .throughput_gradient =
                    sgl_parse_optional_real(&row, SGL_LOG_OUTCOME_THROUGHPUT_GRADIENT),
                .latency_gradient = sgl_parse_optional_real(&row, SGL_LOG_OUTCOME_LATENCY_GRADIENT),
                .outstanding = sgl_parse_optional(&row, SGL_LOG_OUTCOME_OUTSTANDING),
                .queue_length = SGL_ABSENT,
                .queue_age_ns = SGL_ABSENT,
                .matched_fraction = SGL_ABSENT_REAL,
                .avg_throughput_tps =
                    sgl_parse_optional_real(&row, SGL_LOG_OUTCOME_AVG_THROUGHPUT_TPS),
                .avg_latency_s = sgl_parse_optional_real(&row, SGL_LOG_OUTCOME_AVG_LATENCY_S),
                .window_size = sgl_parse_optional(&row, SGL_LOG_OUTCOME_WINDOW_SIZE),
            },
    };
    return row.status == SGL_OK ? 1 : row.status;
}

int sgl_log_reader_next_gaps(struct sgl_log_reader *reader, struct sgl_gaps *gaps_out,
                             struct sgl_gap_class *class_out, struct sgl_failure *failure)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    struct sgl_parse row = {
        .reader = reader, .table = SGL_LOG_ITL, .values = values, .failure = failure};
    const int got = reader->source->ops->next(reader->source, SGL_LOG_ITL, values, failure);

    if (got != 1)
        return got;
    const int64_t from_ns = sgl_parse_integer(&row, SGL_LOG_ITL_GAP_NS_FROM, 1, INT64_MAX - 1);
    const int64_t to_ns = sgl_parse_integer(&row, SGL_LOG_ITL_GAP_NS_TO, from_ns + 1, INT64_MAX);
    *class_out = (struct sgl_gap_class){
        .from_ns = from_ns,
        .to_ns = to_ns,
        .count = (uint64_t)sgl_parse_integer(&row, SGL_LOG_ITL_GAPS, 1, INT64_MAX),
        .sum_s = values[SGL_LOG_ITL_SUM_S].real,
        .longest_ns = sgl_parse_integer(&row, SGL_LOG_ITL_LONGEST_NS, from_ns, to_ns - 1),
    };
    if (!(class_out->sum_s > 0 && class_out->sum_s < 1e300))
        sgl_parse_refuse(&row, SGL_LOG_ITL_SUM_S, "a sum above 0");
    *gaps_out = (struct sgl_gaps){
        .worker = sgl_parse_worker(&row, SGL_LOG_ITL_WORKER),
        .is_warm_up = sgl_parse_integer(&row, SGL_LOG_ITL_IS_WARM_UP, 0, 1) == 1,
        .classes = class_out,
        .class_count = 1,
    };
    return row.status == SGL_OK ? 1 : row.status;
}

int sgl_log_reader_next_row(struct sgl_log_reader *reader, enum sgl_log_table table,
                            struct sgl_log_value *values, struct sgl_failure *failure)
{
    return reader->source->ops->next(reader->source, table, values, failure);
}

int sgl_log_reader_find_row(struct sgl_log_reader *reader, enum sgl_log_table table, int64_t key,
                            struct sgl_log_value *values, struct sgl_failure *failure)
{
    return reader->source->ops->find(reader->source, table, key, values, failure);
}

/* ---- facts and life ---- */

static int add_fact(struct sgl_log_reader *reader, const struct sgl_log_value *values,
                    struct sgl_failure *failure)
{
    const struct sgl_log_value *key = &values[SGL_LOG_RUN_KEY];
    const struct sgl_log_value *value = &values[SGL_LOG_RUN_VALUE];

    if (reader->fact_count == FACT_MAX)
        return sgl_fail(failure, SGL_EINVAL, "%s: table run has over %d rows", reader->path,
                        FACT_MAX);
    /* A power of two: time to double. */
    if ((reader->fact_count & (reader->fact_count - 1)) == 0) {
        const size_t room = reader->fact_count > 0 ? 2 * reader->fact_count : 1;
        struct sgl_log_run_fact *grown = realloc(reader->facts, room * sizeof *grown);
        if (grown == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", reader->path);
        reader->facts = grown;
    }
    if (strcmp(key->bytes, "rows.run") != 0 && strcmp(key->bytes, "digest.run") != 0)
        reader->run_digest += sgl_log_row_hash(SGL_LOG_RUN, values);
    char *text = malloc(key->size + value->size + 2);
    if (text == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", reader->path);
    memcpy(text, key->bytes, key->size + 1);
    memcpy(text + key->size + 1, value->bytes, value->size + 1);
    reader->facts[reader->fact_count].key = text;
    reader->facts[reader->fact_count].value = text + key->size + 1;
    reader->fact_count++;
    return SGL_OK;
}

static int read_facts(struct sgl_log_reader *reader, struct sgl_failure *failure)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    int got;

    while ((got = reader->source->ops->next(reader->source, SGL_LOG_RUN, values, failure)) == 1) {
        const int status = add_fact(reader, values, failure);
        if (status != SGL_OK)
            return status;
    }
    return got;
}

int sgl_log_reader_open(struct sgl_log_reader **reader_out, const char *path,
                        struct sgl_failure *failure)
{
    struct sgl_log_reader *reader = calloc(1, sizeof *reader);

    *reader_out = NULL;
    if (reader == NULL || (reader->path = strdup(path)) == NULL) {
        free(reader);
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", path);
    }
    int status = sgl_log_medium_of(path)->open(&reader->source, path, failure);
    if (status == SGL_OK)
        status = read_facts(reader, failure);
    if (status != SGL_OK) {
        sgl_log_reader_close(reader);
        return status;
    }
    *reader_out = reader;
    return SGL_OK;
}

void sgl_log_reader_close(struct sgl_log_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->source != NULL)
        reader->source->ops->destroy(reader->source);
    for (size_t i = 0; i < reader->fact_count; i++)
        free(reader->facts[i].key);
    free(reader->facts);
    free(reader->prefix_ids);
    free(reader->excluded);
    free(reader->texts);
    free(reader->path);
    free(reader);
}

const char *sgl_log_reader_fact(const struct sgl_log_reader *reader, const char *key)
{
    for (size_t i = 0; i < reader->fact_count; i++)
        if (strcmp(reader->facts[i].key, key) == 0)
            return reader->facts[i].value;
    return NULL;
}

int sgl_log_reader_number(const struct sgl_log_reader *reader, const char *key, uint64_t most,
                          uint64_t *number_out, struct sgl_failure *failure)
{
    const char *fact = sgl_log_reader_fact(reader, key);
    uint64_t number = 0;

    if (fact == NULL)
        return sgl_fail(failure, SGL_EINVAL, "%s: table run has no %s", reader->path, key);
    bool fits = fact[0] != '\0';
    for (const char *c = fact; fits && *c != '\0'; c++) {
        const uint64_t digit = (uint64_t)(*c - '0');
        fits = *c >= '0' && *c <= '9' && number <= (most - digit) / 10 && digit <= most;
        number = number * 10 + digit;
    }
    if (!fits)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: table run: %s is '%.40s', expected a number up to %" PRIu64,
                        reader->path, key, fact, most);
    *number_out = number;
    return SGL_OK;
}

bool sgl_log_reader_is_complete(const struct sgl_log_reader *reader)
{
    return sgl_log_reader_fact(reader, "is_complete") != NULL;
}

bool sgl_log_reader_is_run_intact(const struct sgl_log_reader *reader)
{
    const char *fact = sgl_log_reader_fact(reader, "digest.run");
    char digest[24];

    snprintf(digest, sizeof digest, "%016" PRIx64, reader->run_digest);
    return fact != NULL && strcmp(fact, digest) == 0;
}
