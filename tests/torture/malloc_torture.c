/*
 * malloc_torture.c - the program, with each of its allocations failing once.
 *
 *     scratch/now/      where it runs: traces and logs, `old` ones at every path that it writes
 *     scratch/stdout, stderr, count
 *
 *     for each command
 *         run it whole                               -> what it prints, the folder afterwards
 *         for n = 1, 2, ... (failing_malloc.c)
 *             lay out the folder as it was before; run with the n-th allocation failing
 *             exit 0: printed and left the same as the whole run
 *             exit 1: one line on stderr that speaks of memory; the folder is as before, or as
 *                     after the whole run (it was done but for printing, or for publishing a log
 *                     that the line says is left beside)
 *             anything else, a signal, or no end within HANG_SECONDS: a fault
 *
 * Of a command with many allocations: the first and the last DENSE (arguments 3 and 4), and SPARSE
 * spread evenly between them. A sanitizer that finds a leak or worse ends with another status or
 * with more lines. Exit status 77: no allocation could be seen, skipped.
 */
#include "folder_state.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPARSE 50
#define HANG_SECONDS 60
#define ARGUMENTS_MOST 12
#define SKIPPED 77
#define TEXT_SIZE 65536

static const char trace_text[] =
    "arrival_time,prompt_tokens,output_tokens,request_id,prefix_hashes,prefix_block,session_id,"
    "tenant,worker_url\n"
    "0.0,64,5,first,1 2 3 4,16,talk,a,http://one\n"
    "0.1,64,5,second,1 2 3 5,16,talk,b,http://two\n"
    "0.2,32,4,third,7 8,16,,,http://one\n"
    "0.2,48,6,fourth,1 2 9,16,other,a,http://two\n"
    "0.3,64,3,fifth,1 2 3 4,16,talk,a,http://one\n";

static const char recorded_text[] =
    "arrival_time,prompt_tokens,output_tokens,worker_url,router_send_time,finish_time,ttft\n"
    "0.0,640,50,http://one,0.0,0.38,0.021\n"
    "0.1,1280,60,http://two,0.1,0.58,0.03\n"
    "0.2,320,40,http://one,0.2,0.49,0.016\n"
    "0.2,480,60,http://two,0.2,0.66,0.02\n"
    "0.3,640,30,http://one,0.3,0.53,0.022\n";

static const char steps_text[] =
    "model,tp,system,backend,phase,batch,new_tokens_per_req,context_or_prefix,decode_reqs,step_ms\n"
    "m,2,g,s,prefill,1,128,0,0,9.194\n"
    "m,2,g,s,decode,1,0,128,1,6.016\n"
    "m,2,g,s,prefill,1,1024,0,0,24.942\n"
    "m,2,g,s,decode,1,0,1024,1,6.061\n"
    "m,2,g,s,prefill,4,128,0,0,15.776\n"
    "m,2,g,s,decode,4,0,128,4,6.065\n"
    "m,2,g,s,prefill,4,1024,0,0,78.769\n"
    "m,2,g,s,decode,4,0,1024,4,6.244\n"
    "m,2,g,s,prefill,16,128,0,0,42.107\n"
    "m,2,g,s,decode,16,0,128,16,6.262\n"
    "m,2,g,s,prefill,16,1024,0,0,294.076\n"
    "m,2,g,s,decode,16,0,1024,16,6.979\n";

/* What is there before: a log of another policy in both media, under every name that is written. */
static char *const preparations[][ARGUMENTS_MOST] = {
    {"sglsim", "replay", "trace.csv", "--policy", "round_robin", "--log", "old.db"},
    {"sglsim", "convert", "old.db", "old/"},
    {"sglsim", "convert", "old.db", "out.db"},
    {"sglsim", "convert", "old.db", "out/"},
    {"sglsim", "replay", "trace.csv", "--policy", "marginal_utility", "--log", "new.db"},
    {"sglsim", "convert", "new.db", "new/"},
};

