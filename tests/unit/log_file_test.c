/*
 * A log takes its name only when it is whole, whatever happens to the process or the disk
 * meanwhile.
 */
#include "log_support.h"
#include "support.h"

#include "analysis/verify.h"
#include "traces/log_file.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct sgl_test_run small = {
    .policy = "marginal_utility:min_history=2",
    .world = {.seed = 5, .worker_count = 4, .step_count = 400},
};

/* About 2 MB: some of it has to reach the disk before the end. */
static const struct sgl_test_run large = {
    .policy = "marginal_utility:min_history=2",
    .world = {.seed = 6, .worker_count = 8, .step_count = 12000},
};

/* A path of its own for each use: "NAME-3/run.db" in a new folder. */
static const char *new_path(const char *name)
{
    static unsigned count;
    char folder[64];
    char file[96];

    snprintf(folder, sizeof folder, "%s-%u", name, count++);
    if (mkdir(sgl_scratch(folder), 0700) != 0)
        abort();
    snprintf(file, sizeof file, "%s/run.db", folder);
    return sgl_scratch(file);
}

static const char *beside(const char *path, const char *suffix)
{
    static char text[4][1200];
    static unsigned next;
    char *out = text[next++ % 4];

    snprintf(out, sizeof text[0], "%s%s", path, suffix);
    return out;
}

/* Files in the folder of the path. */
static int64_t count_files(const char *path)
{
    char command[1300];
    long long count = -1;

    snprintf(command, sizeof command, "ls -A \"$(dirname '%s')\" | wc -l", path);
    FILE *stream = popen(command, "r");
    CU_ASSERT_EQUAL(fscanf(stream, "%lld", &count), 1);
    pclose(stream);
    return count;
}

static void assert_refused(const char *path, const char *part)
{
    struct sgl_failure failure = {""};
    struct sgl_log *log;

    CU_ASSERT_EQUAL(sgl_test_log_try(&log, path, &small, &failure), SGL_EINVAL);
    CU_ASSERT_PTR_NULL(log);
    SGL_ASSERT_CONTAINS(failure.text, part);
    CU_ASSERT_PTR_NULL(strchr(failure.text, '\n'));
}

static void only_a_log_is_replaced(void)
{
    const char *path = new_path("replace");
    const char *text = "precious\n";
    size_t size;

    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    assert_refused(path, "exists and is not an sglsim log");
    char *bytes = sgl_test_bytes(path, &size);
    CU_ASSERT(size == strlen(text) && memcmp(bytes, text, size) == 0);
    free(bytes);
    CU_ASSERT_EQUAL(count_files(path), 1);

    /* Another program's database is not ours either, however much it looks like one. */
    CU_ASSERT_EQUAL(remove(path), 0);
    sgl_test_log(path, &small);
    sgl_test_sql(path, "PRAGMA application_id = 17");
    assert_refused(path, "exists and is not an sglsim log");
    sgl_test_sql(path,
                 "PRAGMA application_id = 1936157799; UPDATE run SET value = 'old' WHERE key ="
                 " 'seed'");
    sgl_test_log(path, &small);
    SGL_ASSERT_TEXT(sgl_test_sql_text(path, "SELECT value FROM run WHERE key = 'seed'"), "5");
    CU_ASSERT_EQUAL(count_files(path), 1);
}

static void places_where_no_log_can_be_are_refused(void)
{
    const char *path = new_path("place");

    assert_refused(sgl_scratch("nowhere/run.db"), "there is no folder ");
    SGL_ASSERT_CONTAINS(path, "/place-");
    assert_refused(sgl_scratch("."), "is a folder, expected a file name");
    assert_refused("/dev/null", "exists and is not an sglsim log");
    assert_refused("", "empty name");

    /* Side files of SQLite would be taken for the new file's. */
    sgl_test_log(path, &small);
    sgl_test_copy(path, beside(path, "-journal"));
    assert_refused(path, "-journal exists");
    CU_ASSERT_EQUAL(rename(beside(path, "-journal"), beside(path, "-wal")), 0);
    assert_refused(path, "-wal exists");
    CU_ASSERT_EQUAL(count_files(path), 2);
}

static void file_is_private_and_alone(void)
{
    struct sgl_test_run run = small;
    struct stat info;

    for (int is_durable = 0; is_durable <= 1; is_durable++) {
        const char *path = new_path("private");
        run.is_durable = is_durable == 1;
        struct sgl_log *log = sgl_test_log_play(path, &run);
        CU_ASSERT_FALSE(sgl_test_exists(path));
        CU_ASSERT_EQUAL(stat(beside(path, ".partial"), &info), 0);
        CU_ASSERT_EQUAL(info.st_mode & 0777, 0600);
        CU_ASSERT_EQUAL(sgl_log_close(log, NULL), SGL_OK);
        CU_ASSERT_EQUAL(stat(path, &info), 0);
        CU_ASSERT_EQUAL(info.st_mode & 0777, 0600);
        CU_ASSERT_EQUAL(count_files(path), 1);

        sgl_log_discard(sgl_test_log_play(path, &run));
        CU_ASSERT_EQUAL(count_files(path), 1);
    }
}

