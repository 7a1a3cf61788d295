#include "log_support.h"

#include "support.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT_RING 8
#define TEXT_SIZE 512

/* A few, of made up lengths: a router has none to tell. */
static void tell_gaps(struct sgl_sink *sink)
{
    static const struct sgl_gap_class classes[] = {
        {127, 128, 3, 3.813e-7, 127},
        {8388608, 8454144, 1000000007, 8.4e6, 8400001},
        {(INT64_C(1) << 53) - (INT64_C(1) << 45), INT64_C(1) << 53, 1, 9e6, (INT64_C(1) << 53) - 1},
    };

    for (uint32_t worker = 0; worker < 2; worker++)
        for (int is_warm_up = 1; is_warm_up >= 0; is_warm_up--)
            sink->ops->gaps(sink, &(struct sgl_gaps){.worker = worker,
                                                     .is_warm_up = is_warm_up == 1,
                                                     .classes = classes,
                                                     .class_count = 3 - worker});
}

int sgl_test_log_try(struct sgl_log **log_out, const char *path, const struct sgl_test_run *run,
                     struct sgl_failure *failure)
{
    struct sgl_policy_spec spec = sgl_world_policy(run->policy);
    struct sgl_tee tee;
    const int status =
        sgl_log_open(log_out, path,
                     &(struct sgl_log_options){.seed = run->world.seed,
                                               .limits = sgl_world_limits(run->world.seed),
                                               .policy = {&spec},
                                               .epoch_ns = SGL_ABSENT,
                                               .candidates = run->candidates,
                                               .is_durable = run->is_durable},
                     failure);

    if (status == SGL_OK) {
        struct sgl_sink *sinks[] = {sgl_log_sink(*log_out), run->also};
        sgl_tee_init(&tee, sinks, run->also != NULL ? 2 : 1);
        struct sgl_router *router = sgl_world_router(&spec, run->world.seed, &tee.sink);
        sgl_world_play(&run->world, router);
        tell_gaps(&tee.sink);
        sgl_router_destroy(router);
    }
    sgl_policy_release(&spec);
    return status;
}

struct sgl_log *sgl_test_log_play(const char *path, const struct sgl_test_run *run)
{
    struct sgl_failure failure;
    struct sgl_log *log;

    if (sgl_test_log_try(&log, path, run, &failure) != SGL_OK) {
        printf("%s\n", failure.text);
        abort();
    }
    return log;
}

const char *sgl_test_log(const char *path, const struct sgl_test_run *run)
{
    struct sgl_failure failure = {""};

    CU_ASSERT_EQUAL(sgl_log_close(sgl_test_log_play(path, run), &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    return path;
}

static sqlite3 *open_database(const char *path)
{
    sqlite3 *database;

    if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        printf("%s: %s\n", path, sqlite3_errmsg(database));
        abort();
    }
    return database;
}

void sgl_test_sql(const char *path, const char *sql)
{
    sqlite3 *database = open_database(path);
    char *message;

    if (sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK) {
        printf("%s: %s\n%s\n", path, sql, message);
        abort();
    }
    sqlite3_close(database);
}

const char *sgl_test_sql_text(const char *path, const char *sql)
{
    static char ring[TEXT_RING][TEXT_SIZE];
    static unsigned next;
    sqlite3 *database = open_database(path);
    sqlite3_stmt *statement;
    char *text = ring[next++ % TEXT_RING];

    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        printf("%s: %s\n%s\n", path, sql, sqlite3_errmsg(database));
        abort();
    }
    const char *answer = (const char *)sqlite3_column_text(statement, 0);
    snprintf(text, TEXT_SIZE, "%s", answer != NULL ? answer : "NULL");
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return text;
}

int64_t sgl_test_sql_integer(const char *path, const char *sql)
{
    return strtoll(sgl_test_sql_text(path, sql), NULL, 10);
}

char *sgl_test_bytes(const char *path, size_t *size_out)
{
    FILE *file = fopen(path, "rb");
    struct stat info;

    if (file == NULL || fstat(fileno(file), &info) != 0) {
        perror(path);
        abort();
    }
    const size_t size = (size_t)info.st_size;
    char *bytes = malloc(size + 1);
    if (bytes == NULL || fread(bytes, 1, size, file) != size)
        abort();
    fclose(file);
    *size_out = size;
    return bytes;
}

void sgl_test_copy(const char *from, const char *to)
{
    size_t size;
    char *bytes = sgl_test_bytes(from, &size);
    FILE *file = fopen(to, "wb");

    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
    free(bytes);
}

bool sgl_test_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

static void tell_text(FILE *out, const char *name, const char *text)
{
    fprintf(out, " %s=", name);
    if (text != NULL)
        fprintf(out, "<%s>", text);
}

