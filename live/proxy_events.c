/* What the event log is told of the proxy as a whole. */
#include "proxy_thread.h"

#include <inttypes.h>
#include <stdio.h>

void sgl_proxy_watch(struct sgl_proxy *proxy)
{
    const char *failure = proxy->journal != NULL ? sgl_journal_failure(proxy->journal) : NULL;
    char text[400];

    sgl_fleet_watch_look(proxy->watch);
    if (failure == NULL || proxy->has_told_log)
        return;
    const struct sgl_event_field field = {.name = "message", .text = failure};
    snprintf(text, sizeof text, "the decision log is given up, serving goes on: %.300s", failure);
    sgl_event_say(proxy->events, SGL_EVENT_KIND_log_failed, text, &field, 1);
    proxy->has_told_log = true;
}

void sgl_proxy_say_stop(const struct sgl_proxy *proxy)
{
    uint64_t requests = 0;
    uint64_t decisions = 0;
    uint64_t dropped = proxy->journal != NULL ? sgl_journal_dropped(proxy->journal) : 0;
    char gaps[80] = "";
    char text[160];

    for (uint32_t i = 0; i < proxy->thread_count; i++) {
        const struct sgl_counters *counters = &proxy->threads[i].counters;
        for (int status = 0; status < SGL_COUNTERS_STATUS_MAX; status++)
            requests += counters->statuses[status];
        for (int reason = 0; reason < SGL_REASON_COUNT; reason++)
            decisions += counters->reasons[reason];
    }
    if (dropped > 0)
        snprintf(gaps, sizeof gaps, ", %" PRIu64 " inputs are missing in the log (%s)", dropped,
                 sgl_journal_has_failed(proxy->journal) ? "it was given up"
                                                        : "its gaps say where");
    snprintf(text, sizeof text, "%" PRIu64 " requests, %" PRIu64 " decisions%s", requests,
             decisions, gaps);
    const struct sgl_event_field fields[] = {
        {.name = "requests", .number = (int64_t)requests},
        {.name = "decisions", .number = (int64_t)decisions},
        {.name = "dropped", .number = (int64_t)dropped},
    };
    sgl_event_say(proxy->events, SGL_EVENT_KIND_stop, text, fields,
                  sizeof fields / sizeof fields[0]);
}
