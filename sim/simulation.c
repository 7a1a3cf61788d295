#include "sim/simulation_state.h"

#include "core/prefetch.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- items of the queue ----------------------------------------------------------------- */

uint32_t sgl_simulation_fault_item(uint32_t worker)
{
    return SGL_ITEM_FAULT + worker;
}

uint32_t sgl_simulation_answer_item(const struct sgl_simulation *self, uint32_t progress,
                                    bool is_last)
{
    return SGL_ITEM_FAULT + self->options->worker_count + 2 * progress + (is_last ? 1 : 0);
}

/* ---- workers ---------------------------------------------------------------------------- */

static int add_workers(struct sgl_simulation *self)
{
    for (uint32_t i = 0; i < self->options->worker_count; i++) {
        struct sgl_input input = {
            .kind = SGL_INPUT_ADD_WORKER,
            .pool = self->options->workers[i].pool,
            .worker = i,
            .added = {.url = self->options->workers[i].url,
                      .model = self->options->workers[i].model},
        };
        const int status = sgl_simulation_feed(self, &input, NULL);
        if (status != SGL_OK)
            return status;
    }
    return SGL_OK;
}

void sgl_simulation_touch(struct sgl_simulation *self, uint32_t index)
{
    if (self->workers[index].is_touched)
        return;
    self->workers[index].is_touched = true;
    self->touched[self->touched_count++] = index;
}

/* Puts what a model said, of a request or (NULL) of itself, into a text that names both. */
static int worker_failure(struct sgl_simulation *self, uint32_t index, int status,
                          const struct sgl_request *request)
{
    const char *url = self->options->workers[index].url;

    if (self->failure == NULL)
        return status;
    const struct sgl_failure inner = *self->failure;
    if (request == NULL)
        return sgl_fail(self->failure, status, "worker %s: %s", url, inner.text);
    if (request->request_id == NULL)
        return sgl_fail(self->failure, status, "request %lld at worker %s: %s",
                        (long long)request->request, url, inner.text);
    return sgl_fail(self->failure, status, "request %lld (%.40s) at worker %s: %s",
                    (long long)request->request, request->request_id, url, inner.text);
}

/* The end of an instant for a worker: it starts new work, and says when to come back. */
static int schedule_worker(struct sgl_simulation *self, uint32_t index)
{
    const struct sgl_simulated_worker *worker = &self->workers[index];

    const int status = worker->ops->schedule(worker->state, self->now_ns, self->failure);
    if (status != SGL_OK)
        return worker_failure(self, index, status, NULL);
    const int64_t next_ns = worker->ops->next_event_ns(worker->state);
    assert(next_ns >= self->now_ns);
    sgl_tournament_set(&self->turns, index, next_ns);
    return SGL_OK;
}

static int schedule_touched(struct sgl_simulation *self)
{
    for (uint32_t i = 0; i < self->touched_count; i++) {
        self->workers[self->touched[i]].is_touched = false;
        const int status = schedule_worker(self, self->touched[i]);
        if (status != SGL_OK)
            return status;
    }
    self->touched_count = 0;
    return SGL_OK;
}

/* ---- arrivals --------------------------------------------------------------------------- */

int sgl_simulation_place(struct sgl_simulation *self, uint32_t index, const struct sgl_job *job)
{
    struct sgl_simulated_worker *worker = &self->workers[index];

    sgl_simulation_touch(self, index);
    const int status = worker->ops->arrive(worker->state, job, self->failure);
    return status == SGL_OK ? SGL_OK : worker_failure(self, index, status, job->request);
}

int sgl_simulation_send(struct sgl_simulation *self, uint32_t index, const struct sgl_job *job)
{
    if (!self->workers[index].condition.is_down)
        return sgl_simulation_place(self, index, job);
    sgl_simulation_fail(self, job->handle, "connection_refused");
    return SGL_OK;
}

static int refuse(struct sgl_simulation *self, const struct sgl_request *request,
                  enum sgl_pool pool, uint32_t attempt)
{
    struct sgl_input input = {
        .kind = SGL_INPUT_REJECT,
        .pool = pool,
        .request = request->request,
        .attempt = attempt,
        .outcome = sgl_outcome_absent(),
    };

