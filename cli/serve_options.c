#include "serve_options.h"

#include "cli.h"
#include "policy_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEBIBYTE ((uint64_t)1024 * 1024)
#define NOT_GIVEN UINT64_MAX
#define TIMEOUT_S 90 /* of a request: DESIGN, section 7 */
#define PAIR_TIMEOUT_S 1800
#define WORKER_MAX_MOST 65536
#define PART_ROWS_MAX 26 /* of each of the parts that the options are listed in */

void sgl_serve_options_init(struct sgl_serve_options *options)
{
    *options = (struct sgl_serve_options){
        .host = "127.0.0.1",
        .port = 30000,
        .threads = 1,
        .worker_urls = "",
        .worker_max = SGL_WORKER_MAX_STANDARD,
        .policy = "cache_aware",
        .cache_threshold = NAN,
        .balance_rel_threshold = NAN,
        .balance_abs_threshold = NOT_GIVEN,
        .max_tree_size = NOT_GIVEN,
        .eviction_interval_s = NAN,
        .prefix_block = 16,
        .seed = 1,
        .log = "none",
        .log_candidates = "all",
        .log_buffer_mib = 32,
        .max_payload_size = 10 * MEBIBYTE,
        .request_timeout_s = NAN,
        .stream_idle_timeout_s = 60,
        .connect_timeout_s = 5,
        .first_byte_timeout_s = NAN,
        .drain_timeout_s = NAN,
        .panic = "off",
        .slow_start_s = NAN,
        .health_check_interval_s = 60,
        .health_check_timeout_s = 5,
        .health_failure_threshold = 3,
        .health_success_threshold = 2,
        .health_check_endpoint = "/health",
        .half_close = "cancel",
        .request_id_headers = "x-request-id,x-correlation-id,x-trace-id,request-id",
        .ca_cert_paths = "",
        .client_cert_path = "",
        .client_key_path = "",
    };
    sgl_reliability_flags_init(&options->reliability);
    sgl_serve_guard_init(&options->guard);
    sgl_serve_watch_init(&options->watch);
    sgl_serve_pairs_init(&options->pairs);
}

/* ---- the options, in the order of the help: each function adds rows, and counts them ---- */

/* clang-format off */
/* Where requests go, and what is kept of it. */
static size_t routing_rows(struct sgl_serve_options *o, struct sgl_option *rows)
{
    const struct sgl_option table[] = {
        {"worker-urls", 0, SGL_OPTION_TEXT, "URL...", &o->worker_urls,
         "workers, http://HOST:PORT or https://...; more may be operands", 0},
        {"worker-max", 0, SGL_OPTION_NATURAL, "N", &o->worker_max,
         "workers ever added, those that were removed included", 1},
        {"policy", 'p', SGL_OPTION_TEXT, "P[:k=v,...]", &o->policy,
         "how to route, or SGLang's JSON; sglsim policies lists them", 0},
        {"host", 0, SGL_OPTION_TEXT, "ADDRESS", &o->host, "listen here", 0},
        {"port", 0, SGL_OPTION_NATURAL, "N", &o->port, "and on this port; 0: any free one", 0},
        {"threads", 't', SGL_OPTION_NATURAL, "N", &o->threads, "event loops", 1},
        {"log", 'l', SGL_OPTION_TEXT, "PATH|none", &o->log,
         "every input and decision, into this SQLite file", 0},
        {"log-candidates", 0, SGL_OPTION_CHOICE, "all|chosen", &o->log_candidates,
         "rows per decision: every candidate's, or the chosen one's", 0},
        {"log-buffer-mib", 0, SGL_OPTION_NATURAL, "N", &o->log_buffer_mib,
         "memory for what the disk has not taken yet; beyond it, a gap", 1},
        {"seed", 's', SGL_OPTION_NATURAL, "N", &o->seed, "which luck policies and retries have", 0},
        {"cache-threshold", 0, SGL_OPTION_POSITIVE, "X", &o->cache_threshold,
         "of cache_aware: cache_threshold", 0},
        {"balance-abs-threshold", 0, SGL_OPTION_NATURAL, "N", &o->balance_abs_threshold,
         "of cache_aware: balance_abs_threshold", 0},
        {"balance-rel-threshold", 0, SGL_OPTION_POSITIVE, "X", &o->balance_rel_threshold,
         "of cache_aware: balance_rel_threshold", 0},
        {"eviction-interval-secs", 0, SGL_OPTION_POSITIVE, "S", &o->eviction_interval_s,
         "of cache_aware: eviction_interval_s", 0},
        {"eviction-interval", 0, SGL_OPTION_POSITIVE, "S", &o->eviction_interval_s,
         "the same", 0},
        {"max-tree-size", 0, SGL_OPTION_NATURAL, "N", &o->max_tree_size,
         "of cache_aware: max_tree_size", 1},
        {"prefix-block", 0, SGL_OPTION_NATURAL, "BYTES", &o->prefix_block,
         "of a prompt that one prefix id stands for", 1},
    };

    _Static_assert(sizeof table / sizeof table[0] <= PART_ROWS_MAX, "room for all rows");
    memcpy(rows, table, sizeof table);
    return sizeof table / sizeof table[0];
}

