#include "serve_watch.h"

#include "cli.h"

#include <math.h>
#include <string.h>

#define METRICS_PORT 29000 /* as SGLang's routers have it; so the next two */
#define STARTUP_TIMEOUT_S 600
#define STARTUP_INTERVAL_S 30

void sgl_serve_watch_init(struct sgl_serve_watch *watch)
{
    *watch = (struct sgl_serve_watch){
        .metrics_port = UINT64_MAX,
        .metrics_host = "127.0.0.1",
        .startup_timeout_s = NAN,
        .startup_interval_s = NAN,
        .log_level = "info",
    };
}

/* clang-format off */
size_t sgl_serve_watch_rows(struct sgl_serve_watch *w,
                            struct sgl_option rows[static SGL_SERVE_WATCH_ROWS_MAX])
{
    const struct sgl_option table[] = {
        {"prometheus-port", 0, SGL_OPTION_NATURAL, "N", &w->metrics_port,
         "/metrics at this port too, and nothing else there; 0: any free one", 0},
        {"metrics-port", 0, SGL_OPTION_NATURAL, "N", &w->metrics_port, "the same", 0},
        {"prometheus-host", 0, SGL_OPTION_TEXT, "ADDRESS", &w->metrics_host,
         "and at this address", 0},
        {"metrics-enabled", 0, SGL_OPTION_FLAG, NULL, &w->metrics_enabled,
         "the same at port 29000", 0},
        {"worker-startup-timeout-secs", 0, SGL_OPTION_POSITIVE, "S", &w->startup_timeout_s,
         "a new worker gets requests once it answers a health check; so\n"
         "long it is waited for (600, if only the interval is given)", 0},
        {"worker-startup-check-interval", 0, SGL_OPTION_POSITIVE, "S", &w->startup_interval_s,
         "between these checks (30, if only the time is given)", 0},
        {"log-level", 0, SGL_OPTION_CHOICE, "debug|info|warn|warning|error|critical",
         &w->log_level, "what is told on stderr: from which level on", 0},
        {"log-json", 0, SGL_OPTION_FLAG, NULL, &w->log_json,
         "and tell it as JSON, one object per line", 0},
    };
    /* clang-format on */

    _Static_assert(sizeof table / sizeof table[0] <= SGL_SERVE_WATCH_ROWS_MAX, "room for all rows");
    memcpy(rows, table, sizeof table);
    return sizeof table / sizeof table[0];
}

/* The words of SGLang's routers; two of them are other names. */
static enum sgl_event_level level_of(const char *word)
{
    static const struct {
        const char *word;
        enum sgl_event_level level;
    } levels[] = {
        {"critical", SGL_EVENT_ERROR}, {"error", SGL_EVENT_ERROR}, {"warning", SGL_EVENT_WARN},
        {"warn", SGL_EVENT_WARN},      {"info", SGL_EVENT_INFO},
    };

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(levels[i].word, word) == 0)
            return levels[i].level;
    return SGL_EVENT_DEBUG;
}

bool sgl_serve_watch_resolve(struct sgl_proxy_options *proxy, const struct sgl_serve_watch *watch,
                             bool probes)
{
    const bool is_given = watch->metrics_port != UINT64_MAX;
    const bool waits = !isnan(watch->startup_timeout_s) || !isnan(watch->startup_interval_s);

    if (is_given && !sgl_option_in_range("prometheus-port", watch->metrics_port, 0, UINT16_MAX))
        return false;
    proxy->has_metrics_listener = is_given || watch->metrics_enabled;
    proxy->metrics_port = (uint16_t)(is_given ? watch->metrics_port : METRICS_PORT);
    proxy->metrics_host = watch->metrics_host;
    proxy->event_level = level_of(watch->log_level);
    proxy->events_are_json = watch->log_json;
    if (!waits || !probes)
        return true;
    proxy->startup_timeout_ns = sgl_option_ns(
        1e9 * (isnan(watch->startup_timeout_s) ? STARTUP_TIMEOUT_S : watch->startup_timeout_s));
    proxy->startup_interval_ns = sgl_option_ns(
        1e9 * (isnan(watch->startup_interval_s) ? STARTUP_INTERVAL_S : watch->startup_interval_s));
    return true;
}
