#include "world.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#define OUT_MAX 512
#define PREFIX_MAX 40

struct out {
    int64_t request;
    enum sgl_pool pool;
    bool has_first_token;
};

struct play {
    const struct sgl_world *world;
    struct sgl_router *router;
    struct sgl_rng rng;
    int64_t now_ns;
    int64_t request_next;
    uint32_t worker_next;
    struct out out[OUT_MAX];
    uint32_t out_count;
};

static void *resize_failing(void *context, void *memory, size_t size)
{
    struct sgl_world_memory *state = context;

    if (size == 0) {
        state->blocks -= memory != NULL;
        free(memory);
        return NULL;
    }
    if (state->calls_left == 0)
        return NULL;
    state->calls_left--;
    void *resized = realloc(memory, size);
    state->blocks += memory == NULL && resized != NULL;
    return resized;
}

struct sgl_allocator sgl_world_allocator(struct sgl_world_memory *memory)
{
    return (struct sgl_allocator){.resize = resize_failing, .context = memory};
}

struct sgl_policy_spec sgl_world_policy(const char *text)
{
    struct sgl_policy_spec spec;
    struct sgl_failure failure;

    if (sgl_policy_parse(&spec, text, &failure) != SGL_OK) {
        printf("%s\n", failure.text);
        abort();
    }
    return spec;
}

struct sgl_router_limits sgl_world_limits(uint64_t seed)
{
    struct sgl_router_limits limits = {.worker_max = 64};

    if (seed % 2 == 1)
        return limits;
    limits.breaker_failures = 1 + seed / 2 % 3;
    limits.breaker_window_ns = SGL_SECONDS_NS(5);
    limits.breaker_open_ns = SGL_SECONDS_NS(1);
    limits.breaker_successes = 1 + seed / 2 % 2;
    limits.panic = seed / 2 % 2;
    limits.slow_start_ns = SGL_SECONDS_NS(2);
    return limits;
}

struct sgl_router *sgl_world_router(const struct sgl_policy_spec *spec, uint64_t seed,
                                    struct sgl_sink *sink)
{
    struct sgl_router *router;
    struct sgl_failure failure;

    if (sgl_router_create(
            &router,
            &(struct sgl_router_options){
                .seed = seed, .limits = sgl_world_limits(seed), .policy = {spec}, .sink = sink},
            &failure) != SGL_OK) {
        printf("%s\n", failure.text);
        abort();
    }
    return router;
}

static bool feed(struct play *play, struct sgl_input *input, struct sgl_result *result)
{
    struct sgl_failure failure = {.text = ""};

    input->now_ns = play->now_ns;
    const int status = sgl_router_feed(play->router, input, result, &failure);
    if (status != SGL_OK)
        printf("\nseed %llu: %s\n", (unsigned long long)play->world->seed, failure.text);
    CU_ASSERT_EQUAL(status, SGL_OK);
    return status == SGL_OK;
}

static void add_worker(struct play *play)
{
    char url[64];

    snprintf(url, sizeof url, "http://worker-%u:30000", play->worker_next++);
    feed(play, &(struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = url}}, NULL);
}

/* Few distinct ids: prompts share prefixes of all lengths. Returns how many there are. */
static size_t draw_prefix(struct play *play, uint64_t *ids)
{
    const size_t count = sgl_rng_below(&play->rng, PREFIX_MAX + 1);
    const size_t shared = sgl_rng_below(&play->rng, PREFIX_MAX + 1);

    for (size_t i = 0; i < count; i++)
        ids[i] = i < shared ? UINT64_MAX - i : sgl_rng_below(&play->rng, 2);
    return count;
}

static void arrive(struct play *play)
{
    uint64_t prefix_ids[PREFIX_MAX];
    char id[64];
    struct sgl_result result;
    const int64_t number = play->request_next++;

    snprintf(id, sizeof id, "req'%lld; \"x,\n", (long long)number);
    const struct sgl_request request = {
        .request = number,
        .arrival_ns = play->now_ns,
        .prompt_tokens = (int64_t)sgl_rng_below(&play->rng, 4000),
        .max_tokens = sgl_rng_below(&play->rng, 4) == 0 ? SGL_ABSENT : 256,
        .priority = (enum sgl_priority)sgl_rng_below(&play->rng, SGL_PRIORITY_COUNT),
        .request_id = number % 5 == 0 ? NULL : id,
        .tenant = number % 3 == 0 ? "tenant" : NULL,
        .session = number % 7 == 0 ? "session" : NULL,
        .prefix_ids = prefix_ids,
        .prefix_count = draw_prefix(play, prefix_ids),
        .prefix_block = number % 2 == 0 ? 16 : 0,
    };
    const uint32_t excluded[] = {sgl_rng_below(&play->rng, play->worker_next)};
    struct sgl_input input = {.kind = SGL_INPUT_ROUTE,
                              .request = number,
                              .route = {.request = &request, .excluded = excluded}};
    input.route.excluded_count = !play->world->is_calm && sgl_rng_below(&play->rng, 10) == 0;
    if (!feed(play, &input, &result))
        return;
    CU_ASSERT_EQUAL_FATAL(result.action_count, 1);
    if (result.actions[0].kind == SGL_ACTION_REFUSE) {
        struct sgl_input refused = {
            .kind = SGL_INPUT_REJECT, .request = number, .outcome = sgl_outcome_absent()};
        refused.outcome.error = "no_worker";
        feed(play, &refused, NULL);
    } else {
        play->out[play->out_count++] = (struct out){.request = number};
    }
}

