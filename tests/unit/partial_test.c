#include "traces/partial.h"
#include "traces/path.h"

#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t heard;
static volatile sig_atomic_t abandoned;

static void hear(int number)
{
    (void)number;
    heard++;
    abandoned += sgl_partial_abandon();
}

/* SIGTERM is heard from here on. How it was treated before. */
static struct sigaction listen_for_stop(void)
{
    const struct sigaction action = {.sa_handler = hear};
    struct sigaction before;

    heard = 0;
    abandoned = 0;
    CU_ASSERT_EQUAL_FATAL(sigaction(SIGTERM, &action, &before), 0);
    return before;
}

/* Each try makes the file, is told to stop, and ends as it shall. */
struct owner {
    const char *partial;
    const int *ends;
    int tries;
    int descriptor;
    int opened; /* by the try before */
};

static bool is_open(int descriptor)
{
    return fcntl(descriptor, F_GETFD) != -1 || errno != EBADF;
}

static int make_file(void *context, struct sgl_failure *failure)
{
    struct owner *owner = context;
    const int heard_before = heard;

    CU_ASSERT_EQUAL(owner->descriptor, -1);
    CU_ASSERT_FALSE(owner->tries > 0 && is_open(owner->opened));
    CU_ASSERT_EQUAL(heard_before, owner->tries); /* those of earlier tries have come */
    owner->descriptor = open(owner->partial, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_TRUE_FATAL(owner->descriptor >= 0);
    owner->opened = owner->descriptor;
    raise(SIGTERM);
    CU_ASSERT_EQUAL(heard, heard_before);
    const int end = owner->ends[owner->tries++];
    return end < 0 ? sgl_fail(failure, end, "try %d", owner->tries) : end;
}

/* The signal mask is the same before and after. */
static int take(struct owner *owner, struct sgl_failure *failure)
{
    sigset_t before;
    sigset_t after;

    pthread_sigmask(SIG_BLOCK, NULL, &before);
    const int status = sgl_partial_take(make_file, owner, &owner->descriptor, owner->partial,
                                        &sgl_partial_file, failure);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int number = 1; number < 32; number++)
        CU_ASSERT_EQUAL(sigismember(&before, number), sigismember(&after, number));
    return status;
}

/* Told to stop while a partial name is made but not enlisted: nobody would remove it. */
static void a_stop_while_a_name_is_made_removes_it(void)
{
    struct owner owner = {.partial = sgl_scratch("stopped.partial"), .ends = (const int[]){1}};
    const struct sigaction before = listen_for_stop();

    CU_ASSERT_EQUAL(take(&owner, NULL), 1);
    CU_ASSERT_EQUAL(heard, 1);
    CU_ASSERT_EQUAL(abandoned, 1);
    CU_ASSERT_NOT_EQUAL(access(owner.partial, F_OK), 0);
    CU_ASSERT_TRUE(is_open(owner.descriptor));
    raise(SIGTERM);
    CU_ASSERT_EQUAL(heard, 2);
    CU_ASSERT_EQUAL(abandoned, 1);
    sgl_partial_drop(owner.descriptor);
    CU_ASSERT_FALSE(is_open(owner.descriptor));
    sigaction(SIGTERM, &before, NULL);
}

static void a_signal_that_is_held_anyway_stays_held(void)
{
    struct owner owner = {.partial = sgl_scratch("held.partial"), .ends = (const int[]){1}};
    const struct sigaction action_before = listen_for_stop();
    sigset_t stop;
    sigset_t mask_before;

    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, &mask_before);
    CU_ASSERT_EQUAL(take(&owner, NULL), 1);
    CU_ASSERT_EQUAL(heard, 0);
    pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
    CU_ASSERT_EQUAL(heard, 1);
    CU_ASSERT_EQUAL(abandoned, 1);
    sgl_partial_drop(owner.descriptor);
    sigaction(SIGTERM, &action_before, NULL);
}

static void it_tries_until_it_owns_the_name(void)
{
    struct owner owner = {.partial = sgl_scratch("again.partial"), .ends = (const int[]){0, 0, 1}};
    const struct sigaction before = listen_for_stop();

    CU_ASSERT_EQUAL(take(&owner, NULL), 1);
    CU_ASSERT_EQUAL(owner.tries, 3);
    CU_ASSERT_EQUAL(heard, 3);
    CU_ASSERT_EQUAL(abandoned, 1); /* nothing was enlisted before the last one */
    sgl_partial_drop(owner.descriptor);
    sigaction(SIGTERM, &before, NULL);
}