    input.outcome.prompt_tokens = request->prompt_tokens;
    input.outcome.error = "no_worker";
    const int status = sgl_simulation_feed(self, &input, NULL);
    if (status == SGL_OK)
        sgl_simulation_leave(self, request->request, false);
    return status;
}

int sgl_simulation_route(struct sgl_simulation *self, const struct sgl_route *route,
                         enum sgl_pool pool, uint32_t attempt,
                         struct sgl_simulated_dispatch *dispatch_out)
{
    struct sgl_input input; /* most of which no route has, and which need not be cleared */
    struct sgl_result result;

    input.kind = SGL_INPUT_ROUTE;
    input.pool = pool;
    input.request = route->request->request;
    input.attempt = attempt;
    input.worker = 0; /* not asked for */
    input.route = *route;

    dispatch_out->worker = SGL_NO_WORKER;
    const int status = sgl_simulation_feed(self, &input, &result);
    if (status != SGL_OK)
        return status;
    assert(result.action_count == 1);
    if (result.actions[0].kind != SGL_ACTION_DISPATCH)
        return refuse(self, route->request, pool, attempt);
    dispatch_out->worker = result.actions[0].decision.worker;
    dispatch_out->number = result.actions[0].flight;
    return SGL_OK;
}

/* The whole request goes to one worker. */
static int enter_whole(struct sgl_simulation *self, const struct sgl_trace_row *row)
{
    const struct sgl_request *request = &row->request;
    struct sgl_simulated_dispatch dispatch;
    uint32_t slot;
    int status = sgl_simulation_route(self, &(struct sgl_route){.request = request},
                                      SGL_POOL_REGULAR, 0, &dispatch);

    if (self->has_retries)
        sgl_retry_budget_earn(&self->budget, self->options->retry);
    if (status != SGL_OK || dispatch.worker == SGL_NO_WORKER)
        return status;
    sgl_simulation_fetch_worker(self, dispatch.worker);
    status = sgl_simulation_take_off(self, request, &dispatch, &slot);
    if (status == SGL_OK && self->keeps_pasts)
        status = sgl_simulation_keep(self, slot, row);
    if (status == SGL_OK && self->has_deadlines)
        status = sgl_simulation_set_deadline(self, slot, request);
    if (status != SGL_OK)
        return status;
    const struct sgl_job job = {
        .handle = slot,
        .arrival_ns = self->now_ns,
        .max_tokens = request->max_tokens,
        .output_tokens = row->output_tokens,
        .is_stopped = row->is_stopped,
        .request = request,
        .recorded = &row->recorded,
    };
    return sgl_simulation_send(self, dispatch.worker, &job);
}

int sgl_simulation_enter(struct sgl_simulation *self, const struct sgl_trace_row *row)
{
    return self->has_pairs ? sgl_simulation_enter_pair(self, row) : enter_whole(self, row);
}

static int arrive(struct sgl_simulation *self)
{
    struct sgl_request *request = &self->row.request;
    bool is_in = true;

    self->has_row = false; /* it is here */
    sgl_simulation_end_pause(self);
    if (self->is_warm_up && sgl_simulation_end_warm_up(self, request->request) != SGL_OK)
        return SGL_ENOMEM;
    self->totals->arrived++;
    request->arrival_ns = self->now_ns;
    if (request->max_tokens == SGL_ABSENT) {
        request->max_tokens = self->options->max_new_tokens;
        self->totals->without_max_tokens++;
    }
    int status = sgl_simulation_check_capacity(self, request);
    if (status == SGL_OK && self->admission != NULL)
        status = sgl_simulation_ask_in(self, &self->row, &is_in);
    if (status == SGL_OK && is_in)
        status = sgl_simulation_enter(self, &self->row);
    return status == SGL_OK ? sgl_simulation_read_row(self) : status;
}

/* ---- the run ---------------------------------------------------------------------------- */

/* Is nothing else to happen in this instant? */
static bool is_last_of_instant(const struct sgl_simulation *self)
{
    const struct sgl_queued *top = sgl_event_queue_top(&self->events);

    return self->due_count == 0 && sgl_tournament_first(&self->turns)->time > self->now_ns &&
           (top == NULL || top->time > self->now_ns) &&
           !(self->has_row && self->arrival_ns == self->now_ns);
}

