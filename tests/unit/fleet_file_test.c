/* Fleet files: what they mean, and what each mistake is told. */
#include "sim/fleet_file.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000

static struct sgl_fleet_file parsed(const char *text)
{
    struct sgl_fleet_file fleet;
    struct sgl_failure failure = {""};
    const int status = sgl_fleet_file_parse(&fleet, "f", text, &failure);

    SGL_ASSERT_TEXT(failure.text, "");
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    return fleet;
}

/* Does the worker's spec say the same as that text does elsewhere? */
static void assert_spec(const struct sgl_fleet_worker *worker, const char *service,
                        const char *profile, const char *overrides)
{
    struct sgl_worker_model_spec spec;

    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_resolve(&spec, service, profile, overrides, NULL),
                          SGL_OK);
    char *expected = sgl_worker_model_format(&spec);
    char *actual = sgl_worker_model_format(worker->spec);
    SGL_ASSERT_TEXT(actual, expected);
    free(expected);
    free(actual);
    sgl_worker_model_release(&spec);
}

static void sections_become_workers(void)
{
    struct sgl_fleet_file fleet = parsed("# a fleet\n"
                                         "[worker]\n"
                                         "  scheduler = vllm  # before its profile\r\n"
                                         "name=big\n"
                                         "count = 2\n"
                                         "profile = llama31-70b-tp4-h200\n"
                                         "max_running_requests = 64\n"
                                         "\n"
                                         "[ worker ]\n"
                                         "url = http://10.0.0.7:30000\n"
                                         "model = m\n"
                                         "service = exponential:mean_s=0.25,servers=3\n"
                                         "[worker]\n"
                                         "service = deterministic\n"
                                         "mean_s = 0.5\n"
                                         "[worker]"); /* no newline */

    CU_ASSERT_EQUAL_FATAL(fleet.worker_count, 5);
    CU_ASSERT_EQUAL(fleet.spec_count, 4);
    SGL_ASSERT_TEXT(fleet.workers[0].name, "big-0");
    SGL_ASSERT_TEXT(fleet.workers[1].name, "big-1");
    SGL_ASSERT_TEXT(fleet.workers[1].url, "big-1");
    CU_ASSERT_PTR_EQUAL(fleet.workers[0].spec, fleet.workers[1].spec);
    SGL_ASSERT_TEXT(fleet.workers[0].model, fleet.workers[0].spec->profile.model);
    SGL_ASSERT_TEXT(fleet.workers[0].spec->profile.name, "llama31-70b-tp4-h200");
    assert_spec(&fleet.workers[0], "batching", "llama31-70b-tp4-h200",
                "scheduler=vllm,max_running_requests=64");
    SGL_ASSERT_TEXT(fleet.workers[2].name, "worker-2");
    SGL_ASSERT_TEXT(fleet.workers[2].url, "http://10.0.0.7:30000");
    SGL_ASSERT_TEXT(fleet.workers[2].model, "m");
    assert_spec(&fleet.workers[2], "exponential:mean_s=0.25,servers=3", NULL, NULL);
    CU_ASSERT_PTR_NULL(fleet.workers[3].model);
    assert_spec(&fleet.workers[3], "deterministic:mean_s=0.5", NULL, NULL);
    assert_spec(&fleet.workers[4], "batching", NULL, NULL);
    CU_ASSERT_EQUAL(fleet.faults.count, 0);
    sgl_fleet_file_release(&fleet);
}

