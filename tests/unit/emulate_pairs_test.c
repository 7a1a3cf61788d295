/*
 * The legs of a pair at emulated workers: their engines do what the simulator's do, rooms are found
 * again, bodies say where legs meet, batches and logprobs are told.
 */
#include "support.h"

#include "core/rng.h"
#include "live/emulate_answer.h"
#include "live/emulate_rooms.h"
#include "live/emulate_wires.h"
#include "live/emulator.h"
#include "sim/transfer.h"
#include "sim/worker_model.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define JOBS 80
#define WORLDS 12

/* ---- engines ------------------------------------------------------------------------------- */

struct job {
    int64_t arrival_ns;
    int64_t prompt_tokens;
    int64_t max_tokens;
    int64_t kept_ns; /* how long its memory stays after its finish; prefill legs */
};

struct told {
    int64_t first_ns; /* of the first token; a decode leg's */
    int64_t finish_ns;
    int64_t release_ns; /* SGL_NEVER: not, or no more */
    int64_t tokens;
    bool is_over;
};

/* One engine under either driver. */
struct drive {
    const struct sgl_worker_model_spec *spec;
    const struct job *jobs;
    struct told *told;
    bool is_prefill;
};

static void finish(struct drive *drive, uint32_t handle, int64_t now_ns, int64_t tokens)
{
    struct told *told = &drive->told[handle];

    CU_ASSERT_FALSE(told->is_over);
    told->is_over = true;
    told->finish_ns = now_ns;
    told->tokens = tokens;
    if (drive->is_prefill)
        told->release_ns = now_ns + drive->jobs[handle].kept_ns;
}

/* The next instant at which somebody arrives or is let go of. */
static int64_t next_ns(const struct drive *drive, uint32_t arrived)
{
    int64_t at_ns = arrived < JOBS ? drive->jobs[arrived].arrival_ns : SGL_NEVER;

    for (uint32_t i = 0; i < arrived; i++)
        if (drive->told[i].release_ns < at_ns)
            at_ns = drive->told[i].release_ns;
    return at_ns;
}

static void hear_emulated(void *context, const struct sgl_emulated_event *event)
{
    struct drive *drive = context;
    struct told *told = &drive->told[event->handle];

    CU_ASSERT_NOT_EQUAL(event->kind, SGL_EMULATED_REJECT);
    if (told->first_ns == 0 && event->tokens > 0)
        told->first_ns = event->time_ns;
    if (event->kind == SGL_EMULATED_FINISH)
        finish(drive, event->handle, event->time_ns, event->tokens);
}

static void emulate(struct drive *drive)
{
    struct sgl_emulator *emulator;
    struct sgl_emulated_load load;
    struct sgl_failure failure;
    uint32_t arrived = 0;

    CU_ASSERT_EQUAL_FATAL(
        sgl_emulator_create(&emulator, drive->spec, hear_emulated, drive, &failure), SGL_OK);
    for (;;) {
        const int64_t event_ns = sgl_emulator_next_ns(emulator);
        const int64_t outer_ns = next_ns(drive, arrived);
        const int64_t now_ns = event_ns < outer_ns ? event_ns : outer_ns;
        if (now_ns == SGL_NEVER)
            break;
        CU_ASSERT_EQUAL_FATAL(sgl_emulator_run(emulator, now_ns, &failure), SGL_OK);
        for (uint32_t i = 0; i < arrived; i++) {
            if (drive->told[i].release_ns != now_ns)
                continue;
            drive->told[i].release_ns = SGL_NEVER;
            CU_ASSERT_TRUE(sgl_emulator_cancel(emulator, i, now_ns));
            CU_ASSERT_EQUAL_FATAL(sgl_emulator_run(emulator, now_ns, &failure), SGL_OK);
        }
        while (arrived < JOBS && drive->jobs[arrived].arrival_ns == now_ns) {
            const struct sgl_emulated_job job = {
                .handle = arrived,
                .leg = drive->is_prefill ? SGL_EMULATED_PREFILL : SGL_EMULATED_DECODE,
                .prompt_tokens = drive->jobs[arrived].prompt_tokens,
                .max_tokens = drive->jobs[arrived].max_tokens,
            };
            arrived++; /* it may be told of from within */
            CU_ASSERT_EQUAL_FATAL(sgl_emulator_submit(emulator, &job, now_ns, &failure), SGL_OK);
        }
    }
    sgl_emulator_load(emulator, &load);
    CU_ASSERT_EQUAL(load.queue_length + load.running, 0);
    CU_ASSERT_EQUAL(load.token_usage, 0); /* nothing is kept that was let go of */
    sgl_emulator_destroy(emulator);
}