/* The turn of a worker. Often nothing else happens in the instant: then it goes on at once. */
static int advance_worker(struct sgl_simulation *self, uint32_t index)
{
    const struct sgl_simulated_worker *worker = &self->workers[index];

    self->totals->segments++;
    sgl_tournament_set(&self->turns, index, SGL_TOURNAMENT_NEVER);
    sgl_simulation_fetch_next(self, index);
    worker->ops->advance(worker->state, self->now_ns);
    if (is_last_of_instant(self))
        return schedule_worker(self, index);
    sgl_simulation_touch(self, index);
    return SGL_OK;
}

/* The event on top of the queue. */
static int handle(struct sgl_simulation *self, uint32_t item)
{
    switch (item) {
    case SGL_ITEM_POLL:
        return sgl_simulation_poll_workers(self);
    case SGL_ITEM_REPORT:
        return sgl_simulation_deliver_report(self);
    case SGL_ITEM_PROBE:
        return sgl_simulation_probe(self);
    case SGL_ITEM_ADMISSION:
        return sgl_simulation_let_in(self);
    case SGL_ITEM_DEADLINE:
        return sgl_simulation_pass_deadlines(self);
    default:
        break;
    }
    if (item < sgl_simulation_answer_item(self, 0, false))
        return sgl_simulation_change(self, item - sgl_simulation_fault_item(0));
    sgl_event_queue_remove(&self->events, item);
    return sgl_simulation_deliver(self, item);
}

static int deliver_due(struct sgl_simulation *self)
{
    const uint32_t item = self->due[self->due_first++];

    if (self->due_first == self->due_count)
        self->due_first = self->due_count = 0;
    return sgl_simulation_deliver(self, item);
}

/* Everything of one instant but the scheduling. */
static int run_instant(struct sgl_simulation *self)
{
    int status = SGL_OK;

    while (status == SGL_OK) {
        const struct sgl_contender *turn = sgl_tournament_first(&self->turns);
        const struct sgl_queued *top = sgl_event_queue_top(&self->events);
        const uint32_t kind =
            top != NULL && top->time == self->now_ns ? top->kind : SGL_EVENT_KIND_COUNT;
        if (turn->time == self->now_ns)
            status = advance_worker(self, turn->player);
        else if (kind <= SGL_EVENT_ANSWER || (kind < SGL_EVENT_KIND_COUNT && self->due_count == 0))
            status = handle(self, top->item);
        else if (self->due_count > 0)
            status = deliver_due(self);
        else if (self->is_row_stale)
            status = sgl_simulation_read_row_again(self);
        else if (self->has_row && sgl_simulation_is_due(self))
            status = arrive(self);
        else
            break;
        if (self->is_out_of_memory)
            return sgl_simulation_no_memory(self);
    }
    return status;
}

/* The run ends here, whatever is under way. The rest of the source is read, for its count and its
 * digest are facts of the run. */
static int cut(struct sgl_simulation *self)
{
    int status = SGL_OK;

    self->now_ns = self->options->until_ns;
    for (uint32_t slot = 0; slot < self->flights.fresh; slot++) {
        const struct sgl_simulated_flight *flight = sgl_simulation_flight(self, slot);
        if (!flight->is_used || flight->number == SGL_GHOST_FLIGHT)
            continue;
        if (flight->number == SGL_NO_FLIGHT) {
            /* It waits; a ghost does not. */
            self->totals->cut_in_flight +=
                !self->has_pairs || !sgl_simulation_leg(self, slot)->is_ghost;
            continue;
        }
        const struct sgl_simulated_leg *leg =
            self->has_pairs ? sgl_simulation_leg(self, slot) : NULL;
        self->cut_flights++;
        self->totals->cut_in_flight +=
            leg == NULL || (leg->pool != SGL_POOL_PREFILL && !leg->is_counted);
    }
    while (self->has_row && status == SGL_OK) {
        self->totals->cut_arrivals++;
        if (self->source->ops->finished != NULL)
            self->source->ops->finished(self->source, self->row.request.request);
        status = sgl_simulation_read_row(self);
    }
    return status;
}