static void a_try_that_fails_is_the_last(void)
{
    struct owner owner = {.partial = sgl_scratch("failing.partial"),
                          .ends = (const int[]){0, SGL_EINVAL, 1}};
    const struct sigaction before = listen_for_stop();
    struct sgl_failure failure = {""};

    CU_ASSERT_EQUAL(take(&owner, &failure), SGL_EINVAL);
    SGL_ASSERT_TEXT(failure.text, "try 2");
    CU_ASSERT_EQUAL(owner.tries, 2);
    CU_ASSERT_EQUAL(owner.descriptor, -1);
    CU_ASSERT_FALSE(is_open(owner.opened));
    CU_ASSERT_EQUAL(heard, 2);
    CU_ASSERT_EQUAL(abandoned, 0);
    CU_ASSERT_EQUAL(access(owner.partial, F_OK), 0); /* it may be somebody else's */
    sigaction(SIGTERM, &before, NULL);
}

/* And its place in the list is free again: there are fewer places than rounds here. */
static void what_is_dropped_is_not_abandoned(void)
{
    struct owner owner = {.partial = sgl_scratch("dropped.partial"), .ends = (const int[]){1}};
    struct owner last = {.partial = sgl_scratch("last.partial"), .ends = owner.ends};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const struct sigaction before = listen_for_stop();

    CU_ASSERT_EQUAL_FATAL(sigaction(SIGTERM, &ignore, NULL), 0);
    for (int round = 0; round < 20; round++) {
        owner.tries = 0;
        CU_ASSERT_EQUAL(take(&owner, NULL), 1);
        sgl_partial_drop(owner.descriptor);
        CU_ASSERT_FALSE(is_open(owner.descriptor));
    }
    sgl_partial_drop(-1);
    CU_ASSERT_EQUAL(take(&last, NULL), 1);
    CU_ASSERT_EQUAL(sgl_partial_abandon(), 1);
    CU_ASSERT_EQUAL(access(owner.partial, F_OK), 0);
    CU_ASSERT_NOT_EQUAL(access(last.partial, F_OK), 0);
    sgl_partial_drop(last.descriptor);
    sigaction(SIGTERM, &before, NULL);
}

static void a_folder_is_what_names_are_in(void)
{
    static const struct {
        const char *path;
        const char *folder;
    } rows[] = {
        {"log.db", "."},   {"a/log.db", "a"},   {"/log.db", "/"},  {"/a/log.db", "/a"},
        {"a/b/c", "a/b"},  {"../log.db", ".."}, {"./log.db", "."}, {"a//log.db", "a/"},
        {"//log.db", "/"}, {"a/b/", "a/b"},     {"", "."},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *folder = sgl_path_folder(rows[i].path, strlen(rows[i].path));
        CU_ASSERT_PTR_NOT_NULL_FATAL(folder);
        SGL_ASSERT_TEXT(folder, rows[i].folder);
        free(folder);
    }
    /* Slashes at the end that the caller leaves out. */
    char *folder = sgl_path_folder("a/log//", strlen("a/log"));
    char *partial = sgl_path_join("a/log//", strlen("a/log"), ".partial");
    CU_ASSERT_TRUE_FATAL(folder != NULL && partial != NULL);
    SGL_ASSERT_TEXT(folder, "a");
    SGL_ASSERT_TEXT(partial, "a/log.partial");
    free(folder);
    free(partial);
}

SGL_SUITE(partial) = {
    {"a stop while a partial name is made removes it", a_stop_while_a_name_is_made_removes_it},
    {"a signal that is held anyway stays held", a_signal_that_is_held_anyway_stays_held},
    {"it tries until it owns the name", it_tries_until_it_owns_the_name},
    {"a try that fails is the last", a_try_that_fails_is_the_last},
    {"what is dropped is not abandoned", what_is_dropped_is_not_abandoned},
    {"a folder is what names are in", a_folder_is_what_names_are_in},
    CU_TEST_INFO_NULL,
};
