#include "log_sink.h"

#include "core/router.h"
#include "core/version.h"
#include "log_kept.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows are committed between inputs, never within what belongs to one. Committing costs little when
 * the log is not durable; when it is, it costs a sync of the disk. */
#define COMMIT_INPUTS 65536
#define COMMIT_INPUTS_DURABLE 4096
#define COMMIT_INTERVAL_NS SGL_NANOSECONDS_PER_SECOND

struct totals {
    uint64_t rows[SGL_LOG_TABLE_COUNT];
    uint64_t digests[SGL_LOG_TABLE_COUNT];
};

struct sgl_log {
    struct sgl_sink sink; /* first: the router's pointer is ours */
    struct sgl_log_store *store;
    enum sgl_log_candidates candidates;
    bool is_durable;
    uint32_t worker_count; /* added so far: the next add_worker gets this index */

    uint64_t uncommitted; /* inputs */
    int64_t committed_ns;
    uint64_t end;                 /* behind the last sequence that was heard of, in a gap or not */
    struct sgl_kept_workers kept; /* added and not committed; of a durable log */

    struct totals totals;
    struct totals committed_totals;
    uint64_t committed_end;

    void *scratch; /* prefix ids as stored, or a list of excluded workers; grows */
    size_t scratch_size;

    bool has_failed;
    struct sgl_failure failure;
};

/* ---- rows ---- */

static void put(struct sgl_log *log, enum sgl_log_table table, const struct sgl_log_value *values)
{
    if (log->has_failed)
        return;
    log->totals.rows[table]++;
    log->totals.digests[table] += sgl_log_row_hash(table, values);
    log->has_failed = log->store->ops->put(log->store, table, values, &log->failure) != SGL_OK;
}

static void commit(struct sgl_log *log, int64_t now_ns)
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

    put(log, SGL_LOG_REQUEST, values);
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

    put(log, SGL_LOG_WORKER, values);
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

static void put_input(struct sgl_log *log, uint64_t sequence, const struct sgl_input *input)
{
    struct sgl_log_value values[SGL_LOG_INPUT_COLUMN_COUNT] = {
        [SGL_LOG_INPUT_SEQUENCE] = sgl_log_integer((int64_t)sequence),
        [SGL_LOG_INPUT_TIME_NS] = sgl_log_integer(input->now_ns),
        [SGL_LOG_INPUT_KIND] = sgl_log_text(sgl_input_name(input->kind)),
    };

    fill_input_columns(log, values, input);
    put(log, SGL_LOG_INPUT, values);
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
        commit(log, input->now_ns);
    log->uncommitted++;
    log->end = sequence + 1;
    if (log->is_durable && input->kind == SGL_INPUT_ADD_WORKER)
        sgl_kept_workers_add(&log->kept, sequence, input);
    put_input(log, sequence, input);
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

    put(log, SGL_LOG_CANDIDATE, values);
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

    put(log, SGL_LOG_DECISION, values);
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

    put((struct sgl_log *)self, SGL_LOG_OUTCOME, values);
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
        put((struct sgl_log *)self, SGL_LOG_ITL, values);
    }
}

static const struct sgl_sink_ops sink_ops = {
    .input = log_input,
    .decision = log_decision,
    .outcome = log_outcome,
    .gaps = log_gaps,
};

/* ---- life ---- */

#if defined __clang__
#define COMPILER __VERSION__ /* "Debian Clang 14.0.6" */
#elif defined __GNUC__
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown compiler"
#endif

#if defined __x86_64__
#define MACHINE "x86_64"
#elif defined __aarch64__
#define MACHINE "aarch64"
#else
#define MACHINE "other machine"
#endif

/* Doubles depend on compiler, libm and machine: a log names what it was made by. */
const char *sgl_log_build(void)
{
    return COMPILER " " MACHINE;
}

void sgl_log_fact(struct sgl_log *log, const char *key, const char *value)
{
    const struct sgl_log_value values[SGL_LOG_RUN_COLUMN_COUNT] = {
        [SGL_LOG_RUN_KEY] = sgl_log_text(key),
        [SGL_LOG_RUN_VALUE] = sgl_log_text(value),
    };

    put(log, SGL_LOG_RUN, values);
}

