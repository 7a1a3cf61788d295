#include "log_sink.h"

#include "core/version.h"
#include "log_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

    sgl_log_put(log, SGL_LOG_RUN, values);
}

static void put_gap(struct sgl_log *log, uint64_t sequence, uint64_t dropped)
{
    const struct sgl_log_value values[SGL_LOG_GAP_COLUMN_COUNT] = {
        [SGL_LOG_GAP_SEQUENCE] = sgl_log_integer((int64_t)sequence),
        [SGL_LOG_GAP_DROPPED] = sgl_log_integer((int64_t)dropped),
    };

    if (dropped > 0)
        sgl_log_put(log, SGL_LOG_GAP, values);
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

    sgl_log_put(log, SGL_LOG_PROMPT, values);
}

void sgl_log_commit(struct sgl_log *log)
{
    if (memcmp(&log->totals, &log->committed_totals, sizeof log->totals) != 0)
        sgl_log_commit_at(log, log->committed_ns);
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
        sgl_log_put_input(log, worker->sequence, &worker->input);
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
    sgl_log_commit_at(log, log->committed_ns);
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
    log->sink =
        (struct sgl_sink){.ops = &sgl_log_rows_ops, .wants_candidates = true, .wants_gaps = true};
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
    sgl_log_commit_at(log, 0);
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

const char *sgl_log_kept(const struct sgl_log *log)
{
    return log->store->kept;
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
