#include "serve_guard.h"

#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void sgl_serve_guard_init(struct sgl_serve_guard *guard)
{
    *guard = (struct sgl_serve_guard){
        .max_concurrent_requests = "-1",
        .queue_size = 100,
        .queue_timeout_s = 60,
        .rate_limit = NAN,
        .tenant_rate_limit = NAN,
        .tenant_header = "",
        .api_key = "",
        .admin_api_key = "",
        .admin_host = "",
        .admin_port = UINT64_MAX,
        .log_prompts = "hash",
    };
}

/* clang-format off */
size_t sgl_serve_guard_rows(struct sgl_serve_guard *g,
                            struct sgl_option rows[static SGL_SERVE_GUARD_ROWS_MAX])
{
    const struct sgl_option table[] = {
        {"max-concurrent-requests", 0, SGL_OPTION_TEXT, "N|-1", &g->max_concurrent_requests,
         "requests under way at once; more wait in a queue; -1: no limit", 0},
        {"queue-size", 0, SGL_OPTION_NATURAL, "N", &g->queue_size,
         "of that queue; beyond it 429 with Retry-After; 0: nobody waits", 0},
        {"queue-timeout-secs", 0, SGL_OPTION_POSITIVE, "S", &g->queue_timeout_s,
         "of waiting in it, then 408", 0},
        {"rate-limit-tokens-per-second", 0, SGL_OPTION_POSITIVE, "X", &g->rate_limit,
         "requests per second (bursts of a second's worth)", 0},
        {"tenant-header", 0, SGL_OPTION_TEXT, "NAME", &g->tenant_header,
         "field that names the tenant of a request, for the log and for", 0},
        {"tenant-rate-limit-tokens-per-second", 0, SGL_OPTION_POSITIVE, "X",
         &g->tenant_rate_limit, "requests per second of each tenant, then 429", 0},
        {"api-key", 0, SGL_OPTION_TEXT, "KEY", &g->api_key,
         "clients must say it: Authorization: Bearer KEY (default: none)", 0},
        {"admin-api-key", 0, SGL_OPTION_TEXT, "KEY", &g->admin_api_key,
         "for /workers, /metrics and the like (default: that of clients)", 0},
        {"admin-port", 0, SGL_OPTION_NATURAL, "N", &g->admin_port,
         "these are at this port, and not at --port; 0: any free one", 0},
        {"admin-host", 0, SGL_OPTION_TEXT, "ADDRESS", &g->admin_host,
         "and at this address (default: --host)", 0},
        {"allowed-workers", 0, SGL_OPTION_LIST, "HOST[:PORT]", &g->allowed_workers,
         "workers that requests may add, repeatable (default: any, with a\n"
         "key or on loopback; else none)", 0},
        {"forward-authorization", 0, SGL_OPTION_FLAG, NULL, &g->forward_authorization,
         "send the client's Authorization field on to workers", 0},
        {"log-prompts", 0, SGL_OPTION_CHOICE, "none|hash|full", &g->log_prompts,
         "in the log: nothing of prompts, their prefix ids, or these and the\n"
         "bodies of requests as they came (whoever reads the log reads them)", 0},
        {"ask-usage", 0, SGL_OPTION_FLAG, NULL, &g->ask_usage,
         "put stream_options.include_usage into streams of /v1/ that have no\n"
         "stream_options: else they count no tokens, and policies that learn\n"
         "from tokens learn nothing of them (clients get one event more)", 0},
        {"priority-forward", 0, SGL_OPTION_FLAG, NULL, &g->priority_forward,
         "leave \"priority\": \"high\"|\"normal\"|\"low\" in bodies for the workers", 0},
    };
    /* clang-format on */

    _Static_assert(sizeof table / sizeof table[0] <= SGL_SERVE_GUARD_ROWS_MAX, "room for all rows");
    memcpy(rows, table, sizeof table);
    return sizeof table / sizeof table[0];
}

