/*
 * serve_options.h - the options of `sglsim serve`: what is typed, and what the proxy makes of it.
 *
 *      argv, --config -> struct sgl_serve_options -> sgl_serve_resolve -> struct sgl_proxy_options
 *
 * Names are those of SGLang's routers, so that a command line written for them works here.
 */
#ifndef SGL_CLI_SERVE_OPTIONS_H
#define SGL_CLI_SERVE_OPTIONS_H

#include "live/proxy.h"
#include "options.h"
#include "reliability_options.h"
#include "serve_guard.h"
#include "serve_pairs.h"
#include "serve_watch.h"

struct sgl_serve_options {
    const char *host;
    uint64_t port;
    uint64_t threads;
    const char *worker_urls;
    uint64_t worker_max;
    const char *policy;
    double cache_threshold; /* NaN: not given; so the next four */
    double balance_rel_threshold;
    uint64_t balance_abs_threshold; /* UINT64_MAX: not given; so the next */
    uint64_t max_tree_size;
    double eviction_interval_s;
    uint64_t prefix_block;
    uint64_t seed;
    const char *log;
    const char *log_candidates;
    uint64_t log_buffer_mib;
    uint64_t max_payload_size;
    double request_timeout_s; /* NaN: not given */
    double stream_idle_timeout_s;
    double connect_timeout_s;
    double first_byte_timeout_s; /* NaN: not given */
    double drain_timeout_s;      /* NaN: not given */
    struct sgl_reliability_flags reliability;
    const char *panic;
    double slow_start_s; /* NaN: not given */
    double health_check_interval_s;
    double health_check_timeout_s;
    uint64_t health_failure_threshold;
    uint64_t health_success_threshold;
    const char *health_check_endpoint;
    bool disable_health_check;
    int64_t load_interval_ns;
    const char *half_close;
    const char *request_id_headers;
    const char *ca_cert_paths;
    const char *client_cert_path;
    const char *client_key_path;
    struct sgl_serve_guard guard;
    struct sgl_serve_watch watch;
    struct sgl_serve_pairs pairs;
    bool print_config;
    bool quiet;
};

/* What the options come to, with what must live as long. */
struct sgl_serve_setup {
    struct sgl_proxy_options proxy;
    struct sgl_policy_spec policy[SGL_POOL_COUNT]; /* of the pools in use */
    char *policy_text[SGL_POOL_COUNT];
    struct sgl_serve_workers workers;
    struct sgl_serve_folded folded;
    char id_headers_text[512];
};

void sgl_serve_options_init(struct sgl_serve_options *options);

/* The table of options that fills `options`; rows, ended by an empty one, in `rows`. */
#define SGL_SERVE_ROWS_MAX 170
void sgl_serve_rows(struct sgl_serve_options *options,
                    struct sgl_option rows[static SGL_SERVE_ROWS_MAX]);

/* An option of SGLang's routers that is not supported yet: complains of it, and says true. */
bool sgl_serve_refuses(int argument_count, char **arguments);

/* False after a complaint. `urls` are the operands. The setup is to be released in any case. */
bool sgl_serve_resolve(struct sgl_serve_setup *setup, const struct sgl_serve_options *options,
                       char **urls, size_t url_count);
void sgl_serve_release(struct sgl_serve_setup *setup);

#endif
