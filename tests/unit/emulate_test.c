/*
 * The emulated worker: driven step by step in anybody's time it does what the simulator does, tells
 * every token once, and forgets clients that leave; requests and answers are those of SGLang.
 */
#include "support.h"

#include "core/absent.h"
#include "core/rng.h"
#include "live/emulate_answer.h"
#include "live/emulate_faults.h"
#include "live/emulator.h"
#include "sim/worker_model.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define JOBS 120
#define WORLDS 12
#define IDS_MOST 6

struct job {
    int64_t arrival_ns;
    int64_t prompt_tokens;
    int64_t max_tokens;
    uint64_t ids[IDS_MOST];
    size_t id_count;
    int64_t leaves_ns; /* SGL_NEVER: its client stays */
};

struct told {
    int64_t tokens; /* the last that was told */
    int64_t finish_ns;
    int64_t started_ns;
    int64_t cached_tokens;
    int64_t output_tokens;
    bool is_over;
    bool is_rejected;
    bool has_skipped; /* tokens that were not told one by one */
};

static struct sgl_worker_model_spec parse(const char *overrides)
{
    struct sgl_worker_model_spec spec;
    struct sgl_failure failure;

    CU_ASSERT_EQUAL_FATAL(sgl_worker_model_resolve(&spec, "batching", NULL, overrides, &failure),
                          SGL_OK);
    return spec;
}

static void draw_jobs(struct job *jobs, struct sgl_rng *draws, bool has_leavers)
{
    int64_t now_ns = 0;

    for (size_t i = 0; i < JOBS; i++) {
        struct job *job = &jobs[i];
        now_ns += sgl_rng_below(draws, 60000000);
        *job = (struct job){
            .arrival_ns = now_ns,
            .prompt_tokens = sgl_rng_below(draws, 600),
            .max_tokens = sgl_rng_below(draws, 40),
            .id_count = sgl_rng_below(draws, IDS_MOST + 1),
            .leaves_ns = SGL_NEVER,
        };
        /* Few ids, so that prompts begin alike. */
        for (size_t k = 0; k < job->id_count; k++)
            job->ids[k] = 10 * k + sgl_rng_below(draws, 2);
        if (has_leavers && sgl_rng_below(draws, 3) == 0)
            job->leaves_ns = now_ns + sgl_rng_below(draws, 300000000);
    }
}

static void hear_emulated(void *context, const struct sgl_emulated_event *event)
{
    struct told *told = &((struct told *)context)[event->handle];

    CU_ASSERT_FALSE(told->is_over);
    if (event->kind == SGL_EMULATED_TOKENS) {
        /* Each step tells of all that give tokens: of one that is prefilled meanwhile, the same. */
        told->has_skipped |= event->tokens > told->tokens + 1 || event->tokens < told->tokens;
        told->tokens = event->tokens;
        return;
    }
    told->is_over = true;
    told->is_rejected = event->kind == SGL_EMULATED_REJECT;
    told->finish_ns = event->time_ns;
    if (told->is_rejected)
        return;
    told->has_skipped |= event->tokens > told->tokens + 1;
    told->started_ns = event->started_ns;
    told->cached_tokens = event->cached_tokens;
    told->output_tokens = event->tokens;
}

/* A late caller: it looks at the clock now and then, and catches up. */
static void emulate(const struct sgl_worker_model_spec *spec, const struct job *jobs,
                    struct told *told, struct sgl_rng *draws)
{
    struct sgl_emulator *emulator;
    struct sgl_emulated_load load;
    struct sgl_failure failure;
    bool has_left[JOBS] = {false};
    int64_t now_ns = 0;

