#include "gateway.h"

#include "core/absent.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

const double sgl_gateway_bucket_s[SGL_GATEWAY_BUCKETS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                          0.5,   1,    2.5,   5,    10,  60};

struct worker_texts {
    char *url;
    char *model;
    char id[SGL_GATEWAY_ID_SIZE];
};

struct sgl_gateway {
    pthread_mutex_t mutex;
    struct sgl_router *router;
    struct sgl_journal *journal;
    uint64_t seed;
    uint64_t start_ns;
    int64_t next_request;
    struct sgl_retry_options retry;
    struct sgl_retry_budget budget;
    struct worker_texts *workers; /* worker_max of them */
    uint32_t worker_max;
    struct sgl_gateway_counts counts;
};

int sgl_gateway_create(struct sgl_gateway **gateway_out, const struct sgl_gateway_options *options,
                       struct sgl_failure *failure)
{
    struct sgl_gateway *gateway = calloc(1, sizeof *gateway);
    const struct sgl_router_limits limits = sgl_router_limits_resolved(&options->limits);

    *gateway_out = NULL;
    if (gateway == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "router: out of memory");
    pthread_mutex_init(&gateway->mutex, NULL);
    gateway->journal = options->journal;
    gateway->seed = options->seed;
    gateway->start_ns = options->start_ns;
    gateway->retry = options->retry;
    gateway->budget = sgl_retry_budget_full(&options->retry);
    gateway->worker_max = (uint32_t)limits.worker_max;
    gateway->workers = calloc(gateway->worker_max, sizeof *gateway->workers);
    int status =
        gateway->workers == NULL
            ? sgl_fail(failure, SGL_ENOMEM, "router: out of memory")
            : sgl_router_create(
                  &gateway->router,
                  &(struct sgl_router_options){
                      .seed = options->seed,
                      .limits = options->limits,
                      .policy = {[SGL_POOL_REGULAR] = options->policy},
                      .sink = options->journal != NULL ? sgl_journal_sink(options->journal) : NULL,
                  },
                  failure);
    if (status != SGL_OK) {
        sgl_gateway_destroy(gateway);
        return status;
    }
    *gateway_out = gateway;
    return SGL_OK;
}

void sgl_gateway_destroy(struct sgl_gateway *gateway)
{
    if (gateway == NULL)
        return;
    sgl_router_destroy(gateway->router);
    for (uint32_t i = 0; gateway->workers != NULL && i < gateway->worker_max; i++) {
        free(gateway->workers[i].url);
        free(gateway->workers[i].model);
    }
    free(gateway->workers);
    pthread_mutex_destroy(&gateway->mutex);
    free(gateway);
}

int64_t sgl_gateway_time(const struct sgl_gateway *gateway, uint64_t hrtime_ns)
{
    return hrtime_ns <= gateway->start_ns ? 0 : (int64_t)(hrtime_ns - gateway->start_ns);
}

/* Under the mutex: the clock is read here, so that times never go back from input to input. */
static int feed(struct sgl_gateway *gateway, struct sgl_input *input, struct sgl_result *result,
                struct sgl_failure *failure)
{
    input->now_ns = sgl_gateway_time(gateway, uv_hrtime());
    if (gateway->journal != NULL)
        sgl_journal_begin(gateway->journal);
    const int status = sgl_router_feed(gateway->router, input, result, failure);
    if (gateway->journal != NULL)
        sgl_journal_push(gateway->journal);
    return status;
}

/* Is there a candidate that is not avoided, and whose breaker lets a request through? */
static bool has_another(const struct sgl_gateway *gateway, const struct sgl_gateway_past *past)
{
    const struct sgl_fleet *fleet = sgl_router_fleet(gateway->router);
    const int64_t now_ns = sgl_gateway_time(gateway, uv_hrtime());
    const uint32_t *candidates = fleet->candidates[SGL_POOL_REGULAR];
    uint32_t a = 0;

    for (uint32_t i = 0; i < fleet->candidate_count[SGL_POOL_REGULAR]; i++) {
        while (a < past->avoided_count && past->avoided[a] < candidates[i])
            a++;
        if ((a == past->avoided_count || past->avoided[a] != candidates[i]) &&
            sgl_breaker_admits(&fleet->workers[candidates[i]].breaker, now_ns))
            return true;
    }
    return false;
}

int sgl_gateway_route(struct sgl_gateway *gateway, struct sgl_request *request,
                      const struct sgl_gateway_past *past, struct sgl_decision *decision,
                      struct sgl_failure *failure)
{
    const uint32_t attempt = past->attempt;
    struct sgl_result result;

