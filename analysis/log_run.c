#include "log_run.h"

#include "analysis/after_warm_up.h"
#include "traces/log_reader.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANDIDATES_MAX 1024 /* of one decision: as many as a router has workers */

/* A log being played back. */
struct playback {
    struct sgl_log_reader *reader;
    struct sgl_sink *sink;
    struct sgl_decision decision;
    struct sgl_logged_candidate candidate;
    struct sgl_logged_outcome outcome;
    int has_decision; /* as next gave it: 1, 0 at the end */
    int has_candidate;
    int has_outcome;
    struct sgl_candidate candidates[CANDIDATES_MAX];
    int64_t *sent_ns[2]; /* by request, to a decode pool or to another; owned */
    size_t sent_capacity[2];
};

static char *copy(const struct sgl_log_reader *reader, const char *key)
{
    const char *value = sgl_log_reader_fact(reader, key);

    return value != NULL ? strdup(value) : NULL;
}

/* NULL: the log names none. */
static char *copy_policy(const struct sgl_log_reader *reader)
{
    const char *prefill = sgl_log_reader_fact(reader, "policy.prefill");
    const char *decode = sgl_log_reader_fact(reader, "policy.decode");

    if (prefill == NULL || decode == NULL)
        return copy(reader, "policy.regular");
    const size_t size = strlen(prefill) + strlen(decode) + sizeof "prefill , decode ";
    char *text = malloc(size);
    if (text != NULL)
        snprintf(text, size, "prefill %s, decode %s", prefill, decode);
    return text;
}

static bool note_sent(struct playback *self, int64_t request, enum sgl_pool pool, int64_t now_ns)
{
    const int side = pool == SGL_POOL_DECODE;

    if (request < 0 || request > UINT32_MAX)
        return true;
    if ((size_t)request >= self->sent_capacity[side]) {
        size_t capacity = self->sent_capacity[side] > 0 ? self->sent_capacity[side] : 1024;
        while (capacity <= (size_t)request)
            capacity *= 2;
        int64_t *sent_ns = realloc(self->sent_ns[side], capacity * sizeof *sent_ns);
        if (sent_ns == NULL)
            return false;
        for (size_t i = self->sent_capacity[side]; i < capacity; i++)
            sent_ns[i] = SGL_ABSENT;
        self->sent_ns[side] = sent_ns;
        self->sent_capacity[side] = capacity;
    }
    self->sent_ns[side][request] = now_ns;
    return true;
}

/* The decision of this input with its candidates. */
static int play_decision(struct playback *self, int64_t now_ns, struct sgl_failure *failure)
{
    const uint64_t sequence = self->decision.sequence;
    uint32_t count = 0;

    while (self->has_candidate == 1 && self->candidate.sequence <= sequence) {
        if (self->candidate.sequence == sequence && count < CANDIDATES_MAX)
            self->candidates[count++] = self->candidate.candidate;
        self->has_candidate =
            sgl_log_reader_next_candidate(self->reader, &self->candidate, failure);
    }
    if (self->has_candidate < 0)
        return self->has_candidate;
    self->decision.now_ns = now_ns;
    self->sink->ops->decision(self->sink, &self->decision, self->candidates, count);
    if (!note_sent(self, self->decision.request, self->decision.pool, now_ns))
        return sgl_fail(failure, SGL_ENOMEM, "out of memory for the requests of a log");
    self->has_decision = sgl_log_reader_next_decision(self->reader, &self->decision, failure);
    return self->has_decision < 0 ? self->has_decision : SGL_OK;
}

static int play_outcome(struct playback *self, int64_t now_ns, struct sgl_failure *failure)
{
    struct sgl_outcome_record *record = &self->outcome.record;
    const int64_t request = record->request;
    const int side = record->pool == SGL_POOL_DECODE;

    record->now_ns = now_ns;
    record->outcome = &self->outcome.outcome;
    record->sent_ns = request >= 0 && (uint64_t)request < self->sent_capacity[side] &&
                              record->worker != SGL_NO_WORKER
                          ? self->sent_ns[side][request]
                          : SGL_ABSENT;
    self->sink->ops->outcome(self->sink, record);
    self->has_outcome = sgl_log_reader_next_outcome(self->reader, &self->outcome, failure);
    return self->has_outcome < 0 ? self->has_outcome : SGL_OK;
}

