#include "gateway.h"

#include "core/absent.h"
#include "core/error_word.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct worker_texts {
    char *url;
    char *model;
    char *host;
    int32_t bootstrap_port;
    char id[SGL_GATEWAY_ID_SIZE];
    bool is_starting;  /* not heard yet, and waited for */
    uint64_t probe_ns; /* by uv_hrtime: its next probe; so the next */
    uint64_t start_until_ns;
};

struct sgl_gateway {
    pthread_mutex_t mutex;
    struct sgl_router *router;
    struct sgl_journal *journal;
    uint64_t seed;
    bool is_paired;
    uint64_t start_ns;
    int64_t next_request;
    int64_t startup_timeout_ns;
    int64_t startup_interval_ns;
    uint32_t starting_count;
    struct sgl_retry_options retry;
    struct sgl_retry_budget budget;
    struct worker_texts *workers; /* worker_max of them */
    uint32_t worker_max;
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
    gateway->is_paired = options->policy[SGL_POOL_PREFILL] != NULL;
    gateway->start_ns = options->start_ns;
    gateway->startup_timeout_ns = options->startup_timeout_ns;
    gateway->startup_interval_ns = options->startup_interval_ns;
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
                      .policy = {options->policy[0], options->policy[1], options->policy[2]},
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
        curl_free(gateway->workers[i].host);
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

int sgl_gateway_route(struct sgl_gateway *gateway, struct sgl_request *request,
                      const struct sgl_past_attempts *past, struct sgl_decision *decision,
                      struct sgl_failure *failure)
{
    const uint32_t attempt = past->count;
    struct sgl_result result;

