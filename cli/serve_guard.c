#include "serve_guard.h"

#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void sgl_serve_guard_init(struct sgl_serve_guard *guard)
{
    *guard = (struct sgl_serve_guard){
        .tenant_rate_limit = NAN,
        .tenant_header = "",
        .api_key = "",
        .admin_api_key = "",
        .admin_host = "",
        .admin_port = UINT64_MAX,
        .log_prompts = "hash",
    };
    sgl_admission_flags_init(&guard->admission);
}

/* clang-format off */
size_t sgl_serve_guard_rows(struct sgl_serve_guard *g,
                            struct sgl_option rows[static SGL_SERVE_GUARD_ROWS_MAX])
{
    const struct sgl_option table[] = {
        SGL_ADMISSION_ROWS(g->admission),
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

static bool resolve_admission(struct sgl_proxy_options *proxy, const struct sgl_serve_guard *guard)
{
    if (!sgl_admission_flags_resolve(&guard->admission, &proxy->admission))
        return false;
    if (!isnan(guard->tenant_rate_limit) && guard->tenant_header[0] == '\0') {
        sgl_complain("--tenant-rate-limit-tokens-per-second needs --tenant-header NAME (the field "
                     "that says whose a request is)");
        return false;
    }
    proxy->tenant_rate = sgl_admission_rate(guard->tenant_rate_limit);
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