static void two_runs_cannot_meet_in_one_file(void)
{
    const char *path = new_path("two");
    struct sgl_log *first = sgl_test_log_play(path, &small);
    struct sgl_verify_report report;

    assert_refused(path, "another run is writing it");
    CU_ASSERT_EQUAL(sgl_log_close(first, NULL), SGL_OK);
    CU_ASSERT_EQUAL(sgl_verify(path, &report, NULL), SGL_OK);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_IDENTICAL);
}

/* In a child: writes logs at the path again and again. Being refused for another writer is fine. */
static void race(const char *path)
{
    int written = 0;

    for (int round = 0; round < 200 && written < 3; round++) {
        struct sgl_failure failure = {""};
        struct sgl_log *log;
        int status = sgl_test_log_try(&log, path, &small, &failure);
        if (status == SGL_OK) {
            status = sgl_log_close(log, &failure);
            written++;
        }
        if (status != SGL_OK && strstr(failure.text, "another run is writing it") == NULL) {
            printf("%s\n", failure.text);
            fflush(stdout);
            _exit(1);
        }
    }
    _exit(0);
}

static void racing_processes_leave_one_whole_log(void)
{
    enum { RACER_COUNT = 4 };
    const char *path = new_path("race");
    pid_t racers[RACER_COUNT];
    struct sgl_verify_report report;

    for (int i = 0; i < RACER_COUNT; i++) {
        racers[i] = fork();
        if (racers[i] == 0)
            race(path);
    }
    for (int i = 0; i < RACER_COUNT; i++) {
        int status;
        waitpid(racers[i], &status, 0);
        CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CU_ASSERT_EQUAL_FATAL(sgl_verify(path, &report, NULL), SGL_OK);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_IDENTICAL);
    CU_ASSERT_EQUAL(count_files(path), 1);
}

/* ---- the disk is full ---- */

/* In a child: no file may grow past `limit`. Exit 0: the run went on, the log failed in one line
 * and is gone. */
static void write_on_a_full_disk(const char *path, const struct sgl_test_run *run, rlim_t limit)
{
    const struct rlimit limits = {limit, limit};
    struct sgl_failure failure = {""};

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limits) != 0)
        _exit(10);
    struct sgl_log *log;
    int status = sgl_test_log_try(&log, path, run, &failure);
    if (status == SGL_OK)
        status = sgl_log_close(log, &failure);
    if (status != SGL_EIO)
        _exit(11);
    if (strstr(failure.text, "run.db.partial: cannot ") == NULL ||
        strchr(failure.text, '\n') != NULL)
        _exit(12);
    _exit(0);
}

/* What a durable log leaves, if it had committed anything: read as far as it goes, and removed. */
static bool take_what_is_left(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    struct sgl_verify_report report;
    char name[512];

    snprintf(name, sizeof name, "%s.partial", path);
    if (access(name, F_OK) != 0)
        return false;
    CU_ASSERT_EQUAL(sgl_verify(name, &report, NULL), SGL_OK);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_INCOMPLETE);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(name, sizeof name, "%s.partial%s", path, suffixes[i]);
        unlink(name);
    }
    return true;
}

static void full_disk_leaves_the_old_log(void)
{
    int left = 0;
    static const rlim_t limits[] = {0, 1000, 70000, 200000, 600000, 1000000};
    const char *path = sgl_test_log(new_path("full"), &small);
    size_t old_size;
    char *old_bytes = sgl_test_bytes(path, &old_size);

    for (size_t i = 0; i < 2 * sizeof limits / sizeof limits[0]; i++) {
        struct sgl_test_run run = large;
        size_t size;
        int status;
        run.is_durable = i % 2 == 1;
        const pid_t child = fork();
        if (child == 0)
            write_on_a_full_disk(path, &run, limits[i / 2]);
        waitpid(child, &status, 0);
        CU_ASSERT_TRUE(WIFEXITED(status));
        CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
        char *bytes = sgl_test_bytes(path, &size);
        CU_ASSERT(size == old_size && memcmp(bytes, old_bytes, size) == 0);
        free(bytes);
        const bool has_left = take_what_is_left(path);
        CU_ASSERT(run.is_durable || !has_left);
        left += has_left;
        CU_ASSERT_EQUAL(count_files(path), 1);
    }
    CU_ASSERT(left >= 3);
    free(old_bytes);
}

/* ---- the process is killed ---- */

/* Plays the run in a child, which then dies with the log open. */
static void play_and_die(const char *path, const struct sgl_test_run *run)
{
    int status;
    const pid_t child = fork();

    if (child == 0) {
        sgl_test_log_play(path, run);
        raise(SIGKILL);
    }
    waitpid(child, &status, 0);
    CU_ASSERT_TRUE(WIFSIGNALED(status));
}