/* How long things may be, and take. */
static size_t limit_rows(struct sgl_serve_options *o, struct sgl_option *rows)
{
    const struct sgl_option table[] = {
        {"max-payload-size", 0, SGL_OPTION_NATURAL, "BYTES", &o->max_payload_size,
         "longest body of a request", 1},
        {"request-timeout-secs", 0, SGL_OPTION_POSITIVE, "S", &o->request_timeout_s,
         "for a request, all attempts together (default: 90, of pairs 1800)", 0},
        {"stream-idle-timeout-secs", 0, SGL_OPTION_POSITIVE, "S", &o->stream_idle_timeout_s,
         "between two pieces of an answer", 0},
        {"connect-timeout-secs", 0, SGL_OPTION_POSITIVE, "S", &o->connect_timeout_s,
         "to reach a worker", 0},
        {"first-byte-timeout-secs", 0, SGL_OPTION_POSITIVE, "S", &o->first_byte_timeout_s,
         "to an answer's first byte, prefill leg first (default: all)", 0},
        {"drain-timeout-secs", 0, SGL_OPTION_POSITIVE, "S", &o->drain_timeout_s,
         "after SIGTERM, then streams are cut (default: when they end)", 0},
    };

    _Static_assert(sizeof table / sizeof table[0] <= PART_ROWS_MAX, "room for all rows");
    memcpy(rows, table, sizeof table);
    return sizeof table / sizeof table[0];
}

/* Workers that fail. */
static size_t failure_rows(struct sgl_serve_options *o, struct sgl_option *rows)
{
    const struct sgl_option table[] = {
        SGL_RELIABILITY_ROWS(o->reliability),
        {"panic", 0, SGL_OPTION_CHOICE, "on|off", &o->panic,
         "when no worker is well: try them all the same, or answer 503", 0},
        {"slow-start-secs", 0, SGL_OPTION_POSITIVE, "S", &o->slow_start_s,
         "a worker well again gets its full part after this (default: at once)", 0},
        {"health-check-interval-secs", 0, SGL_OPTION_POSITIVE, "S", &o->health_check_interval_s,
         "between two probes of a worker", 0},
        {"health-check-timeout-secs", 0, SGL_OPTION_POSITIVE, "S", &o->health_check_timeout_s,
         "for its answer", 0},
        {"health-failure-threshold", 0, SGL_OPTION_NATURAL, "N", &o->health_failure_threshold,
         "probes failed in a row that make it unhealthy", 1},
        {"health-success-threshold", 0, SGL_OPTION_NATURAL, "N", &o->health_success_threshold,
         "probes passed in a row that make it healthy again", 1},
        {"health-check-endpoint", 0, SGL_OPTION_TEXT, "PATH", &o->health_check_endpoint,
         "what is asked for", 0},
        {"disable-health-check", 0, SGL_OPTION_FLAG, NULL, &o->disable_health_check, "no probes",
         0},
        {"load-interval", 0, SGL_OPTION_DURATION, "TIME", &o->load_interval_ns,
         "between looks at a worker's queue (/v1/loads, /get_load); 0: none", 0},
    };

    _Static_assert(sizeof table / sizeof table[0] <= PART_ROWS_MAX, "room for all rows");
    memcpy(rows, table, sizeof table);
    return sizeof table / sizeof table[0];
}

