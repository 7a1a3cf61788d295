/*
 * serve_guard.h - the options of `sglsim serve` about who is let in: how many, how often, with
 * which key; and what is told about it. Part of serve_options.h.
 */
#ifndef SGL_CLI_SERVE_GUARD_H
#define SGL_CLI_SERVE_GUARD_H

#include "live/proxy.h"
#include "admission_options.h"
#include "options.h"

struct sgl_serve_guard {
    struct sgl_admission_flags admission;
    double tenant_rate_limit; /* requests per second; NaN: none */
    const char *tenant_header;
    bool priority_forward;
    bool ask_usage;
    const char *api_key; /* "": none; so the next */
    const char *admin_api_key;
    const char *admin_host;
    uint64_t admin_port; /* UINT64_MAX: not given */
    struct sgl_option_list allowed_workers;
    bool forward_authorization;
    const char *log_prompts;
};

void sgl_serve_guard_init(struct sgl_serve_guard *guard);

/* Writes its rows, and returns how many. */
#define SGL_SERVE_GUARD_ROWS_MAX 24
size_t sgl_serve_guard_rows(struct sgl_serve_guard *guard,
                            struct sgl_option rows[static SGL_SERVE_GUARD_ROWS_MAX]);

/* Is what that row of its fills in a secret that was given? */
bool sgl_serve_guard_hides(const struct sgl_serve_guard *guard, const void *target);

/* False after a complaint. `host`: where clients are listened to. */
bool sgl_serve_guard_resolve(struct sgl_proxy_options *proxy, const struct sgl_serve_guard *guard,
                             const char *host);

#endif