static void hear_simulated(void *context, const struct sgl_worker_event *event)
{
    struct drive *drive = context;

    CU_ASSERT_NOT_EQUAL(event->kind, SGL_WORKER_REJECT);
    if (event->kind == SGL_WORKER_FIRST_TOKEN)
        drive->told[event->handle].first_ns = event->time_ns;
    else
        finish(drive, event->handle, event->time_ns, event->output_tokens);
}

static void arrive(const struct drive *drive, void *state, uint32_t index)
{
    const struct job *job = &drive->jobs[index];
    const struct sgl_request request = {
        .prompt_tokens = job->prompt_tokens,
        .max_tokens = job->max_tokens,
        .priority = SGL_PRIORITY_NORMAL,
    };
    const struct sgl_recorded recorded = {0};
    struct sgl_failure failure;

    CU_ASSERT_EQUAL_FATAL(
        drive->spec->ops->arrive(state,
                                 &(struct sgl_job){
                                     .handle = index,
                                     .arrival_ns = job->arrival_ns,
                                     .max_tokens = job->max_tokens,
                                     .output_tokens = job->max_tokens,
                                     .leg = drive->is_prefill ? SGL_LEG_PREFILL : SGL_LEG_DECODE,
                                     .request = &request,
                                     .recorded = &recorded,
                                 },
                                 &failure),
        SGL_OK);
}

/* As the simulator drives it: in leaps. */
static void simulate(struct drive *drive)
{
    const struct sgl_worker_model_ops *ops = drive->spec->ops;
    const struct sgl_worker_model_setup setup = {
        .spec = drive->spec, .emit = hear_simulated, .context = drive};
    void *state = calloc(1, ops->state_size);
    struct sgl_failure failure;
    uint32_t arrived = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(state);
    CU_ASSERT_EQUAL_FATAL(ops->create(state, &setup, &failure), SGL_OK);
    for (;;) {
        const int64_t event_ns = ops->next_event_ns(state);
        const int64_t outer_ns = next_ns(drive, arrived);
        const int64_t now_ns = event_ns < outer_ns ? event_ns : outer_ns;
        if (now_ns == SGL_NEVER)
            break;
        if (event_ns == now_ns)
            ops->advance(state, now_ns);
        for (uint32_t i = 0; i < arrived; i++) {
            if (drive->told[i].release_ns == now_ns) {
                drive->told[i].release_ns = SGL_NEVER;
                CU_ASSERT_TRUE(ops->cancel(state, now_ns, i));
            }
        }
        while (arrived < JOBS && drive->jobs[arrived].arrival_ns == now_ns)
            arrive(drive, state, arrived++);
        CU_ASSERT_EQUAL_FATAL(ops->schedule(state, now_ns, &failure), SGL_OK);
    }
    ops->destroy(state);
    free(state);
}

static void legs_are_those_of_the_simulator(void)
{
    /* So little memory that most wait for what others keep. */
    static const char *const engines[] = {"kv_tokens=1400", "kv_tokens=1200,page_size=16",
                                          "kv_tokens=4000,chunked_prefill_size=256"};

    for (uint32_t world = 0; world < WORLDS; world++) {
        struct sgl_rng draws = sgl_rng_stream(8, SGL_PURPOSE_ARRIVAL, 0, world, 0);
        struct sgl_worker_model_spec spec;
        struct sgl_failure failure;
        struct job jobs[JOBS];
        int64_t now_ns = 0;

        CU_ASSERT_EQUAL_FATAL(
            sgl_worker_model_resolve(&spec, "batching", NULL, engines[world % 3], &failure),
            SGL_OK);
        for (uint32_t i = 0; i < JOBS; i++) {
            now_ns += 1 + sgl_rng_below(&draws, 30000000);
            jobs[i] = (struct job){.arrival_ns = now_ns,
                                   .prompt_tokens = sgl_rng_below(&draws, 600),
                                   .max_tokens = sgl_rng_below(&draws, 30),
                                   .kept_ns = 1 + sgl_rng_below(&draws, 90000000)};
        }
        for (int leg = 0; leg < 2; leg++) {
            struct told emulated[JOBS];
            struct told simulated[JOBS];
            struct drive drive = {.spec = &spec, .jobs = jobs, .is_prefill = leg == 0};
            for (uint32_t i = 0; i < JOBS; i++)
                emulated[i] = simulated[i] = (struct told){.release_ns = SGL_NEVER};
            drive.told = emulated;
            emulate(&drive);
            drive.told = simulated;
            simulate(&drive);
            for (uint32_t i = 0; i < JOBS; i++) {
                CU_ASSERT_TRUE(emulated[i].is_over && simulated[i].is_over);
                CU_ASSERT_EQUAL(emulated[i].finish_ns, simulated[i].finish_ns);
                CU_ASSERT_EQUAL(emulated[i].first_ns, simulated[i].first_ns);
                CU_ASSERT_EQUAL(emulated[i].tokens, simulated[i].tokens);
                CU_ASSERT_EQUAL(emulated[i].tokens,
                                leg == 0 && jobs[i].max_tokens > 1 ? 1 : jobs[i].max_tokens);
            }
        }
        sgl_worker_model_release(&spec);
    }
}

