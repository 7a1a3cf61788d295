/* What a router says, as rows of the log's tables. */
#include "log_rows.h"

#include "core/router.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows are committed between inputs, never within what belongs to one. Committing costs little when
 * the log is not durable; when it is, it costs a sync of the disk. */
#define COMMIT_INPUTS 65536
#define COMMIT_INPUTS_DURABLE 4096
#define COMMIT_INTERVAL_NS SGL_NANOSECONDS_PER_SECOND

/* ---- rows ---- */

void sgl_log_put(struct sgl_log *log, enum sgl_log_table table, const struct sgl_log_value *values)
{
    if (log->has_failed)
        return;
    log->totals.rows[table]++;
    log->totals.digests[table] += sgl_log_row_hash(table, values);
    log->has_failed = log->store->ops->put(log->store, table, values, &log->failure) != SGL_OK;
}

void sgl_log_commit_at(struct sgl_log *log, int64_t now_ns)
{
    log->committed_ns = now_ns;
    if (!log->has_failed && log->store->ops->commit != NULL)
        log->has_failed = log->store->ops->commit(log->store, &log->failure) != SGL_OK;
    if (log->has_failed)
        return;
    log->uncommitted = 0;
    log->committed_end = log->end;
    log->committed_totals = log->totals;
    sgl_kept_workers_clear(&log->kept);
}

static void *scratch(struct sgl_log *log, size_t size)
{
    if (size > log->scratch_size) {
        void *grown = realloc(log->scratch, size);
        if (grown == NULL) {
            sgl_fail(&log->failure, SGL_ENOMEM, "decision log: out of memory");
            log->has_failed = true;
            return NULL;
        }
        log->scratch = grown;
        log->scratch_size = size;
    }
    return log->scratch;
}

static struct sgl_log_value worker_value(uint32_t worker)
{
    return worker == SGL_NO_WORKER ? sgl_log_null() : sgl_log_integer(worker);
}

/* The ids as 64-bit little-endian numbers. */
static struct sgl_log_value prefix_value(struct sgl_log *log, const struct sgl_request *request)
{
    if (request->prefix_count == 0)
        return sgl_log_null();
    unsigned char *bytes = scratch(log, request->prefix_count * 8);
    if (bytes == NULL)
        return sgl_log_null();
    for (size_t i = 0; i < request->prefix_count; i++)
        for (int b = 0; b < 8; b++)
            bytes[8 * i + (size_t)b] = (unsigned char)(request->prefix_ids[i] >> 8 * b);
    return sgl_log_blob(bytes, request->prefix_count * 8);
}

static struct sgl_log_value excluded_value(struct sgl_log *log, const struct sgl_route *route)
{
    const size_t width = 11; /* of an index and a space */

    if (route->excluded_count == 0)
        return sgl_log_null();
    const size_t size = route->excluded_count * width + 1;
    char *text = scratch(log, size);
    if (text == NULL)
        return sgl_log_null();
    size_t used = 0;
    for (uint32_t i = 0; i < route->excluded_count; i++)
        used += (size_t)snprintf(text + used, size - used, i > 0 ? " %" PRIu32 : "%" PRIu32,
                                 route->excluded[i]);
    return sgl_log_text(text);
}

static void put_request(struct sgl_log *log, const struct sgl_request *request)
{
    const struct sgl_log_value values[SGL_LOG_REQUEST_COLUMN_COUNT] = {
        [SGL_LOG_REQUEST_REQUEST] = sgl_log_integer(request->request),
        [SGL_LOG_REQUEST_REQUEST_ID] = sgl_log_text(request->request_id),
        [SGL_LOG_REQUEST_ARRIVAL_NS] = sgl_log_integer(request->arrival_ns),
        [SGL_LOG_REQUEST_PROMPT_TOKENS] = sgl_log_integer(request->prompt_tokens),
        [SGL_LOG_REQUEST_MAX_TOKENS] = sgl_log_integer(request->max_tokens),
        [SGL_LOG_REQUEST_PRIORITY] = sgl_log_text(sgl_priority_name(request->priority)),
        [SGL_LOG_REQUEST_TENANT] = sgl_log_text(request->tenant),
        [SGL_LOG_REQUEST_SESSION] = sgl_log_text(request->session),
        [SGL_LOG_REQUEST_MODEL] = sgl_log_text(request->model),
        [SGL_LOG_REQUEST_PREFIX_IDS] = prefix_value(log, request),
        [SGL_LOG_REQUEST_PREFIX_BLOCK] =
            request->prefix_block == 0 ? sgl_log_null() : sgl_log_integer(request->prefix_block),
    };

    sgl_log_put(log, SGL_LOG_REQUEST, values);
}

