#include "core/admission.h"

#include "core/absent.h"
#include "core/failure.h"
#include "core/retry.h"
#include "core/rng.h"
#include "support.h"

#include <string.h>

#define SECOND INT64_C(1000000000)

/*
 * The slow model: everybody who ever asked, in order, each waiting, running or gone.
 */
enum { ASKED_MAX = 4000 };

struct asked {
    enum sgl_priority priority;
    int64_t until_ns;
    uint32_t place;
    enum { GONE, WAITING, RUNNING } is;
};

struct model {
    struct asked asked[ASKED_MAX];
    uint32_t count;
    int64_t tokens_ns; /* what the bucket holds, in time */
    int64_t at_ns;
};

static uint32_t count_of(const struct model *model, int is)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < model->count; i++)
        count += (int)model->asked[i].is == is;
    return count;
}

/* The one who waits that is to run first. */
static uint32_t first_waiting(const struct model *model)
{
    uint32_t best = ASKED_MAX;

    for (uint32_t i = 0; i < model->count; i++)
        if (model->asked[i].is == WAITING &&
            (best == ASKED_MAX || model->asked[i].priority < model->asked[best].priority))
            best = i;
    return best;
}

static bool overtakes(const struct model *model, enum sgl_priority priority)
{
    for (uint32_t i = 0; i < model->count; i++)
        if (model->asked[i].is == WAITING && model->asked[i].priority <= priority)
            return true;
    return false;
}

/* A bucket that is filled with the time that passes, up to `burst` intervals. */
static void fill(struct model *model, const struct sgl_token_rate *rate, int64_t now_ns)
{
    const int64_t full = rate->slack_ns + rate->interval_ns;

    model->tokens_ns += now_ns - model->at_ns;
    model->at_ns = now_ns;
    if (model->tokens_ns > full)
        model->tokens_ns = full;
}

static bool may_run(const struct model *model, const struct sgl_admission_options *options)
{
    return (options->concurrency_max < 0 ||
            (int64_t)count_of(model, RUNNING) < options->concurrency_max) &&
           model->tokens_ns >= options->rate.interval_ns;
}

static void drain_both(struct sgl_admission *admission, struct model *model,
                       const struct sgl_admission_options *options, int64_t now_ns)
{
    enum sgl_admission_verdict verdict;
    uint64_t ticket;

    while (sgl_admission_next(admission, now_ns, &ticket, &verdict)) {
        CU_ASSERT_EQUAL_FATAL(model->asked[ticket].is, WAITING);
        if (verdict == SGL_ADMISSION_TIMED_OUT) {
            CU_ASSERT_TRUE(model->asked[ticket].until_ns <= now_ns);
            model->asked[ticket].is = GONE;
            continue;
        }
        CU_ASSERT_TRUE_FATAL(may_run(model, options));
        CU_ASSERT_EQUAL(ticket, first_waiting(model));
        CU_ASSERT_TRUE(model->asked[ticket].until_ns > now_ns);
        model->asked[ticket].is = RUNNING;
        model->tokens_ns -= options->rate.interval_ns;
    }
    const uint32_t first = first_waiting(model);
    CU_ASSERT_TRUE(first == ASKED_MAX || !may_run(model, options));
    const int64_t wake_ns = sgl_admission_wake_ns(admission, now_ns);
    CU_ASSERT_EQUAL(wake_ns == SGL_ABSENT, first == ASKED_MAX);
    CU_ASSERT_TRUE(wake_ns == SGL_ABSENT || wake_ns > now_ns);
}

static void ask_both(struct sgl_admission *admission, struct model *model,
                     const struct sgl_admission_options *options, int64_t now_ns,
                     enum sgl_priority priority)
{
    struct asked *asked = &model->asked[model->count];
    const bool runs = may_run(model, options) && !overtakes(model, priority);
    const bool waits = !runs && count_of(model, WAITING) < options->queue_max;
    const enum sgl_admission_verdict verdict =
        sgl_admission_ask(admission, now_ns, priority, model->count, &asked->place);

    asked->priority = priority;
    asked->until_ns = now_ns + options->timeout_ns;
    asked->is = runs ? RUNNING : waits ? WAITING : GONE;
    model->count++;
    CU_ASSERT_EQUAL_FATAL(verdict, runs    ? SGL_ADMISSION_RUN
                                   : waits ? SGL_ADMISSION_WAIT
                                           : SGL_ADMISSION_FULL);
    if (runs)
        model->tokens_ns -= options->rate.interval_ns;
}