static int play_gaps(struct playback *self, struct sgl_failure *failure)
{
    struct sgl_gap_class class;
    struct sgl_gaps gaps;
    int got;

    while ((got = sgl_log_reader_next_gaps(self->reader, &gaps, &class, failure)) == 1)
        self->sink->ops->gaps(self->sink, &gaps);
    return got;
}

static int play(struct playback *self, struct sgl_failure *failure)
{
    struct sgl_logged_input logged;
    int got;

    self->has_decision = sgl_log_reader_next_decision(self->reader, &self->decision, failure);
    self->has_candidate = sgl_log_reader_next_candidate(self->reader, &self->candidate, failure);
    self->has_outcome = sgl_log_reader_next_outcome(self->reader, &self->outcome, failure);
    if (self->has_decision < 0 || self->has_candidate < 0 || self->has_outcome < 0)
        return SGL_EINVAL;
    while ((got = sgl_log_reader_next_input(self->reader, &logged, failure)) == 1) {
        int status = SGL_OK;
        self->sink->ops->input(self->sink, logged.sequence, &logged.input);
        if (self->has_decision == 1 && self->decision.sequence == logged.sequence)
            status = play_decision(self, logged.input.now_ns, failure);
        if (status == SGL_OK && self->has_outcome == 1 &&
            self->outcome.record.sequence == logged.sequence)
            status = play_outcome(self, logged.input.now_ns, failure);
        if (status != SGL_OK)
            return status;
    }
    return got < 0 ? got : play_gaps(self, failure);
}

/* A number that the log states, or 0. */
static uint64_t number_of(const struct sgl_log_reader *reader, const char *key)
{
    const char *text = sgl_log_reader_fact(reader, key);

    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

/* "batching, profile X", its parameters aside. */
static void describe_service(FILE *out, const char *name, const char *service, const char *profile)
{
    if (name != NULL)
        fprintf(out, "%s: ", name);
    fprintf(out, "%.*s", (int)strcspn(service, ":"), service);
    if (profile != NULL && profile[0] != '\0')
        fprintf(out, ", profile %s", profile);
}

/* The services of a fleet, one or each kind of worker of a file, and what was said of them. */
static int read_workers(struct sgl_log_run *run, const struct sgl_log_reader *reader)
{
    const char *service = sgl_log_reader_fact(reader, "service");
    size_t size;
    FILE *out = open_memstream(&run->workers, &size);

    if (out == NULL)
        return SGL_ENOMEM;
    if (service != NULL)
        describe_service(out, NULL, service, sgl_log_reader_fact(reader, "profile"));
    for (uint32_t worker = 0, kinds = 0; worker < CANDIDATES_MAX; worker++) {
        char keys[3][32];
        snprintf(keys[0], sizeof keys[0], "worker.%u.name", worker);
        snprintf(keys[1], sizeof keys[1], "worker.%u.service", worker);
        snprintf(keys[2], sizeof keys[2], "worker.%u.profile", worker);
        const char *own = sgl_log_reader_fact(reader, keys[1]);
        if (own == NULL)
            continue;
        fputs(kinds++ > 0 ? "; " : "", out);
        describe_service(out, sgl_log_reader_fact(reader, keys[0]), own,
                         sgl_log_reader_fact(reader, keys[2]));
    }
    for (uint32_t i = 0; i < SGL_LOG_RUN_CAVEATS_MAX; i++) {
        char key[32];
        snprintf(key, sizeof key, "caveat.%u", i);
        run->caveats[i] = copy(reader, key);
    }
    return fclose(out) == 0 ? SGL_OK : SGL_ENOMEM;
}

/* Last arrival and what else is known before playing. */
static int look_over(struct sgl_log_run *run, const char *path, int64_t *span_ns_out,
                     struct sgl_failure *failure)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    struct sgl_log_reader *reader;
    struct sgl_logged_input logged;
    int status = sgl_log_reader_open(&reader, path, failure);

    *span_ns_out = 0;
    if (status != SGL_OK)
        return status;
    run->policy = copy_policy(reader);
    run->kind = copy(reader, "kind");
    run->trace_digest = copy(reader, "trace_digest");
    run->version = copy(reader, "version");
    run->build = copy(reader, "build");
    run->service = copy(reader, "service");
    run->warm_up = number_of(reader, "warm_up_requests") + number_of(reader, "warm_cache_requests");
    run->is_warm_pass = sgl_log_reader_fact(reader, "warm_cache_requests") != NULL;
    run->run.seed = number_of(reader, "seed");
    run->is_complete = sgl_log_reader_is_complete(reader);
    const char *scale = sgl_log_reader_fact(reader, "rate_scale");
    const char *times = sgl_log_reader_fact(reader, "times");
    const char *epoch = sgl_log_reader_fact(reader, "epoch_ns");
    run->rate_scale = scale != NULL ? strtod(scale, NULL) : (double)NAN;
    run->epoch_ns = times != NULL && strcmp(times, "absolute") == 0 && epoch != NULL
                        ? strtoll(epoch, NULL, 10)
                        : SGL_ABSENT;
    if (read_workers(run, reader) != SGL_OK) {
        sgl_log_reader_close(reader);
        return sgl_fail(failure, SGL_ENOMEM, "out of memory for what a log says");
    }
    while ((status = sgl_log_reader_next_input(reader, &logged, failure)) == 1)
        if (logged.input.kind == SGL_INPUT_ROUTE && logged.request.arrival_ns > *span_ns_out)
            *span_ns_out = logged.request.arrival_ns;
    while (status == 0 &&
           (status = sgl_log_reader_next_row(reader, SGL_LOG_GAP, values, failure)) == 1) {
        run->gaps++;
        status = 0;
    }
    sgl_log_reader_close(reader);
    if (status == SGL_OK && run->policy == NULL)
        return sgl_fail(failure, SGL_EINVAL, "%.200s: the log names no policy", path);
    return status;
}