/* ---- rooms and wires ----------------------------------------------------------------------- */

#define NUMBERS 64

static void rooms_are_found_again(void)
{
    struct sgl_rng draws = sgl_rng_stream(9, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    struct sgl_emulate_rooms rooms = {0};
    struct sgl_emulate_room *open[NUMBERS] = {NULL};
    int64_t numbers[NUMBERS];
    char somebody = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < NUMBERS; i++) /* many in one bucket's way, and the ends */
        numbers[i] = i == 0 ? INT64_MAX : (int64_t)(i - 1) * SGL_EMULATE_ROOM_BUCKETS;
    for (uint32_t step = 0; step < 20000; step++) {
        const uint32_t i = (uint32_t)sgl_rng_below(&draws, NUMBERS);
        if (sgl_rng_below(&draws, 2) == 0) {
            struct sgl_emulate_room *room = sgl_emulate_rooms_open(&rooms, numbers[i]);
            CU_ASSERT_PTR_NOT_NULL_FATAL(room);
            CU_ASSERT_TRUE(open[i] == NULL || open[i] == room);
            CU_ASSERT_EQUAL(room->number, numbers[i]);
            CU_ASSERT_TRUE(open[i] != NULL || (room->flight == NULL && room->claim == NULL));
            count += open[i] == NULL;
            room->claim = (void *)&somebody;
            open[i] = room;
        } else if (open[i] != NULL) {
            sgl_emulate_rooms_close(&rooms, open[i]); /* somebody is in it */
            CU_ASSERT_PTR_EQUAL(sgl_emulate_rooms_open(&rooms, numbers[i]), open[i]);
            open[i]->claim = NULL;
            sgl_emulate_rooms_close(&rooms, open[i]);
            open[i] = NULL;
            count--;
        }
        CU_ASSERT_EQUAL(rooms.count, count);
    }
    sgl_emulate_rooms_release(&rooms);
    CU_ASSERT_EQUAL(rooms.count, 0);
}

static void rooms_have_a_bound(void)
{
    struct sgl_emulate_rooms rooms = {0};
    char somebody = 0;

    for (int64_t i = 0; i < SGL_EMULATE_ROOMS_MAX; i++) {
        struct sgl_emulate_room *room = sgl_emulate_rooms_open(&rooms, i);
        CU_ASSERT_PTR_NOT_NULL_FATAL(room);
        room->claim = (void *)&somebody;
    }
    CU_ASSERT_PTR_NULL(sgl_emulate_rooms_open(&rooms, SGL_EMULATE_ROOMS_MAX));
    CU_ASSERT_PTR_NOT_NULL(sgl_emulate_rooms_open(&rooms, 5));
    sgl_emulate_rooms_release(&rooms);
}

