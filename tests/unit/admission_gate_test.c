/* Who is let in, by an oracle that counts; and tenants, by what their buckets allow. */
#include "core/absent.h"
#include "core/rng.h"
#include "live/admission_gate.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND SGL_NANOSECONDS_PER_SECOND

struct wakes {
    uint32_t of_lane[4];
};

static void count_wake(void *context, uint32_t lane)
{
    ((struct wakes *)context)->of_lane[lane]++;
}

static struct sgl_gate *make(const struct sgl_gate_options *options, struct wakes *wakes)
{
    struct sgl_gate_options all = *options;
    struct sgl_gate *gate;
    struct sgl_failure failure;

    all.wake = count_wake;
    all.context = wakes;
    all.lane_count = 4;
    all.key = (struct sgl_prompt_key){.words = {1, 2}};
    CU_ASSERT_EQUAL_FATAL(sgl_gate_create(&gate, &all, &failure), SGL_OK);
    return gate;
}

#define CLIENTS 64

/* A client as the test sees it. */
struct client {
    struct sgl_gate_waiter waiter;
    enum { AWAY, WAITING, INSIDE } is;
};

static int64_t count(const struct client *clients, int is)
{
    int64_t found = 0;

    for (int i = 0; i < CLIENTS; i++)
        found += (int)clients[i].is == is;
    return found;
}

static void hear_woken(struct sgl_gate *gate, struct client *clients, uint64_t *timed_out)
{
    for (uint32_t lane = 0; lane < 4; lane++)
        for (struct sgl_gate_waiter *woken = sgl_gate_woken(gate, lane); woken != NULL;
             woken = sgl_gate_woken(gate, lane)) {
            struct client *client = (struct client *)(void *)woken;
            CU_ASSERT_FATAL(client >= clients && client < clients + CLIENTS);
            CU_ASSERT_EQUAL_FATAL(client->is, WAITING);
            CU_ASSERT_EQUAL(woken->lane, lane);
            client->is = woken->verdict == SGL_ADMISSION_RUN ? INSIDE : AWAY;
            if (client->is == AWAY) {
                (*timed_out)++;
                sgl_gate_leave(gate, woken, 0);
            }
        }
}

static void nobody_is_lost(void)
{
    struct wakes wakes = {{0}};
    struct sgl_gate *gate = make(
        &(struct sgl_gate_options){
            .admission = {.concurrency_max = 5, .queue_max = 12, .timeout_ns = 3 * SECOND}},
        &wakes);
    struct client clients[CLIENTS] = {0};
    struct sgl_rng draws = {.state = 7};
    uint64_t timed_out = 0;
    uint64_t refused = 0;
    int64_t now_ns = 0;

    for (int step = 0; step < 20000; step++) {
        struct client *client = &clients[sgl_rng_next(&draws) % CLIENTS];
        now_ns += (int64_t)(sgl_rng_next(&draws) % (SECOND / 4));
        if (client->is == AWAY) {
            const struct sgl_gate_answer answer =
                sgl_gate_ask(gate, &client->waiter, (uint32_t)step % 4, now_ns,
                             (enum sgl_priority)(sgl_rng_next(&draws) % SGL_PRIORITY_COUNT), NULL);
            client->is = answer.verdict == SGL_ADMISSION_RUN    ? INSIDE
                         : answer.verdict == SGL_ADMISSION_WAIT ? WAITING
                                                                : AWAY;
            if (answer.verdict == SGL_ADMISSION_FULL) {
                refused++;
                CU_ASSERT_STRING_EQUAL(answer.error, "queue_full");
                CU_ASSERT(answer.retry_after_s >= 1);
            }
        } else if (client->is == INSIDE || sgl_rng_next(&draws) % 4 == 0) {
            /* Also one that was woken and does not know it yet. */
            sgl_gate_leave(gate, &client->waiter, now_ns);
            client->is = AWAY;
        }
        sgl_gate_tick(gate, now_ns);
        if (step % 3 != 0)
            continue;
        hear_woken(gate, clients, &timed_out);
        const struct sgl_gate_counts counts = sgl_gate_counts(gate);
        CU_ASSERT_EQUAL_FATAL(counts.running, count(clients, INSIDE));
        CU_ASSERT_EQUAL_FATAL(counts.waiting, count(clients, WAITING));
        CU_ASSERT_FATAL(counts.running <= 5 && counts.waiting <= 12);
        CU_ASSERT_FATAL(counts.waiting == 0 || counts.running == 5);
    }
    const struct sgl_gate_counts counts = sgl_gate_counts(gate);
    CU_ASSERT(refused > 100 && counts.queue_full == refused);
    CU_ASSERT(timed_out > 0 && counts.timed_out >= timed_out);
    CU_ASSERT(wakes.of_lane[0] > 0 && wakes.of_lane[3] > 0);
    sgl_gate_destroy(gate);
}

