/* cache_aware through a router: what it remembers, forgets, and when loads overrule it. */
#include "core/router.h"

#include "support.h"
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

struct fixture {
    struct sgl_sink sink;
    struct sgl_policy_spec policy;
    struct sgl_router *router;
    int64_t now_ns;
    int64_t next;
    struct sgl_decision decision;
    struct sgl_candidate rows[8];
};

static void hear(struct sgl_sink *sink, const struct sgl_decision *decision,
                 const struct sgl_candidate *rows, uint32_t count)
{
    struct fixture *fixture = (struct fixture *)sink;

    fixture->decision = *decision;
    memcpy(fixture->rows, rows, count * sizeof *rows);
}

static const struct sgl_sink_ops ops = {.decision = hear};

static void feed(struct fixture *fixture, struct sgl_input input)
{
    struct sgl_failure failure = {.text = ""};

    input.now_ns = fixture->now_ns;
    if (sgl_router_feed(fixture->router, &input, NULL, &failure) != SGL_OK)
        printf("%s\n", failure.text);
    SGL_ASSERT_TEXT(failure.text, "");
}

static void set_up(struct fixture *fixture, const char *policy, uint32_t workers)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->sink = (struct sgl_sink){.ops = &ops, .wants_candidates = true};
    fixture->policy = sgl_world_policy(policy);
    fixture->router = sgl_world_router(&fixture->policy, 1, &fixture->sink);
    for (uint32_t w = 0; w < workers; w++) {
        char url[32];
        snprintf(url, sizeof url, "http://%u", w);
        feed(fixture, (struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = url}});
    }
}

static void tear_down(struct fixture *fixture)
{
    sgl_router_destroy(fixture->router);
    sgl_policy_release(&fixture->policy);
}

/* Routes a prompt of `count` blocks of 10 tokens, the first `shared` of them of the family
 * `family`. */
static uint32_t route(struct fixture *fixture, uint64_t family, size_t shared, size_t count,
                      const char *tenant)
{
    uint64_t ids[32];
    const int64_t number = fixture->next++;
    const struct sgl_request request = {.request = number,
                                        .prompt_tokens = (int64_t)count * 10,
                                        .tenant = tenant,
                                        .prefix_ids = ids,
                                        .prefix_count = count,
                                        .prefix_block = 10};

    for (size_t i = 0; i < count; i++)
        ids[i] = i < shared ? family * 1000 + i : (uint64_t)number * 1000000 + i;
    feed(fixture, (struct sgl_input){
                      .kind = SGL_INPUT_ROUTE, .request = number, .route = {.request = &request}});
    return fixture->decision.worker;
}

static void answer(struct fixture *fixture, int64_t number)
{
    feed(fixture, (struct sgl_input){.kind = SGL_INPUT_COMPLETE,
                                     .request = number,
                                     .outcome = sgl_outcome_absent()});
}

static void a_known_prefix_goes_where_it_went(void)
{
    struct fixture fixture;

    set_up(&fixture, "cache_aware", 3);
    CU_ASSERT_EQUAL(route(&fixture, 1, 10, 10, NULL), 0);
    CU_ASSERT_EQUAL(fixture.decision.reason, SGL_REASON_TIE); /* all trees are empty */
    CU_ASSERT_EQUAL(route(&fixture, 2, 5, 10, NULL), 1); /* smallest tree, two of them: a tie */
    CU_ASSERT_EQUAL(route(&fixture, 3, 5, 10, NULL), 2);
    CU_ASSERT_EQUAL(fixture.decision.reason, SGL_REASON_CACHE_MISS);
    CU_ASSERT_EQUAL(route(&fixture, 2, 5, 9, NULL), 1); /* 5 of 9 blocks: above 0.5 */
    CU_ASSERT_EQUAL(fixture.decision.reason, SGL_REASON_CACHE_HIT);
    CU_ASSERT_DOUBLE_EQUAL(fixture.rows[1].matched_fraction, 5.0 / 9, 1e-15);
    CU_ASSERT_EQUAL(fixture.rows[0].matched_fraction, 0);
    CU_ASSERT_EQUAL(route(&fixture, 3, 5, 10, NULL), 0); /* 5 of 10: not strictly above 0.5 */
    CU_ASSERT_NOT_EQUAL(fixture.decision.reason, SGL_REASON_CACHE_HIT);
    tear_down(&fixture);
}