    CU_ASSERT_EQUAL_FATAL(sgl_emulator_create(&emulator, spec, hear_emulated, told, &failure),
                          SGL_OK);
    for (size_t next = 0; next < JOBS || sgl_emulator_next_ns(emulator) != SGL_NEVER;) {
        now_ns += 1 + sgl_rng_below(draws, 20000000);
        if (next < JOBS && jobs[next].arrival_ns < now_ns)
            now_ns = jobs[next].arrival_ns;
        CU_ASSERT_EQUAL_FATAL(sgl_emulator_run(emulator, now_ns, &failure), SGL_OK);
        for (uint32_t i = 0; i < next; i++) {
            if (has_left[i] || told[i].is_over || jobs[i].leaves_ns > now_ns)
                continue;
            has_left[i] = true;
            told[i].is_over = sgl_emulator_cancel(emulator, i, now_ns);
        }
        if (next == JOBS || jobs[next].arrival_ns != now_ns)
            continue;
        const struct sgl_emulated_job job = {
            .handle = (uint32_t)next,
            .prompt_tokens = jobs[next].prompt_tokens,
            .max_tokens = jobs[next].max_tokens,
            .prefix_ids = jobs[next].ids,
            .prefix_count = jobs[next].id_count,
            .prefix_block = 100,
        };
        CU_ASSERT_EQUAL_FATAL(sgl_emulator_submit(emulator, &job, now_ns, &failure), SGL_OK);
        next++;
    }
    sgl_emulator_load(emulator, &load);
    CU_ASSERT_EQUAL(load.queue_length, 0);
    CU_ASSERT_EQUAL(load.running, 0);
    CU_ASSERT_TRUE(isnan(load.token_usage) || load.token_usage == 0);
    sgl_emulator_destroy(emulator);
}

static void hear_simulated(void *context, const struct sgl_worker_event *event)
{
    struct told *told = &((struct told *)context)[event->handle];

    if (event->kind == SGL_WORKER_FIRST_TOKEN)
        return;
    told->is_over = true;
    told->is_rejected = event->kind == SGL_WORKER_REJECT;
    told->finish_ns = event->time_ns;
    told->started_ns = event->started_ns;
    told->cached_tokens = event->cached_tokens;
    told->output_tokens = event->output_tokens;
}

/* The same jobs as the simulator has them: in leaps, at their own times. */
static void simulate(const struct sgl_worker_model_spec *spec, const struct job *jobs,
                     struct told *told)
{
    const struct sgl_worker_model_setup setup = {
        .spec = spec, .emit = hear_simulated, .context = told};
    const struct sgl_worker_model_ops *ops = spec->ops;
    void *state = calloc(1, ops->state_size);
    struct sgl_failure failure;
    int64_t event_ns;

    CU_ASSERT_PTR_NOT_NULL_FATAL(state);
    CU_ASSERT_EQUAL_FATAL(ops->create(state, &setup, &failure), SGL_OK);
    for (uint32_t next = 0; (event_ns = ops->next_event_ns(state)) != SGL_NEVER || next < JOBS;) {
        const bool arrives = next < JOBS && jobs[next].arrival_ns <= event_ns;
        const int64_t now_ns = arrives ? jobs[next].arrival_ns : event_ns;
        if (event_ns == now_ns)
            ops->advance(state, now_ns);
        while (next < JOBS && jobs[next].arrival_ns == now_ns) {
            const struct sgl_request request = {
                .prompt_tokens = jobs[next].prompt_tokens,
                .max_tokens = jobs[next].max_tokens,
                .priority = SGL_PRIORITY_NORMAL,
                .prefix_ids = jobs[next].ids,
                .prefix_count = jobs[next].id_count,
                .prefix_block = 100,
            };
            const struct sgl_recorded recorded = {0};
            CU_ASSERT_EQUAL_FATAL(ops->arrive(state,
                                              &(struct sgl_job){
                                                  .handle = next,
                                                  .arrival_ns = now_ns,
                                                  .max_tokens = jobs[next].max_tokens,
                                                  .output_tokens = jobs[next].max_tokens,
                                                  .request = &request,
                                                  .recorded = &recorded,
                                              },
                                              &failure),
                                  SGL_OK);
            next++;
        }
        CU_ASSERT_EQUAL_FATAL(ops->schedule(state, now_ns, &failure), SGL_OK);
    }
    ops->destroy(state);
    free(state);
}

static const char *const engines[] = {
    "",
    "kv_tokens=1500,prefix_cache=on",
    "kv_tokens=900,page_size=16,chunked_prefill_size=256",
    "scheduler=vllm,max_batch_tokens=256,max_running_requests=4",
};

