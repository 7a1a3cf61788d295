/*
 * proxy.h - the live proxy: clients on one side, SGLang servers on the other, the router between.
 *
 *      thread i of N, all alike                               shared
 *      +---------------------------------------------+
 *      | loop: HTTP server --> relay --> upstream    |   --> gateway: the router, one mutex
 *      |   clients        (one per request)  workers |   --> journal --> writer thread --> log
 *      +---------------------------------------------+
 *      thread 0 also: signals, health probes, load polls
 *
 * run answers requests until SIGTERM or SIGINT, then drains: no new connections, answers under way
 * are completed; the drain timeout, or a second signal, cuts them: a stream then ends with an error
 * event, what has not begun gets 503, and the log says "shutdown". The log is finished last.
 */
#ifndef SGL_LIVE_PROXY_H
#define SGL_LIVE_PROXY_H

#include "core/admission.h"
#include "core/limits.h"
#include "core/policy.h"
#include "core/retry.h"
#include "access.h"
#include "event_log.h"
#include "traces/log_sink.h"

#define SGL_PROXY_THREADS_MAX 64
#define SGL_PROXY_ID_HEADERS_MAX 8

struct sgl_proxy_worker {
    const char *url;
    enum sgl_pool pool;
    int32_t bootstrap_port; /* of a prefill worker; -1: none */
};

/* Where it listens. 0: it has no such listener. */
struct sgl_proxy_ports {
    uint16_t clients;
    uint16_t control;
    uint16_t metrics;
};

struct sgl_proxy_options {
    const char *host;
    uint16_t port; /* 0: a free one */
    uint32_t threads;
    const struct sgl_proxy_worker *workers; /* in the order of their indices */
    size_t worker_count;
    const struct sgl_policy_spec *policy[SGL_POOL_COUNT]; /* regular; or prefill and decode */
    uint64_t seed;
    struct sgl_router_limits limits;
    struct sgl_retry_options retry;

    struct sgl_admission_options admission;
    struct sgl_token_rate tenant_rate; /* of each tenant; zeroed: no limit */
    const char *tenant_header;         /* that names a request's tenant; NULL: none does */
    bool forwards_priority;
    bool asks_for_usage; /* of streams of OpenAI's API: usage_field.h */

    struct sgl_access access;  /* control_host: `host` when there is no control listener */
    bool has_control_listener; /* at access.control_host */
    uint16_t control_port;     /* 0: a free one */
    bool has_metrics_listener; /* at metrics_host; /metrics is with the others all the same */
    const char *metrics_host;
    uint16_t metrics_port;       /* 0: a free one */
    bool forwards_authorization; /* the client's, to workers */
    bool hides_prompts;          /* the log has no prefix ids */
    bool logs_prompts;           /* it has the bodies of requests; needs a log */

    const char *log; /* NULL: none */
    enum sgl_log_candidates log_candidates;
    size_t log_buffer; /* bytes */

    bool reads_prompts;    /* the policy looks at prefixes */
    uint32_t prefix_block; /* bytes */

    uint64_t body_max;
    int64_t timeout_ns;      /* of a request, all attempts together */
    int64_t idle_timeout_ns; /* between two pieces of a stream */
    int64_t connect_timeout_ns;
    int64_t first_byte_timeout_ns; /* of an attempt; 0: that of the request */
    int64_t drain_timeout_ns;      /* after SIGTERM; what is under way then is cut. 0: no limit */
    bool half_close_answers;
    int64_t health_interval_ns; /* 0: no probes */
    int64_t health_timeout_ns;
    const char *health_path;
    int64_t startup_timeout_ns;  /* for a new worker to pass a first probe; 0: it counts as well */
    int64_t startup_interval_ns; /* between these probes */
    int64_t load_interval_ns;    /* 0: workers are not asked for their load */
    const char *id_headers[SGL_PROXY_ID_HEADERS_MAX]; /* that name a request; NULL ends them */

    const char *ca_files; /* separated by commas; NULL: the system's */
    const char *certificate_file;
    const char *key_file;

    enum sgl_event_level event_level; /* of what is told on stderr */
    bool events_are_json;

    /* ? It listens. */
    void (*ready)(void *context, struct sgl_event_log *events, const struct sgl_proxy_ports *ports);
    void *context;
};

/* SGL_EINVAL: what is asked for makes no sense. On a failure to start, there is no new log. */
int sgl_proxy_run(const struct sgl_proxy_options *options, struct sgl_failure *failure);

/* Does the policy look at the prompts of requests? */
bool sgl_proxy_reads_prompts(const struct sgl_policy_spec *policy);

#endif