/* Somebody who is that: the n-th, or nobody. */
static struct asked *one_who(struct model *model, int is, uint32_t n)
{
    for (uint32_t i = 0; i < model->count; i++)
        if ((int)model->asked[i].is == is && n-- == 0)
            return &model->asked[i];
    return NULL;
}

static void play(uint64_t seed, const struct sgl_admission_options *options)
{
    static struct model model;
    struct sgl_admission *admission;
    struct sgl_rng rng = sgl_rng_stream(seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    int64_t now_ns = 0;

    memset(&model, 0, sizeof model);
    model.tokens_ns = options->rate.slack_ns + options->rate.interval_ns;
    CU_ASSERT_EQUAL_FATAL(sgl_admission_create(&admission, options, NULL), SGL_OK);
    while (model.count < 400) {
        now_ns += sgl_rng_below(&rng, 400) * (SECOND / 1000);
        fill(&model, &options->rate, now_ns);
        /* Whoever asks may come before those that could run now were let in. */
        if (sgl_rng_below(&rng, 2) == 0)
            drain_both(admission, &model, options, now_ns);
        const uint32_t deed = sgl_rng_below(&rng, 10);
        struct asked *asked;
        if (deed < 6) {
            ask_both(admission, &model, options, now_ns,
                     (enum sgl_priority)sgl_rng_below(&rng, SGL_PRIORITY_COUNT));
        } else if (deed < 9) {
            asked = one_who(&model, RUNNING, sgl_rng_below(&rng, 4));
            if (asked != NULL) {
                asked->is = GONE;
                sgl_admission_done(admission);
            }
        } else {
            asked = one_who(&model, WAITING, sgl_rng_below(&rng, 3));
            if (asked != NULL) {
                asked->is = GONE;
                sgl_admission_withdraw(admission, asked->place);
            }
        }
        if (sgl_rng_below(&rng, 2) == 0)
            drain_both(admission, &model, options, now_ns);
        CU_ASSERT_EQUAL_FATAL(sgl_admission_running(admission), count_of(&model, RUNNING));
        CU_ASSERT_EQUAL_FATAL(sgl_admission_waiting(admission), count_of(&model, WAITING));
    }
    sgl_admission_destroy(admission);
}

static void agrees_with_a_list(void)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct sgl_admission_options options = sgl_admission_standard();
        options.concurrency_max = seed % 4 == 3 ? -1 : 1 + (int64_t)seed % 5;
        options.queue_max = (uint32_t)(seed % 7);
        options.timeout_ns = (1 + (int64_t)seed % 3) * SECOND;
        if (seed % 2 == 1)
            options.rate = sgl_token_rate(1 + (double)(seed % 9), 1 + (uint32_t)(seed % 4));
        play(seed, &options);
    }
}

static void a_bucket_gives_bursts_then_its_rate(void)
{
    const struct sgl_token_rate rate = sgl_token_rate(10, 5);
    struct sgl_token_bucket bucket = {0};
    int64_t given = 0;

    for (int64_t now_ns = 0; now_ns < 10 * SECOND; now_ns += SECOND / 1000)
        while (sgl_token_bucket_ready_ns(&bucket, &rate, now_ns) == now_ns) {
            sgl_token_bucket_take(&bucket, &rate, now_ns);
            given++;
            CU_ASSERT_TRUE(now_ns > 0 || given <= 5);
        }
    /* Five at once, then one every 100 ms up to, not including, 10 s. */
    CU_ASSERT_EQUAL(given, 5 + 99);
    CU_ASSERT_EQUAL(sgl_token_bucket_ready_ns(&bucket, &rate, 10 * SECOND), 10 * SECOND);
}

static void refused_clients_are_told_when(void)
{
    struct sgl_admission_options options = sgl_admission_standard();
    struct sgl_admission *admission;
    uint32_t place;

    options.queue_max = 0;
    options.rate = sgl_token_rate(0.2, 1);
    CU_ASSERT_EQUAL_FATAL(sgl_admission_create(&admission, &options, NULL), SGL_OK);
    CU_ASSERT_EQUAL(sgl_admission_retry_after_s(admission, 0), 1);
    CU_ASSERT_EQUAL(sgl_admission_ask(admission, 0, SGL_PRIORITY_NORMAL, 0, &place),
                    SGL_ADMISSION_RUN);
    CU_ASSERT_EQUAL(sgl_admission_ask(admission, SECOND / 2, SGL_PRIORITY_HIGH, 1, &place),
                    SGL_ADMISSION_FULL);
    CU_ASSERT_EQUAL(sgl_admission_retry_after_s(admission, SECOND / 2), 5);
    sgl_admission_destroy(admission);
}