static void put_worker(struct sgl_log *log, uint64_t sequence, const struct sgl_input *input)
{
    const struct sgl_log_value values[SGL_LOG_WORKER_COLUMN_COUNT] = {
        [SGL_LOG_WORKER_WORKER] = sgl_log_integer(log->worker_count),
        [SGL_LOG_WORKER_URL] = sgl_log_text(input->added.url),
        [SGL_LOG_WORKER_ROLE] = sgl_log_text(sgl_pool_name(input->pool)),
        [SGL_LOG_WORKER_MODEL] = sgl_log_text(input->added.model),
        [SGL_LOG_WORKER_SEQUENCE] = sgl_log_integer((int64_t)sequence),
    };

    sgl_log_put(log, SGL_LOG_WORKER, values);
    log->worker_count++;
}

static void fill_request_columns(struct sgl_log_value *values, const struct sgl_input *input)
{
    values[SGL_LOG_INPUT_REQUEST] = sgl_log_integer(input->request);
    values[SGL_LOG_INPUT_ATTEMPT] = sgl_log_integer(input->attempt);
    values[SGL_LOG_INPUT_POOL] = sgl_log_text(sgl_pool_name(input->pool));
}

/* The columns that the kind of input uses (the table in log_schema.h). */
static void fill_input_columns(struct sgl_log *log, struct sgl_log_value *values,
                               const struct sgl_input *input)
{
    switch (input->kind) {
    case SGL_INPUT_ROUTE:
        fill_request_columns(values, input);
        values[SGL_LOG_INPUT_EXCLUDED] = excluded_value(log, &input->route);
        break;
    case SGL_INPUT_FIRST_TOKEN:
        fill_request_columns(values, input);
        break;
    case SGL_INPUT_COMPLETE:
    case SGL_INPUT_CANCEL:
    case SGL_INPUT_REJECT:
        fill_request_columns(values, input);
        values[SGL_LOG_INPUT_QUEUE_LENGTH] = sgl_log_integer(input->outcome.queue_length);
        values[SGL_LOG_INPUT_REPORTED_NS] = sgl_log_integer(input->outcome.reported_ns);
        break;
    case SGL_INPUT_ADD_WORKER:
        values[SGL_LOG_INPUT_POOL] = sgl_log_text(sgl_pool_name(input->pool));
        values[SGL_LOG_INPUT_WORKER] = sgl_log_integer(log->worker_count);
        break;
    case SGL_INPUT_REMOVE_WORKER:
        values[SGL_LOG_INPUT_WORKER] = sgl_log_integer(input->worker);
        break;
    case SGL_INPUT_PROBE_RESULT:
    case SGL_INPUT_SET_HEALTH:
    case SGL_INPUT_SET_DRAINING:
        values[SGL_LOG_INPUT_WORKER] = sgl_log_integer(input->worker);
        values[SGL_LOG_INPUT_IS_ON] = sgl_log_integer(input->is_on);
        break;
    case SGL_INPUT_REPORT_LOAD:
        values[SGL_LOG_INPUT_WORKER] = sgl_log_integer(input->worker);
        values[SGL_LOG_INPUT_QUEUE_LENGTH] = sgl_log_integer(input->report.queue_length);
        values[SGL_LOG_INPUT_RUNNING] = sgl_log_integer(input->report.running);
        values[SGL_LOG_INPUT_TOKEN_USAGE] = sgl_log_real(input->report.token_usage);
        values[SGL_LOG_INPUT_REPORTED_NS] = sgl_log_integer(input->report.reported_ns);
        break;
    case SGL_INPUT_FLUSH_CACHE:
    case SGL_INPUT_TICK:
    case SGL_INPUT_COUNT:
        break;
    }
}

/* ---- the sink ---- */