    pthread_mutex_lock(&gateway->mutex);
    if (attempt == 0)
        request->request = gateway->next_request;
    const bool avoids = past->avoided_count > 0 && has_another(gateway, past);
    struct sgl_input input = {
        .kind = SGL_INPUT_ROUTE,
        .request = request->request,
        .attempt = attempt,
        .route = {.request = request,
                  .excluded = avoids ? past->avoided : past->excluded,
                  .excluded_count = avoids ? past->avoided_count : past->excluded_count},
    };
    int status = feed(gateway, &input, &result, failure);
    if (status == SGL_OK) {
        *decision = result.actions[0].decision;
        gateway->next_request += attempt == 0;
        gateway->counts.decisions++;
        gateway->counts.retries += attempt > 0;
        gateway->counts.cache_hits += decision->reason == SGL_REASON_CACHE_HIT;
        if (attempt == 0)
            sgl_retry_budget_earn(&gateway->budget, &gateway->retry);
        if (decision->worker == SGL_NO_WORKER) {
            struct sgl_input refused = {.kind = SGL_INPUT_REJECT,
                                        .request = request->request,
                                        .attempt = attempt,
                                        .outcome = sgl_outcome_absent()};
            refused.outcome.error = "no_worker";
            status = feed(gateway, &refused, NULL, failure);
        }
    }
    pthread_mutex_unlock(&gateway->mutex);
    return status;
}

int sgl_gateway_reject(struct sgl_gateway *gateway, struct sgl_request *request, const char *error)
{
    struct sgl_input input = {.kind = SGL_INPUT_REJECT, .outcome = sgl_outcome_absent()};

    input.outcome.error = error;
    pthread_mutex_lock(&gateway->mutex);
    request->request = gateway->next_request;
    input.request = request->request;
    const int status = feed(gateway, &input, NULL, NULL);
    gateway->next_request += status == SGL_OK;
    pthread_mutex_unlock(&gateway->mutex);
    return status;
}

int sgl_gateway_feed(struct sgl_gateway *gateway, struct sgl_input *input,
                     struct sgl_failure *failure)
{
    assert(input->kind != SGL_INPUT_ADD_WORKER && input->kind != SGL_INPUT_ROUTE);
    pthread_mutex_lock(&gateway->mutex);
    const int status = feed(gateway, input, NULL, failure);
    pthread_mutex_unlock(&gateway->mutex);
    return status;
}

int sgl_gateway_end(struct sgl_gateway *gateway, struct sgl_input *input, int64_t arrival_ns,
                    uint64_t first_token_ns)
{
    pthread_mutex_lock(&gateway->mutex);
    const int64_t now_ns = sgl_gateway_time(gateway, uv_hrtime());
    input->outcome.e2e_ns = now_ns - arrival_ns;
    if (first_token_ns != 0)
        input->outcome.ttft_ns = sgl_gateway_time(gateway, first_token_ns) - arrival_ns;
    if (input->outcome.queue_length != SGL_ABSENT)
        input->outcome.reported_ns = now_ns;
    const int status = feed(gateway, input, NULL, NULL);
    pthread_mutex_unlock(&gateway->mutex);
    return status;
}

struct sgl_retry_answer sgl_gateway_ask_retry(struct sgl_gateway *gateway,
                                              struct sgl_retry_question *question)
{
    pthread_mutex_lock(&gateway->mutex);
    question->seed = gateway->seed;
    question->now_ns = sgl_gateway_time(gateway, uv_hrtime());
    const struct sgl_retry_answer answer =
        sgl_retry_ask(&gateway->budget, &gateway->retry, question);
    pthread_mutex_unlock(&gateway->mutex);
    return answer;
}

/* ---- workers ---- */

/* The URL without a trailing slash; NULL when it is none for a worker, or there is no memory. Only
 * http and https, no user, no query: what is sent there is a request of somebody else. */
static char *worker_url(const char *url, struct sgl_failure *failure)
{
    CURLU *parts = curl_url();
    char *scheme = NULL;
    char *host = NULL;
    char *user = NULL;
    char *query = NULL;
    char *clean = NULL;

    const bool is_url = parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    if (!is_url || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) ||
        curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK ||
        curl_url_get(parts, CURLUPART_QUERY, &query, 0) == CURLUE_OK || strchr(url, '#') != NULL) {
        sgl_fail(failure, SGL_EINVAL, "worker '%.200s', expected http://HOST[:PORT] or https://...",
                 url);
    } else {
        clean = strdup(url);
        for (size_t size = clean == NULL ? 0 : strlen(clean); size > 0 && clean[size - 1] == '/';)
            clean[--size] = '\0';
        if (clean == NULL)
            sgl_fail(failure, SGL_ENOMEM, "out of memory");
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(query);
    curl_url_cleanup(parts);
    return clean;
}