static void put_gap(struct sgl_log *log, uint64_t sequence, uint64_t dropped)
{
    const struct sgl_log_value values[SGL_LOG_GAP_COLUMN_COUNT] = {
        [SGL_LOG_GAP_SEQUENCE] = sgl_log_integer((int64_t)sequence),
        [SGL_LOG_GAP_DROPPED] = sgl_log_integer((int64_t)dropped),
    };

    if (dropped > 0)
        put(log, SGL_LOG_GAP, values);
}

void sgl_log_gap(struct sgl_log *log, uint64_t sequence, uint64_t dropped)
{
    put_gap(log, sequence, dropped);
    log->end = sequence + dropped;
}

void sgl_log_prompt(struct sgl_log *log, int64_t request, const char *body, size_t size)
{
    const struct sgl_log_value values[SGL_LOG_PROMPT_COLUMN_COUNT] = {
        [SGL_LOG_PROMPT_REQUEST] = sgl_log_integer(request),
        [SGL_LOG_PROMPT_BODY_BYTES] = sgl_log_integer((int64_t)size),
        [SGL_LOG_PROMPT_BODY] = sgl_log_text(body),
    };

    put(log, SGL_LOG_PROMPT, values);
}

void sgl_log_commit(struct sgl_log *log)
{
    if (memcmp(&log->totals, &log->committed_totals, sizeof log->totals) != 0)
        commit(log, log->committed_ns);
}

uint64_t sgl_log_uncommitted(const struct sgl_log *log)
{
    return log->uncommitted - log->kept.count;
}

uint64_t sgl_log_uncommitted_workers(const struct sgl_log *log)
{
    return log->kept.count;
}

uint64_t sgl_log_uncommitted_prompts(const struct sgl_log *log)
{
    return log->totals.rows[SGL_LOG_PROMPT] - log->committed_totals.rows[SGL_LOG_PROMPT];
}

/* The gap behind what was committed, and in it the workers, at their sequences. */
static void put_lost(struct sgl_log *log)
{
    uint64_t sequence = log->committed_end;

    log->worker_count -= (uint32_t)log->kept.count;
    for (size_t i = 0; i < log->kept.count; i++) {
        const struct sgl_kept_worker *worker = &log->kept.items[i];
        put_gap(log, sequence, worker->sequence - sequence);
        put_input(log, worker->sequence, &worker->input);
        sequence = worker->sequence + 1;
    }
    put_gap(log, sequence, log->end - sequence);
}

int sgl_log_resume(struct sgl_log *log, struct sgl_failure *failure)
{
    const struct sgl_log_store_ops *ops = log->store->ops;
    struct sgl_failure ignored;

    if (!log->has_failed)
        return SGL_OK;
    const bool has_facts = log->totals.rows[SGL_LOG_RUN] == log->committed_totals.rows[SGL_LOG_RUN];
    if (!log->is_durable || ops->recover == NULL || !has_facts || log->kept.has_failed ||
        ops->recover(log->store, &ignored) != SGL_OK)
        return sgl_fail(failure, SGL_EIO, "%s", log->failure.text);
    log->has_failed = false;
    log->totals = log->committed_totals;
    put_lost(log);
    commit(log, log->committed_ns);
    return log->has_failed ? sgl_fail(failure, SGL_EIO, "%s", log->failure.text) : SGL_OK;
}

static void put_number(struct sgl_log *log, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, value);
    sgl_log_fact(log, key, text);
}

static void put_policy(struct sgl_log *log, enum sgl_pool pool, const struct sgl_policy_spec *spec)
{
    char key[32];
    char *text = sgl_policy_format(spec);

    if (text == NULL) {
        sgl_fail(&log->failure, SGL_ENOMEM, "decision log: out of memory");
        log->has_failed = true;
        return;
    }
    snprintf(key, sizeof key, "policy.%s", sgl_pool_name(pool));
    sgl_log_fact(log, key, text);
    free(text);
}

static void put_limits(struct sgl_log *log, const struct sgl_router_limits *limits)
{
    const struct sgl_router_limits resolved = sgl_router_limits_resolved(limits);
    const struct sgl_limit *limit;

    for (uint32_t i = 0; (limit = sgl_limit_at(i)) != NULL; i++)
        put_number(log, limit->name, sgl_limit_value(&resolved, limit));
}

