#include "core/breaker.h"

#include "core/error_word.h"
#include "core/rng.h"
#include "support.h"

#include <string.h>

#define SECOND INT64_C(1000000000)

static const struct sgl_breaker_options three_in_ten = {
    .failure_threshold = 3,
    .success_threshold = 2,
    .window_ns = 10 * SECOND,
    .open_ns = 5 * SECOND,
};

static bool fail_at(struct sgl_breaker *breaker, int64_t second, bool was_trial)
{
    return sgl_breaker_answered(breaker, &three_in_ten, second * SECOND, was_trial,
                                SGL_BREAKER_FAILURE);
}

static void opens_on_failures_within_the_window(void)
{
    struct sgl_breaker breaker = {0};

    CU_ASSERT_FALSE(fail_at(&breaker, 0, false));
    CU_ASSERT_FALSE(fail_at(&breaker, 5, false));
    /* The first is ten seconds old: out of the window. */
    CU_ASSERT_FALSE(fail_at(&breaker, 10, false));
    CU_ASSERT_TRUE(sgl_breaker_admits(&breaker, 10 * SECOND));
    CU_ASSERT_TRUE(fail_at(&breaker, 14, false));
    CU_ASSERT_FALSE(sgl_breaker_admits(&breaker, 14 * SECOND));
    CU_ASSERT_EQUAL(sgl_breaker_state(&breaker, 19 * SECOND - 1), SGL_BREAKER_OPEN);
    CU_ASSERT_EQUAL(sgl_breaker_state(&breaker, 19 * SECOND), SGL_BREAKER_HALF_OPEN);
}

static void tries_one_at_a_time(void)
{
    struct sgl_breaker breaker = {0};

    for (int64_t second = 0; second < 3; second++)
        fail_at(&breaker, second, false);
    CU_ASSERT_TRUE(sgl_breaker_admits(&breaker, 8 * SECOND));
    CU_ASSERT_TRUE(sgl_breaker_sent(&breaker, 8 * SECOND));
    CU_ASSERT_FALSE(sgl_breaker_admits(&breaker, 8 * SECOND));
    /* An answer from before it opened says nothing. */
    CU_ASSERT_FALSE(
        sgl_breaker_answered(&breaker, &three_in_ten, 9 * SECOND, false, SGL_BREAKER_FAILURE));
    CU_ASSERT_FALSE(sgl_breaker_admits(&breaker, 9 * SECOND));
    /* A trial whose client left: over, nothing learned. */
    CU_ASSERT_FALSE(
        sgl_breaker_answered(&breaker, &three_in_ten, 9 * SECOND, true, SGL_BREAKER_NOTHING));
    CU_ASSERT_TRUE(sgl_breaker_sent(&breaker, 9 * SECOND));
    CU_ASSERT_FALSE(
        sgl_breaker_answered(&breaker, &three_in_ten, 10 * SECOND, true, SGL_BREAKER_SUCCESS));
    CU_ASSERT_TRUE(sgl_breaker_sent(&breaker, 10 * SECOND));
    CU_ASSERT_TRUE(
        sgl_breaker_answered(&breaker, &three_in_ten, 11 * SECOND, true, SGL_BREAKER_SUCCESS));
    CU_ASSERT_EQUAL(sgl_breaker_state(&breaker, 11 * SECOND), SGL_BREAKER_CLOSED);
    /* Closed again means forgiven: it takes three new failures. */
    CU_ASSERT_FALSE(fail_at(&breaker, 12, false));
    CU_ASSERT_FALSE(fail_at(&breaker, 12, false));
    CU_ASSERT_TRUE(fail_at(&breaker, 12, false));
}

static void a_failed_trial_opens_it_again(void)
{
    struct sgl_breaker breaker = {0};

    for (int64_t second = 0; second < 3; second++)
        fail_at(&breaker, second, false);
    CU_ASSERT_TRUE(sgl_breaker_sent(&breaker, 7 * SECOND));
    CU_ASSERT_FALSE(
        sgl_breaker_answered(&breaker, &three_in_ten, 8 * SECOND, true, SGL_BREAKER_SUCCESS));
    CU_ASSERT_TRUE(sgl_breaker_sent(&breaker, 8 * SECOND));
    CU_ASSERT_TRUE(fail_at(&breaker, 9, true));
    CU_ASSERT_FALSE(sgl_breaker_admits(&breaker, 14 * SECOND - 1));
    CU_ASSERT_TRUE(sgl_breaker_admits(&breaker, 14 * SECOND));
    /* The success before the failure is not remembered. */
    CU_ASSERT_TRUE(sgl_breaker_sent(&breaker, 14 * SECOND));
    CU_ASSERT_FALSE(
        sgl_breaker_answered(&breaker, &three_in_ten, 14 * SECOND, true, SGL_BREAKER_SUCCESS));
}