static void progress(struct play *play)
{
    const uint32_t at = sgl_rng_below(&play->rng, play->out_count);
    struct out *out = &play->out[at];
    struct sgl_input input = {.request = out->request, .outcome = sgl_outcome_absent()};
    struct sgl_outcome *outcome = &input.outcome;

    if (!out->has_first_token && sgl_rng_below(&play->rng, 2) == 0) {
        out->has_first_token = true;
        feed(play, &(struct sgl_input){.kind = SGL_INPUT_FIRST_TOKEN, .request = out->request},
             NULL);
        return;
    }
    const uint32_t fate = play->world->is_calm ? 9 : sgl_rng_below(&play->rng, 10);
    input.kind = fate == 0 ? SGL_INPUT_CANCEL : SGL_INPUT_COMPLETE;
    if (fate == 0) {
        outcome->error = "client_abort";
    } else if (fate == 1) {
        outcome->error = "timeout";
    } else {
        outcome->success = true;
        outcome->queue_time_ns = (int64_t)sgl_rng_below(&play->rng, 1000000);
        outcome->ttft_ns = outcome->queue_time_ns + 5;
        outcome->e2e_ns = outcome->ttft_ns + (int64_t)sgl_rng_below(&play->rng, 1000000000);
        outcome->prompt_tokens = (int64_t)sgl_rng_below(&play->rng, 4000);
        outcome->output_tokens = (int64_t)sgl_rng_below(&play->rng, 500);
        if (sgl_rng_below(&play->rng, 2) == 0) {
            outcome->queue_length = (int64_t)sgl_rng_below(&play->rng, 8);
            outcome->reported_ns = play->now_ns;
        }
    }
    feed(play, &input, NULL);
    play->out[at] = play->out[--play->out_count];
}

static bool is_there(const struct play *play, uint32_t worker)
{
    return worker < sgl_router_fleet(play->router)->worker_count &&
           !sgl_router_fleet(play->router)->workers[worker].is_removed;
}

static void change_fleet(struct play *play)
{
    const uint32_t worker = sgl_rng_below(&play->rng, play->worker_next);
    const uint32_t what = sgl_rng_below(&play->rng, 8);
    const bool is_on = sgl_rng_below(&play->rng, 3) > 0;

    if (what == 0 && play->worker_next < 32)
        add_worker(play);
    else if (what == 1)
        feed(play, &(struct sgl_input){.kind = SGL_INPUT_FLUSH_CACHE}, NULL);
    else if (what == 2)
        feed(play, &(struct sgl_input){.kind = SGL_INPUT_TICK}, NULL);
    else if (!is_there(play, worker))
        return;
    else if (what == 3 && sgl_rng_below(&play->rng, 4) == 0)
        feed(play, &(struct sgl_input){.kind = SGL_INPUT_REMOVE_WORKER, .worker = worker}, NULL);
    else if (what == 4)
        feed(play,
             &(struct sgl_input){.kind = SGL_INPUT_SET_HEALTH, .worker = worker, .is_on = is_on},
             NULL);
    else if (what == 5)
        feed(play,
             &(struct sgl_input){.kind = SGL_INPUT_SET_DRAINING, .worker = worker, .is_on = !is_on},
             NULL);
    else if (what == 6)
        feed(play,
             &(struct sgl_input){.kind = SGL_INPUT_PROBE_RESULT, .worker = worker, .is_on = is_on},
             NULL);
}

static void report(struct play *play)
{
    const uint32_t worker = sgl_rng_below(&play->rng, play->worker_next);
    const int64_t age_ns = (int64_t)sgl_rng_below(&play->rng, 1000);
    struct sgl_input input = {
        .kind = SGL_INPUT_REPORT_LOAD,
        .worker = worker,
        .report = {.queue_length = (int64_t)sgl_rng_below(&play->rng, 6),
                   .running = SGL_ABSENT,
                   .token_usage = sgl_rng_below(&play->rng, 2) == 0 ? 0.25 : SGL_ABSENT_REAL,
                   .reported_ns = play->now_ns > age_ns ? play->now_ns - age_ns : play->now_ns},
    };

    if (is_there(play, worker))
        feed(play, &input, NULL);
}

void sgl_world_play(const struct sgl_world *world, struct sgl_router *router)
{
    struct play *play = calloc(1, sizeof *play);

    CU_ASSERT_PTR_NOT_NULL_FATAL(play);
    play->world = world;
    play->router = router;
    play->rng = sgl_rng_stream(world->seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    for (uint32_t w = 0; w < world->worker_count; w++)
        add_worker(play);
    for (uint32_t step = 0; step < world->step_count; step++) {
        const uint32_t what = sgl_rng_below(&play->rng, 20);
        play->now_ns += (int64_t)sgl_rng_below(&play->rng, 4) * 7000000;
        if (what < 8 && play->out_count < OUT_MAX)
            arrive(play);
        else if (what < 17 && play->out_count > 0)
            progress(play);
        else if (what == 17)
            report(play);
        else if (what > 17 && !world->is_calm)
            change_fleet(play);
    }
    free(play);
}