void sgl_log_put_input(struct sgl_log *log, uint64_t sequence, const struct sgl_input *input)
{
    struct sgl_log_value values[SGL_LOG_INPUT_COLUMN_COUNT] = {
        [SGL_LOG_INPUT_SEQUENCE] = sgl_log_integer((int64_t)sequence),
        [SGL_LOG_INPUT_TIME_NS] = sgl_log_integer(input->now_ns),
        [SGL_LOG_INPUT_KIND] = sgl_log_text(sgl_input_name(input->kind)),
    };

    fill_input_columns(log, values, input);
    sgl_log_put(log, SGL_LOG_INPUT, values);
    if (input->kind == SGL_INPUT_ROUTE && input->attempt == 0 && input->pool != SGL_POOL_DECODE)
        put_request(log, input->route.request);
    else if (input->kind == SGL_INPUT_ADD_WORKER)
        put_worker(log, sequence, input);
}

static void log_input(struct sgl_sink *self, uint64_t sequence, const struct sgl_input *input)
{
    struct sgl_log *log = (struct sgl_log *)self;
    const uint64_t commit_inputs = log->is_durable ? COMMIT_INPUTS_DURABLE : COMMIT_INPUTS;

    if (log->uncommitted >= commit_inputs ||
        (log->is_durable && input->now_ns - log->committed_ns >= COMMIT_INTERVAL_NS))
        sgl_log_commit_at(log, input->now_ns);
    log->uncommitted++;
    log->end = sequence + 1;
    if (log->is_durable && input->kind == SGL_INPUT_ADD_WORKER)
        sgl_kept_workers_add(&log->kept, sequence, input);
    sgl_log_put_input(log, sequence, input);
}

static void put_candidate(struct sgl_log *log, uint64_t sequence, const struct sgl_candidate *row)
{
    const struct sgl_log_value values[SGL_LOG_CANDIDATE_COLUMN_COUNT] = {
        [SGL_LOG_CANDIDATE_SEQUENCE] = sgl_log_integer((int64_t)sequence),
        [SGL_LOG_CANDIDATE_WORKER] = sgl_log_integer(row->worker),
        [SGL_LOG_CANDIDATE_SCORE] = sgl_log_real(row->score),
        [SGL_LOG_CANDIDATE_THROUGHPUT_GRADIENT] = sgl_log_real(row->throughput_gradient),
        [SGL_LOG_CANDIDATE_LATENCY_GRADIENT] = sgl_log_real(row->latency_gradient),
        [SGL_LOG_CANDIDATE_OUTSTANDING] = sgl_log_integer(row->outstanding),
        [SGL_LOG_CANDIDATE_QUEUE_LENGTH] = sgl_log_integer(row->queue_length),
        [SGL_LOG_CANDIDATE_QUEUE_AGE_NS] = sgl_log_integer(row->queue_age_ns),
        [SGL_LOG_CANDIDATE_MATCHED_FRACTION] = sgl_log_real(row->matched_fraction),
        [SGL_LOG_CANDIDATE_AVG_THROUGHPUT_TPS] = sgl_log_real(row->avg_throughput_tps),
        [SGL_LOG_CANDIDATE_AVG_LATENCY_S] = sgl_log_real(row->avg_latency_s),
        [SGL_LOG_CANDIDATE_WINDOW_SIZE] = sgl_log_integer(row->window_size),
    };

    sgl_log_put(log, SGL_LOG_CANDIDATE, values);
}

static void log_decision(struct sgl_sink *self, const struct sgl_decision *decision,
                         const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    struct sgl_log *log = (struct sgl_log *)self;
    const struct sgl_log_value values[SGL_LOG_DECISION_COLUMN_COUNT] = {
        [SGL_LOG_DECISION_SEQUENCE] = sgl_log_integer((int64_t)decision->sequence),
        [SGL_LOG_DECISION_REQUEST] = sgl_log_integer(decision->request),
        [SGL_LOG_DECISION_ATTEMPT] = sgl_log_integer(decision->attempt),
        [SGL_LOG_DECISION_POOL] = sgl_log_text(sgl_pool_name(decision->pool)),
        [SGL_LOG_DECISION_POLICY] = sgl_log_text(decision->policy),
        [SGL_LOG_DECISION_WORKER] = worker_value(decision->worker),
        [SGL_LOG_DECISION_REASON] = sgl_log_text(sgl_reason_name(decision->reason)),
        [SGL_LOG_DECISION_PROPENSITY] = sgl_log_real(decision->propensity),
        [SGL_LOG_DECISION_DECISION_NS] = sgl_log_integer(decision->decision_ns),
    };

    sgl_log_put(log, SGL_LOG_DECISION, values);
    for (uint32_t i = 0; i < candidate_count; i++)
        if (log->candidates == SGL_LOG_CANDIDATES_ALL || candidates[i].worker == decision->worker)
            put_candidate(log, decision->sequence, &candidates[i]);
}

