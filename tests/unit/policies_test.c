/* What every policy must keep, looped over the table; then the points of single policies. */
#include "core/policy.h"

#include "core/router.h"
#include "support.h"
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_cdf.h>

/* Every policy with its defaults, and with what changes how it chooses. */
static const char *const specs[] = {
    "random",
    "round_robin",
    "power_of_two",
    "power_of_two:ties=first",
    "power_of_two:base=token_usage",
    "power_of_two:base=queue,ties=first",
    "power_of_two:base=random",
    "least_outstanding",
    "least_outstanding:ties=first",
    "shortest_queue",
    "shortest_queue:correct=off,fallback=outstanding,stale_after_s=0.00001",
    "shortest_queue:fallback=outstanding",
    "shortest_queue:ties=first,correct=off",
    "fixed_probability",
    "fixed_probability:p=0.5/0.3/0.2/0/0",
    "cache_aware",
    "cache_aware:ties=random,cache_threshold=0.2,balance_abs_threshold=3",
    "cache_aware:preset=smg,max_tree_size=2000,eviction_interval_s=0.5,by_tenant=on",
    "cache_aware:preset=sglang-0.3,max_tree_size=500,eviction_interval_s=1000000,ties=random",
    "explore:base=round_robin",
    "explore:epsilon=0.3,base=power_of_two:base=queue,ties=first",
    "explore:epsilon=0.5,base=cache_aware:ties=random,balance_abs_threshold=4",
    "marginal_utility",
    "marginal_utility:ties=random,min_history=2,window_size=3",
    "marginal_utility:normalize=on,min_history=4",
    "marginal_utility:throughput=per_request,horizon_s=5,min_history=2",
};

#define SPEC_COUNT (sizeof specs / sizeof specs[0])

/* Asks the policy itself, beside the router, at every decision of a world: a sink sees the
 * candidates, but not the view, so the conformance policy wraps the ops and checks inside. */
static const struct sgl_policy_ops *inner;
static uint64_t asked;
static double chi_square;
static uint64_t cells;

static struct sgl_choice checked_decide(const void *state, const struct sgl_view *view)
{
    const struct sgl_choice choice = inner->decide(state, view);
    const struct sgl_choice again = inner->decide(state, view);
    double sum = 0;
    bool is_candidate = false;
    double chances[64];

    asked++;
    CU_ASSERT_EQUAL(choice.worker, again.worker);
    CU_ASSERT_EQUAL(choice.reason, again.reason);
    for (uint32_t i = 0; i < view->candidate_count; i++) {
        chances[i] = inner->probability(state, view, view->candidates[i]);
        CU_ASSERT_TRUE(chances[i] >= 0 && chances[i] <= 1);
        sum += chances[i];
        is_candidate |= choice.worker == view->candidates[i];
    }
    CU_ASSERT_TRUE_FATAL(is_candidate);
    CU_ASSERT_DOUBLE_EQUAL(sum, 1, 1e-12);
    CU_ASSERT_TRUE(inner->probability(state, view, choice.worker) > 0);

    /* Now and then: is the chance of each candidate how often it is chosen, over other luck? */
    if (asked % 23 != 0)
        return choice;
    const uint32_t draws = 2000;
    uint32_t counts[64] = {0};
    struct sgl_view other = *view;
    for (uint32_t d = 0; d < draws; d++) {
        other.draws = sgl_rng_stream(asked, SGL_PURPOSE_DECIDE, 0, d, 9);
        counts[inner->decide(state, &other).worker]++;
    }
    uint32_t possible = 0;
    for (uint32_t i = 0; i < view->candidate_count; i++) {
        const double expected = chances[i] * draws;
        const double seen = counts[view->candidates[i]];
        CU_ASSERT_TRUE(expected > 0 || seen == 0);
        if (expected > 0) {
            chi_square += (seen - expected) * (seen - expected) / expected;
            possible++;
        }
    }
    cells += possible - 1;
    return choice;
}