static int run(struct sgl_simulation *self)
{
    int status = sgl_simulation_read_row(self);

    if (status != SGL_OK)
        return status;
    sgl_simulation_plan_faults(self);
    sgl_simulation_set_poll(self, self->now_ns);
    while (self->has_row || self->flights.used > 0) {
        const struct sgl_queued *top = sgl_event_queue_top(&self->events);
        int64_t next_ns = sgl_tournament_first(&self->turns)->time;
        if (next_ns == SGL_NEVER && top == NULL && !self->has_row && self->due_count == 0)
            return sgl_fail(self->failure, SGL_EINVAL,
                            "simulation: %u requests are in flight and nothing will happen",
                            self->flights.used);
        if (self->has_row && self->arrival_ns < next_ns)
            next_ns = self->arrival_ns;
        if (top != NULL && top->time < next_ns)
            next_ns = top->time;
        /* A decode leg tells its first token when it starts: the instant is not over. */
        if (self->due_count > 0)
            next_ns = self->now_ns;
        assert(next_ns >= self->now_ns);
        if (self->options->until_ns > 0 && next_ns > self->options->until_ns)
            return cut(self);
        if (next_ns >= SGL_SIMULATION_NS_MAX)
            return sgl_fail(self->failure, SGL_EINVAL,
                            "simulation: virtual time passed 146 years with %u requests in flight",
                            self->flights.used);
        self->now_ns = next_ns;
        if ((status = run_instant(self)) != SGL_OK || (status = schedule_touched(self)) != SGL_OK)
            return status;
    }
    return SGL_OK;
}

/* Every request must have come out again but for those that were cut, and when nothing is under way
 * any more, ghosts included, every worker must be empty. */
static int check_conservation(const struct sgl_simulation *self)
{
    const struct sgl_simulation_totals *totals = self->totals;
    bool is_empty = sgl_router_outstanding(self->router) == self->cut_flights;

    for (uint32_t i = 0; i < self->options->worker_count && self->flights.used == 0; i++) {
        struct sgl_worker_load load;
        self->workers[i].ops->load(self->workers[i].state, &load);
        is_empty = is_empty && load.queue_length == 0 && load.running == 0 &&
                   (isnan(load.token_usage) || load.token_usage == 0);
    }
    if (totals->arrived != totals->succeeded + totals->failed + totals->cut_in_flight || !is_empty)
        return sgl_fail(self->failure, SGL_EINVAL,
                        "simulation: requests were lost: %llu arrived, %llu succeeded, %llu failed",
                        (unsigned long long)totals->arrived, (unsigned long long)totals->succeeded,
                        (unsigned long long)totals->failed);
    return SGL_OK;
}

int sgl_simulation_start_worker(struct sgl_simulation *self, uint32_t index)
{
    struct sgl_simulated_worker *worker = &self->workers[index];
    const struct sgl_worker_model_setup setup = {
        .spec = self->options->workers[index].spec,
        .seed = self->options->seed,
        .stepwise = self->options->stepwise,
        .emit = sgl_simulation_hear,
        .context = worker,
        .gaps = self->gaps != NULL ? &self->gaps[index] : NULL,
    };

    return worker->ops->create(worker->state, &setup, self->failure);
}

/* Zeroed, from the beginning of a line of the processor's cache on. */
static void *empty_state(size_t size)
{
    void *state = aligned_alloc(SGL_CACHE_LINE, sgl_whole_lines(size));

    return state != NULL ? memset(state, 0, sgl_whole_lines(size)) : NULL;
}

