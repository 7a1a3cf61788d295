/* What the event log is told of the proxy as a whole. */
#include "proxy_thread.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdio.h>

/* The log failed, or goes on. A failure lasts longer than the time between two looks. */
static void watch_log(struct sgl_proxy *proxy)
{
    const bool has_failed = sgl_journal_has_failed(proxy->journal);
    char text[400];

    if (has_failed == proxy->has_told_log)
        return;
    proxy->has_told_log = has_failed;
    if (has_failed) {
        const struct sgl_failure failure = sgl_journal_failure(proxy->journal);
        const struct sgl_event_field field = {.name = "message", .text = failure.text};
        snprintf(text, sizeof text, "the decision log cannot be written, serving goes on: %.300s",
                 failure.text);
        sgl_event_say(proxy->events, SGL_EVENT_KIND_log_failed, text, &field, 1);
    } else {
        const uint64_t dropped = sgl_journal_dropped(proxy->journal);
        const struct sgl_event_field field = {.name = "dropped", .number = (int64_t)dropped};
        snprintf(text, sizeof text,
                 "the decision log goes on, %" PRIu64 " inputs are missing so far", dropped);
        sgl_event_say(proxy->events, SGL_EVENT_KIND_log_resumed, text, &field, 1);
    }
}

void sgl_proxy_say_kept(const struct sgl_proxy *proxy)
{
    const struct sgl_event_field field = {.name = "path", .text = proxy->log_kept};
    char text[400];

    if (proxy->log_kept[0] == '\0')
        return;
    snprintf(text, sizeof text,
             "what stood in the place of the unfinished log is kept as %.300s (sglsim verify tells "
             "what it is)",
             proxy->log_kept);
    sgl_event_say(proxy->events, SGL_EVENT_KIND_log_kept, text, &field, 1);
}

void sgl_proxy_watch(struct sgl_proxy *proxy)
{
    sgl_fleet_watch_look(proxy->watch);
    if (proxy->journal != NULL)
        watch_log(proxy);
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
        snprintf(gaps, sizeof gaps, ", %" PRIu64 " input%s missing in the log (%s)", dropped,
                 dropped == 1 ? " is" : "s are",
                 sgl_journal_has_failed(proxy->journal) ? "it could not be written"
                                                        : "its gaps say where");
    snprintf(text, sizeof text, "%" PRIu64 " request%s, %" PRIu64 " decision%s%s", requests,
             sgl_plural(requests), decisions, sgl_plural(decisions), gaps);
    const struct sgl_event_field fields[] = {
        {.name = "requests", .number = (int64_t)requests},
        {.name = "decisions", .number = (int64_t)decisions},
        {.name = "dropped", .number = (int64_t)dropped},
    };
    sgl_event_say(proxy->events, SGL_EVENT_KIND_stop, text, fields,
                  sizeof fields / sizeof fields[0]);
}