/* What clients and workers are told, and shown. */
static size_t peer_rows(struct sgl_serve_options *o, struct sgl_option *rows)
{
    const struct sgl_option table[] = {
        {"half-close", 0, SGL_OPTION_CHOICE, "cancel|answer", &o->half_close,
         "a client that closed its sending side has left, or is answered", 0},
        {"request-id-headers", 0, SGL_OPTION_TEXT, "NAME...", &o->request_id_headers,
         "fields that name a request, the first one present counts", 0},
        {"ca-cert-paths", 0, SGL_OPTION_TEXT, "FILE...", &o->ca_cert_paths,
         "authorities to trust https workers by, instead of the system's", 0},
        {"client-cert-path", 0, SGL_OPTION_TEXT, "FILE", &o->client_cert_path,
         "certificate to show to workers", 0},
        {"client-key-path", 0, SGL_OPTION_TEXT, "FILE", &o->client_key_path, "and its key", 0},
    };

    _Static_assert(sizeof table / sizeof table[0] <= PART_ROWS_MAX, "room for all rows");
    memcpy(rows, table, sizeof table);
    return sizeof table / sizeof table[0];
}

static void closing_rows(struct sgl_serve_options *o, struct sgl_option *rows)
{
    const struct sgl_option table[] = {
        {"print-config", 0, SGL_OPTION_FLAG, NULL, &o->print_config,
         "print the options as a --config file, and stop", 0},
        {"quiet", 'q', SGL_OPTION_FLAG, NULL, &o->quiet, "say nothing but errors", 0},
        {0},
    };

    _Static_assert(sizeof table / sizeof table[0] <= PART_ROWS_MAX, "room for all rows");
    memcpy(rows, table, sizeof table);
}
/* clang-format on */

void sgl_serve_rows(struct sgl_serve_options *o, struct sgl_option rows[static SGL_SERVE_ROWS_MAX])
{
    _Static_assert(5 * PART_ROWS_MAX + SGL_SERVE_GUARD_ROWS_MAX + SGL_SERVE_WATCH_ROWS_MAX +
                           SGL_SERVE_PAIR_ROWS_MAX <=
                       SGL_SERVE_ROWS_MAX,
                   "room for all rows");
    rows += routing_rows(o, rows);
    rows += limit_rows(o, rows);
    rows += failure_rows(o, rows);
    rows += peer_rows(o, rows);
    rows += sgl_serve_guard_rows(&o->guard, rows);
    rows += sgl_serve_watch_rows(&o->watch, rows);
    rows += sgl_serve_pair_rows(&o->pairs, rows);
    closing_rows(o, rows);
}

#define NO_DISCOVERY                                                                               \
    "this router asks no cluster for its workers: tell it of them with POST /workers or "          \
    "/add_worker?url=, and DELETE /workers/ID"

/* Options of SGLang's routers that this one has not, and what to do instead. */
static const struct {
    const char *name;
    const char *instead;
} foreign[] = {
    {"service-discovery", NO_DISCOVERY},
    {"service-discovery-port", NO_DISCOVERY},
    {"service-discovery-namespace", NO_DISCOVERY},
    {"selector", NO_DISCOVERY},
    {"prefill-selector", NO_DISCOVERY},
    {"decode-selector", NO_DISCOVERY},
    {"log-dir", "events go to stderr (2>> FILE, or the service manager keeps them; --log-level, "
                "--log-json), decisions to --log PATH"},
    {"dp-aware", "a request goes to a worker, which chooses among its data-parallel ranks itself: "
                 "leave it out, or give each rank a server and a URL of its own"},
};

