#include "detail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BINS SGL_DETAIL_BINS

static const struct sgl_request_detail nothing_known = {
    .arrival_ns = SGL_ABSENT,
    .worker = SGL_NO_WORKER,
    .margin = (double)NAN,
    .matched_best = (double)NAN,
    .matched_chosen = (double)NAN,
    .outstanding = SGL_ABSENT,
    .outstanding_least = SGL_ABSENT,
    .prompt_tokens = SGL_ABSENT,
    .cached_tokens = SGL_ABSENT,
};

/* The place of a request, made when need be; NULL without memory. */
static struct sgl_request_detail *place_of(struct sgl_detail *self, int64_t request)
{
    if (request < 0 || request >= UINT32_MAX / 2)
        return NULL;
    if (request >= self->request_capacity) {
        uint32_t capacity = self->request_capacity > 0 ? self->request_capacity : 1024;
        while (capacity <= request)
            capacity *= 2;
        struct sgl_request_detail *requests = realloc(self->requests, capacity * sizeof *requests);
        if (requests == NULL) {
            self->is_out_of_memory = true;
            return NULL;
        }
        self->requests = requests;
        self->request_capacity = capacity;
    }
    while (self->request_count <= request) {
        struct sgl_request_detail *place = &self->requests[self->request_count++];
        *place = nothing_known;
        for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
            place->values[m] = (double)NAN;
    }
    return &self->requests[request];
}

static bool grow_workers(struct sgl_detail *self)
{
    const uint32_t capacity = self->worker_capacity > 0 ? 2 * self->worker_capacity : 16;
    char **urls = realloc(self->urls, capacity * sizeof *urls);
    if (urls != NULL)
        self->urls = urls;
    enum sgl_pool *pools = realloc(self->pools, capacity * sizeof *pools);
    if (pools != NULL)
        self->pools = pools;
    uint64_t *decided = realloc(self->decided, capacity * sizeof *decided);
    if (decided != NULL)
        self->decided = decided;
    int64_t *outstanding = realloc(self->outstanding, capacity * sizeof *outstanding);
    if (outstanding != NULL)
        self->outstanding = outstanding;
    int64_t *since_ns = realloc(self->since_ns, capacity * sizeof *since_ns);
    if (since_ns != NULL)
        self->since_ns = since_ns;
    struct sgl_worker_moment *moments =
        realloc(self->moments, (size_t)capacity * BINS * sizeof *moments);
    if (moments != NULL)
        self->moments = moments;
    if (urls == NULL || pools == NULL || decided == NULL || outstanding == NULL ||
        since_ns == NULL || moments == NULL)
        return false;
    self->worker_capacity = capacity;
    return true;
}

static void add_worker(struct sgl_detail *self, const char *url, enum sgl_pool pool)
{
    const uint32_t w = self->worker_count;

    if (w == self->worker_capacity && !grow_workers(self)) {
        self->is_out_of_memory = true;
        return;
    }
    self->pools[w] = pool;
    self->urls[w] = strdup(url);
    if (self->urls[w] == NULL) {
        self->is_out_of_memory = true;
        return;
    }
    self->decided[w] = 0;
    self->outstanding[w] = 0;
    self->since_ns[w] = 0;
    for (size_t b = 0; b < BINS; b++)
        self->moments[(size_t)w * BINS + b] = (struct sgl_worker_moment){
            .score = (double)NAN,
            .throughput_gradient = (double)NAN,
            .latency_gradient = (double)NAN,
        };
    self->worker_count++;
}

static size_t bin_of(const struct sgl_detail *self, int64_t now_ns)
{
    const int64_t bin = now_ns > 0 ? now_ns / self->bin_ns : 0;

    return bin < BINS ? (size_t)bin : BINS - 1;
}

/* Adds the time since the last change of the worker's load to its bins, as request-ns. */
static void settle(struct sgl_detail *self, uint32_t worker, int64_t now_ns)
{
    const int64_t end_ns = self->bin_ns * BINS;
    int64_t from_ns = self->since_ns[worker];
    const int64_t to_ns = now_ns < end_ns ? now_ns : end_ns;

    self->since_ns[worker] = now_ns;
    if (self->outstanding[worker] == 0)
        return;
    for (size_t b = bin_of(self, from_ns); b < BINS && from_ns < to_ns; b++) {
        const int64_t next_ns = self->bin_ns * ((int64_t)b + 1);
        const int64_t until_ns = next_ns < to_ns ? next_ns : to_ns;
        self->moments[worker * (size_t)BINS + b].outstanding +=
            (double)self->outstanding[worker] * (double)(until_ns - from_ns);
        from_ns = until_ns;
    }
}

static void hear_input(struct sgl_sink *sink, uint64_t sequence, const struct sgl_input *input)
{
    struct sgl_detail *self = (struct sgl_detail *)sink;

    (void)sequence;
    if (input->kind == SGL_INPUT_ADD_WORKER)
        add_worker(self, input->added.url, input->pool);
    if (input->kind != SGL_INPUT_ROUTE)
        return;
    struct sgl_request_detail *place = place_of(self, input->request);
    if (place == NULL)
        return;
    place->arrival_ns = input->route.request->arrival_ns;
    place->prompt_tokens = input->route.request->prompt_tokens;
}