static char *const commands[][ARGUMENTS_MOST] = {
    {"sglsim", "replay", "trace.csv", "--policy", "marginal_utility", "--log", "out.db"},
    {"sglsim", "replay", "trace.csv", "--policy", "cache_aware", "--log", "out/", "--json"},
    {"sglsim", "replay", "new.db", "--policy", "cache_aware", "--log", "none", "--sort"},
    {"sglsim", "replay", "trace.csv", "--policy", "explore:epsilon=0.1,base=fixed_probability",
     "--log", "none", "--where", "tenant=a", "--slo", "ttft:500ms"},
    {"sglsim", "verify", "new.db"},
    {"sglsim", "verify", "new/", "--json"},
    {"sglsim", "convert", "new.db", "out/"},
    {"sglsim", "convert", "new/", "out.db"},
    {"sglsim", "convert", "trace.csv", "trace.db"},
    {"sglsim", "compare", "trace.csv", "-prandom", "-pcache_aware", "--seeds=2", "--threads=1",
     "-oout.html", "--rate-scale=1,2", "--slo=ttft:500ms"},
    {"sglsim", "compare", "old.db", "new.db", "--json"},
    {"sglsim", "policies", "cache_aware"},
    {"sglsim", "calibrate", "recorded.csv", "--fit", "scale", "--starts=0", "-oout.profile", "-q"},
    {"sglsim", "calibrate", "steps.csv", "--from", "steps", "-oout.profile", "-q"},
    {"sglsim", "validate", "recorded.csv", "--html", "page.html", "--json"},
};

struct torture {
    const char *program;
    const char *library;
    unsigned long first; /* each of so many from the first */
    unsigned long last;  /* and up to the last */
    char scratch[64];
};

struct result {
    int status; /* as wait gives it */
    unsigned long count;
    char said[TEXT_SIZE];       /* stdout */
    char complained[TEXT_SIZE]; /* stderr */
};

static void die(const char *what)
{
    perror(what);
    abort();
}

static void read_text(const char *path, char *text)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        die(path);
    const size_t size = fread(text, 1, TEXT_SIZE - 1, file);
    text[size] = '\0';
    fclose(file);
}

static void redirect(const char *path, int descriptor)
{
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (file < 0 || dup2(file, descriptor) < 0)
        _exit(126);
    close(file);
}

/* In the child. Paths are relative to scratch/now. */
static void become(const struct torture *torture, char *const *arguments, unsigned long failing)
{
    char number[32];

    snprintf(number, sizeof number, "%lu", failing);
    redirect("../stdout", STDOUT_FILENO);
    redirect("../stderr", STDERR_FILENO);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    setenv("SGL_TORTURE_FAIL", number, 1);
    setenv("SGL_TORTURE_COUNT", "../count", 1);
    setenv("LD_PRELOAD", torture->library, 1);
    alarm(HANG_SECONDS);
    execv(torture->program, arguments);
    _exit(126);
}

static void run(const struct torture *torture, char *const *arguments, unsigned long failing,
                struct result *result)
{
    char text[TEXT_SIZE];

    unlink("../count");
    const pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0)
        become(torture, arguments, failing);
    if (waitpid(child, &result->status, 0) < 0)
        die("waitpid");
    read_text("../stdout", result->said);
    read_text("../stderr", result->complained);
    result->count = 0;
    if (access("../count", R_OK) == 0) {
        read_text("../count", text);
        result->count = strtoul(text, NULL, 10);
    }
}

static bool is_one_line(const char *text)
{
    const char *end = strchr(text, '\n');

    return end != NULL && end != text && end[1] == '\0';
}

/* NULL, or what is wrong with a run in which an allocation failed. */
static const char *judge(const struct result *result, const struct result *whole, bool is_before,
                         bool is_after)
{
    if (!WIFEXITED(result->status))
        return WTERMSIG(result->status) == SIGALRM ? "hangs" : "crashes";
    if (!is_before && !is_after)
        return "leaves the folder neither as before nor as after the whole run";
    if (WEXITSTATUS(result->status) == 0) {
        if (!is_after)
            return "says done, and is not";
        if (strcmp(result->said, whole->said) != 0)
            return "says done, and prints something else";
        return strcmp(result->complained, whole->complained) == 0 ? NULL
                                                                  : "says done, and complains";
    }
    if (WEXITSTATUS(result->status) != 1)
        return "ends with another status than 0 and 1";
    if (!is_one_line(result->complained))
        return "fails without one line that says why";
    return strstr(result->complained, "memory") != NULL ? NULL
                                                        : "does not say that memory was short";
}

static void print_command(char *const *arguments)
{
    for (size_t i = 0; arguments[i] != NULL; i++)
        printf("%s%s", i > 0 ? " " : "", arguments[i]);
}