bool sgl_serve_refuses(int argument_count, char **arguments)
{
    for (int i = 1; i < argument_count; i++) {
        if (strncmp(arguments[i], "--", 2) != 0)
            continue;
        const char *name = arguments[i] + 2;
        const size_t size = strcspn(name, "=");
        for (size_t j = 0; j < sizeof foreign / sizeof foreign[0]; j++)
            if (strlen(foreign[j].name) == size && strncmp(foreign[j].name, name, size) == 0) {
                sgl_complain("--%s of SGLang's routers is not supported (%s)", foreign[j].name,
                             foreign[j].instead);
                return true;
            }
    }
    return false;
}

/* ---- what they come to ---- */

static int64_t from_seconds(double seconds)
{
    return sgl_option_ns(seconds * 1e9);
}

/* Options that are parameters of cache_aware, as "name=value,...": into `text`. */
static void put_parameters(FILE *text, const struct sgl_serve_options *o)
{
    const struct {
        const char *name;
        double value;
        bool is_given;
    } parameters[] = {
        {"cache_threshold", o->cache_threshold, !isnan(o->cache_threshold)},
        {"balance_abs_threshold", (double)o->balance_abs_threshold,
         o->balance_abs_threshold != NOT_GIVEN},
        {"balance_rel_threshold", o->balance_rel_threshold, !isnan(o->balance_rel_threshold)},
        {"eviction_interval_s", o->eviction_interval_s, !isnan(o->eviction_interval_s)},
        {"max_tree_size", (double)o->max_tree_size, o->max_tree_size != NOT_GIVEN},
    };
    char real[SGL_REAL_TEXT_MAX];
    const char *separator = "";

    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
        if (parameters[i].is_given) {
            fprintf(text, "%s%s=%s", separator, parameters[i].name,
                    sgl_real_text(parameters[i].value, real));
            separator = ",";
        }
}

/* A policy's text with the parameters behind it that options have given; NULL after a complaint.
 * Caller frees. */
static char *whole_policy(const struct sgl_serve_options *o, const char *policy)
{
    struct sgl_failure failure;
    char *given = sgl_policy_text(policy, &failure);
    char *parameters = NULL;
    char *whole = NULL;
    size_t size = 0;

    if (given == NULL) {
        sgl_complain("%s", failure.text);
        return NULL;
    }
    FILE *text = open_memstream(&parameters, &size);
    if (text != NULL) {
        put_parameters(text, o);
        fclose(text);
    }
    if (parameters != NULL && size > 0 && strncmp(given, "cache_aware", 11) != 0) {
        sgl_complain("thresholds, tree size and eviction are options of the policy cache_aware, "
                     "not of %.60s (leave them out, or name the policy's own as name:key=value)",
                     policy);
    } else {
        const size_t room = strlen(given) + size + 2;
        whole = parameters != NULL ? malloc(room) : NULL;
        if (whole == NULL)
            sgl_complain("out of memory");
        else
            snprintf(whole, room, "%s%s%s", given,
                     size == 0 ? "" : (strchr(given, ':') == NULL ? ":" : ","), parameters);
    }
    free(parameters);
    free(given);
    return whole;
}

/* One pool's policy. */
static bool resolve_policy(struct sgl_serve_setup *setup, const struct sgl_serve_options *o,
                           enum sgl_pool pool, const char *policy)
{
    struct sgl_failure failure;
    char *text = whole_policy(o, policy);

    if (text == NULL)
        return false;
    const int status = sgl_policy_parse(&setup->policy[pool], text, &failure);
    free(text);
    if (status != SGL_OK) {
        sgl_complain("%s", failure.text);
        return false;
    }
    setup->policy_text[pool] = sgl_policy_format(&setup->policy[pool]);
    setup->proxy.policy[pool] = &setup->policy[pool];
    setup->proxy.reads_prompts =
        setup->proxy.reads_prompts || sgl_proxy_reads_prompts(&setup->policy[pool]);
    return true;
}