static int create_workers(struct sgl_simulation *self)
{
    const uint32_t worker_count = self->options->worker_count;

    self->workers = calloc(worker_count + 1, sizeof *self->workers);
    self->touched = calloc(worker_count + 1, sizeof *self->touched);
    if (self->workers == NULL || self->touched == NULL ||
        sgl_tournament_open(&self->turns, worker_count) != SGL_OK ||
        sgl_event_queue_reserve(&self->events, sgl_simulation_answer_item(self, 0, false)) !=
            SGL_OK)
        return sgl_simulation_no_memory(self);
    sgl_simulation_measure(self);
    for (uint32_t i = 0; i < worker_count; i++) {
        struct sgl_simulated_worker *worker = &self->workers[i];
        worker->simulation = self;
        worker->condition.factor = 1;
        worker->ops = self->options->workers[i].spec->ops;
        worker->state = empty_state(worker->ops->state_size);
        if (worker->state == NULL)
            return sgl_simulation_no_memory(self);
        const int status = sgl_simulation_start_worker(self, i);
        if (status != SGL_OK)
            return status;
    }
    return SGL_OK;
}

static void release(struct sgl_simulation *self)
{
    for (uint32_t i = 0; self->workers != NULL && i < self->options->worker_count; i++) {
        const struct sgl_simulated_worker *worker = &self->workers[i];
        if (worker->state == NULL)
            continue;
        if (worker->ops->steps != NULL)
            self->totals->steps += worker->ops->steps(worker->state, self->now_ns);
        worker->ops->destroy(worker->state);
        free(worker->state);
    }
    free(self->workers);
    free(self->touched);
    free(self->due);
    sgl_simulation_release_pasts(self);
    sgl_admission_destroy(self->admission);
    sgl_records_release(&self->flights, NULL);
    sgl_records_release(&self->progress, NULL);
    sgl_records_release(&self->answers, NULL);
    sgl_reports_release(&self->reports);
    sgl_transfers_release(&self->transfers);
    sgl_tournament_release(&self->turns);
    sgl_event_queue_release(&self->events);
    sgl_event_queue_release(&self->deadlines);
    sgl_router_destroy(self->router);
    sgl_simulation_close_gaps(self);
}

int sgl_simulate(const struct sgl_simulation_options *options, struct sgl_source *source,
                 struct sgl_simulation_totals *totals, struct sgl_failure *failure)
{
    struct sgl_simulation self = {
        .options = options,
        .source = source,
        .totals = totals,
        .failure = failure,
        .reports = {.interval_ns = options->load_interval_ns,
                    .delay_ns = options->load_delay_ns,
                    .loss = options->load_loss,
                    .seed = options->seed,
                    .worker_count = options->worker_count},
    };
    struct sgl_router_options router_options = {
        .seed = options->seed,
        .limits = options->limits,
        .sink = options->sink,
    };

    if (options->worker_count > SGL_WORKER_MAX_STANDARD)
        router_options.limits.worker_max = options->worker_count;
    self.has_retries = options->retry != NULL && options->faults != NULL;
    self.keeps_pasts = self.has_retries || options->admission != NULL;
    self.has_deadlines = options->request_timeout_ns > 0 || options->client_timeout_ns > 0;
    if (self.has_retries)
        self.budget = sgl_retry_budget_full(options->retry);
    *totals = (struct sgl_simulation_totals){0};
    int status = sgl_simulation_check(options, failure);
    if (status != SGL_OK)
        return status;
    self.has_pairs = sgl_simulation_has_pairs(options);
    self.progress_size =
        self.has_pairs ? sizeof(struct sgl_simulated_leg) : sizeof(struct sgl_simulated_progress);
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++)
        if (self.has_pairs == (pool != SGL_POOL_REGULAR))
            router_options.policy[pool] = sgl_simulation_policy(options, (enum sgl_pool)pool);
    if (self.has_pairs && (status = sgl_transfers_init(&self.transfers, &options->transfer,
                                                       options->worker_count, failure)) != SGL_OK)
        goto out;
    if ((status = sgl_router_create(&self.router, &router_options, failure)) != SGL_OK ||
        (status = sgl_simulation_open_gaps(&self)) != SGL_OK ||
        (status = sgl_simulation_open_admission(&self)) != SGL_OK ||
        (status = create_workers(&self)) != SGL_OK || (status = add_workers(&self)) != SGL_OK ||
        (status = run(&self)) != SGL_OK || (status = sgl_simulation_tell_gaps(&self)) != SGL_OK)
        goto out;
    status = check_conservation(&self);
out:
    totals->last_ns = self.now_ns;
    release(&self);
    return status;
}