    pthread_mutex_lock(&gateway->mutex);
    if (attempt == 0)
        request->request = gateway->next_request;
    struct sgl_input input = {
        .kind = SGL_INPUT_ROUTE,
        .request = request->request,
        .attempt = attempt,
        .route = {.request = request},
    };
    sgl_past_attempts_route(past, sgl_router_fleet(gateway->router), SGL_POOL_REGULAR,
                            sgl_gateway_time(gateway, uv_hrtime()), &input.route);
    int status = feed(gateway, &input, &result, failure);
    if (status == SGL_OK) {
        *decision = result.actions[0].decision;
        gateway->next_request += attempt == 0;
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

/* Feeds a reject or a cancel of one leg. */
static int feed_end(struct sgl_gateway *gateway, enum sgl_input_kind kind, enum sgl_pool pool,
                    int64_t request, const char *error)
{
    struct sgl_input input = {
        .kind = kind, .pool = pool, .request = request, .outcome = sgl_outcome_absent()};

    input.outcome.error = error;
    return feed(gateway, &input, NULL, NULL);
}

static int route_leg(struct sgl_gateway *gateway, const struct sgl_request *request,
                     enum sgl_pool pool, struct sgl_decision *decision, struct sgl_failure *failure)
{
    struct sgl_result result;
    struct sgl_input input = {.kind = SGL_INPUT_ROUTE,
                              .pool = pool,
                              .request = request->request,
                              .route = {.request = request}};

    const int status = feed(gateway, &input, &result, failure);
    if (status != SGL_OK)
        return status;
    *decision = result.actions[0].decision;
    if (decision->worker != SGL_NO_WORKER)
        return SGL_OK;
    return feed_end(gateway, SGL_INPUT_REJECT, pool, request->request, "no_worker");
}

int sgl_gateway_route_pair(struct sgl_gateway *gateway, struct sgl_request *request,
                           struct sgl_decision *prefill, struct sgl_decision *decode,
                           struct sgl_failure *failure)
{
    *decode = (struct sgl_decision){.worker = SGL_NO_WORKER};
    pthread_mutex_lock(&gateway->mutex);
    request->request = gateway->next_request;
    int status = route_leg(gateway, request, SGL_POOL_PREFILL, prefill, failure);
    gateway->next_request += status == SGL_OK;
    if (status == SGL_OK && prefill->worker != SGL_NO_WORKER) {
        status = route_leg(gateway, request, SGL_POOL_DECODE, decode, failure);
        if (status != SGL_OK || decode->worker == SGL_NO_WORKER)
            feed_end(gateway, SGL_INPUT_CANCEL, SGL_POOL_PREFILL, request->request,
                     SGL_ERROR_PAIR_LOST);
    }
    pthread_mutex_unlock(&gateway->mutex);
    return status;
}

bool sgl_gateway_is_paired(const struct sgl_gateway *gateway)
{
    return gateway->is_paired;
}

int sgl_gateway_reject(struct sgl_gateway *gateway, struct sgl_request *request, const char *error)
{
    struct sgl_input input = {.kind = SGL_INPUT_REJECT, .outcome = sgl_outcome_absent()};

    input.pool = gateway->is_paired ? SGL_POOL_PREFILL : SGL_POOL_REGULAR;
    input.outcome.error = error;
    pthread_mutex_lock(&gateway->mutex);
    request->request = gateway->next_request;
    input.request = request->request;
    const int status = feed(gateway, &input, NULL, NULL);
    gateway->next_request += status == SGL_OK;
    pthread_mutex_unlock(&gateway->mutex);
    return status;
}

void sgl_gateway_keep_prompt(struct sgl_gateway *gateway, int64_t request, const char *body,
                             size_t size)
{
    pthread_mutex_lock(&gateway->mutex);
    sgl_journal_push_prompt(gateway->journal, request, body, size);
    pthread_mutex_unlock(&gateway->mutex);
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

/* Bytes that a request line or a field may hold as they are. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

/* The URL without a trailing slash; NULL when it is none for a worker, or there is no memory. Only
 * http and https, no user, no query: what is sent there is a request of somebody else. */
static char *worker_url(const char *url, char **host_out, struct sgl_failure *failure)
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
        curl_url_get(parts, CURLUPART_QUERY, &query, 0) == CURLUE_OK || strchr(url, '#') != NULL ||
        !is_plain(url)) {
        sgl_fail(failure, SGL_EINVAL, "worker '%.200s', expected http://HOST[:PORT] or https://...",
                 url);
    } else if (strlen(url) > SGL_GATEWAY_URL_MAX) {
        sgl_fail(failure, SGL_EINVAL, "worker '%.60s...' has %zu bytes, expected at most %d", url,
                 strlen(url), SGL_GATEWAY_URL_MAX);
    } else {
        clean = strdup(url);
        for (size_t size = clean == NULL ? 0 : strlen(clean); size > 0 && clean[size - 1] == '/';)
            clean[--size] = '\0';
        if (clean == NULL)
            sgl_fail(failure, SGL_ENOMEM, "out of memory");
    }
    *host_out = clean != NULL ? host : NULL;
    if (clean == NULL)
        curl_free(host);
    curl_free(scheme);
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

/* Under the mutex. No request goes to it before it was heard. */
static void begin_start(struct sgl_gateway *gateway, uint32_t worker)
{
    struct sgl_input input = {.kind = SGL_INPUT_SET_HEALTH, .worker = worker};
    struct worker_texts *texts = &gateway->workers[worker];

    if (feed(gateway, &input, NULL, NULL) != SGL_OK)
        return; /* it counts as healthy, then */
    texts->is_starting = true;
    texts->probe_ns = uv_hrtime();
    texts->start_until_ns = texts->probe_ns + (uint64_t)gateway->startup_timeout_ns;
    gateway->starting_count++;
}

/* Under the mutex. */
static void end_start(struct sgl_gateway *gateway, uint32_t worker)
{
    gateway->workers[worker].is_starting = false;
    gateway->starting_count--;
}

/* Under the mutex. Takes what `texts` holds when it succeeds. */
static int add(struct sgl_gateway *gateway, const struct worker_texts *texts, enum sgl_pool pool,
               uint32_t *worker_out, bool *is_duplicate_out, struct sgl_failure *failure)
{
    const struct sgl_fleet *fleet = sgl_router_fleet(gateway->router);

    for (uint32_t i = 0; i < fleet->worker_count; i++)
        if (!fleet->workers[i].is_removed && strcmp(gateway->workers[i].url, texts->url) == 0) {
            *is_duplicate_out = true;
            *worker_out = i;
            return sgl_fail(failure, SGL_EINVAL, "worker %.200s is there already", texts->url);
        }
    struct sgl_input input = {.kind = SGL_INPUT_ADD_WORKER,
                              .pool = pool,
                              .added = {.url = texts->url, .model = texts->model}};
    const uint32_t worker = fleet->worker_count;
    const int status = feed(gateway, &input, NULL, failure);
    if (status != SGL_OK)
        return status;
    gateway->workers[worker] = *texts;
    make_id(gateway->workers[worker].id);
    if (gateway->startup_timeout_ns > 0)
        begin_start(gateway, worker);
    *worker_out = worker;
    return SGL_OK;
}

int sgl_gateway_add(struct sgl_gateway *gateway, const struct sgl_gateway_newcomer *newcomer,
                    uint32_t *worker_out, bool *is_duplicate_out, struct sgl_failure *failure)
{
    struct worker_texts texts = {.bootstrap_port = newcomer->bootstrap_port};
    const char *model = newcomer->model;

    *is_duplicate_out = false;
    if ((newcomer->pool == SGL_POOL_REGULAR) == gateway->is_paired)
        return sgl_fail(failure, SGL_EINVAL,
                        gateway->is_paired
                            ? "this router routes pairs, expected worker_type prefill or decode"
                            : "this router does not route pairs, expected worker_type regular");
    texts.url = worker_url(newcomer->url, &texts.host, failure);
    if (texts.url == NULL)
        return SGL_EINVAL;
    texts.model = model != NULL ? strdup(model) : NULL;
    int status = model != NULL && texts.model == NULL
                     ? sgl_fail(failure, SGL_ENOMEM, "out of memory")
                     : SGL_OK;
    if (status == SGL_OK) {
        pthread_mutex_lock(&gateway->mutex);
        status = add(gateway, &texts, newcomer->pool, worker_out, is_duplicate_out, failure);
        pthread_mutex_unlock(&gateway->mutex);
    }
    if (status != SGL_OK) {
        free(texts.url);
        free(texts.model);
        curl_free(texts.host);
    }
    return status;
}

uint32_t sgl_gateway_starting(struct sgl_gateway *gateway, uint32_t from, bool *is_late_out)
{
    uint32_t found = SGL_NO_WORKER;

    pthread_mutex_lock(&gateway->mutex);
    const struct sgl_fleet *fleet = sgl_router_fleet(gateway->router);
    const uint64_t now_ns = uv_hrtime();
    for (uint32_t i = from; gateway->starting_count > 0 && i < fleet->worker_count; i++) {
        struct worker_texts *texts = &gateway->workers[i];
        if (!texts->is_starting)
            continue;
        *is_late_out = now_ns >= texts->start_until_ns;
        if (fleet->workers[i].is_removed || *is_late_out)
            end_start(gateway, i);
        if (fleet->workers[i].is_removed || (!*is_late_out && now_ns < texts->probe_ns))
            continue;
        texts->probe_ns = now_ns + (uint64_t)gateway->startup_interval_ns;
        found = i;
        break;
    }
    pthread_mutex_unlock(&gateway->mutex);
    return found;
}

void sgl_gateway_started(struct sgl_gateway *gateway, uint32_t worker)
{
    struct sgl_input input = {.kind = SGL_INPUT_SET_HEALTH, .worker = worker, .is_on = true};

    pthread_mutex_lock(&gateway->mutex);
    if (gateway->workers[worker].is_starting) {
        end_start(gateway, worker);
        feed(gateway, &input, NULL, NULL); /* refused when it was removed meanwhile */
    }
    pthread_mutex_unlock(&gateway->mutex);
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
    const int64_t now_ns = sgl_gateway_time(gateway, uv_hrtime());
    const struct sgl_gateway_worker told = {
        .worker = worker,
        .url = texts->url,
        .id = texts->id,
        .model = texts->model,
        .pool = known->pool,
        .host = texts->host,
        .bootstrap_port = texts->bootstrap_port,
        .is_healthy = known->is_healthy,
        .is_draining = known->is_draining,
        .is_removed = known->is_removed,
        .breaker = sgl_breaker_state(&known->breaker, now_ns),
        .outstanding = fleet->outstanding[worker],
        .assigned = fleet->assigned[worker],
        .queue_length = known->reported_ns == SGL_ABSENT ? SGL_ABSENT : known->queue_length,
        .signal_age_ns = sgl_fleet_report_age_ns(fleet, worker, now_ns),
    };
    pthread_mutex_unlock(&gateway->mutex);
    return told;
}

uint32_t sgl_gateway_states(struct sgl_gateway *gateway, struct sgl_gateway_state *states)
{
    pthread_mutex_lock(&gateway->mutex);
    const struct sgl_fleet *fleet = sgl_router_fleet(gateway->router);
    const int64_t now_ns = sgl_gateway_time(gateway, uv_hrtime());
    const uint32_t count = fleet->worker_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_worker *known = &fleet->workers[i];
        states[i] = (struct sgl_gateway_state){
            .is_healthy = known->is_healthy,
            .is_removed = known->is_removed,
            .breaker = sgl_breaker_state(&known->breaker, now_ns),
        };
    }
    pthread_mutex_unlock(&gateway->mutex);
    return count;
}

void sgl_gateway_look(struct sgl_gateway *gateway, uint32_t worker, struct sgl_candidate *seen,
                      struct sgl_policy_memory *memory)
{
    pthread_mutex_lock(&gateway->mutex);
    sgl_router_look(gateway->router, worker, sgl_gateway_time(gateway, uv_hrtime()), seen, memory);
    pthread_mutex_unlock(&gateway->mutex);
}

const char *sgl_gateway_url(const struct sgl_gateway *gateway, uint32_t worker)
{
    return gateway->workers[worker].url;
}

const char *sgl_gateway_host(const struct sgl_gateway *gateway, uint32_t worker)
{
    return gateway->workers[worker].host;
}

int32_t sgl_gateway_bootstrap_port(const struct sgl_gateway *gateway, uint32_t worker)
{
    return gateway->workers[worker].bootstrap_port;
}