static void same_as_simulated(void)
{
    for (uint32_t world = 0; world < WORLDS; world++) {
        struct sgl_worker_model_spec spec = parse(engines[world % 4]);
        struct sgl_rng draws = sgl_rng_stream(5, SGL_PURPOSE_ARRIVAL, 0, world, 0);
        struct job jobs[JOBS];
        struct told emulated[JOBS] = {0};
        struct told simulated[JOBS] = {0};

        draw_jobs(jobs, &draws, false);
        emulate(&spec, jobs, emulated, &draws);
        simulate(&spec, jobs, simulated);
        for (size_t i = 0; i < JOBS; i++) {
            CU_ASSERT_TRUE(emulated[i].is_over && simulated[i].is_over);
            CU_ASSERT_EQUAL(emulated[i].is_rejected, simulated[i].is_rejected);
            CU_ASSERT_EQUAL(emulated[i].finish_ns, simulated[i].finish_ns);
            if (simulated[i].is_rejected)
                continue;
            CU_ASSERT_EQUAL(emulated[i].started_ns, simulated[i].started_ns);
            CU_ASSERT_EQUAL(emulated[i].cached_tokens, simulated[i].cached_tokens);
            CU_ASSERT_EQUAL(emulated[i].output_tokens, simulated[i].output_tokens);
            CU_ASSERT_FALSE(emulated[i].has_skipped);
        }
        sgl_worker_model_release(&spec);
    }
}

static void those_who_leave(void)
{
    uint32_t shortened = 0;

    for (uint32_t world = 0; world < WORLDS; world++) {
        struct sgl_worker_model_spec spec = parse(engines[world % 4]);
        struct sgl_rng draws = sgl_rng_stream(6, SGL_PURPOSE_ARRIVAL, 0, world, 0);
        struct job jobs[JOBS];
        struct told told[JOBS] = {0};

        draw_jobs(jobs, &draws, true);
        emulate(&spec, jobs, told, &draws);
        for (size_t i = 0; i < JOBS; i++) {
            CU_ASSERT_TRUE(told[i].is_over);
            if (jobs[i].leaves_ns == SGL_NEVER && !told[i].is_rejected)
                CU_ASSERT_EQUAL(told[i].output_tokens, jobs[i].max_tokens);
            shortened += jobs[i].leaves_ns != SGL_NEVER && told[i].output_tokens > 0 &&
                         told[i].output_tokens < jobs[i].max_tokens;
        }
        sgl_worker_model_release(&spec);
    }
    CU_ASSERT_TRUE(shortened > 20);
}

/* ---- requests ------------------------------------------------------------------------------ */

static int read_request(struct sgl_emulate_request *request, enum sgl_emulate_api api,
                        const char *body, struct sgl_failure *failure)
{
    const struct sgl_emulate_reader reader = {
        .api = api, .prefix_block = 2, .number = 7, .model = "a-model"};

    return sgl_emulate_request_read(request, &reader, body, strlen(body), failure);
}

static void tokens_are_counted(void)
{
    static const struct {
        enum sgl_emulate_api api;
        const char *body;
        int64_t prompt_tokens;
        int64_t max_tokens;
        size_t ids;
    } cases[] = {
        {SGL_EMULATE_GENERATE, "{\"text\":\"\"}", 0, 128, 0},
        {SGL_EMULATE_GENERATE, "{\"text\":\"12345\"}", 2, 128, 1},
        {SGL_EMULATE_GENERATE, "{\"text\":\"\\u00e9\\u00e9x\"}", 2, 128, 1},
        {SGL_EMULATE_GENERATE,
         "{\"input_ids\":[1,2,3],\"sampling_params\":{\"max_new_tokens\":9},\"stream\":false}", 3,
         9, 2},
        {SGL_EMULATE_COMPLETIONS, "{\"prompt\":[1,2,3,4,5],\"max_tokens\":0}", 5, 0, 3},
        {SGL_EMULATE_CHAT,
         "{\"messages\":[{\"role\":\"system\",\"content\":\"1234\"},{\"role\":\"user\",\"content\":"
         "[{\"type\":\"text\",\"text\":\"56789\"},{\"type\":\"image_url\"}]}],"
         "\"max_completion_tokens\":4,\"max_tokens\":5}",
         3, 4, 2},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_emulate_request request;
        struct sgl_failure failure = {.text = ""};
        CU_ASSERT_EQUAL_FATAL(read_request(&request, cases[i].api, cases[i].body, &failure),
                              SGL_OK);
        CU_ASSERT_EQUAL(request.parts[0].prompt.tokens, cases[i].prompt_tokens);
        CU_ASSERT_EQUAL(request.parts[0].max_tokens, cases[i].max_tokens);
        CU_ASSERT_EQUAL(request.parts[0].prompt.prefix_count, cases[i].ids);
        sgl_emulate_request_release(&request);
    }
}

