/* What is seen of an event stream while it passes: its first token, and the gaps between events. */
#include "relay.h"

#include <stdlib.h>

#define PS_PER_NS 1000

/* The gap since the event before goes to the first of those that came in one piece; the others came
 * with it, a nanosecond apart, which is the least that is counted. What lies behind a pause is no
 * gap: it was the client who was slow. */
static void count_gaps(struct sgl_relay *relay, uint32_t events, uint64_t now_ns)
{
    struct sgl_gap_counter *gaps = &relay->thread->gaps[relay->decision.worker];
    const uint64_t since_ns = relay->event_ns;

    if (events == 0)
        return;
    if (since_ns != 0)
        sgl_gap_counter_add(
            gaps, now_ns > since_ns ? (int64_t)(now_ns - since_ns) * PS_PER_NS : PS_PER_NS, 1);
    if (events > 1)
        sgl_gap_counter_add(gaps, PS_PER_NS, events - 1);
    relay->event_ns = now_ns;
}

void sgl_relay_hear_stream(struct sgl_relay *relay, const char *bytes, size_t size, uint64_t now_ns)
{
    relay->is_line_end = size > 0 && bytes[size - 1] == '\n';
    if (relay->first_ns == 0) {
        relay->first_ns = now_ns;
        sgl_relay_tell_first_token(relay);
    }
    if (relay->thread->gaps != NULL)
        count_gaps(relay, sgl_event_lines_take(&relay->lines, bytes, size), now_ns);
}

/* Adds up what the threads have counted of a worker, in `classes`, and says it to the log. */
static void tell_worker(const struct sgl_proxy *proxy, uint32_t worker,
                        struct sgl_gap_class *classes)
{
    struct sgl_gap_counter sum = {0};

    for (uint32_t i = 0; i < proxy->thread_count; i++)
        if (proxy->threads[i].gaps != NULL)
            sgl_gap_counter_add_all(&sum, &proxy->threads[i].gaps[worker]);
    const struct sgl_gaps gaps = {.worker = worker,
                                  .classes = classes,
                                  .class_count = sgl_gap_counter_classes(&sum, classes)};
    if (gaps.class_count > 0)
        sgl_journal_tell_gaps(proxy->journal, &gaps);
    sgl_gap_counter_release(&sum);
}

void sgl_proxy_tell_gaps(const struct sgl_proxy *proxy)
{
    const uint32_t count = sgl_gateway_worker_count(proxy->gateway);
    struct sgl_gap_class *classes = malloc(SGL_GAP_OCTAVES * SGL_GAP_CLASSES * sizeof *classes);

    for (uint32_t worker = 0; worker < count && classes != NULL; worker++)
        tell_worker(proxy, worker, classes);
    free(classes);
}