static bool resolve_policies(struct sgl_serve_setup *setup, const struct sgl_serve_options *o)
{
    const struct sgl_serve_pairs *pairs = &o->pairs;
    const char *prefill = pairs->prefill_policy[0] != '\0' ? pairs->prefill_policy : o->policy;
    const char *decode = pairs->decode_policy[0] != '\0' ? pairs->decode_policy : o->policy;

    setup->proxy.reads_prompts = false;
    if (!sgl_serve_is_paired(pairs))
        return resolve_policy(setup, o, SGL_POOL_REGULAR, o->policy);
    return resolve_policy(setup, o, SGL_POOL_PREFILL, prefill) &&
           resolve_policy(setup, o, SGL_POOL_DECODE, decode);
}

/* Workers that are for the other way of routing. */
static bool has_wrong_workers(const struct sgl_serve_options *o, size_t url_count)
{
    const bool is_paired = sgl_serve_is_paired(&o->pairs);
    const bool has_regular = o->worker_urls[0] != '\0' || url_count > 0;
    const bool has_pairs = o->pairs.prefill[0] != '\0' || o->pairs.decode[0] != '\0';

    if (is_paired && has_regular)
        sgl_complain("--worker-urls with --pd-disaggregation (name the workers by --prefill URL "
                     "[PORT] and --decode URL)");
    else if (!is_paired && has_pairs)
        sgl_complain("--prefill and --decode need --pd-disaggregation");
    else if (!is_paired &&
             (o->pairs.prefill_policy[0] != '\0' || o->pairs.decode_policy[0] != '\0'))
        sgl_complain("--prefill-policy and --decode-policy need --pd-disaggregation");
    else
        return false;
    return true;
}

static bool resolve_urls(struct sgl_serve_setup *setup, const struct sgl_serve_options *o,
                         char **urls, size_t url_count)
{
    struct sgl_serve_workers *workers = &setup->workers;

    if (has_wrong_workers(o, url_count))
        return false;
    if (!(sgl_serve_is_paired(&o->pairs)
              ? sgl_serve_pairs_read(workers, &o->pairs)
              : sgl_serve_workers_read(workers, o->worker_urls, urls, url_count)))
        return false;
    if (workers->count > o->worker_max) {
        sgl_complain("%zu workers, more than --worker-max %llu (raise it)", workers->count,
                     (unsigned long long)o->worker_max);
        return false;
    }
    setup->proxy.workers = workers->items;
    setup->proxy.worker_count = workers->count;
    return true;
}

static bool resolve_names(struct sgl_serve_setup *setup, const struct sgl_serve_options *o)
{
    size_t count = 0;

    if (strlen(o->request_id_headers) >= sizeof setup->id_headers_text) {
        sgl_complain("--request-id-headers is longer than %zu bytes",
                     sizeof setup->id_headers_text - 1);
        return false;
    }
    memcpy(setup->id_headers_text, o->request_id_headers, strlen(o->request_id_headers) + 1);
    char *rest = setup->id_headers_text;
    for (char *name; (name = sgl_option_word(&rest)) != NULL;) {
        if (count == SGL_PROXY_ID_HEADERS_MAX) {
            sgl_complain("--request-id-headers has more than %d names", SGL_PROXY_ID_HEADERS_MAX);
            return false;
        }
        setup->proxy.id_headers[count++] = name;
    }
    return true;
}

static bool resolve_limits(struct sgl_serve_setup *setup, const struct sgl_serve_options *o)
{
    struct sgl_router_limits *limits = &setup->proxy.limits;

    if (!sgl_reliability_flags_resolve(&o->reliability, &setup->proxy.retry, limits))
        return false;
    limits->worker_max = o->worker_max;
    limits->probes_down = o->health_failure_threshold;
    limits->probes_up = o->health_success_threshold;
    limits->panic = strcmp(o->panic, "on") == 0;
    limits->slow_start_ns = isnan(o->slow_start_s) ? 0 : (uint64_t)from_seconds(o->slow_start_s);
    return true;
}