static void log_outcome(struct sgl_sink *self, const struct sgl_outcome_record *record)
{
    const struct sgl_outcome *outcome = record->outcome;
    const struct sgl_candidate *after = &record->after;
    const struct sgl_log_value values[SGL_LOG_OUTCOME_COLUMN_COUNT] = {
        [SGL_LOG_OUTCOME_SEQUENCE] = sgl_log_integer((int64_t)record->sequence),
        [SGL_LOG_OUTCOME_DECISION_SEQUENCE] =
            record->decision_sequence == 0 ? sgl_log_null()
                                           : sgl_log_integer((int64_t)record->decision_sequence),
        [SGL_LOG_OUTCOME_REQUEST] = sgl_log_integer(record->request),
        [SGL_LOG_OUTCOME_ATTEMPT] = sgl_log_integer(record->attempt),
        [SGL_LOG_OUTCOME_POOL] = sgl_log_text(sgl_pool_name(record->pool)),
        [SGL_LOG_OUTCOME_WORKER] = worker_value(record->worker),
        [SGL_LOG_OUTCOME_QUEUE_TIME_NS] = sgl_log_integer(outcome->queue_time_ns),
        [SGL_LOG_OUTCOME_TTFT_NS] = sgl_log_integer(outcome->ttft_ns),
        [SGL_LOG_OUTCOME_E2E_NS] = sgl_log_integer(outcome->e2e_ns),
        [SGL_LOG_OUTCOME_PROMPT_TOKENS] = sgl_log_integer(outcome->prompt_tokens),
        [SGL_LOG_OUTCOME_OUTPUT_TOKENS] = sgl_log_integer(outcome->output_tokens),
        [SGL_LOG_OUTCOME_CACHED_TOKENS] = sgl_log_integer(outcome->cached_tokens),
        [SGL_LOG_OUTCOME_SUCCESS] = sgl_log_integer(outcome->success),
        [SGL_LOG_OUTCOME_ERROR] = sgl_log_text(outcome->error),
        [SGL_LOG_OUTCOME_SCORE] = sgl_log_real(after->score),
        [SGL_LOG_OUTCOME_THROUGHPUT_GRADIENT] = sgl_log_real(after->throughput_gradient),
        [SGL_LOG_OUTCOME_LATENCY_GRADIENT] = sgl_log_real(after->latency_gradient),
        [SGL_LOG_OUTCOME_OUTSTANDING] = sgl_log_integer(after->outstanding),
        [SGL_LOG_OUTCOME_AVG_THROUGHPUT_TPS] = sgl_log_real(after->avg_throughput_tps),
        [SGL_LOG_OUTCOME_AVG_LATENCY_S] = sgl_log_real(after->avg_latency_s),
        [SGL_LOG_OUTCOME_WINDOW_SIZE] = sgl_log_integer(after->window_size),
    };

    sgl_log_put((struct sgl_log *)self, SGL_LOG_OUTCOME, values);
}

static void log_gaps(struct sgl_sink *self, const struct sgl_gaps *gaps)
{
    for (uint32_t i = 0; i < gaps->class_count; i++) {
        const struct sgl_gap_class *class = &gaps->classes[i];
        const struct sgl_log_value values[SGL_LOG_ITL_COLUMN_COUNT] = {
            [SGL_LOG_ITL_WORKER] = sgl_log_integer(gaps->worker),
            [SGL_LOG_ITL_IS_WARM_UP] = sgl_log_integer(gaps->is_warm_up),
            [SGL_LOG_ITL_GAP_NS_FROM] = sgl_log_integer(class->from_ns),
            [SGL_LOG_ITL_GAP_NS_TO] = sgl_log_integer(class->to_ns),
            [SGL_LOG_ITL_GAPS] = sgl_log_integer((int64_t) class->count),
            [SGL_LOG_ITL_SUM_S] = sgl_log_real(class->sum_s),
            [SGL_LOG_ITL_LONGEST_NS] = sgl_log_integer(class->longest_ns),
        };
        sgl_log_put((struct sgl_log *)self, SGL_LOG_ITL, values);
    }
}

const struct sgl_sink_ops sgl_log_rows_ops = {
    .input = log_input,
    .decision = log_decision,
    .outcome = log_outcome,
    .gaps = log_gaps,
};