/* A random UUID (RFC 9562, version 4). */
static void make_id(char id[static SGL_GATEWAY_ID_SIZE])
{
    unsigned char b[16] = {0};

    uv_random(NULL, NULL, b, sizeof b, 0, NULL);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(id, SGL_GATEWAY_ID_SIZE,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

/* Under the mutex. */
static int add(struct sgl_gateway *gateway, char *url, const char *model, uint32_t *worker_out,
               bool *is_duplicate_out, struct sgl_failure *failure)
{
    const struct sgl_fleet *fleet = sgl_router_fleet(gateway->router);

    *is_duplicate_out = false;
    for (uint32_t i = 0; i < fleet->worker_count; i++)
        if (!fleet->workers[i].is_removed && strcmp(gateway->workers[i].url, url) == 0) {
            *is_duplicate_out = true;
            *worker_out = i;
            free(url);
            return sgl_fail(failure, SGL_EINVAL, "worker %.200s is there already",
                            gateway->workers[i].url);
        }
    char *model_copy = model != NULL ? strdup(model) : NULL;
    if (model != NULL && model_copy == NULL) {
        free(url);
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    }
    struct sgl_input input = {.kind = SGL_INPUT_ADD_WORKER, .added = {.url = url, .model = model}};
    const uint32_t worker = fleet->worker_count;
    const int status = feed(gateway, &input, NULL, failure);
    if (status != SGL_OK) {
        free(url);
        free(model_copy);
        return status;
    }
    struct worker_texts *texts = &gateway->workers[worker];
    texts->url = url;
    texts->model = model_copy;
    make_id(texts->id);
    *worker_out = worker;
    return SGL_OK;
}

int sgl_gateway_add(struct sgl_gateway *gateway, const char *url, const char *model,
                    uint32_t *worker_out, bool *is_duplicate_out, struct sgl_failure *failure)
{
    char *clean = worker_url(url, failure);

    *is_duplicate_out = false;
    if (clean == NULL)
        return SGL_EINVAL;
    pthread_mutex_lock(&gateway->mutex);
    const int status = add(gateway, clean, model, worker_out, is_duplicate_out, failure);
    pthread_mutex_unlock(&gateway->mutex);
    return status;
}

int sgl_gateway_remove(struct sgl_gateway *gateway, uint32_t worker, struct sgl_failure *failure)
{
    struct sgl_input input = {.kind = SGL_INPUT_REMOVE_WORKER, .worker = worker};

    return sgl_gateway_feed(gateway, &input, failure);
}

uint32_t sgl_gateway_worker_count(struct sgl_gateway *gateway)
{
    pthread_mutex_lock(&gateway->mutex);
    const uint32_t count = sgl_router_fleet(gateway->router)->worker_count;
    pthread_mutex_unlock(&gateway->mutex);
    return count;
}

struct sgl_gateway_worker sgl_gateway_worker(struct sgl_gateway *gateway, uint32_t worker)
{
    pthread_mutex_lock(&gateway->mutex);
    const struct sgl_fleet *fleet = sgl_router_fleet(gateway->router);
    const struct sgl_worker *known = &fleet->workers[worker];
    const struct worker_texts *texts = &gateway->workers[worker];
    const struct sgl_gateway_worker seen = {
        .worker = worker,
        .url = texts->url,
        .id = texts->id,
        .model = texts->model,
        .is_healthy = known->is_healthy,
        .is_draining = known->is_draining,
        .is_removed = known->is_removed,
        .breaker = sgl_breaker_state(&known->breaker, sgl_gateway_time(gateway, uv_hrtime())),
        .outstanding = fleet->outstanding[worker],
        .assigned = fleet->assigned[worker],
    };
    pthread_mutex_unlock(&gateway->mutex);
    return seen;
}

const char *sgl_gateway_url(const struct sgl_gateway *gateway, uint32_t worker)
{
    return gateway->workers[worker].url;
}

/* ---- numbers ---- */

void sgl_gateway_count(struct sgl_gateway *gateway, int status, double duration_s)
{
    int bucket = 0;

    while (bucket < SGL_GATEWAY_BUCKETS && duration_s > sgl_gateway_bucket_s[bucket])
        bucket++;
    pthread_mutex_lock(&gateway->mutex);
    if (status > 0 && status < SGL_GATEWAY_STATUS_MAX)
        gateway->counts.requests[status]++;
    gateway->counts.buckets[bucket]++;
    gateway->counts.duration_s += duration_s;
    pthread_mutex_unlock(&gateway->mutex);
}

struct sgl_gateway_counts sgl_gateway_counts(struct sgl_gateway *gateway)
{
    pthread_mutex_lock(&gateway->mutex);
    const struct sgl_gateway_counts counts = gateway->counts;
    pthread_mutex_unlock(&gateway->mutex);
    return counts;
}