static void wires_are_those_of_the_simulator(void)
{
    struct sgl_parameters transfer;
    struct sgl_transfers reference;
    struct sgl_emulate_wires *wires;
    struct sgl_failure failure;
    char name[SGL_EMULATE_WIRE_NAME_SIZE];

    sgl_parameters_init(&transfer, sgl_transfer_parameters);
    const struct sgl_transfer_options options = sgl_transfer_options_of(&transfer);
    CU_ASSERT_EQUAL_FATAL(sgl_emulate_wires_create(&wires, &transfer, 3, 0xabc, &failure), SGL_OK);
    CU_ASSERT_EQUAL_FATAL(sgl_transfers_init(&reference, &options, 5, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_emulate_wires_find(wires, sgl_emulate_wires_name(wires, 2)), 2);
    CU_ASSERT_EQUAL(sgl_emulate_wires_find(wires, "elsewhere"), 3);
    CU_ASSERT_EQUAL(sgl_emulate_wires_find(wires, "another"), 4);
    CU_ASSERT_EQUAL(sgl_emulate_wires_find(wires, "elsewhere"), 3);
    for (uint32_t i = 0; i < 200; i++)
        CU_ASSERT_EQUAL(sgl_emulate_wires_send(wires, i % 2, 2 + i % 3, 100 + i, 400000 * i),
                        sgl_transfers_end_ns(&reference, i % 2, 2 + i % 3, 100 + i, 400000 * i));
    for (uint32_t i = 0; i < 1022; i++) {
        snprintf(name, sizeof name, "worker %u", i);
        CU_ASSERT_EQUAL(sgl_emulate_wires_find(wires, name), 5 + i);
    }
    CU_ASSERT_EQUAL(sgl_emulate_wires_find(wires, "one too many"), SGL_EMULATE_NO_WIRE);
    sgl_transfers_release(&reference);
    sgl_emulate_wires_destroy(wires);
    sgl_parameters_release(&transfer);
}

/* ---- bodies -------------------------------------------------------------------------------- */

static int read_body(struct sgl_emulate_request *request, enum sgl_emulate_api api,
                     const char *body, struct sgl_failure *failure)
{
    const struct sgl_emulate_reader reader = {
        .api = api, .prefix_block = 2, .number = 7, .model = "a-model", .is_paired = true};

    return sgl_emulate_request_read(request, &reader, body, strlen(body), failure);
}

#define AT "\"bootstrap_host\":\"gpu1\",\"bootstrap_port\":8998,"

static void legs_without_a_meeting_are_refused(void)
{
    static const struct {
        const char *body;
        const char *text;
    } cases[] = {
        {"{\"text\":\"a\"}", "received without bootstrap room id"},
        {"{\"text\":\"a\"," AT "\"bootstrap_room\":null}", "received without bootstrap room id"},
        {"{\"text\":\"a\"," AT "\"bootstrap_room\":-1}", "bootstrap_room is out of range"},
        {"{\"text\":\"a\"," AT "\"bootstrap_room\":9223372036854775808}", "no JSON"},
        {"{\"text\":\"a\"," AT "\"bootstrap_room\":1.5}", "bootstrap_room is out of range"},
        {"{\"text\":\"a\"," AT "\"bootstrap_room\":\"5\"}", "bootstrap_room is out of range"},
        {"{\"text\":\"a\"," AT "\"bootstrap_room\":[5]}", "bootstrap_room is out of range"},
        {"{\"text\":[\"a\",\"b\"]," AT "\"bootstrap_room\":[5]}", "has 1 entries, expected 2"},
        {"{\"text\":[\"a\",\"b\"]," AT "\"bootstrap_room\":[5,null]}", "without bootstrap room"},
        {"{\"text\":[\"a\",\"b\"]," AT "\"bootstrap_room\":9223372036854775807}", "for a batch"},
        {"{\"text\":\"a\",\"bootstrap_port\":1,\"bootstrap_room\":1}", "bootstrap_host is missing"},
        {"{\"text\":\"a\",\"bootstrap_host\":\"a/b?c\",\"bootstrap_port\":1,\"bootstrap_room\":1}",
         "no host"},
        {"{\"text\":\"a\",\"bootstrap_host\":5,\"bootstrap_port\":1,\"bootstrap_room\":1}",
         "no host"},
        {"{\"text\":\"a\",\"bootstrap_host\":\"a\",\"bootstrap_room\":1}",
         "bootstrap_port is missing"},
        {"{\"text\":\"a\",\"bootstrap_host\":\"a\",\"bootstrap_port\":65536,\"bootstrap_room\":1}",
         "bootstrap_port is out of range"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sgl_emulate_request request;
        struct sgl_failure failure = {.text = ""};
        CU_ASSERT_EQUAL(read_body(&request, SGL_EMULATE_GENERATE, cases[i].body, &failure),
                        SGL_EINVAL);
        SGL_ASSERT_CONTAINS(failure.text, cases[i].text);
    }
}

static void batches_have_a_meeting_each(void)
{
    struct sgl_emulate_request request;
    struct sgl_failure failure;

    CU_ASSERT_EQUAL_FATAL(
        read_body(
            &request, SGL_EMULATE_GENERATE,
            "{\"input_ids\":[[1,2,3],[4]],\"rid\":\"me\",\"return_logprob\":[false,true],"
            "\"sampling_params\":[{\"max_new_tokens\":3},{}],\"bootstrap_host\":[\"a\",\"b\"],"
            "\"bootstrap_port\":[1,null],\"bootstrap_room\":[9223372036854775807,0]}",
            &failure),
        SGL_OK);
    CU_ASSERT_EQUAL_FATAL(request.part_count, 2);
    CU_ASSERT_TRUE(request.is_batch);
    SGL_ASSERT_TEXT(request.parts[0].rid, "me_0");
    SGL_ASSERT_TEXT(request.parts[1].id, "\"me_1\"");
    CU_ASSERT_EQUAL(request.parts[0].prompt.tokens, 3);
    CU_ASSERT_EQUAL(request.parts[1].prompt.tokens, 1);
    CU_ASSERT_EQUAL(request.parts[0].max_tokens, 3);
    CU_ASSERT_EQUAL(request.parts[1].max_tokens, 128);
    CU_ASSERT_FALSE(request.parts[0].logprobs.is_asked);
    CU_ASSERT_TRUE(request.parts[1].logprobs.is_asked);
    CU_ASSERT_PTR_NULL(request.parts[0].prompt.token_ids);
    CU_ASSERT_EQUAL(request.parts[1].prompt.token_ids[0], 4);
    SGL_ASSERT_TEXT(request.parts[1].meeting.host, "b");
    CU_ASSERT_EQUAL(request.parts[0].meeting.port, 1);
    CU_ASSERT_EQUAL(request.parts[1].meeting.port, SGL_EMULATE_NO_PORT);
    CU_ASSERT_EQUAL(request.parts[0].meeting.room, INT64_MAX);
    CU_ASSERT_EQUAL(request.parts[1].meeting.room, 0);
    sgl_emulate_request_release(&request);
    /* One number for all is the first. */
    CU_ASSERT_EQUAL_FATAL(read_body(&request, SGL_EMULATE_COMPLETIONS,
                                    "{\"prompt\":[\"a\",\"b\",\"c\"]," AT "\"bootstrap_room\":70}",
                                    &failure),
                          SGL_OK);
    CU_ASSERT_EQUAL_FATAL(request.part_count, 3);
    CU_ASSERT_EQUAL(request.parts[2].meeting.room, 72);
    SGL_ASSERT_TEXT(request.parts[2].meeting.host, "gpu1");
    CU_ASSERT_PTR_NULL(request.parts[0].rid);
    sgl_emulate_request_release(&request);
}

/* ---- answers ------------------------------------------------------------------------------- */

static json_t *answer_of(const struct sgl_emulate_request *request,
                         const struct sgl_emulate_progress *progress)
{
    struct sgl_buffer out = {0};

    sgl_emulate_put_answer(&out, request, progress);
    json_t *answer = json_loadb(out.bytes, out.size, 0, NULL);
    sgl_buffer_release(&out);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    return answer;
}

static size_t rows_of(const json_t *answer, const char *name)
{
    const json_t *rows = json_object_get(json_object_get(answer, "meta_info"), name);

    return json_is_array(rows) ? json_array_size(rows) : SIZE_MAX;
}

static void logprobs_are_told_by_who_knows_them(void)
{
    struct sgl_emulate_progress progress = {.tokens = 2};
    struct sgl_emulate_request request;
    struct sgl_failure failure;

    CU_ASSERT_EQUAL_FATAL(
        read_body(&request, SGL_EMULATE_GENERATE,
                  "{\"input_ids\":[7,8,9],\"return_logprob\":true,\"logprob_start_len\":0,"
                  "\"top_logprobs_num\":2,\"token_ids_logprob\":[5]," AT "\"bootstrap_room\":1}",
                  &failure),
        SGL_OK);
    json_t *answer = answer_of(&request, &progress);
    const json_t *meta = json_object_get(answer, "meta_info");
    const json_t *rows = json_object_get(meta, "input_token_logprobs");
    CU_ASSERT_EQUAL(json_array_size(rows), 3);
    CU_ASSERT_TRUE(json_is_null(json_array_get(json_array_get(rows, 0), 0)));
    CU_ASSERT_TRUE(json_real_value(json_array_get(json_array_get(rows, 2), 0)) < 0);
    CU_ASSERT_EQUAL(json_integer_value(json_array_get(json_array_get(rows, 2), 1)), 9);
    CU_ASSERT_EQUAL(rows_of(answer, "input_top_logprobs"), 3);
    CU_ASSERT_EQUAL(rows_of(answer, "input_token_ids_logprobs"), 3);
    CU_ASSERT_EQUAL(rows_of(answer, "output_token_logprobs"), 2);
    CU_ASSERT_EQUAL(
        json_array_size(json_array_get(json_object_get(meta, "output_top_logprobs"), 1)), 2);
    json_decref(answer);
    progress.has_no_prompt = true; /* a decode worker's */
    answer = answer_of(&request, &progress);
    CU_ASSERT_EQUAL(rows_of(answer, "input_token_logprobs"), 0);
    CU_ASSERT_EQUAL(rows_of(answer, "input_token_ids_logprobs"), 0);
    CU_ASSERT_EQUAL(rows_of(answer, "output_token_logprobs"), 2);
    json_decref(answer);
    sgl_emulate_request_release(&request);
}

static void batches_are_answered_as_lists(void)
{
    const struct sgl_emulate_progress progress[] = {{.tokens = 2, .cached_tokens = 1},
                                                    {.tokens = 3, .cached_tokens = 2}};
    struct sgl_emulate_request request;
    struct sgl_failure failure;
    struct sgl_buffer out = {0};

    CU_ASSERT_EQUAL_FATAL(read_body(&request, SGL_EMULATE_GENERATE,
                                    "{\"text\":[\"a\",\"bcdef\"]," AT "\"bootstrap_room\":1}",
                                    &failure),
                          SGL_OK);
    json_t *answer = answer_of(&request, progress);
    CU_ASSERT_EQUAL_FATAL(json_array_size(answer), 2);
    const json_t *meta = json_object_get(json_array_get(answer, 1), "meta_info");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(meta, "prompt_tokens")), 2);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(meta, "completion_tokens")), 3);
    CU_ASSERT_PTR_NULL(json_object_get(meta, "input_token_logprobs"));
    json_decref(answer);
    sgl_emulate_put_tokens(&out, &request, 1, &progress[1]);
    SGL_ASSERT_CONTAINS(out.bytes, "data: {\"index\":1,\"text\":");
    sgl_buffer_release(&out);
    sgl_emulate_request_release(&request);

    CU_ASSERT_EQUAL_FATAL(read_body(&request, SGL_EMULATE_COMPLETIONS,
                                    "{\"prompt\":[\"a\",\"bcdef\"]," AT "\"bootstrap_room\":1}",
                                    &failure),
                          SGL_OK);
    answer = answer_of(&request, progress);
    const json_t *choices = json_object_get(answer, "choices");
    const json_t *usage = json_object_get(answer, "usage");
    CU_ASSERT_EQUAL_FATAL(json_array_size(choices), 2);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_array_get(choices, 1), "index")), 1);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(usage, "prompt_tokens")), 3);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(usage, "total_tokens")), 8);
    json_decref(answer);
    sgl_emulate_request_release(&request);
}

SGL_SUITE(emulate_pairs) = {
    {"legs in an emulated engine do what they do in the simulated one",
     legs_are_those_of_the_simulator},
    {"rooms are found as long as somebody is in them", rooms_are_found_again},
    {"there are no more rooms than their bound", rooms_have_a_bound},
    {"memory takes as long between named workers as in the simulator",
     wires_are_those_of_the_simulator},
    {"a leg that does not say where it meets the other one is refused with a reason",
     legs_without_a_meeting_are_refused},
    {"each request of a batch has its own room, tokens and logprobs", batches_have_a_meeting_each},
    {"logprobs of a prompt come from the worker that computed it",
     logprobs_are_told_by_who_knows_them},
    {"a batch is answered as a list, and its events are numbered", batches_are_answered_as_lists},
    CU_TEST_INFO_NULL,
};