static void unequal_loads_overrule_the_cache(void)
{
    struct fixture fixture;

    set_up(&fixture, "cache_aware:balance_abs_threshold=3,balance_rel_threshold=2", 2);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(route(&fixture, 1, 10, 10, NULL), 0);
    CU_ASSERT_EQUAL(fixture.decision.reason, SGL_REASON_CACHE_HIT);
    CU_ASSERT_EQUAL(route(&fixture, 1, 10, 10, NULL), 1); /* 4 - 0 > 3 and 4 > 2 * 0 */
    CU_ASSERT_EQUAL(fixture.decision.reason, SGL_REASON_IMBALANCE);
    CU_ASSERT_EQUAL(route(&fixture, 1, 10, 10, NULL), 0); /* 4 - 1 = 3: both have it, first */
    CU_ASSERT_EQUAL(fixture.decision.reason, SGL_REASON_TIE);
    tear_down(&fixture);
}

static void set_health(struct fixture *fixture, uint32_t worker, bool is_on)
{
    feed(fixture,
         (struct sgl_input){.kind = SGL_INPUT_SET_HEALTH, .worker = worker, .is_on = is_on});
}

static void the_relative_threshold_must_hold_too(void)
{
    struct fixture fixture;

    set_up(&fixture, "cache_aware:balance_abs_threshold=1,balance_rel_threshold=2", 2);
    set_health(&fixture, 1, false);
    for (int i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(route(&fixture, 1, 10, 10, NULL), 0);
    set_health(&fixture, 0, false);
    set_health(&fixture, 1, true);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(route(&fixture, 2, 10, 10, NULL), 1);
    set_health(&fixture, 0, true);
    CU_ASSERT_EQUAL(route(&fixture, 1, 10, 10, NULL), 0); /* 4 - 2 > 1, but 4 is not above 2 * 2 */
    CU_ASSERT_EQUAL(fixture.decision.reason, SGL_REASON_CACHE_HIT);
    CU_ASSERT_EQUAL(route(&fixture, 1, 10, 10, NULL), 1); /* 5 - 2 > 1 and 5 > 2 * 2 */
    CU_ASSERT_EQUAL(fixture.decision.reason, SGL_REASON_IMBALANCE);
    tear_down(&fixture);
}

/* Tokens. */
static int64_t remembered_for(const struct fixture *fixture, uint32_t worker)
{
    struct sgl_candidate seen;
    struct sgl_policy_memory memory;

    sgl_router_look(fixture->router, worker, fixture->now_ns, &seen, &memory);
    return memory.tree_units;
}

static void what_a_removed_worker_had_is_forgotten(void)
{
    struct fixture fixture;

    set_up(&fixture, "cache_aware", 2);
    CU_ASSERT_EQUAL(route(&fixture, 1, 10, 10, NULL), 0);
    set_health(&fixture, 0, false);
    CU_ASSERT_EQUAL(route(&fixture, 1, 10, 10, NULL), 1); /* ill: not a candidate, not forgotten */
    set_health(&fixture, 0, true);
    CU_ASSERT_EQUAL(route(&fixture, 1, 10, 10, NULL), 0);
    CU_ASSERT_EQUAL(fixture.rows[0].matched_fraction, 1);
    CU_ASSERT_EQUAL(remembered_for(&fixture, 0), 100);
    feed(&fixture, (struct sgl_input){.kind = SGL_INPUT_REMOVE_WORKER, .worker = 0});
    CU_ASSERT_EQUAL(remembered_for(&fixture, 0), 0);
    feed(&fixture, (struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = "http://0"}});
    route(&fixture, 1, 10, 10, NULL);
    CU_ASSERT_EQUAL(fixture.decision.worker, 1);
    CU_ASSERT_EQUAL(fixture.rows[1].worker, 2);
    CU_ASSERT_EQUAL(fixture.rows[1].matched_fraction, 0);
    feed(&fixture, (struct sgl_input){.kind = SGL_INPUT_FLUSH_CACHE});
    route(&fixture, 1, 10, 10, NULL);
    CU_ASSERT_EQUAL(fixture.rows[0].matched_fraction, 0);
    tear_down(&fixture);
}

static void the_tree_forgets_by_the_clock_and_by_size(void)
{
    struct fixture fixture;

    /* 150 tokens a worker: one prompt of 100 and a half. */
    set_up(&fixture, "cache_aware:max_tree_size=150,eviction_interval_s=60", 1);
    fixture.now_ns = 60 * SECOND;
    route(&fixture, 1, 10, 10, NULL); /* evicts (nothing to do) and starts the next interval */
    route(&fixture, 2, 10, 10, NULL); /* 200 tokens: above the size, not above twice */
    route(&fixture, 1, 10, 10, NULL);
    CU_ASSERT_EQUAL(fixture.rows[0].matched_fraction, 1);
    fixture.now_ns = 120 * SECOND;
    route(&fixture, 1, 10, 10, NULL); /* the clock: the older prompt 2 goes */
    route(&fixture, 2, 10, 10, NULL);
    CU_ASSERT_EQUAL(fixture.rows[0].matched_fraction, 0);
    route(&fixture, 3, 10, 10, NULL); /* 300: not above twice */
    route(&fixture, 4, 10, 10, NULL); /* 400: at once down to 150 */
    route(&fixture, 4, 10, 10, NULL);
    CU_ASSERT_EQUAL(fixture.rows[0].matched_fraction, 1);
    route(&fixture, 3, 10, 10, NULL);
    CU_ASSERT_EQUAL(fixture.rows[0].matched_fraction, 0);
    tear_down(&fixture);
}