static void refused_with_a_reason(void)
{
    static const struct {
        enum sgl_emulate_api api;
        const char *body;
        const char *text;
    } cases[] = {
        {SGL_EMULATE_GENERATE, "", "no JSON"},
        {SGL_EMULATE_GENERATE, "{\"text\":", "no JSON"},
        {SGL_EMULATE_GENERATE, "{\"text\":\"\xff\"}", "no JSON"},
        {SGL_EMULATE_GENERATE, "[]", "no JSON object"},
        {SGL_EMULATE_GENERATE, "{}", "text is missing"},
        {SGL_EMULATE_GENERATE, "{\"text\":[]}", "a batch of 0 prompts"},
        {SGL_EMULATE_GENERATE, "{\"text\":[\"a\",5]}", "text is neither"},
        {SGL_EMULATE_GENERATE, "{\"text\":[\"a\",\"b\"],\"rid\":[\"x\"]}", "rid has 1 entries"},
        {SGL_EMULATE_GENERATE, "{\"input_ids\":[1,-2]}", "a token id"},
        {SGL_EMULATE_GENERATE, "{\"input_ids\":[1,\"x\"]}", "a token id"},
        {SGL_EMULATE_GENERATE, "{\"text\":\"a\",\"rid\":5}", "rid is no text"},
        {SGL_EMULATE_GENERATE, "{\"text\":\"a\",\"stream\":1}", "stream is neither"},
        {SGL_EMULATE_GENERATE, "{\"text\":\"a\",\"sampling_params\":[]}", "sampling_params"},
        {SGL_EMULATE_GENERATE, "{\"text\":\"a\",\"sampling_params\":{\"max_new_tokens\":-1}}",
         "max_new_tokens"},
        {SGL_EMULATE_CHAT, "{\"messages\":[]}", "messages is missing"},
        {SGL_EMULATE_CHAT, "{\"messages\":[5]}", "a message is no object"},
        {SGL_EMULATE_CHAT, "{\"messages\":[{\"content\":5}]}", "content is no text"},
        {SGL_EMULATE_COMPLETIONS, "{\"prompt\":\"a\",\"max_tokens\":1.5}", "max_tokens"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_emulate_request request;
        struct sgl_failure failure = {.text = ""};
        CU_ASSERT_EQUAL(read_request(&request, cases[i].api, cases[i].body, &failure), SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, cases[i].text);
    }
}

static void equal_beginnings_equal_ids(void)
{
    struct sgl_emulate_request left;
    struct sgl_emulate_request right;
    struct sgl_failure failure;

    /* Blocks of two tokens, eight bytes; the third differs, the fourth is the same again. */
    CU_ASSERT_EQUAL_FATAL(read_request(&left, SGL_EMULATE_GENERATE,
                                       "{\"text\":\"aaaaaaaabbbbbbbbccccccccdddddddd\"}", &failure),
                          SGL_OK);
    CU_ASSERT_EQUAL_FATAL(read_request(&right, SGL_EMULATE_COMPLETIONS,
                                       "{\"prompt\":\"aaaaaaaabbbbbbbbcccccccXddddddddee\"}",
                                       &failure),
                          SGL_OK);
    CU_ASSERT_EQUAL(left.parts[0].prompt.prefix_count, 4);
    CU_ASSERT_EQUAL(right.parts[0].prompt.prefix_count, 5);
    CU_ASSERT_EQUAL(left.parts[0].prompt.prefix_ids[0], right.parts[0].prompt.prefix_ids[0]);
    CU_ASSERT_EQUAL(left.parts[0].prompt.prefix_ids[1], right.parts[0].prompt.prefix_ids[1]);
    CU_ASSERT_NOT_EQUAL(left.parts[0].prompt.prefix_ids[2], right.parts[0].prompt.prefix_ids[2]);
    CU_ASSERT_NOT_EQUAL(left.parts[0].prompt.prefix_ids[3], right.parts[0].prompt.prefix_ids[3]);
    sgl_emulate_request_release(&left);
    sgl_emulate_request_release(&right);
}

/* ---- answers ------------------------------------------------------------------------------- */

static const struct sgl_emulate_progress progress = {
    .tokens = 3,
    .tokens_sent = 2,
    .cached_tokens = 1,
    .queue_length = 4,
    .created_s = 1000.5,
    .queue_end_s = 1001,
    .first_token_s = 1002,
    .now_s = 1003,
};

static void answers_have_all_fields(void)
{
    static const char *const names[] = {"id",
                                        "finish_reason",
                                        "prompt_tokens",
                                        "completion_tokens",
                                        "cached_tokens",
                                        "e2e_latency",
                                        "queue_length",
                                        "server_created_time",
                                        "queue_time_start",
                                        "queue_time_end",
                                        "server_first_token_time"};
    struct sgl_emulate_request request;
    struct sgl_failure failure;
    struct sgl_buffer out = {0};

    CU_ASSERT_EQUAL_FATAL(read_request(&request, SGL_EMULATE_GENERATE,
                                       "{\"text\":\"12345\",\"rid\":\"a \\\"b\\\"\"}", &failure),
                          SGL_OK);
    sgl_emulate_put_answer(&out, &request, &progress);
    json_t *answer = json_loadb(out.bytes, out.size, 0, NULL);
    const json_t *meta = json_object_get(answer, "meta_info");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        CU_ASSERT_PTR_NOT_NULL(json_object_get(meta, names[i]));
    SGL_ASSERT_TEXT(json_string_value(json_object_get(meta, "id")), "a \"b\"");
    CU_ASSERT_EQUAL(json_real_value(json_object_get(meta, "e2e_latency")), 2.5);
    CU_ASSERT_EQUAL(json_string_length(json_object_get(answer, "text")), 12);
    json_decref(answer);
    sgl_buffer_release(&out);
    sgl_emulate_request_release(&request);

    CU_ASSERT_EQUAL_FATAL(read_request(&request, SGL_EMULATE_CHAT,
                                       "{\"messages\":[{\"content\":\"12345\"}]}", &failure),
                          SGL_OK);
    out = (struct sgl_buffer){0};
    sgl_emulate_put_answer(&out, &request, &progress);
    answer = json_loadb(out.bytes, out.size, 0, NULL);
    const json_t *choice = json_array_get(json_object_get(answer, "choices"), 0);
    const json_t *usage = json_object_get(answer, "usage");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(usage, "total_tokens")), 5);
    SGL_ASSERT_TEXT(json_string_value(json_object_get(choice, "finish_reason")), "length");
    SGL_ASSERT_TEXT(json_string_value(json_object_get(answer, "model")), "a-model");
    json_decref(answer);
    sgl_buffer_release(&out);
    sgl_emulate_request_release(&request);
}