int sgl_log_open_store(struct sgl_log **log_out, struct sgl_log_store *store,
                       const struct sgl_log_options *options, struct sgl_failure *failure)
{
    struct sgl_log *log = calloc(1, sizeof *log);
    char epoch[24];

    *log_out = NULL;
    if (log == NULL) {
        store->ops->destroy(store);
        return sgl_fail(failure, SGL_ENOMEM, "decision log: out of memory");
    }
    log->sink = (struct sgl_sink){.ops = &sink_ops, .wants_candidates = true, .wants_gaps = true};
    log->store = store;
    log->candidates = options->candidates;
    log->is_durable = options->is_durable;
    log->end = 1;

    sgl_log_fact(log, "version", SGL_VERSION);
    sgl_log_fact(log, "build", sgl_log_build());
    put_number(log, "seed", options->seed);
    put_limits(log, &options->limits);
    sgl_log_fact(log, "candidates",
                 options->candidates == SGL_LOG_CANDIDATES_ALL ? "all" : "chosen");
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++)
        if (options->policy[pool] != NULL)
            put_policy(log, (enum sgl_pool)pool, options->policy[pool]);
    const bool is_absolute = options->epoch_ns != SGL_ABSENT;
    snprintf(epoch, sizeof epoch, "%" PRId64, is_absolute ? options->epoch_ns : 0);
    sgl_log_fact(log, "epoch_ns", epoch);
    sgl_log_fact(log, "times", is_absolute ? "absolute" : "relative");
    commit(log, 0);
    if (log->has_failed) {
        const struct sgl_failure first = log->failure;
        sgl_log_discard(log);
        return sgl_fail(failure, SGL_EIO, "%s", first.text);
    }
    *log_out = log;
    return SGL_OK;
}

int sgl_log_open(struct sgl_log **log_out, const char *path, const struct sgl_log_options *options,
                 struct sgl_failure *failure)
{
    struct sgl_log_store *store;
    const int status = sgl_log_medium_of(path)->create(
        &store, path, &(struct sgl_log_store_options){.is_durable = options->is_durable}, failure);

    *log_out = NULL;
    return status != SGL_OK ? status : sgl_log_open_store(log_out, store, options, failure);
}

struct sgl_sink *sgl_log_sink(struct sgl_log *log)
{
    return &log->sink;
}

const char *sgl_log_failure(const struct sgl_log *log)
{
    return log->has_failed ? log->failure.text : NULL;
}

/* Counts and digests. Those of `run` itself come last and cover every fact before them. */
static void put_totals(struct sgl_log *log)
{
    char key[32];
    char digest[24];

    for (int i = 0; i < SGL_LOG_TABLE_COUNT; i++) {
        const enum sgl_log_table table = (enum sgl_log_table)((i + 1) % SGL_LOG_TABLE_COUNT);
        if (table == SGL_LOG_RUN)
            sgl_log_fact(log, "is_complete", "1");
        snprintf(digest, sizeof digest, "%016" PRIx64, log->totals.digests[table]);
        const uint64_t rows = log->totals.rows[table];
        snprintf(key, sizeof key, "rows.%s", sgl_log_layouts[table].name);
        put_number(log, key, rows);
        snprintf(key, sizeof key, "digest.%s", sgl_log_layouts[table].name);
        sgl_log_fact(log, key, digest);
    }
}

int sgl_log_close(struct sgl_log *log, struct sgl_failure *failure)
{
    put_totals(log);
    if (!log->has_failed)
        log->has_failed = log->store->ops->finish(log->store, &log->failure) != SGL_OK;
    const bool has_failed = log->has_failed;
    const bool is_left = has_failed && log->is_durable && log->store->ops->leave != NULL;
    const struct sgl_failure first = log->failure;
    if (is_left)
        log->store->ops->leave(log->store);
    sgl_log_discard(log);
    return has_failed ? sgl_fail(failure, SGL_EIO, "%.400s%s", first.text,
                                 is_left ? " (what was committed before is left in it)" : "")
                      : SGL_OK;
}

void sgl_log_discard(struct sgl_log *log)
{
    if (log == NULL)
        return;
    log->store->ops->destroy(log->store);
    sgl_kept_workers_release(&log->kept);
    free(log->scratch);
    free(log);
}