static void tenants_can_be_kept_apart(void)
{
    struct fixture fixture;

    set_up(&fixture, "cache_aware:by_tenant=on", 2);
    CU_ASSERT_EQUAL(route(&fixture, 1, 10, 10, "alice"), 0);
    route(&fixture, 1, 10, 10, "bob");
    CU_ASSERT_EQUAL(fixture.rows[0].matched_fraction, 0);
    route(&fixture, 1, 10, 10, "alice");
    CU_ASSERT_EQUAL(fixture.rows[0].matched_fraction, 1);
    tear_down(&fixture);
    set_up(&fixture, "cache_aware", 2);
    route(&fixture, 1, 10, 10, "alice");
    route(&fixture, 1, 10, 10, "bob");
    CU_ASSERT_EQUAL(fixture.rows[0].matched_fraction, 1);
    tear_down(&fixture);
}

static void presets_are_those_of_the_releases(void)
{
    static const struct {
        const char *spec;
        const char *resolved;
    } cases[] = {
        {"cache_aware",
         "cache_aware:preset=sglang-0.1,cache_threshold=0.5,balance_abs_threshold=32,"
         "balance_rel_threshold=1.0001,eviction_interval_s=60,max_tree_size=16777216,"
         "on_miss=smallest_tree,by_tenant=off,ties=first"},
        {"cache_aware:preset=sglang-0.2",
         "cache_aware:preset=sglang-0.2,cache_threshold=0.3,balance_abs_threshold=64,"
         "balance_rel_threshold=1.5,eviction_interval_s=120,max_tree_size=67108864,"
         "on_miss=least_load,by_tenant=off,ties=first"},
        {"cache_aware:cache_threshold=0.7,preset=sglang-0.3",
         "cache_aware:preset=sglang-0.3,cache_threshold=0.7,balance_abs_threshold=64,"
         "balance_rel_threshold=1.5,eviction_interval_s=60,max_tree_size=67108864,"
         "on_miss=least_load,by_tenant=off,ties=first"},
        {"cache_aware:preset=smg,ties=random",
         "cache_aware:preset=smg,cache_threshold=0.3,balance_abs_threshold=64,"
         "balance_rel_threshold=1.5,eviction_interval_s=120,max_tree_size=67108864,"
         "on_miss=least_load,by_tenant=off,ties=random"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_policy_spec spec = sgl_world_policy(cases[i].spec);
        char *text = sgl_policy_format(&spec);
        SGL_ASSERT_TEXT(text, cases[i].resolved);
        free(text);
        sgl_policy_release(&spec);
    }
}

static void ties_by_load_prefer_the_idle_then_the_fresh(void)
{
    struct fixture fixture;

    set_up(&fixture, "cache_aware:preset=smg", 3);
    CU_ASSERT_EQUAL(route(&fixture, 1, 0, 10, NULL), 0);
    CU_ASSERT_EQUAL(route(&fixture, 1, 0, 10, NULL), 1);
    answer(&fixture, 0);
    answer(&fixture, 1);
    CU_ASSERT_EQUAL(route(&fixture, 1, 0, 10, NULL), 2); /* all idle: never assigned wins */
    answer(&fixture, 2);
    CU_ASSERT_EQUAL(route(&fixture, 1, 0, 10, NULL), 0); /* all equal: the lowest index */
    tear_down(&fixture);
}

SGL_SUITE(cache_aware) = {
    {"a known prefix goes where it went", a_known_prefix_goes_where_it_went},
    {"unequal loads overrule the cache", unequal_loads_overrule_the_cache},
    {"the relative threshold must hold too", the_relative_threshold_must_hold_too},
    {"what a removed worker had is forgotten", what_a_removed_worker_had_is_forgotten},
    {"the tree forgets by the clock and by size", the_tree_forgets_by_the_clock_and_by_size},
    {"tenants can be kept apart", tenants_can_be_kept_apart},
    {"presets are those of the releases", presets_are_those_of_the_releases},
    {"ties by load prefer the idle, then the fresh", ties_by_load_prefer_the_idle_then_the_fresh},
    CU_TEST_INFO_NULL,
};