/* What the candidates say of one decision. */
static void read_candidates(struct sgl_detail *self, struct sgl_request_detail *place, size_t bin,
                            bool is_of_prompts, const struct sgl_candidate *candidates,
                            uint32_t count)
{
    double best = -(double)INFINITY;
    double second = -(double)INFINITY;

    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_candidate *row = &candidates[i];
        if (row->worker >= self->worker_count)
            continue;
        struct sgl_worker_moment *moment = &self->moments[row->worker * (size_t)BINS + bin];
        moment->seen++;
        moment->ungraded += isnan(row->throughput_gradient) ? 1 : 0;
        moment->score = row->score;
        moment->throughput_gradient = row->throughput_gradient;
        moment->latency_gradient = row->latency_gradient;
        self->has_gradients = self->has_gradients || !isnan(row->throughput_gradient);
        self->has_scores = self->has_scores || !isnan(row->score);
        if (row->score > best) {
            second = best;
            best = row->score;
        } else if (row->score > second) {
            second = row->score;
        }
        /* fmax gives the other value when one is NaN. */
        if (is_of_prompts)
            place->matched_best = fmax(place->matched_best, row->matched_fraction);
        if (place->outstanding_least == SGL_ABSENT || row->outstanding < place->outstanding_least)
            place->outstanding_least = row->outstanding;
        if (row->worker == place->worker) {
            if (is_of_prompts)
                place->matched_chosen = row->matched_fraction;
            place->outstanding = row->outstanding;
        }
    }
    if (isfinite(second))
        place->margin = best - second;
    self->has_matches = self->has_matches || !isnan(place->matched_best);
}

static void hear_decision(struct sgl_sink *sink, const struct sgl_decision *decision,
                          const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    struct sgl_detail *self = (struct sgl_detail *)sink;
    struct sgl_request_detail *place = place_of(self, decision->request);

    if (place == NULL)
        return;
    place->reason = decision->reason;
    place->worker = decision->worker < self->worker_count ? decision->worker : SGL_NO_WORKER;
    if (decision->pool == SGL_POOL_DECODE) { /* not what the prefill pool saw */
        place->outstanding = SGL_ABSENT;
        place->outstanding_least = SGL_ABSENT;
    }
    read_candidates(self, place, bin_of(self, decision->now_ns), decision->pool != SGL_POOL_DECODE,
                    candidates, candidate_count);
    if (place->worker == SGL_NO_WORKER)
        return;
    settle(self, place->worker, decision->now_ns);
    self->outstanding[place->worker]++;
    self->decided[place->worker]++;
}

static void hear_outcome(struct sgl_sink *sink, const struct sgl_outcome_record *record)
{
    struct sgl_detail *self = (struct sgl_detail *)sink;
    const struct sgl_outcome *outcome = record->outcome;
    struct sgl_request_detail *place = place_of(self, record->request);

    if (place == NULL)
        return;
    if (record->worker < self->worker_count) {
        settle(self, record->worker, record->now_ns);
        if (self->outstanding[record->worker] > 0)
            self->outstanding[record->worker]--;
    }
    if (outcome->success && record->pool == SGL_POOL_PREFILL) {
        place->values[SGL_METRIC_QUEUE_TIME] =
            sgl_metric_value(SGL_METRIC_QUEUE_TIME, outcome) / 1e6;
        place->cached_tokens = outcome->cached_tokens;
        return; /* its answer comes from the other half */
    }
    place->is_answered = true;
    place->success = outcome->success;
    if (!outcome->success)
        return;
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        if (m != SGL_METRIC_QUEUE_TIME || record->pool != SGL_POOL_DECODE)
            place->values[m] = sgl_metric_value((enum sgl_metric)m, outcome) / 1e6;
    /* What has a tpot has a first token, and two of them. */
    place->gaps = isnan(place->values[SGL_METRIC_TPOT]) ? 0 : outcome->output_tokens - 1;
    if (record->pool != SGL_POOL_DECODE)
        place->cached_tokens = outcome->cached_tokens;
    if (outcome->prompt_tokens != SGL_ABSENT)
        place->prompt_tokens = outcome->prompt_tokens;
}

static const struct sgl_sink_ops detail_ops = {
    .input = hear_input,
    .decision = hear_decision,
    .outcome = hear_outcome,
};

int sgl_detail_create(struct sgl_detail **detail_out, int64_t span_ns, struct sgl_failure *failure)
{
    struct sgl_detail *self = calloc(1, sizeof *self);

    *detail_out = self;
    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    self->sink = (struct sgl_sink){.ops = &detail_ops, .wants_candidates = true};
    self->span_ns = span_ns;
    self->bin_ns = span_ns / BINS + 1;
    return SGL_OK;
}

int sgl_detail_finish(struct sgl_detail *self, struct sgl_failure *failure)
{
    if (self->is_out_of_memory)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory for the requests of a run");
    for (uint32_t w = 0; w < self->worker_count; w++) {
        settle(self, w, self->bin_ns * BINS);
        for (size_t b = 0; b < BINS; b++)
            self->moments[w * (size_t)BINS + b].outstanding /= (double)self->bin_ns;
    }
    return SGL_OK;
}

uint32_t sgl_detail_pool_size(const struct sgl_detail *detail, enum sgl_pool pool)
{
    uint32_t count = 0;

    for (uint32_t w = 0; w < detail->worker_count; w++)
        count += detail->pools[w] == pool;
    return count;
}

const char *sgl_detail_pool_prefix(enum sgl_pool pool)
{
    return pool == SGL_POOL_PREFILL ? "prefill " : pool == SGL_POOL_DECODE ? "decode " : "";
}

void sgl_detail_destroy(struct sgl_detail *self)
{
    if (self == NULL)
        return;
    for (uint32_t w = 0; w < self->worker_count; w++)
        free(self->urls[w]);
    free(self->urls);
    free(self->pools);
    free(self->requests);
    free(self->moments);
    free(self->decided);
    free(self->outstanding);
    free(self->since_ns);
    free(self);
}