/* Against a list of all failures, counted anew every time. */
static void agrees_with_a_list_of_failures(void)
{
    enum { STEPS = 3000 };
    static int64_t failures[STEPS];
    struct sgl_rng rng = sgl_rng_stream(7, SGL_PURPOSE_ARRIVAL, 0, 0, 0);

    for (uint32_t threshold = 1; threshold <= 12; threshold++) {
        const struct sgl_breaker_options options = {.failure_threshold = threshold,
                                                    .success_threshold = 1,
                                                    .window_ns = 10 * SECOND,
                                                    .open_ns = 4 * SECOND};
        struct sgl_breaker breaker = {0};
        uint32_t count = 0;
        int64_t now_ns = 0;
        int64_t open_until_ns = -1;
        int trips = 0;
        for (int step = 0; step < STEPS; step++) {
            now_ns += (int64_t)sgl_rng_below(&rng, 3) * SECOND / 2;
            const bool was_open = open_until_ns >= 0;
            bool is_trial = false;
            CU_ASSERT_EQUAL_FATAL(sgl_breaker_admits(&breaker, now_ns),
                                  !was_open || now_ns >= open_until_ns);
            if (was_open) {
                if (now_ns < open_until_ns)
                    continue;
                is_trial = sgl_breaker_sent(&breaker, now_ns);
                CU_ASSERT_TRUE_FATAL(is_trial);
            }
            const bool fails = sgl_rng_below(&rng, 3) > 0;
            sgl_breaker_answered(&breaker, &options, now_ns, is_trial,
                                 fails ? SGL_BREAKER_FAILURE : SGL_BREAKER_SUCCESS);
            if (was_open) {
                open_until_ns = fails ? now_ns + options.open_ns : -1;
                count = 0;
                continue;
            }
            if (!fails)
                continue;
            failures[count++] = now_ns;
            uint32_t recent = 0;
            for (uint32_t i = 0; i < count; i++)
                recent += now_ns - failures[i] < options.window_ns;
            if (recent >= threshold) {
                open_until_ns = now_ns + options.open_ns;
                trips++;
            }
        }
        CU_ASSERT_TRUE(trips > 20);
    }
}

static void a_threshold_of_zero_is_no_breaker(void)
{
    const struct sgl_breaker_options none = {0};
    struct sgl_breaker breaker = {0};

    for (int i = 0; i < 100; i++)
        CU_ASSERT_FALSE(sgl_breaker_answered(&breaker, &none, i, false, SGL_BREAKER_FAILURE));
    CU_ASSERT_TRUE(sgl_breaker_admits(&breaker, 100));
}

static void blames_who_is_at_fault(void)
{
    CU_ASSERT_EQUAL(sgl_error_blame("connection_refused"), SGL_BLAME_WORKER);
    CU_ASSERT_EQUAL(sgl_error_blame("http_500"), SGL_BLAME_WORKER);
    CU_ASSERT_EQUAL(sgl_error_blame("http_429"), SGL_BLAME_BUSY);
    CU_ASSERT_EQUAL(sgl_error_blame("http_503"), SGL_BLAME_BUSY);
    CU_ASSERT_EQUAL(sgl_error_blame("http_400"), SGL_BLAME_CLIENT);
    CU_ASSERT_EQUAL(sgl_error_blame("http_408"), SGL_BLAME_WORKER);
    CU_ASSERT_EQUAL(sgl_error_blame("client_abort"), SGL_BLAME_CLIENT);
    CU_ASSERT_EQUAL(sgl_error_blame("no_worker"), SGL_BLAME_ROUTER);
    CU_ASSERT_EQUAL(sgl_error_blame("CUDA error: device lost"), SGL_BLAME_WORKER);
    CU_ASSERT_EQUAL(sgl_error_blame(NULL), SGL_BLAME_WORKER);
    CU_ASSERT_TRUE(sgl_error_is_retryable("http_429"));
    CU_ASSERT_TRUE(sgl_error_is_retryable("connection_lost"));
    CU_ASSERT_FALSE(sgl_error_is_retryable("http_400"));
    CU_ASSERT_FALSE(sgl_error_is_retryable("http_5000"));
    CU_ASSERT_FALSE(sgl_error_is_retryable("http_5x0"));
    CU_ASSERT_FALSE(sgl_error_is_retryable("timeout"));
    CU_ASSERT_FALSE(sgl_error_is_retryable("a recorder's own text"));
    CU_ASSERT_FALSE(sgl_error_is_retryable(NULL));
    CU_ASSERT_PTR_NOT_NULL(sgl_error_meaning("stream_cut"));
    CU_ASSERT_PTR_NULL(sgl_error_meaning("http_500"));
}

SGL_SUITE(breaker) = {
    {"the breaker opens on enough failures within a sliding window",
     opens_on_failures_within_the_window},
    {"half open, it lets one trial out at a time", tries_one_at_a_time},
    {"a failed trial opens it again and forgets successes", a_failed_trial_opens_it_again},
    {"it agrees with a list of all failures", agrees_with_a_list_of_failures},
    {"a threshold of zero is no breaker", a_threshold_of_zero_is_no_breaker},
    {"error words blame who is at fault", blames_who_is_at_fault},
    CU_TEST_INFO_NULL,
};
