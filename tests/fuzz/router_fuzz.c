/*
 * Any script of inputs to two routers that are made alike. Whatever comes:
 *
 *  - both accept or refuse the same, and decide the same, propensities and candidates included;
 *  - accepted inputs are numbered 1, 2, 3, ... and refused ones change no count;
 *  - the fleet's counts add up to the requests outstanding, and a dispatch names a candidate.
 *
 *     byte 0     policy, by its place in the table
 *     byte 1     seed
 *     then five bytes an input:  kind | request | worker | value | time since the last (ms)
 */
#include "fuzz.h"

#include "core/router.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define WORKER_MAX 6
#define REQUESTS 16
#define BYTES_PER_INPUT 5
#define INPUTS_MOST 400

/* Sums up all that a router tells its sink, so that two runs can be compared. */
struct digest {
    struct sgl_sink sink;
    uint64_t inputs;
    uint64_t decisions;
    uint64_t outcomes;
    double sum;
};

static double or_zero(double value)
{
    return isnan(value) ? 0 : value;
}

static void see_input(struct sgl_sink *self, uint64_t sequence, const struct sgl_input *input)
{
    struct digest *digest = (struct digest *)self;

    (void)input;
    digest->inputs++;
    assert(sequence == digest->inputs);
}

static void see_decision(struct sgl_sink *self, const struct sgl_decision *decision,
                         const struct sgl_candidate *candidates, uint32_t count)
{
    struct digest *digest = (struct digest *)self;

    digest->decisions++;
    assert((decision->worker == SGL_NO_WORKER) == isnan(decision->propensity));
    assert(isnan(decision->propensity) || (decision->propensity > 0 && decision->propensity <= 1));
    digest->sum += or_zero(decision->propensity) * (double)digest->inputs;
    for (uint32_t i = 0; i < count; i++) {
        assert(i == 0 || candidates[i].worker > candidates[i - 1].worker);
        digest->sum += or_zero(candidates[i].score) + (double)candidates[i].outstanding;
    }
}

static void see_outcome(struct sgl_sink *self, const struct sgl_outcome_record *record)
{
    struct digest *digest = (struct digest *)self;

    digest->outcomes++;
    digest->sum += or_zero(record->after.score);
}

static const struct sgl_sink_ops digest_ops = {
    .input = see_input,
    .decision = see_decision,
    .outcome = see_outcome,
};

/* A count, a large one, an absent one, or an impossible one. */
static int64_t number(uint8_t value)
{
    switch (value >> 6) {
    case 0:
    case 1:
        return value;
    case 2:
        return value % 2 == 0 ? SGL_ABSENT : INT64_C(1) << (value % 63);
    default:
        return -(int64_t)value;
    }
}

static struct sgl_outcome outcome_of(uint8_t value, int64_t now_ns)
{
    struct sgl_outcome outcome = sgl_outcome_absent();

    outcome.success = value % 3 != 0;
    outcome.error = outcome.success ? NULL : "error";
    outcome.output_tokens = number(value);
    outcome.e2e_ns = number((uint8_t)(value / 2));
    outcome.queue_length = number((uint8_t)(value * 7));
    outcome.reported_ns = value % 5 == 0 ? now_ns + value - 128 : SGL_ABSENT;
    return outcome;
}

static struct sgl_input read_input(const uint8_t *bytes, int64_t *now_ns,
                                   const struct sgl_request *request, const uint32_t *excluded)
{
    const uint8_t value = bytes[3];

    /* Time goes on, but for one step length that tries to turn it back. */
    *now_ns += bytes[4] == 255 ? -1000000 : bytes[4] * INT64_C(1000000);
    struct sgl_input input = {
        .kind = (enum sgl_input_kind)(bytes[0] % SGL_INPUT_COUNT),
        .pool = (enum sgl_pool)(bytes[0] / SGL_INPUT_COUNT % SGL_POOL_COUNT),
        .now_ns = *now_ns,
        .request = request->request,
        .attempt = bytes[1] / REQUESTS % 2,
        .worker = bytes[2] % (WORKER_MAX + 1),
    };
    switch (input.kind) {
    case SGL_INPUT_ROUTE:
        input.route = (struct sgl_route){
            .request = request, .excluded = excluded, .excluded_count = value % 4 == 0 ? 2 : 0};
        break;
    case SGL_INPUT_COMPLETE:
    case SGL_INPUT_CANCEL:
    case SGL_INPUT_REJECT:
        input.outcome = outcome_of(value, *now_ns);
        break;
    case SGL_INPUT_ADD_WORKER:
        input.added = (struct sgl_worker_identity){.url = "http://worker"};
        break;
    case SGL_INPUT_REPORT_LOAD:
        input.report = (struct sgl_load_report){.queue_length = number(value),
                                                .running = number((uint8_t)(value * 3)),
                                                .token_usage = value / 200.0,
                                                .reported_ns = *now_ns - value};
        break;
    case SGL_INPUT_PROBE_RESULT:
    case SGL_INPUT_SET_HEALTH:
    case SGL_INPUT_SET_DRAINING:
        input.is_on = value % 2 == 0;
        break;
    case SGL_INPUT_FIRST_TOKEN:
    case SGL_INPUT_REMOVE_WORKER:
    case SGL_INPUT_FLUSH_CACHE:
    case SGL_INPUT_TICK:
    case SGL_INPUT_COUNT:
        break;
    }
    return input;
}