int sgl_log_run_read(struct sgl_log_run *run, const char *path,
                     const struct sgl_objectives *objectives, struct sgl_failure *failure)
{
    struct playback *playback = calloc(1, sizeof *playback);
    struct sgl_summary_result result;
    struct sgl_summary *summary = NULL;
    struct sgl_after_warm_up after;
    struct sgl_tee tee;
    int64_t span_ns = 0;

    *run = (struct sgl_log_run){.path = strdup(path)};
    int status = playback != NULL && run->path != NULL
                     ? look_over(run, path, &span_ns, failure)
                     : sgl_fail(failure, SGL_ENOMEM, "out of memory");
    if (status == SGL_OK)
        status = sgl_summary_create(&summary, objectives, failure);
    if (status == SGL_OK)
        status = sgl_detail_create(&run->detail, span_ns, failure);
    if (status == SGL_OK)
        status = sgl_log_reader_open(&playback->reader, path, failure);
    if (status == SGL_OK) {
        assert(playback != NULL);
        sgl_after_warm_up_init(&after, sgl_summary_sink(summary), (int64_t)run->warm_up);
        run->detail->first_judged = (uint32_t)run->warm_up;
        struct sgl_sink *const sinks[2] = {&after.sink, &run->detail->sink};
        sgl_tee_init(&tee, sinks, 2);
        playback->sink = &tee.sink;
        status = play(playback, failure);
        sgl_log_reader_close(playback->reader);
    }
    if (status == SGL_OK)
        status = sgl_summary_finish(summary, &result, failure);
    if (status == SGL_OK)
        status = sgl_summary_sort(summary, failure);
    if (status == SGL_OK)
        status = sgl_detail_finish(run->detail, failure);
    if (status == SGL_OK)
        sgl_run_fill(&run->run, summary, &result);
    sgl_summary_destroy(summary);
    for (int side = 0; playback != NULL && side < 2; side++)
        free(playback->sent_ns[side]);
    free(playback);
    if (status != SGL_OK)
        sgl_log_run_release(run);
    return status;
}

void sgl_log_run_release(struct sgl_log_run *run)
{
    sgl_detail_destroy(run->detail);
    free(run->path);
    free(run->policy);
    free(run->kind);
    free(run->trace_digest);
    free(run->version);
    free(run->build);
    free(run->service);
    free(run->workers);
    for (uint32_t i = 0; i < SGL_LOG_RUN_CAVEATS_MAX; i++)
        free(run->caveats[i]);
    *run = (struct sgl_log_run){0};
}
