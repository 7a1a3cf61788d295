/* Load reports: when workers are polled, and what of it reaches the router. */
#include "sim/simulation_state.h"

void sgl_simulation_set_poll(struct sgl_simulation *self, int64_t now_ns)
{
    const int64_t fault_ns = sgl_simulation_next_fault_ns(self);
    int64_t watched_ns = self->has_row ? self->arrival_ns : SGL_ABSENT;

    /* What a worker said before it fell silent is what the next arrival will know of it. */
    if (self->has_row && self->is_paused)
        watched_ns = now_ns;
    else if (self->has_row && fault_ns <= self->arrival_ns)
        watched_ns = fault_ns - 1 + self->reports.delay_ns;
    const struct sgl_event event = {
        .time =
            sgl_reports_next_poll_ns(&self->reports, now_ns, self->flights.used == 0, watched_ns),
        .kind = SGL_EVENT_POLL,
        .item = SGL_ITEM_POLL,
    };

    if (event.time == SGL_ABSENT)
        sgl_event_queue_remove(&self->events, event.item);
    else
        sgl_event_queue_set(&self->events, &event);
}

static void set_report(struct sgl_simulation *self)
{
    const struct sgl_pending_report *top = sgl_reports_top(&self->reports);

    if (top == NULL) {
        sgl_event_queue_remove(&self->events, SGL_ITEM_REPORT);
        return;
    }
    const struct sgl_event event = {
        .time = top->due_ns, .kind = SGL_EVENT_REPORT, .item = SGL_ITEM_REPORT};
    sgl_event_queue_set(&self->events, &event);
}

int sgl_simulation_poll_workers(struct sgl_simulation *self)
{
    for (uint32_t i = 0; i < self->options->worker_count; i++) {
        struct sgl_worker_load load;
        if (self->workers[i].condition.is_down ||
            sgl_reports_is_lost(&self->reports, i, self->now_ns))
            continue;
        self->workers[i].ops->advance(self->workers[i].state, self->now_ns);
        self->workers[i].ops->load(self->workers[i].state, &load);
        const struct sgl_load_report report = {
            .queue_length = load.queue_length,
            .running = load.running,
            .token_usage = load.token_usage,
            .reported_ns = self->now_ns,
        };
        if (sgl_reports_push(&self->reports, i, &report) != SGL_OK)
            return sgl_simulation_no_memory(self);
    }
    sgl_simulation_set_poll(self, self->now_ns);
    set_report(self);
    return SGL_OK;
}

int sgl_simulation_deliver_report(struct sgl_simulation *self)
{
    const struct sgl_pending_report *top = sgl_reports_top(&self->reports);
    struct sgl_input input = {
        .kind = SGL_INPUT_REPORT_LOAD,
        .worker = top->worker,
        .report = top->report,
    };

    sgl_reports_pop(&self->reports);
    set_report(self);
    return sgl_simulation_feed(self, &input, NULL);
}