static uint64_t outstanding_in_fleet(const struct sgl_router *router)
{
    const struct sgl_fleet *fleet = sgl_router_fleet(router);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < fleet->worker_count; i++)
        sum += fleet->outstanding[i];
    return sum;
}

static void assert_dispatch(const struct sgl_router *router, const struct sgl_input *input,
                            const struct sgl_result *result)
{
    const struct sgl_fleet *fleet = sgl_router_fleet(router);

    assert(result->action_count == 1);
    const uint32_t worker = result->actions[0].decision.worker;
    if (result->actions[0].kind == SGL_ACTION_REFUSE) {
        assert(worker == SGL_NO_WORKER);
        return;
    }
    bool is_candidate = false;
    for (uint32_t i = 0; i < fleet->candidate_count[input->pool]; i++)
        is_candidate |= fleet->candidates[input->pool][i] == worker;
    assert(is_candidate);
    for (uint32_t i = 0; i < input->route.excluded_count; i++)
        assert(input->route.excluded[i] != worker);
}

static void play(struct sgl_router **routers, const uint8_t *bytes, size_t size)
{
    int64_t now_ns = 0;
    uint64_t sequence = 0;

    for (size_t i = 0; i < INPUTS_MOST && size >= BYTES_PER_INPUT; i++) {
        const struct sgl_request request = {.request = bytes[1] % REQUESTS,
                                            .prompt_tokens = number(bytes[3]),
                                            .max_tokens = SGL_ABSENT,
                                            .priority = SGL_PRIORITY_NORMAL};
        const uint32_t excluded[2] = {bytes[2] % WORKER_MAX, bytes[2] % WORKER_MAX + 1};
        const struct sgl_input input = read_input(bytes, &now_ns, &request, excluded);
        struct sgl_result result[2];
        const uint64_t outstanding = sgl_router_outstanding(routers[0]);
        const int status = sgl_router_feed(routers[0], &input, &result[0], NULL);
        assert(sgl_router_feed(routers[1], &input, &result[1], NULL) == status);
        assert(outstanding_in_fleet(routers[0]) == sgl_router_outstanding(routers[0]));
        if (status == SGL_OK) {
            sequence++;
            assert(result[0].sequence == sequence && result[1].sequence == sequence);
            assert(result[0].action_count == result[1].action_count);
            if (input.kind == SGL_INPUT_ROUTE) {
                assert_dispatch(routers[0], &input, &result[0]);
                assert(result[0].actions[0].decision.worker ==
                       result[1].actions[0].decision.worker);
                assert(result[0].actions[0].decision.reason ==
                       result[1].actions[0].decision.reason);
            }
        } else {
            assert(sgl_router_outstanding(routers[0]) == outstanding);
        }
        bytes += BYTES_PER_INPUT;
        size -= BYTES_PER_INPUT;
    }
}

/* With its defaults; a policy that wraps another around marginal_utility, which learns. */
static void parse_policy(struct sgl_policy_spec *spec, const char *name)
{
    char wrapping[64];

    snprintf(wrapping, sizeof wrapping, "%s:base=marginal_utility", name);
    if (sgl_policy_parse(spec, name, NULL) == SGL_OK)
        return;
    const int status = sgl_policy_parse(spec, wrapping, NULL);
    assert(status == SGL_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint32_t policy_count = 0;
    struct sgl_policy_spec spec;
    struct sgl_router *routers[2];
    struct digest digests[2];

    /* Without panic: who is dispatched to must be a candidate. */
    static const struct sgl_router_limits plain = {.worker_max = WORKER_MAX};
    static const struct sgl_router_limits guards = {.worker_max = WORKER_MAX,
                                                    .breaker_failures = 2,
                                                    .breaker_successes = 1,
                                                    .breaker_window_ns = 1000,
                                                    .breaker_open_ns = 100,
                                                    .slow_start_ns = 200};

    while (sgl_policy_at(policy_count) != NULL)
        policy_count++;
    if (size < 2)
        return 0;
    const bool guarded = bytes[1] % 2 == 1;
    parse_policy(&spec, sgl_policy_at(bytes[0] % policy_count)->name);
    for (int i = 0; i < 2; i++) {
        digests[i] = (struct digest){.sink = {.ops = &digest_ops, .wants_candidates = true}};
        const struct sgl_router_options options = {.seed = bytes[1],
                                                   .limits = guarded ? guards : plain,
                                                   .policy = {&spec, &spec, &spec},
                                                   .sink = &digests[i].sink};
        if (sgl_router_create(&routers[i], &options, NULL) != SGL_OK)
            return 0;
    }
    play(routers, bytes + 2, size - 2);
    assert(digests[0].inputs == digests[1].inputs && digests[0].decisions == digests[1].decisions);
    assert(digests[0].outcomes == digests[1].outcomes);
    assert(memcmp(&digests[0].sum, &digests[1].sum, sizeof digests[0].sum) == 0);
    sgl_router_destroy(routers[0]);
    sgl_router_destroy(routers[1]);
    sgl_policy_release(&spec);
    return 0;
}