static void the_higher_priority_first(void)
{
    struct wakes wakes = {{0}};
    struct sgl_gate *gate = make(
        &(struct sgl_gate_options){
            .admission = {.concurrency_max = 1, .queue_max = 8, .timeout_ns = SECOND}},
        &wakes);
    struct sgl_gate_waiter inside;
    struct sgl_gate_waiter low;
    struct sgl_gate_waiter high;

    sgl_gate_ask(gate, &inside, 0, 0, SGL_PRIORITY_LOW, NULL);
    CU_ASSERT_EQUAL(sgl_gate_ask(gate, &low, 1, 0, SGL_PRIORITY_LOW, NULL).verdict,
                    SGL_ADMISSION_WAIT);
    CU_ASSERT_EQUAL(sgl_gate_ask(gate, &high, 1, 0, SGL_PRIORITY_HIGH, NULL).verdict,
                    SGL_ADMISSION_WAIT);
    sgl_gate_leave(gate, &inside, 1);
    CU_ASSERT_PTR_EQUAL(sgl_gate_woken(gate, 1), &high);
    CU_ASSERT_PTR_NULL(sgl_gate_woken(gate, 1));
    sgl_gate_leave(gate, &high, 2);
    CU_ASSERT_PTR_EQUAL(sgl_gate_woken(gate, 1), &low);
    sgl_gate_leave(gate, &low, 2);
    CU_ASSERT_EQUAL(sgl_gate_counts(gate).running, 0);
    sgl_gate_destroy(gate);
}

static void a_rate_makes_wait_and_says_when(void)
{
    struct wakes wakes = {{0}};
    struct sgl_gate *gate =
        make(&(struct sgl_gate_options){.admission = {.concurrency_max = -1,
                                                      .queue_max = 1,
                                                      .timeout_ns = 10 * SECOND,
                                                      .rate = sgl_token_rate(2, 1)}},
             &wakes);
    struct sgl_gate_waiter waiters[3];

    CU_ASSERT_EQUAL(sgl_gate_ask(gate, &waiters[0], 0, 0, SGL_PRIORITY_HIGH, NULL).verdict,
                    SGL_ADMISSION_RUN);
    CU_ASSERT_EQUAL(sgl_gate_ask(gate, &waiters[1], 0, 0, SGL_PRIORITY_HIGH, NULL).verdict,
                    SGL_ADMISSION_WAIT);
    const struct sgl_gate_answer third =
        sgl_gate_ask(gate, &waiters[2], 0, 0, SGL_PRIORITY_HIGH, NULL);
    CU_ASSERT_EQUAL(third.verdict, SGL_ADMISSION_FULL);
    CU_ASSERT_STRING_EQUAL(third.error, "rate_limited");
    CU_ASSERT_EQUAL(sgl_gate_tick(gate, SECOND / 2 - 1), SECOND / 2);
    CU_ASSERT_PTR_NULL(sgl_gate_woken(gate, 0));
    sgl_gate_tick(gate, SECOND / 2);
    CU_ASSERT_PTR_EQUAL(sgl_gate_woken(gate, 0), &waiters[1]);
    sgl_gate_destroy(gate);
}

/* A token that has come while nobody looked belongs to the one who waited for it, whatever the
 * priority of the one who finds it. */