static void faults_read_back(void)
{
    static const char text[] =
        "{\"slow\":2.5,\"hang\":true,\"malformed\":false,\"unhealthy\":false,"
        "\"refuse\":false,\"status\":503,\"cut_after\":4}";
    struct sgl_emulate_faults faults;
    struct sgl_failure failure;
    struct sgl_buffer out = {0};
    uint32_t worker = 9;
    uint64_t for_ms;

    CU_ASSERT_EQUAL(
        sgl_emulate_faults_read(&faults, &for_ms, &worker, text, sizeof text - 1, &failure),
        SGL_OK);
    CU_ASSERT_EQUAL(worker, 9);
    CU_ASSERT_EQUAL(for_ms, 0);
    sgl_emulate_faults_put(&out, &faults);
    CU_ASSERT_EQUAL_FATAL(out.size, sizeof text - 1);
    CU_ASSERT_EQUAL(memcmp(out.bytes, text, out.size), 0);
    sgl_buffer_release(&out);
    static const char *const refused[] = {"",
                                          "[]",
                                          "{\"hnag\":true}",
                                          "{\"hang\":1}",
                                          "{\"status\":200}",
                                          "{\"slow\":0}",
                                          "{\"for_ms\":0}"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        CU_ASSERT_EQUAL(sgl_emulate_faults_read(&faults, &for_ms, &worker, refused[i],
                                                strlen(refused[i]), &failure),
                        SGL_EINVAL);
}

SGL_SUITE(emulate) = {
    {"an emulated engine does what the simulated one does, and tells every token",
     same_as_simulated},
    {"clients that leave end their requests, and only theirs", those_who_leave},
    {"tokens of prompts are counted by the stated rule", tokens_are_counted},
    {"what is no request is refused with a reason", refused_with_a_reason},
    {"prompts have equal ids as far as they are equal", equal_beginnings_equal_ids},
    {"answers parse and have all fields", answers_have_all_fields},
    {"faults read back, and what is none is refused", faults_read_back},
    CU_TEST_INFO_NULL,
};