static void tell_request(FILE *out, const struct sgl_request *request)
{
    fprintf(out,
            " request %" PRId64 " arrival=%" PRId64 " prompt=%" PRId64 " max=%" PRId64
            " priority=%d",
            request->request, request->arrival_ns, request->prompt_tokens, request->max_tokens,
            request->priority);
    tell_text(out, "id", request->request_id);
    tell_text(out, "tenant", request->tenant);
    tell_text(out, "session", request->session);
    tell_text(out, "model", request->model);
    fprintf(out, " block=%" PRIu32, request->prefix_block);
    for (size_t i = 0; i < request->prefix_count; i++)
        fprintf(out, " %" PRIu64, request->prefix_ids[i]);
}

static void tell_result(FILE *out, const struct sgl_outcome *outcome)
{
    fprintf(out,
            " queue=%" PRId64 " ttft=%" PRId64 " e2e=%" PRId64 " prompt=%" PRId64 " output=%" PRId64
            " cached=%" PRId64 " success=%d",
            outcome->queue_time_ns, outcome->ttft_ns, outcome->e2e_ns, outcome->prompt_tokens,
            outcome->output_tokens, outcome->cached_tokens, outcome->success);
    tell_text(out, "error", outcome->error);
}

void sgl_test_tell_input(FILE *out, uint64_t sequence, const struct sgl_input *input)
{
    fprintf(out, "%" PRIu64 " %s at %" PRId64, sequence, sgl_input_name(input->kind),
            input->now_ns);
    if (input->kind <= SGL_INPUT_REJECT)
        fprintf(out, " request=%" PRId64 " attempt=%" PRIu32 " pool=%d", input->request,
                input->attempt, input->pool);
    else if (input->kind == SGL_INPUT_ADD_WORKER)
        fprintf(out, " pool=%d", input->pool);
    else if (input->kind <= SGL_INPUT_REPORT_LOAD)
        fprintf(out, " worker=%" PRIu32, input->worker);
    if (input->kind == SGL_INPUT_ROUTE) {
        for (uint32_t i = 0; i < input->route.excluded_count; i++)
            fprintf(out, " without %" PRIu32, input->route.excluded[i]);
        tell_request(out, input->route.request);
    } else if (input->kind == SGL_INPUT_COMPLETE || input->kind == SGL_INPUT_CANCEL ||
               input->kind == SGL_INPUT_REJECT) {
        tell_result(out, &input->outcome);
        fprintf(out, " length=%" PRId64 " reported=%" PRId64, input->outcome.queue_length,
                input->outcome.reported_ns);
    } else if (input->kind == SGL_INPUT_ADD_WORKER) {
        tell_text(out, "url", input->added.url);
        tell_text(out, "model", input->added.model);
    } else if (input->kind == SGL_INPUT_REPORT_LOAD) {
        fprintf(out, " length=%" PRId64 " running=%" PRId64 " usage=%.17g reported=%" PRId64,
                input->report.queue_length, input->report.running, input->report.token_usage,
                input->report.reported_ns);
    } else if (input->kind == SGL_INPUT_PROBE_RESULT || input->kind == SGL_INPUT_SET_HEALTH ||
               input->kind == SGL_INPUT_SET_DRAINING) {
        fprintf(out, " is_on=%d", input->is_on);
    }
    fputc('\n', out);
}

void sgl_test_tell_decision(FILE *out, const struct sgl_decision *decision)
{
    fprintf(out,
            "%" PRIu64 " decision %" PRId64 " attempt=%" PRIu32 " pool=%d worker=%" PRIu32
            " %s propensity=%.17g policy=%s\n",
            decision->sequence, decision->request, decision->attempt, decision->pool,
            decision->worker, sgl_reason_name(decision->reason), decision->propensity,
            decision->policy);
}

void sgl_test_tell_candidate(FILE *out, uint64_t sequence, const struct sgl_candidate *candidate)
{
    fprintf(out,
            "%" PRIu64 " candidate %" PRIu32 " %.17g %.17g %.17g %" PRId64 " %" PRId64 " %" PRId64
            " %.17g %.17g %.17g %" PRId64 "\n",
            sequence, candidate->worker, candidate->score, candidate->throughput_gradient,
            candidate->latency_gradient, candidate->outstanding, candidate->queue_length,
            candidate->queue_age_ns, candidate->matched_fraction, candidate->avg_throughput_tps,
            candidate->avg_latency_s, candidate->window_size);
}

void sgl_test_tell_outcome(FILE *out, const struct sgl_outcome_record *record)
{
    const struct sgl_candidate *after = &record->after;

    fprintf(out,
            "%" PRIu64 " of %" PRIu64 " request=%" PRId64 " attempt=%" PRIu32
            " pool=%d worker=%" PRIu32,
            record->sequence, record->decision_sequence, record->request, record->attempt,
            record->pool, record->worker);
    tell_result(out, record->outcome);
    fprintf(out, " %.17g %.17g %.17g %" PRId64 " %.17g %.17g %" PRId64 "\n", after->score,
            after->throughput_gradient, after->latency_gradient, after->outstanding,
            after->avg_throughput_tps, after->avg_latency_s, after->window_size);
}