static struct sgl_retry_question question(const char *error, uint32_t attempt)
{
    return (struct sgl_retry_question){.seed = 1,
                                       .request = 7,
                                       .attempt = attempt,
                                       .worker_tries = 1,
                                       .error = error,
                                       .now_ns = 0,
                                       .deadline_ns = 90 * SECOND};
}

static void retries_wait_longer_each_time(void)
{
    const struct sgl_retry_options options = sgl_retry_standard();
    double middle = 50e6;

    for (uint32_t attempt = 0; attempt < 8; attempt++) {
        struct sgl_retry_budget budget = sgl_retry_budget_full(&options);
        struct sgl_retry_question asked = question("http_502", attempt);
        const struct sgl_retry_answer answer = sgl_retry_ask(&budget, &options, &asked);
        CU_ASSERT_EQUAL(answer.is_retry, attempt < 6);
        if (answer.is_retry) {
            CU_ASSERT_TRUE((double)answer.delay_ns >= 0.8 * middle - 1);
            CU_ASSERT_TRUE((double)answer.delay_ns <= 1.2 * middle + 1);
            budget = sgl_retry_budget_full(&options);
            CU_ASSERT_EQUAL(sgl_retry_ask(&budget, &options, &asked).delay_ns, answer.delay_ns);
            asked.request++; /* those that failed together do not come back together */
            CU_ASSERT_NOT_EQUAL(sgl_retry_ask(&budget, &options, &asked).delay_ns, answer.delay_ns);
        }
        middle *= 1.5;
    }
}

static void does_not_retry_in_vain(void)
{
    const struct sgl_retry_options options = sgl_retry_standard();
    struct sgl_retry_budget budget = sgl_retry_budget_full(&options);
    const int64_t balance = budget.balance;
    struct sgl_retry_question asked = question("http_400", 0);

    CU_ASSERT_FALSE(sgl_retry_ask(&budget, &options, &asked).is_retry);
    asked = question("timeout", 0);
    CU_ASSERT_FALSE(sgl_retry_ask(&budget, &options, &asked).is_retry);
    asked = question("connection_refused", 0);
    asked.now_ns = asked.deadline_ns - SECOND / 100;
    CU_ASSERT_FALSE(sgl_retry_ask(&budget, &options, &asked).is_retry);
    CU_ASSERT_EQUAL(budget.balance, balance);
    asked = question("connection_refused", 2);
    asked.worker_tries = 3;
    CU_ASSERT_TRUE(sgl_retry_ask(&budget, &options, &asked).may_be_same_worker);
    asked.worker_tries = 4;
    CU_ASSERT_FALSE(sgl_retry_ask(&budget, &options, &asked).may_be_same_worker);
}

/* Half of all attempts fail, for ever: the retries stay within a fifth of the requests. */
static void a_storm_stays_within_the_budget(void)
{
    const struct sgl_retry_options options = sgl_retry_standard();
    struct sgl_retry_budget budget = sgl_retry_budget_full(&options);
    struct sgl_rng rng = sgl_rng_stream(3, SGL_PURPOSE_SERVICE, 0, 0, 0);
    uint32_t retries = 0;

    for (uint32_t request = 1; request <= 10000; request++) {
        sgl_retry_budget_earn(&budget, &options);
        struct sgl_retry_question asked = question("http_500", 0);
        while (sgl_rng_below(&rng, 2) == 0 && sgl_retry_ask(&budget, &options, &asked).is_retry) {
            asked.attempt++;
            retries++;
        }
        CU_ASSERT_TRUE_FATAL(100 * retries <= 1000 + 20 * request);
    }
    CU_ASSERT_TRUE(retries > 1900);
}

SGL_SUITE(admission) = {
    {"admission agrees with a list of everybody who asked", agrees_with_a_list},
    {"a token bucket gives a burst, then its rate", a_bucket_gives_bursts_then_its_rate},
    {"a refused client is told when to come again", refused_clients_are_told_when},
    {"retries wait longer each time, and the same time in the same run",
     retries_wait_longer_each_time},
    {"what cannot succeed is not retried", does_not_retry_in_vain},
    {"a storm of failures stays within the retry budget", a_storm_stays_within_the_budget},
    CU_TEST_INFO_NULL,
};