static void who_waited_comes_before_who_asks(void)
{
    struct wakes wakes = {{0}};
    struct sgl_gate *gate =
        make(&(struct sgl_gate_options){.admission = {.concurrency_max = -1,
                                                      .queue_max = 4,
                                                      .timeout_ns = 10 * SECOND,
                                                      .rate = sgl_token_rate(1, 1)}},
             &wakes);
    struct sgl_gate_waiter waiters[3];

    CU_ASSERT_EQUAL(sgl_gate_ask(gate, &waiters[0], 0, 0, SGL_PRIORITY_LOW, NULL).verdict,
                    SGL_ADMISSION_RUN);
    CU_ASSERT_EQUAL(sgl_gate_ask(gate, &waiters[1], 0, 0, SGL_PRIORITY_LOW, NULL).verdict,
                    SGL_ADMISSION_WAIT);
    CU_ASSERT_EQUAL(sgl_gate_ask(gate, &waiters[2], 0, SECOND, SGL_PRIORITY_HIGH, NULL).verdict,
                    SGL_ADMISSION_WAIT);
    CU_ASSERT_PTR_EQUAL(sgl_gate_woken(gate, 0), &waiters[1]);
    CU_ASSERT_PTR_NULL(sgl_gate_woken(gate, 0));
    sgl_gate_destroy(gate);
}

/* Asks and leaves again. */
static enum sgl_admission_verdict pass(struct sgl_gate *gate, int64_t now_ns, const char *tenant)
{
    struct sgl_gate_waiter waiter;
    const enum sgl_admission_verdict verdict =
        sgl_gate_ask(gate, &waiter, 0, now_ns, SGL_PRIORITY_NORMAL, tenant).verdict;

    if (verdict != SGL_ADMISSION_FULL)
        sgl_gate_leave(gate, &waiter, now_ns);
    return verdict;
}

static void tenants_do_not_take_from_each_other(void)
{
    struct wakes wakes = {{0}};
    struct sgl_gate *gate = make(&(struct sgl_gate_options){.admission = sgl_admission_standard(),
                                                            .tenant_rate = sgl_token_rate(1, 3)},
                                 &wakes);

    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(pass(gate, 0, "a"), SGL_ADMISSION_RUN);
    CU_ASSERT_EQUAL(pass(gate, 0, "a"), SGL_ADMISSION_FULL);
    CU_ASSERT_EQUAL(pass(gate, 0, "b"), SGL_ADMISSION_RUN);
    CU_ASSERT_EQUAL(pass(gate, 0, NULL), SGL_ADMISSION_RUN);
    CU_ASSERT_EQUAL(pass(gate, SECOND - 1, "a"), SGL_ADMISSION_FULL);
    CU_ASSERT_EQUAL(pass(gate, SECOND, "a"), SGL_ADMISSION_RUN);
    CU_ASSERT_EQUAL(sgl_gate_counts(gate).rate_limited, 2);
    sgl_gate_destroy(gate);
}

/* More names than places: at one instant the rest share a bucket; later they get their own, and
 * who has used up its own cannot have it filled by a flood of names. */
static void made_up_tenants_gain_nothing(void)
{
    struct wakes wakes = {{0}};
    struct sgl_gate *gate = make(&(struct sgl_gate_options){.admission = sgl_admission_standard(),
                                                            .tenant_rate = sgl_token_rate(1, 2)},
                                 &wakes);
    char name[32];
    int let_in = 0;

    pass(gate, 0, "greedy");
    pass(gate, 0, "greedy");
    for (int i = 0; i < 3 * SGL_GATE_TENANTS_MAX; i++) {
        snprintf(name, sizeof name, "tenant %d", i);
        let_in += pass(gate, 0, name) == SGL_ADMISSION_RUN;
    }
    CU_ASSERT_EQUAL(let_in, SGL_GATE_TENANTS_MAX - 1 + 2);
    CU_ASSERT_EQUAL(pass(gate, 0, "greedy"), SGL_ADMISSION_FULL);
    let_in = 0;
    for (int i = 0; i < SGL_GATE_TENANTS_MAX; i++) {
        snprintf(name, sizeof name, "late %d", i);
        let_in += pass(gate, 3 * SECOND, name) == SGL_ADMISSION_RUN;
    }
    CU_ASSERT_EQUAL(let_in, SGL_GATE_TENANTS_MAX);
    sgl_gate_destroy(gate);
}

SGL_SUITE(admission_gate) = {
    {"of those who ask, wait and leave, nobody is lost or counted twice", nobody_is_lost},
    {"a higher priority is let in first", the_higher_priority_first},
    {"who waited comes before who asks", who_waited_comes_before_who_asks},
    {"a rate makes wait, and says when to ask again", a_rate_makes_wait_and_says_when},
    {"a tenant that is over its rate takes nothing from others",
     tenants_do_not_take_from_each_other},
    {"names made up by the thousand gain nothing", made_up_tenants_gain_nothing},
    CU_TEST_INFO_NULL,
};
