#include "traces/partial.h"

#include "support.h"

#include <signal.h>

static volatile sig_atomic_t heard;

static void hear(int number)
{
    (void)number;
    heard++;
}

/* Told to stop while a partial name is made but not enlisted: nobody would remove it. */
static void signals_wait_while_a_name_is_made(void)
{
    struct sigaction action = {.sa_handler = hear};
    struct sigaction action_before;
    sigset_t before;
    sigset_t after;

    CU_ASSERT_EQUAL_FATAL(sigaction(SIGTERM, &action, &action_before), 0);
    sgl_partial_hold(&before);
    raise(SIGTERM);
    CU_ASSERT_EQUAL(heard, 0);
    sgl_partial_let_go(&before);
    CU_ASSERT_EQUAL(heard, 1);
    raise(SIGTERM);
    CU_ASSERT_EQUAL(heard, 2);
    sgl_partial_hold(&after);
    sgl_partial_let_go(&after);
    for (int number = 1; number < 32; number++)
        CU_ASSERT_EQUAL(sigismember(&before, number), sigismember(&after, number));
    sigaction(SIGTERM, &action_before, NULL);
}

SGL_SUITE(partial) = {
    {"signals wait while a partial name is made", signals_wait_while_a_name_is_made},
    CU_TEST_INFO_NULL,
};