/* By name, url, index or the name of a section; before the workers they are about, if need be. */
static void faults_find_their_workers(void)
{
    struct sgl_fleet_file fleet = parsed("[fault]\n"
                                         "worker = big\n"
                                         "kind = slow\n"
                                         "factor = 2.5\n"
                                         "from = 1ms\n"
                                         "until = 2ms\n"
                                         "[worker]\n"
                                         "name = big\n"
                                         "count = 3\n"
                                         "[worker]\n"
                                         "url = http://x:1\n"
                                         "[fault]\n"
                                         "worker = http://x:1\n"
                                         "kind = flap\n"
                                         "period = 10ms\n"
                                         "duty = 0.3\n"
                                         "[fault]\n"
                                         "worker = big-2\n"
                                         "kind = down\n"
                                         "from = 2ms\n"
                                         "[fault]\n"
                                         "worker = 0\n"
                                         "kind = down\n"
                                         "until = 1ms\n");

    CU_ASSERT_EQUAL(fleet.faults.count, 6);
    for (uint32_t w = 0; w < 3; w++)
        CU_ASSERT_EQUAL(sgl_fault_plan_at(&fleet.faults, w, 3 * MS / 2).factor, 2.5);
    CU_ASSERT_TRUE(sgl_fault_plan_at(&fleet.faults, 0, 0).is_down);
    CU_ASSERT_FALSE(sgl_fault_plan_at(&fleet.faults, 1, 0).is_down);
    CU_ASSERT_FALSE(sgl_fault_plan_at(&fleet.faults, 2, 2 * MS - 1).is_down);
    CU_ASSERT_TRUE(sgl_fault_plan_at(&fleet.faults, 2, 2 * MS).is_down);
    CU_ASSERT_EQUAL(sgl_fault_plan_next_ns(&fleet.faults, 2, 2 * MS), INT64_MAX);
    CU_ASSERT_TRUE(sgl_fault_plan_at(&fleet.faults, 3, 10 * MS).is_down);
    CU_ASSERT_FALSE(sgl_fault_plan_at(&fleet.faults, 3, 13 * MS).is_down);
    sgl_fleet_file_release(&fleet);
}

#define WORKER "[worker]\nname = a\n"
#define FAULT WORKER "[fault]\nworker = a\n"

static const struct {
    const char *text;
    const char *message;
} mistakes[] = {
    {"", "f: no worker, expected a section [worker]"},
    {"# nothing\n", "f: no worker, expected a section [worker]"},
    {"name = a\n", "f:1:1: 'name = a' before the first section, expected [name]"},
    {"[worker\n", "f:1:1: '[worker', expected [name]"},
    {"\n  []\n", "f:2:3: '[]', expected [name]"},
    {"[wroker]\n", "f:1:1: section [wroker], expected [worker] or [fault]"},
    {"[worker]\n  big\n", "f:2:3: 'big', expected key = value"},
    {"[worker]\nname =  # none\n", "f:2:1: nothing after '=', expected key = value"},
    {"[worker]\n = a\n", "f:2:2: nothing before '=', expected key = value"},
    {WORKER "name = b\n", "f:3:1: name given twice, also in line 2, expected once"},
    {"[worker]\nnaem = a\n", "f:2:1: unknown key 'naem' (did you mean 'name'?), expected name,"},
    {"[worker]\nschedular = vllm\n", "f:2:1: unknown key 'schedular' (did you mean 'scheduler'?)"},
    {"[worker]\nservice = deterministic\nscheduler = vllm\n",
     "f:3:1: unknown key 'scheduler', expected name, count, url, model, role, service, profile "
     "or a parameter of deterministic"},
    {"[worker]\nscheduler = sarathi\n", "f:2:13: scheduler"},
    {"[worker]\nkv_tokens = 1e99\n", "f:2:13: kv_tokens"},
    {"[worker]\npage_size = 16\nkv_tokens = 8\n", "f:1:1: kv_tokens=8, expected 0 or at least"},
    {"[worker]\nservice = batchin\n", "f:2:11: unknown worker model 'batchin' (did you mean"},
    {"[worker]\nservice = nope\nprofile = nope\n", "f:2:11: unknown worker model 'nope'"},
    {"[worker]\nprofile = lama31-8b-h100\n", "f:2:11: unknown profile 'lama31-8b-h100' (did you"},
    {"[worker]\ncount = 0\n", "f:2:9: count = 0, expected a whole number from 1 to 1024"},
    {"[worker]\ncount = 1.5\n", "f:2:9: count = 1.5, expected a whole number"},
    {"[worker]\ncount = many\n", "f:2:9: count = many, expected a number"},
    {"[worker]\nurl = u\ncount = 2\n", "f:3:1: a url and count = 2, expected a section per url"},
    {"[worker]\ncount = 1000\n[worker]\ncount = 25\n", "f:3:1: more than 1024 workers"},
    {WORKER WORKER, "f:3:1: the worker 'a' is there already, expected a name and url of its own"},
    {WORKER "[worker]\nurl = a\n", "f:3:1: the worker 'a' is there already"},
    {"[fault]\nkind = down\n", "f:1:1: a fault without worker, expected worker ="},
    {FAULT, "f:3:1: a fault without kind, expected kind = down, slow or flap"},
    {FAULT "kind = dwon\n", "f:5:8: kind = dwon (did you mean 'down'?), expected down, slow or"},
    {FAULT "kind = slow\n", "f:3:1: a fault without factor, expected factor = a number above 0"},
    {FAULT "kind = slow\nfactor = 0\n", "f:3:1: worker a: factor 0, expected 0.001 to 1e+06"},
    {FAULT "kind = slow\nfactor = fast\n", "f:6:10: factor = fast, expected a number"},
    {FAULT "kind = down\nfactor = 2\n", "f:6:1: factor in a fault of kind down, expected it in "},
    {FAULT "kind = slow\nfactor = 2\nduty = 1\n", "f:7:1: duty in a fault of kind slow, expected"},
    {FAULT "kind = down\nunitl = 2s\n", "f:6:1: unknown key 'unitl' (did you mean 'until'?)"},
    {FAULT "kind = down\nfrom = soon\n", "f:6:8: from = soon, expected a duration such as 5ms"},
    {FAULT "kind = down\nfrom = 2s\nuntil = 1s\n", "f:3:1: worker a: the fault ends before it "},
    {FAULT "kind = flap\n", "f:3:1: a fault without period"},
    {FAULT "kind = flap\nperiod = 2s\nduty = 1\n", "f:7:8: duty = 1, expected a share of the"},
    {FAULT "kind = flap\nperiod = 2us\n", "f:3:1: worker a: a period of 2000 ns, expected at"},
    {FAULT "kind = down\n[fault]\nworker = 0\nkind = down\nfrom = 9s\n",
     "f:6:1: worker a: the fault overlaps another of that worker, expected one at a time"},
    {"[worker]\nname = alpha\n[fault]\nworker = alhpa\nkind = down\n",
     "f:4:10: unknown worker 'alhpa' (did you mean 'alpha'?), expected a name, a url or an index "
     "below 1"},
    {FAULT "kind = down\n[fault]\nworker = 1\nkind = down\n", "f:7:10: unknown worker '1'"},
};