static void killed_run_leaves_the_old_log(void)
{
    const char *path = sgl_test_log(new_path("killed"), &small);
    size_t old_size;
    size_t size;
    char *old_bytes = sgl_test_bytes(path, &old_size);

    play_and_die(path, &large);
    char *bytes = sgl_test_bytes(path, &size);
    CU_ASSERT(size == old_size && memcmp(bytes, old_bytes, size) == 0);
    CU_ASSERT_EQUAL(count_files(path), 2);
    free(bytes);
    free(old_bytes);

    /* The next run does not stumble over what is left, and takes it away. */
    sgl_test_log(path, &small);
    CU_ASSERT_EQUAL(count_files(path), 1);
}

static void killed_durable_run_can_be_verified(void)
{
    struct sgl_test_run run = large;
    const char *path = new_path("durable");
    struct sgl_verify_report report;
    struct sgl_failure failure = {""};

    run.is_durable = true;
    play_and_die(path, &run);
    CU_ASSERT_FALSE(sgl_test_exists(path));
    CU_ASSERT_EQUAL(sgl_verify(beside(path, ".partial"), &report, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_INCOMPLETE);
    SGL_ASSERT_CONTAINS(report.text, "verified up to sequence ");
    CU_ASSERT(report.input_count > 5000);
    const uint64_t verified = report.sequence;

    /* A new run keeps it; so does the next. */
    play_and_die(path, &run);
    CU_ASSERT_TRUE(sgl_test_exists(beside(path, ".interrupted")));
    run.is_durable = false;
    sgl_test_log(path, &run);
    CU_ASSERT_TRUE(sgl_test_exists(beside(path, ".interrupted-2")));
    for (int i = 1; i <= 2; i++) {
        const char *kept = beside(path, i == 1 ? ".interrupted" : ".interrupted-2");
        SGL_ASSERT_TEXT(sgl_test_sql_text(kept, "PRAGMA integrity_check"), "ok");
        CU_ASSERT_EQUAL(sgl_verify(kept, &report, &failure), SGL_OK);
        CU_ASSERT_EQUAL(report.status, SGL_VERIFY_INCOMPLETE);
        CU_ASSERT_EQUAL(report.sequence, verified);
    }
    CU_ASSERT_EQUAL(sgl_verify(path, &report, &failure), SGL_OK);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_IDENTICAL);
}

/* While it is written, a durable log can be read as of its last commit, and the reader does not
 * hinder the writer. */
static void durable_log_can_be_read_while_it_is_written(void)
{
    struct sgl_test_run run = large;
    struct sgl_verify_report report;
    const char *path = new_path("live");

    run.is_durable = true;
    struct sgl_log *log = sgl_test_log_play(path, &run);
    CU_ASSERT_EQUAL(sgl_verify(beside(path, ".partial"), &report, NULL), SGL_OK);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_INCOMPLETE);
    CU_ASSERT(report.input_count > 5000);
    CU_ASSERT_EQUAL(sgl_log_close(log, NULL), SGL_OK);
    CU_ASSERT_EQUAL(sgl_verify(path, &report, NULL), SGL_OK);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_IDENTICAL);
    CU_ASSERT_EQUAL(count_files(path), 1);
}

/* The name was taken by something else during the run: the finished log is not thrown away. */
static void finished_log_whose_name_was_taken_is_kept(void)
{
    const char *path = new_path("taken");
    struct sgl_failure failure = {""};
    struct sgl_verify_report report;
    struct sgl_log *log = sgl_test_log_play(path, &small);

    FILE *file = fopen(path, "w");
    fputs("mine", file);
    fclose(file);
    CU_ASSERT(sgl_log_close(log, &failure) < 0);
    SGL_ASSERT_CONTAINS(failure.text, "exists and is not an sglsim log");
    SGL_ASSERT_CONTAINS(failure.text, "the finished log is left in ");
    CU_ASSERT_EQUAL(sgl_verify(beside(path, ".partial"), &report, NULL), SGL_OK);
    CU_ASSERT_EQUAL(report.status, SGL_VERIFY_IDENTICAL);
}

SGL_SUITE(log_file) = {
    {"only a decision log is ever replaced", only_a_log_is_replaced},
    {"places where no log can be are refused", places_where_no_log_can_be_are_refused},
    {"a log is private, and alone when it is closed or discarded", file_is_private_and_alone},
    {"two runs cannot meet in one file", two_runs_cannot_meet_in_one_file},
    {"racing processes leave one whole log", racing_processes_leave_one_whole_log},
    {"a full disk fails the log, not the run, and leaves the old log",
     full_disk_leaves_the_old_log},
    {"a killed run leaves the old log", killed_run_leaves_the_old_log},
    {"a killed durable run can be verified as far as it got, and is kept",
     killed_durable_run_can_be_verified},
    {"a durable log can be read while it is written", durable_log_can_be_read_while_it_is_written},
    {"a finished log whose name was taken is kept beside it",
     finished_log_whose_name_was_taken_is_kept},
    CU_TEST_INFO_NULL,
};
