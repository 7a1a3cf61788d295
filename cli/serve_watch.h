/*
 * serve_watch.h - the options of `sglsim serve` about being watched and about watching: a port for
 * collectors of figures, how much is said, and how a new worker is waited for. Part of
 * serve_options.h.
 *
 * A worker counts as healthy as soon as it is added, unless one of the two options of the startup
 * is given: then it gets no request before it has answered a health check. Their defaults, 600 and
 * 30 s, are those of SGLang's routers.
 */
#ifndef SGL_CLI_SERVE_WATCH_H
#define SGL_CLI_SERVE_WATCH_H

#include "live/proxy.h"
#include "options.h"

struct sgl_serve_watch {
    bool metrics_enabled;
    uint64_t metrics_port; /* UINT64_MAX: not given */
    const char *metrics_host;
    double startup_timeout_s; /* NaN: not given; so the next */
    double startup_interval_s;
    const char *log_level;
    bool log_json;
};

void sgl_serve_watch_init(struct sgl_serve_watch *watch);

/* Writes its rows, and returns how many. */
#define SGL_SERVE_WATCH_ROWS_MAX 8
size_t sgl_serve_watch_rows(struct sgl_serve_watch *watch,
                            struct sgl_option rows[static SGL_SERVE_WATCH_ROWS_MAX]);

/* False after a complaint. `probes`: are there health checks? */
bool sgl_serve_watch_resolve(struct sgl_proxy_options *proxy, const struct sgl_serve_watch *watch,
                             bool probes);

#endif