static void every_mistake_has_its_place(void)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        struct sgl_fleet_file fleet;
        struct sgl_failure failure = {""};
        const int status = sgl_fleet_file_parse(&fleet, "f", mistakes[i].text, &failure);
        CU_ASSERT_EQUAL(status, SGL_EINVAL);
        if (strncmp(failure.text, mistakes[i].message, strlen(mistakes[i].message)) != 0)
            printf("\n%s\n-> %s\n", mistakes[i].text, failure.text);
        CU_ASSERT_EQUAL(strncmp(failure.text, mistakes[i].message, strlen(mistakes[i].message)), 0);
        CU_ASSERT_PTR_NULL(strchr(failure.text, '\n'));
        CU_ASSERT_EQUAL(fleet.worker_count, 0); /* nothing is left to release */
    }
}

/* No byte taken out or changed makes it crash, leak or fail without a word. */
static void damaged_files_are_refused_or_read(void)
{
    static const char good[] = FAULT "kind = flap\nperiod = 2s\nfrom = 1ms\nuntil = 5s # end\n";
    char text[sizeof good];

    for (size_t i = 0; i + 1 < sizeof good; i++)
        for (int c = 0; c < 6; c++) {
            struct sgl_fleet_file fleet;
            struct sgl_failure failure = {""};
            memcpy(text, good, sizeof good);
            text[i] = "\0#=[\n9"[c];
            if (sgl_fleet_file_parse(&fleet, "f", text, &failure) == SGL_OK)
                sgl_fleet_file_release(&fleet);
            else
                CU_ASSERT_EQUAL(strncmp(failure.text, "f:", 2), 0);
        }
}

SGL_SUITE(fleet_file) = {
    {"sections become workers, in order", sections_become_workers},
    {"faults find their workers by name, url, index or section", faults_find_their_workers},
    {"every mistake has its place and what was expected", every_mistake_has_its_place},
    {"damaged files are refused or read", damaged_files_are_refused_or_read},
    CU_TEST_INFO_NULL,
};
