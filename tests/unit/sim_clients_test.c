/*
 * Clients that leave a batching engine when they like, each for itself: the model driven by hand
 * against the reference, by leaps and step by step. In the simulator all have the same patience, so
 * that who came first leaves first.
 */
#include "engine_reference.h"
#include "sim/worker_model.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORLDS 2000
#define WORLDS_VARIABLE "SGLSIM_WORLDS" /* in the environment: that many instead, for long runs */
#define REQUEST_MAX SGL_REFERENCE_REQUEST_MAX

/* Worlds beyond those in which one that blocked the queue leaves, and who stood behind it is let in
 * before anything else happens: seldom, and only they tell that a leap ends there. */
static const int64_t telling[] = {16728, 20995, 28721};

#define TELLING_COUNT ((int64_t)(sizeof telling / sizeof telling[0]))

/* What a worker told of a request, by handle. */
struct told {
    int64_t first_ns, started_ns, finish_ns, output;
    int ends; /* told, or known to the call that told it of a client */
    bool has_left;
};

static void hear(void *context, const struct sgl_worker_event *event)
{
    struct told *told = (struct told *)context + event->handle;

    if (event->kind == SGL_WORKER_FIRST_TOKEN) {
        told->first_ns = event->time_ns;
        return;
    }
    CU_ASSERT_TRUE(event->kind != SGL_WORKER_FORGET || told->has_left);
    told->ends++;
    told->started_ns = event->started_ns;
    told->finish_ns = event->time_ns;
    told->output = event->output_tokens;
}

/* Those whose time it is and whom the worker has. */
static void leave(const struct sgl_reference_setting *it, const struct sgl_trace_row *rows,
                  size_t arrived, const struct sgl_worker_model_ops *ops, void *state,
                  int64_t now_ns, struct told *told)
{
    for (size_t i = 0; i < arrived; i++) {
        if (it->patience_ns[i] == 0 || told[i].ends > 0 || told[i].has_left ||
            rows[i].request.arrival_ns + it->patience_ns[i] != now_ns)
            continue;
        told[i].has_left = true;
        told[i].ends += ops->cancel(state, now_ns, (uint32_t)i);
    }
}

static int64_t next_to_leave_ns(const struct sgl_reference_setting *it,
                                const struct sgl_trace_row *rows, size_t arrived, int64_t after_ns)
{
    int64_t next_ns = SGL_NEVER;

    for (size_t i = 0; i < arrived; i++) {
        const int64_t time_ns = rows[i].request.arrival_ns + it->patience_ns[i];
        if (it->patience_ns[i] > 0 && time_ns > after_ns && time_ns < next_ns)
            next_ns = time_ns;
    }
    return next_ns;
}

/* The calls of each instant in the order of worker_model.h. Returns the steps. */
static uint64_t drive(const struct sgl_reference_setting *it, const struct sgl_trace_row *rows,
                      size_t count, bool stepwise, struct told *told)
{
    struct sgl_worker_model_spec spec;
    struct sgl_failure failure;
    int64_t now_ns = -1;
    size_t next = 0;

    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_parse(&spec, it->text, &failure), SGL_OK);
    const struct sgl_worker_model_ops *ops = spec.ops;
    void *state = calloc(1, ops->state_size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(state);
    const struct sgl_worker_model_setup setup = {
        .spec = &spec, .stepwise = stepwise, .emit = hear, .context = told};
    CU_ASSERT_EQUAL_FATAL(ops->create(state, &setup, &failure), SGL_OK);
    for (size_t i = 0; i < count; i++)
        told[i] = (struct told){.first_ns = SGL_ABSENT};
    for (;;) {
        const int64_t event_ns = ops->next_event_ns(state);
        const int64_t leave_ns = next_to_leave_ns(it, rows, next, now_ns);
        const int64_t arrival_ns = next < count ? rows[next].request.arrival_ns : SGL_NEVER;
        const int64_t other_ns = leave_ns < arrival_ns ? leave_ns : arrival_ns;
        const int64_t then_ns = event_ns < other_ns ? event_ns : other_ns;
        if (then_ns == SGL_NEVER)
            break;
        if (event_ns == then_ns)
            ops->advance(state, then_ns);
        if (then_ns > now_ns)
            leave(it, rows, next, ops, state, then_ns, told);
        for (; next < count && rows[next].request.arrival_ns == then_ns; next++) {
            const struct sgl_job job = {
                .handle = (uint32_t)next,
                .arrival_ns = then_ns,
                .max_tokens = rows[next].request.max_tokens,
                .output_tokens = rows[next].output_tokens,
                .is_stopped = rows[next].is_stopped,
                .request = &rows[next].request,
                .recorded = &rows[next].recorded,
            };
            CU_ASSERT_EQUAL_FATAL(ops->arrive(state, &job, &failure), SGL_OK);
        }
        CU_ASSERT_EQUAL_FATAL(ops->schedule(state, then_ns, &failure), SGL_OK);
        now_ns = then_ns;
    }
    const uint64_t steps = ops->steps(state, now_ns);
    struct sgl_worker_load load;
    ops->load(state, &load);
    CU_ASSERT_TRUE(load.queue_length == 0 && load.running == 0);
    ops->destroy(state);
    free(state);
    return steps;
}