static void chances_are_exact(void)
{
    for (size_t i = 0; i < SPEC_COUNT; i++) {
        struct sgl_policy_spec spec = sgl_world_policy(specs[i]);
        inner = spec.ops;
        asked = 0;
        chi_square = 0;
        cells = 0;
        struct sgl_policy_ops checked = *inner;
        checked.decide = checked_decide;
        spec.ops = &checked;
        struct sgl_router *router = sgl_world_router(&spec, i, NULL);
        sgl_world_play(&(struct sgl_world){.seed = i, .worker_count = 5, .step_count = 4000},
                       router);
        CU_ASSERT_TRUE(asked > 1000);
        /* All tables together: one chi-square, refused beyond its 99.99 % quantile. */
        const bool fits = cells == 0 || chi_square < gsl_cdf_chisq_Pinv(0.9999, (double)cells);
        if (!fits)
            printf("\n%s: chi-square %.1f with %llu degrees of freedom\n", specs[i], chi_square,
                   (unsigned long long)cells);
        CU_ASSERT_TRUE(fits);
        sgl_router_destroy(router);
        sgl_policy_release(&spec);
    }
}

/* A sink that adds up everything a run says, to compare runs. */
struct digest {
    struct sgl_sink sink;
    uint64_t sum;
    uint64_t reasons[SGL_REASON_COUNT];
};

static void mix(struct digest *digest, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < size; i++)
        digest->sum = (digest->sum ^ at[i]) * UINT64_C(1099511628211);
}

static void mix_candidate(struct digest *digest, const struct sgl_candidate *row)
{
    const double reals[] = {row->score, row->throughput_gradient, row->latency_gradient,
                            row->avg_throughput_tps, row->avg_latency_s};
    const int64_t integers[] = {row->worker, row->outstanding, row->queue_length, row->queue_age_ns,
                                row->window_size};

    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++)
        CU_ASSERT_FALSE(reals[i] == 0 && signbit(reals[i]));
    mix(digest, reals, sizeof reals);
    mix(digest, integers, sizeof integers);
}

static void digest_decision(struct sgl_sink *sink, const struct sgl_decision *decision,
                            const struct sgl_candidate *candidates, uint32_t count)
{
    struct digest *digest = (struct digest *)sink;

    digest->reasons[decision->reason]++;
    mix(digest, &decision->worker, sizeof decision->worker);
    mix(digest, &decision->propensity, sizeof decision->propensity);
    for (uint32_t i = 0; i < count; i++)
        mix_candidate(digest, &candidates[i]);
}

static void digest_outcome(struct sgl_sink *sink, const struct sgl_outcome_record *record)
{
    mix_candidate((struct digest *)sink, &record->after);
}

static const struct sgl_sink_ops digest_ops = {.decision = digest_decision,
                                               .outcome = digest_outcome};

static struct digest digest_of(const char *text, uint64_t seed)
{
    struct digest digest = {.sink = {.ops = &digest_ops, .wants_candidates = true}};
    struct sgl_policy_spec spec = sgl_world_policy(text);
    struct sgl_router *router = sgl_world_router(&spec, seed, &digest.sink);

    sgl_world_play(&(struct sgl_world){.seed = 5, .worker_count = 5, .step_count = 3000}, router);
    sgl_router_destroy(router);
    sgl_policy_release(&spec);
    return digest;
}

static void the_same_inputs_give_the_same_bits(void)
{
    for (size_t i = 0; i < SPEC_COUNT; i++)
        CU_ASSERT_EQUAL(digest_of(specs[i], 1).sum, digest_of(specs[i], 1).sum);
    CU_ASSERT_NOT_EQUAL(digest_of("random", 1).sum, digest_of("random", 2).sum);
}

static void reasons_are_those_of_the_policy(void)
{
    struct digest digest = digest_of("marginal_utility", 1);
    CU_ASSERT_TRUE(digest.reasons[SGL_REASON_GRADIENT] > 0);
    CU_ASSERT_TRUE(digest.reasons[SGL_REASON_LOAD_FALLBACK] > 0);
    CU_ASSERT_EQUAL(digest.reasons[SGL_REASON_FALLBACK], 0);
    digest = digest_of("power_of_two", 1);
    CU_ASSERT_TRUE(digest.reasons[SGL_REASON_SAMPLED_PAIR] > 0);
    CU_ASSERT_TRUE(digest.reasons[SGL_REASON_TIE] > 0);
    digest = digest_of("cache_aware:balance_abs_threshold=6,ties=random,on_miss=least_load", 1);
    CU_ASSERT_TRUE(digest.reasons[SGL_REASON_CACHE_HIT] > 0);
    CU_ASSERT_TRUE(digest.reasons[SGL_REASON_CACHE_MISS] > 0);
    CU_ASSERT_TRUE(digest.reasons[SGL_REASON_IMBALANCE] > 0);
    digest = digest_of("shortest_queue", 1);
    CU_ASSERT_TRUE(digest.reasons[SGL_REASON_SHORTEST] > 0);
    CU_ASSERT_TRUE(digest.reasons[SGL_REASON_FALLBACK] > 0);
}