/* A finished log is never thrown away: what could not be published waits beside, as is said. */
static void publish_left(const struct result *result)
{
    if (strstr(result->complained, "the finished log is left in out.db.partial") != NULL &&
        rename("out.db.partial", "out.db") != 0)
        die("out.db.partial");
    if (strstr(result->complained, "the finished log is left in out.partial") != NULL) {
        folder_state_remove("out");
        if (rename("out.partial", "out") != 0)
            die("out.partial");
    }
}

/* The n after that one. */
static unsigned long next_point(const struct torture *torture, unsigned long n, unsigned long count)
{
    const unsigned long between =
        count > torture->first + torture->last ? count - torture->first - torture->last : 0;

    if (n < torture->first || between == 0 || n + torture->last >= count)
        return n + 1;
    const unsigned long next = n + (between + SPARSE - 1) / SPARSE;
    return next < count - torture->last ? next : count - torture->last;
}

/* One command, all n. Returns the number of faults. */
static unsigned long sweep(const struct torture *torture, char *const *arguments)
{
    static struct result whole;
    static struct result result;
    unsigned long faults = 0;
    unsigned long tried = 0;
    struct folder_state before = folder_state_of(".");

    run(torture, arguments, 0, &whole);
    if (whole.status != 0) {
        print_command(arguments);
        printf(": fails already when memory is plenty: %s", whole.complained);
        return 1;
    }
    struct folder_state after = folder_state_of(".");
    if (!folder_state_equals(&before, &after))
        folder_state_restore(&before, ".");
    for (unsigned long n = 1; n <= whole.count; n = next_point(torture, n, whole.count)) {
        run(torture, arguments, n, &result);
        tried++;
        publish_left(&result);
        struct folder_state now = folder_state_of(".");
        const bool is_before = folder_state_equals(&now, &before);
        const char *fault = judge(&result, &whole, is_before, folder_state_equals(&now, &after));
        if (fault != NULL) {
            print_command(arguments);
            printf(": n=%lu: %s: status %x, stderr: %s\n", n, fault, (unsigned)result.status,
                   result.complained);
            faults++;
        }
        if (!is_before)
            folder_state_restore(&before, ".");
        folder_state_release(&now);
    }
    print_command(arguments);
    printf(": %lu of %lu allocations failed, %lu faults\n", tried, whole.count, faults);
    fflush(stdout);
    folder_state_release(&before);
    folder_state_release(&after);
    return whole.count == 0 ? SKIPPED : faults;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        die(path);
}

/* EXIT_SUCCESS, or what the test shall end with. */
static int prepare(const struct torture *torture)
{
    static struct result result;

    write_text("trace.csv", trace_text);
    write_text("recorded.csv", recorded_text);
    write_text("steps.csv", steps_text);
    for (size_t i = 0; i < sizeof preparations / sizeof preparations[0]; i++) {
        run(torture, preparations[i], 0, &result);
        if (result.status != 0) {
            printf("cannot prepare: %s\n", result.complained);
            return EXIT_FAILURE;
        }
        if (result.count == 0) {
            printf("SKIPPED: no allocation is seen (the program has an allocator of its own)\n");
            return SKIPPED;
        }
    }
    return EXIT_SUCCESS;
}

int main(int argument_count, char **arguments)
{
    struct torture torture = {0};
    unsigned long faults = 0;

    if (argument_count != 5) {
        fprintf(stderr, "usage: malloc_torture PROGRAM failing_malloc.so FIRST LAST\n");
        return EXIT_FAILURE;
    }
    torture.first = strtoul(arguments[3], NULL, 10);
    torture.last = strtoul(arguments[4], NULL, 10);
    torture.program = arguments[1];
    torture.library = arguments[2];
    /* Memory rather than disk where there is such a place: thousands of runs sync their logs. */
    snprintf(torture.scratch, sizeof torture.scratch, "%s/sglsim-torture-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(torture.scratch) == NULL || chdir(torture.scratch) != 0 ||
        mkdir("now", 0700) != 0 || chdir("now") != 0)
        die(torture.scratch);
    const int prepared = prepare(&torture);
    for (size_t i = 0; prepared == EXIT_SUCCESS && i < sizeof commands / sizeof commands[0]; i++)
        faults += sweep(&torture, commands[i]);
    folder_state_remove(torture.scratch);
    if (prepared != EXIT_SUCCESS)
        return prepared;
    printf("the first %lu and the last %lu allocations of each, and %d between: %lu faults\n",
           torture.first, torture.last, SPARSE, faults);
    return faults == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