/* Some leave: in an instant in which something happens to somebody when nobody does, or a
 * nanosecond before or after it. */
static void draw_patience(struct sgl_rng *draws, struct sgl_reference_setting *it,
                          const struct sgl_trace_row *rows, size_t count)
{
    static struct sgl_reference_gaps gaps;
    struct sgl_reference all[REQUEST_MAX];
    struct sgl_reference_events events = {0};
    const uint32_t often = 1 + sgl_rng_below(draws, 5);

    sgl_reference_run(it, rows, count, all, &events, &gaps);
    for (size_t i = 0; i < count; i++) {
        const struct sgl_reference *one = &all[sgl_rng_below(draws, (uint32_t)count)];
        const int64_t times[] = {one->started_ns, one->first_ns, one->finish_ns};
        const int64_t time_ns = times[sgl_rng_below(draws, 3)];
        if (sgl_rng_below(draws, often) > 0 || one->is_rejected || time_ns == SGL_ABSENT)
            continue;
        const int64_t patience_ns = time_ns - all[i].arrival_ns + DRAW(draws, -1, 0, 0, 1);
        it->patience_ns[i] = patience_ns > 0 ? patience_ns : 0;
    }
}

static void compare(const struct sgl_reference *all, const struct told *told, size_t count,
                    const char *text)
{
    bool same = true;

    for (size_t i = 0; i < count; i++) {
        const struct sgl_reference *is = &all[i];
        same = same && told[i].ends == 1 && told[i].has_left == (is->left_ns != SGL_ABSENT);
        if (is->is_rejected || told[i].has_left)
            continue;
        same = same && told[i].started_ns == is->started_ns && told[i].output == is->output &&
               told[i].finish_ns == is->finish_ns &&
               told[i].first_ns == (is->output > 0 ? is->first_ns : SGL_ABSENT);
    }
    if (!same)
        printf("\n  differs: %s\n", text);
    CU_ASSERT_TRUE(same);
}

static void everybody_leaves_for_himself(void)
{
    static struct sgl_reference_gaps gaps;
    const char *wanted = getenv(WORLDS_VARIABLE);
    const int64_t worlds = wanted != NULL ? strtoll(wanted, NULL, 10) : WORLDS;
    struct sgl_reference_events events = {0};

    for (int64_t i = 0; i < worlds + TELLING_COUNT; i++) {
        const int64_t world = i < worlds ? i : telling[i - worlds];
        struct sgl_rng draws = sgl_rng_stream(13, SGL_PURPOSE_LENGTH, 0, world, 0);
        struct sgl_reference_setting it = sgl_reference_setting(&draws);
        struct sgl_trace_row rows[REQUEST_MAX];
        uint64_t ids[REQUEST_MAX][SGL_REFERENCE_BLOCK_MAX];
        const size_t count = sgl_reference_rows(&draws, &it, rows, ids);
        struct sgl_reference all[REQUEST_MAX];
        struct told told[2][REQUEST_MAX];
        uint64_t steps[2];

        if (it.kv_tokens < 1000 && sgl_rng_below(&draws, 3) == 0)
            sgl_reference_sessions(&draws, rows, count, ids);
        draw_patience(&draws, &it, rows, count);
        sgl_reference_run(&it, rows, count, all, &events, &gaps);
        for (int stepwise = 0; stepwise < 2; stepwise++) {
            steps[stepwise] = drive(&it, rows, count, stepwise == 1, told[stepwise]);
            compare(all, told[stepwise], count, it.text);
        }
        CU_ASSERT_EQUAL(steps[0], steps[1]);
    }
    CU_ASSERT_TRUE(events.left_waiting > worlds);
    CU_ASSERT_TRUE(events.left_in_prefill > worlds / 20);
    CU_ASSERT_TRUE(events.left_decoding > worlds / 4);
    CU_ASSERT_TRUE(events.once_more > worlds / 20);
    CU_ASSERT_TRUE(events.left_in_plan > worlds / 20);
    CU_ASSERT_TRUE(events.half_done > worlds / 60);
}

SGL_SUITE(sim_clients) = {
    {"who leaves does so as in the reference, whoever came first", everybody_leaves_for_himself},
    CU_TEST_INFO_NULL,
};