static void a_spec_reads_back_as_itself(void)
{
    for (size_t i = 0; i < SPEC_COUNT; i++) {
        struct sgl_policy_spec spec = sgl_world_policy(specs[i]);
        char *text = sgl_policy_format(&spec);
        struct sgl_policy_spec again = sgl_world_policy(text);
        char *text_again = sgl_policy_format(&again);
        SGL_ASSERT_TEXT(text_again, text);
        CU_ASSERT(sgl_same_bits(spec.parameters.value, again.parameters.value,
                                sizeof spec.parameters.value / sizeof spec.parameters.value[0]));
        free(text);
        free(text_again);
        sgl_policy_release(&spec);
        sgl_policy_release(&again);
    }
}

static void bad_specs_are_refused_with_help(void)
{
    static const struct {
        const char *spec;
        const char *text;
    } cases[] = {
        {"marginal_utilty", "unknown policy 'marginal_utilty' (did you mean 'marginal_utility'?), "
                            "expected one of random, round_robin, power_of_two"},
        {"", "unknown policy ''"},
        {"random:x=1", "policy random: unknown parameter 'x', expected none"},
        {"marginal_utility:windw_size=3",
         "policy marginal_utility: unknown parameter 'windw_size' (did you mean 'window_size'?)"},
        {"marginal_utility:window_size=2.5",
         "window_size=2.5, expected a whole number from 2 to 4096"},
        {"marginal_utility:window_size=5", "min_history=10, expected at most window_size=5"},
        {"marginal_utility:latency_weight=nan", "latency_weight=nan, expected a number from 0"},
        {"marginal_utility:latency_weight=", "latency_weight=, expected a number"},
        {"marginal_utility:latency_weight=1,", "nothing after the last ','"},
        {"marginal_utility:latency_weight", "'latency_weight', expected key=value"},
        {"marginal_utility:ties=last", "ties=last, expected one of first|random"},
        {"fixed_probability:p=0.5/0.4", "p has the sum 0.9, expected 1"},
        {"fixed_probability:p=0.5/x",
         "p=0.5/x, expected numbers separated by '/', each from 0 to 1"},
        {"explore", "policy explore: base is missing, expected base=POLICY as the last parameter"},
        {"explore:base=explore:base=random", "base=explore, expected a policy that holds no other"},
        {"explore:base=randm", "unknown policy 'randm' (did you mean 'random'?)"},
        {"explore:base=random,epsilon=0.1", "unknown policy 'random,epsilon=0.1'"},
        {"explore:epsilon=2,base=random", "epsilon=2, expected a number from 0 to 1"},
        {"fixed_probability:p=", "p=, expected numbers"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_policy_spec spec;
        struct sgl_failure failure = {.text = ""};
        CU_ASSERT_EQUAL(sgl_policy_parse(&spec, cases[i].spec, &failure), SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, cases[i].text);
    }
    struct sgl_policy_spec spec = sgl_world_policy("fixed_probability:p=0.5/0.5");
    struct sgl_failure failure;
    CU_ASSERT_EQUAL(sgl_policy_fits(&spec, 2, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_policy_fits(&spec, 3, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "p has 2 members, expected 3, one for each worker");
    sgl_policy_release(&spec);
    spec = sgl_world_policy("explore:base=fixed_probability:p=0.5/0.5");
    CU_ASSERT_EQUAL(sgl_policy_fits(&spec, 2, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_policy_fits(&spec, 4, &failure), SGL_EINVAL);
    sgl_policy_release(&spec);
}

static void aliases_name_the_same_policy(void)
{
    CU_ASSERT_PTR_EQUAL(sgl_policy_named("pow_two", 7), sgl_policy_named("power_of_two", 12));
    CU_ASSERT_PTR_EQUAL(sgl_policy_named("least_load", 10),
                        sgl_policy_named("least_outstanding", 17));
    CU_ASSERT_PTR_NULL(sgl_policy_named("", 0));
}

/* Three workers seen by hand: outstanding, and a report at one second with outstanding then. */
struct scene {
    struct sgl_worker workers[3];
    uint32_t outstanding[3];
    uint64_t assigned[3];
    uint32_t candidates[3];
    struct sgl_fleet fleet;
    struct sgl_view view;
};

static void set_scene(struct scene *scene)
{
    memset(scene, 0, sizeof *scene);
    for (uint32_t w = 0; w < 3; w++) {
        scene->workers[w] = (struct sgl_worker){
            .reported_ns = SGL_ABSENT, .queue_length = SGL_ABSENT, .token_usage = SGL_ABSENT_REAL};
        scene->candidates[w] = w;
    }
    scene->fleet.worker_count = 3;
    scene->fleet.workers = scene->workers;
    scene->fleet.outstanding = scene->outstanding;
    scene->fleet.assigned = scene->assigned;
    scene->view = (struct sgl_view){.now_ns = 2 * SGL_NANOSECONDS_PER_SECOND,
                                    .fleet = &scene->fleet,
                                    .candidates = scene->candidates,
                                    .candidate_count = 3};
}

static void report(struct scene *scene, uint32_t worker, int64_t queue_length,
                   uint32_t outstanding_then)
{
    scene->workers[worker].reported_ns = SGL_NANOSECONDS_PER_SECOND;
    scene->workers[worker].queue_length = queue_length;
    scene->workers[worker].outstanding_reported = outstanding_then;
}

static uint32_t choice_in(const struct scene *scene, const char *text, enum sgl_reason *reason)
{
    struct sgl_policy_spec spec = sgl_world_policy(text);
    uint64_t state[64] = {0};

    CU_ASSERT_TRUE_FATAL(sgl_policy_state_size(&spec, 3) <= sizeof state);
    spec.ops->create(state, &(struct sgl_policy_setup){&spec.parameters, 3, NULL});
    const struct sgl_choice choice = spec.ops->decide(state, &scene->view);
    *reason = choice.reason;
    sgl_policy_release(&spec);
    return choice.worker;
}

static void shortest_queue_corrects_what_it_was_told(void)
{
    struct scene scene;
    enum sgl_reason reason;

    set_scene(&scene);
    report(&scene, 0, 4, 4); /* told 4; since then 3 came back: 1 */
    scene.outstanding[0] = 1;
    report(&scene, 1, 2, 2); /* told 2; nothing changed */
    scene.outstanding[1] = 2;
    report(&scene, 2, 0, 0); /* told 0; since then 5 were sent */
    scene.outstanding[2] = 5;
    CU_ASSERT_EQUAL(choice_in(&scene, "shortest_queue", &reason), 0);
    CU_ASSERT_EQUAL(reason, SGL_REASON_SHORTEST);
    CU_ASSERT_EQUAL(choice_in(&scene, "shortest_queue:correct=off", &reason), 2);

    /* A worker without a report: its outstanding requests, or passed over. */
    scene.workers[2].reported_ns = SGL_ABSENT;
    scene.outstanding[2] = 0;
    CU_ASSERT_EQUAL(choice_in(&scene, "shortest_queue", &reason), 2);
    CU_ASSERT_EQUAL(choice_in(&scene, "shortest_queue:correct=off", &reason), 1);

    /* Reports a second old are no reports with stale_after_s=0.5. */
    CU_ASSERT_EQUAL(choice_in(&scene, "shortest_queue:stale_after_s=0.5", &reason), 0);
    CU_ASSERT_EQUAL(reason, SGL_REASON_FALLBACK);
    CU_ASSERT_EQUAL(
        choice_in(&scene, "shortest_queue:stale_after_s=0.5,fallback=outstanding", &reason), 2);
    CU_ASSERT_EQUAL(reason, SGL_REASON_FALLBACK);
}

static void power_of_two_falls_back_to_outstanding_per_pair(void)
{
    struct scene scene;
    enum sgl_reason reason;

    set_scene(&scene);
    scene.view.candidate_count = 2;
    report(&scene, 0, 9, 0);
    report(&scene, 1, 1, 0);
    scene.outstanding[1] = 3;
    CU_ASSERT_EQUAL(choice_in(&scene, "power_of_two", &reason), 0);
    CU_ASSERT_EQUAL(choice_in(&scene, "power_of_two:base=queue", &reason), 1);
    scene.workers[1].queue_length = SGL_ABSENT;
    CU_ASSERT_EQUAL(choice_in(&scene, "power_of_two:base=queue", &reason), 0);
    CU_ASSERT_EQUAL(reason, SGL_REASON_SAMPLED_PAIR);
    scene.outstanding[0] = 4; /* it is the other one that lacks the signal: the same */
    CU_ASSERT_EQUAL(choice_in(&scene, "power_of_two:base=queue", &reason), 1);
    CU_ASSERT_EQUAL(reason, SGL_REASON_SAMPLED_PAIR);
    scene.workers[0].token_usage = 0.9;
    scene.workers[1].token_usage = 0.1;
    CU_ASSERT_EQUAL(choice_in(&scene, "power_of_two:base=token_usage", &reason), 1);
    CU_ASSERT_EQUAL(reason, SGL_REASON_SAMPLED_PAIR);
}

/* Workers 1 and 2 are equally good. */
static void the_first_of_equals_wins(void)
{
    struct scene scene;
    enum sgl_reason reason;

    set_scene(&scene);
    report(&scene, 0, 3, 3);
    report(&scene, 1, 1, 2);
    report(&scene, 2, 1, 2);
    scene.outstanding[0] = 3;
    scene.outstanding[1] = 2;
    scene.outstanding[2] = 2;
    CU_ASSERT_EQUAL(choice_in(&scene, "least_outstanding:ties=first", &reason), 1);
    CU_ASSERT_EQUAL(reason, SGL_REASON_TIE);
    CU_ASSERT_EQUAL(choice_in(&scene, "shortest_queue:ties=first", &reason), 1);
    CU_ASSERT_EQUAL(reason, SGL_REASON_TIE);
    CU_ASSERT_EQUAL(choice_in(&scene, "marginal_utility:window_size=2,min_history=2", &reason), 1);
    CU_ASSERT_EQUAL(reason, SGL_REASON_TIE);
}

/* Worker 1 is away; then worker 0 is used though the turn was another's. */
static void turns_follow_the_worker_used(void)
{
    static const uint32_t some[] = {0, 2};
    static const uint32_t expected[] = {0, 2, 0, 2, 0};
    struct sgl_policy_spec spec = sgl_world_policy("round_robin");
    struct scene scene;
    uint64_t state[8] = {0};

    CU_ASSERT_TRUE_FATAL(sgl_policy_state_size(&spec, 3) <= sizeof state);
    set_scene(&scene);
    scene.view.candidates = some;
    scene.view.candidate_count = 2;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const uint32_t worker = spec.ops->decide(state, &scene.view).worker;
        CU_ASSERT_EQUAL(worker, expected[i]);
        CU_ASSERT_EQUAL(spec.ops->assign(state, &scene.view, worker), SGL_OK);
    }
    scene.view.candidates = scene.candidates;
    scene.view.candidate_count = 3;
    CU_ASSERT_EQUAL(spec.ops->assign(state, &scene.view, 0), SGL_OK);
    CU_ASSERT_EQUAL(spec.ops->decide(state, &scene.view).worker, 1);
    sgl_policy_release(&spec);
}

SGL_SUITE(policies) = {
    {"the chance a policy states is how often it chooses", chances_are_exact},
    {"the same inputs give the same bits", the_same_inputs_give_the_same_bits},
    {"reasons are those of the policy", reasons_are_those_of_the_policy},
    {"a spec reads back as itself", a_spec_reads_back_as_itself},
    {"bad specs are refused with help", bad_specs_are_refused_with_help},
    {"aliases name the same policy", aliases_name_the_same_policy},
    {"shortest_queue corrects what it was told", shortest_queue_corrects_what_it_was_told},
    {"power_of_two falls back to outstanding per pair",
     power_of_two_falls_back_to_outstanding_per_pair},
    {"with ties=first the first of equals wins", the_first_of_equals_wins},
    {"turns follow the worker that was used", turns_follow_the_worker_used},
    CU_TEST_INFO_NULL,
};
