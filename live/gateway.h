/*
 * gateway.h - the router, shared by threads: the only mutex of live mode, and the only clock that
 * its inputs are stamped by.
 *
 *      thread 1  --route, first_token, complete-->  +--mutex----------------------------+
 *      thread 2  --route, cancel--------------->    | now_ns := clock                   |
 *      thread 1  --add_worker------------------->   | struct sgl_router -> decision     |
 *                                                   | journal <- input, decision, ...   |
 *                                                   +-----------------------------------+
 *
 * The mutex gives each input its time and its sequence number, so the log of many threads is one
 * total order and `sglsim verify` re-executes it. It is held for one input, a microsecond or so.
 *
 * Workers: index = the router's. Their texts (url, id) never change and live as long as the
 * gateway, so a thread that was told an index may read them without the mutex.
 */
#ifndef SGL_LIVE_GATEWAY_H
#define SGL_LIVE_GATEWAY_H

#include "core/past_attempts.h"
#include "core/retry.h"
#include "core/router.h"
#include "bootstrap.h"
#include "journal.h"

struct sgl_gateway;

struct sgl_gateway_options {
    uint64_t seed; /* of the policy's draws and of the jitter of retries */
    struct sgl_router_limits limits;
    struct sgl_retry_options retry;
    const struct sgl_policy_spec *policy[SGL_POOL_COUNT]; /* borrowed, outlive the gateway;
                                                             NULL: the pool is not used */
    struct sgl_journal *journal;                          /* borrowed; NULL: no log */
    uint64_t start_ns;                                    /* uv_hrtime at now_ns = 0 */
    int64_t startup_timeout_ns;  /* 0: a worker counts as healthy once it is added */
    int64_t startup_interval_ns; /* between probes of one that was not heard yet */
};

int sgl_gateway_create(struct sgl_gateway **gateway_out, const struct sgl_gateway_options *options,
                       struct sgl_failure *failure);
void sgl_gateway_destroy(struct sgl_gateway *gateway);

/* A request asks for a worker. request->request is given here on the first attempt, of which
 * nothing is past. On SGL_OK
 * without a candidate, decision->worker is SGL_NO_WORKER and the reject has been fed. */
int sgl_gateway_route(struct sgl_gateway *gateway, struct sgl_request *request,
                      const struct sgl_past_attempts *past, struct sgl_decision *decision,
                      struct sgl_failure *failure);

/* The two workers of a pair: of the pool prefill, then of the pool decode. On SGL_OK without a
 * candidate in either, that decision's worker is SGL_NO_WORKER, its reject has been fed, and the
 * other one, if there was one, was taken back: the words are those of a simulated run. */
int sgl_gateway_route_pair(struct sgl_gateway *gateway, struct sgl_request *request,
                           struct sgl_decision *prefill, struct sgl_decision *decode,
                           struct sgl_failure *failure);

/* Does it route pairs? */
bool sgl_gateway_is_paired(const struct sgl_gateway *gateway);

/* A request that is not to be routed at all: gets its number, and an outcome with that word. */
int sgl_gateway_reject(struct sgl_gateway *gateway, struct sgl_request *request, const char *error);

/* For the log: the body of a request that was just routed. Needs a journal. */
void sgl_gateway_keep_prompt(struct sgl_gateway *gateway, int64_t request, const char *body,
                             size_t size);

/* Any other input but add_worker; now_ns is filled in here. */
int sgl_gateway_feed(struct sgl_gateway *gateway, struct sgl_input *input,
                     struct sgl_failure *failure);

/* The same for an outcome, whose times are measured here: e2e, and ttft when there was one
 * (`first_token_ns` by uv_hrtime, 0: there was none). `arrival_ns` as in the request. */
int sgl_gateway_end(struct sgl_gateway *gateway, struct sgl_input *input, int64_t arrival_ns,
                    uint64_t first_token_ns);

/* A failed attempt: again? Fills in seed, clock and budget. */
struct sgl_retry_answer sgl_gateway_ask_retry(struct sgl_gateway *gateway,
                                              struct sgl_retry_question *question);

/* uv_hrtime as a time of the run. */
int64_t sgl_gateway_time(const struct sgl_gateway *gateway, uint64_t hrtime_ns);

/* ---- workers ---- */

#define SGL_GATEWAY_ID_SIZE 37

/* A worker as others may see it; texts live as long as the gateway. */
struct sgl_gateway_worker {
    uint32_t worker;
    const char *url;
    const char *id;    /* a UUID */
    const char *model; /* NULL: not said */
    enum sgl_pool pool;
    const char *host;       /* of its URL, as bootstrap_host says it */
    int32_t bootstrap_port; /* of a prefill worker; SGL_BOOTSTRAP_NO_PORT: none */
    bool is_healthy;
    bool is_draining;
    bool is_removed;
    enum sgl_breaker_state breaker;
    uint32_t outstanding;
    uint64_t assigned;
    int64_t queue_length;  /* as it said last; SGL_ABSENT: it never did; so the next */
    int64_t signal_age_ns; /* since then */
};

/* What changes of a worker by itself. */
struct sgl_gateway_state {
    bool is_healthy;
    bool is_removed;
    enum sgl_breaker_state breaker;
};

/* A worker that is to be added; texts are copied. */
struct sgl_gateway_newcomer {
    const char *url;
    const char *model; /* NULL: not said */
    enum sgl_pool pool;
    int32_t bootstrap_port;
};

/* The longest URL of a worker, in bytes: it is a header field of every answer. */
#define SGL_GATEWAY_URL_MAX 400

/* SGL_EINVAL: no URL for a worker, or too long a one; a pool that is not used; or it is there
 * already (*is_duplicate_out). The index goes to *worker_out. A trailing slash is dropped. */
int sgl_gateway_add(struct sgl_gateway *gateway, const struct sgl_gateway_newcomer *newcomer,
                    uint32_t *worker_out, bool *is_duplicate_out, struct sgl_failure *failure);

/* With a startup timeout, a new worker is unhealthy until it has passed one probe, which is asked
 * for here: the first one from index `from` on whose next probe is due, or SGL_NO_WORKER. When its
 * time to start is over (*is_late_out), it is given once more, and left to the ordinary probes. */
uint32_t sgl_gateway_starting(struct sgl_gateway *gateway, uint32_t from, bool *is_late_out);

/* It has passed. */
void sgl_gateway_started(struct sgl_gateway *gateway, uint32_t worker);

/* No new requests; those it has are answered. SGL_EINVAL: there is no such worker. */
int sgl_gateway_remove(struct sgl_gateway *gateway, uint32_t worker, struct sgl_failure *failure);

/* Ever added, removed ones included. */
uint32_t sgl_gateway_worker_count(struct sgl_gateway *gateway);

struct sgl_gateway_worker sgl_gateway_worker(struct sgl_gateway *gateway, uint32_t worker);

/* The states of all, in one go; returns how many workers there ever were. Room for worker_max. */
uint32_t sgl_gateway_states(struct sgl_gateway *gateway, struct sgl_gateway_state *states);

/* How the policy sees it now; see sgl_router_look. */
void sgl_gateway_look(struct sgl_gateway *gateway, uint32_t worker, struct sgl_candidate *seen,
                      struct sgl_policy_memory *memory);

/* What does not change, without the mutex. */
const char *sgl_gateway_url(const struct sgl_gateway *gateway, uint32_t worker);
const char *sgl_gateway_host(const struct sgl_gateway *gateway, uint32_t worker);
int32_t sgl_gateway_bootstrap_port(const struct sgl_gateway *gateway, uint32_t worker);

#endif