bool sgl_serve_resolve(struct sgl_serve_setup *setup, const struct sgl_serve_options *o,
                       char **urls, size_t url_count)
{
    struct sgl_proxy_options *proxy = &setup->proxy;

    if (!sgl_option_in_range("port", o->port, 0, 65535) ||
        !sgl_option_in_range("threads", o->threads, 1, SGL_PROXY_THREADS_MAX) ||
        !sgl_option_in_range("worker-max", o->worker_max, 1, WORKER_MAX_MOST) ||
        !sgl_option_in_range("prefix-block", o->prefix_block, 1, 4096) ||
        !sgl_option_in_range("max-payload-size", o->max_payload_size, 1, 1024 * MEBIBYTE) ||
        !sgl_option_in_range("log-buffer-mib", o->log_buffer_mib, 1, 65536) ||
        !resolve_urls(setup, o, urls, url_count) || !resolve_policies(setup, o) ||
        !resolve_names(setup, o) || !resolve_limits(setup, o) ||
        !sgl_serve_guard_resolve(proxy, &o->guard, o->host) ||
        !sgl_serve_watch_resolve(proxy, &o->watch, !o->disable_health_check))
        return false;
    proxy->host = o->host;
    proxy->port = (uint16_t)o->port;
    proxy->threads = (uint32_t)o->threads;
    proxy->seed = o->seed;
    proxy->log = strcmp(o->log, "none") == 0 ? NULL : o->log;
    if (proxy->logs_prompts && proxy->log == NULL) {
        sgl_complain("--log-prompts full needs --log PATH (where they go)");
        return false;
    }
    proxy->log_candidates =
        strcmp(o->log_candidates, "all") == 0 ? SGL_LOG_CANDIDATES_ALL : SGL_LOG_CANDIDATES_CHOSEN;
    proxy->log_buffer = o->log_buffer_mib * MEBIBYTE;
    proxy->prefix_block = (uint32_t)o->prefix_block;
    proxy->body_max = o->max_payload_size;
    proxy->timeout_ns = from_seconds(!isnan(o->request_timeout_s)     ? o->request_timeout_s
                                     : sgl_serve_is_paired(&o->pairs) ? PAIR_TIMEOUT_S
                                                                      : TIMEOUT_S);
    proxy->idle_timeout_ns = from_seconds(o->stream_idle_timeout_s);
    proxy->connect_timeout_ns = from_seconds(o->connect_timeout_s);
    proxy->first_byte_timeout_ns =
        isnan(o->first_byte_timeout_s) ? 0 : from_seconds(o->first_byte_timeout_s);
    proxy->drain_timeout_ns = isnan(o->drain_timeout_s) ? 0 : from_seconds(o->drain_timeout_s);
    if (o->quiet)
        proxy->event_level = SGL_EVENT_ERROR;
    proxy->half_close_answers = strcmp(o->half_close, "answer") == 0;
    proxy->health_interval_ns =
        o->disable_health_check ? 0 : from_seconds(o->health_check_interval_s);
    proxy->health_timeout_ns = from_seconds(o->health_check_timeout_s);
    proxy->health_path = o->health_check_endpoint;
    proxy->load_interval_ns = o->load_interval_ns;
    proxy->ca_files = o->ca_cert_paths[0] != '\0' ? o->ca_cert_paths : NULL;
    proxy->certificate_file = o->client_cert_path[0] != '\0' ? o->client_cert_path : NULL;
    proxy->key_file = o->client_key_path[0] != '\0' ? o->client_key_path : NULL;
    if (proxy->key_file != NULL && proxy->certificate_file == NULL) {
        sgl_complain("--client-key-path needs --client-cert-path FILE (the certificate it is of)");
        return false;
    }
    if (proxy->health_path[0] == '/')
        return true;
    sgl_complain("--health-check-endpoint %.60s, expected a path such as /health",
                 o->health_check_endpoint);
    return false;
}

void sgl_serve_release(struct sgl_serve_setup *setup)
{
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++) {
        if (setup->proxy.policy[pool] != NULL)
            sgl_policy_release(&setup->policy[pool]);
        free(setup->policy_text[pool]);
    }
    sgl_serve_workers_release(&setup->workers);
    sgl_serve_folded_release(&setup->folded);
}