bool sgl_serve_guard_hides(const struct sgl_serve_guard *guard, const void *target)
{
    return (target == &guard->api_key && guard->api_key[0] != '\0') ||
           (target == &guard->admin_api_key && guard->admin_api_key[0] != '\0');
}

/* Bursts of what a second brings. */
static struct sgl_token_rate rate_of(double per_second)
{
    if (isnan(per_second))
        return (struct sgl_token_rate){0};
    const double burst = ceil(per_second);
    return sgl_token_rate(per_second, burst < 1e9 ? (uint32_t)burst : 1000000000);
}

static bool resolve_admission(struct sgl_proxy_options *proxy, const struct sgl_serve_guard *guard)
{
    struct sgl_admission_options *admission = &proxy->admission;
    char *end;
    const long long most = strtoll(guard->max_concurrent_requests, &end, 10);

    if (end == guard->max_concurrent_requests || *end != '\0' || most < -1 || most == 0 ||
        most > INT32_MAX) {
        sgl_complain("--max-concurrent-requests %.60s, expected a number from 1, or -1 for no "
                     "limit",
                     guard->max_concurrent_requests);
        return false;
    }
    if (guard->queue_size > 1000000) {
        sgl_complain("--queue-size %llu, expected 0 to 1000000",
                     (unsigned long long)guard->queue_size);
        return false;
    }
    if (!isnan(guard->tenant_rate_limit) && guard->tenant_header[0] == '\0') {
        sgl_complain("--tenant-rate-limit-tokens-per-second needs --tenant-header NAME (the field "
                     "that says whose a request is)");
        return false;
    }
    *admission = sgl_admission_standard();
    admission->concurrency_max = most;
    admission->queue_max = (uint32_t)guard->queue_size;
    admission->timeout_ns =
        guard->queue_timeout_s < 1e9 ? (int64_t)(guard->queue_timeout_s * 1e9) : INT64_MAX / 4;
    admission->rate = rate_of(guard->rate_limit);
    proxy->tenant_rate = rate_of(guard->tenant_rate_limit);
    proxy->tenant_header = guard->tenant_header[0] != '\0' ? guard->tenant_header : NULL;
    proxy->forwards_priority = guard->priority_forward;
    proxy->asks_for_usage = guard->ask_usage;
    return true;
}

static bool resolve_access(struct sgl_proxy_options *proxy, const struct sgl_serve_guard *guard,
                           const char *host)
{
    struct sgl_access *access = &proxy->access;

    proxy->has_control_listener = guard->admin_port != UINT64_MAX;
    if (guard->admin_host[0] != '\0' && !proxy->has_control_listener) {
        sgl_complain("--admin-host needs --admin-port N (a listener of its own)");
        return false;
    }
    if (proxy->has_control_listener &&
        !sgl_option_in_range("admin-port", guard->admin_port, 0, UINT16_MAX))
        return false;
    proxy->control_port = (uint16_t)guard->admin_port;
    access->control_host = guard->admin_host[0] != '\0' ? guard->admin_host : host;
    access->api_key = guard->api_key[0] != '\0' ? guard->api_key : NULL;
    access->admin_key = guard->admin_api_key[0] != '\0' ? guard->admin_api_key : NULL;
    for (uint32_t i = 0; i < guard->allowed_workers.count; i++)
        access->hosts[i] = guard->allowed_workers.items[i];
    proxy->forwards_authorization = guard->forward_authorization;
    proxy->hides_prompts = strcmp(guard->log_prompts, "none") == 0;
    proxy->logs_prompts = strcmp(guard->log_prompts, "full") == 0;
    return true;
}

_Static_assert(SGL_OPTION_LIST_MAX < SGL_ACCESS_HOSTS_MAX, "room for all, and for the end");

bool sgl_serve_guard_resolve(struct sgl_proxy_options *proxy, const struct sgl_serve_guard *guard,
                             const char *host)
{
    return resolve_admission(proxy, guard) && resolve_access(proxy, guard, host);
}
