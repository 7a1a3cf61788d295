#include "sim_support.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int next_row(struct sgl_source *self, struct sgl_trace_row *row_out,
                    struct sgl_failure *failure)
{
    struct sgl_memory_source *source = (struct sgl_memory_source *)self;

    (void)failure;
    if (source->next == source->row_count)
        return 0;
    *row_out = source->rows[source->next++];
    return 1;
}

static const struct sgl_source_ops memory_source_ops = {.next = next_row};

void sgl_memory_source_init(struct sgl_memory_source *source, const struct sgl_trace_row *rows,
                            size_t row_count)
{
    *source = (struct sgl_memory_source){
        .source = {.ops = &memory_source_ops}, .rows = rows, .row_count = row_count};
}

struct sgl_trace_row sgl_row(int64_t request, int64_t arrival_ns, int64_t prompt_tokens,
                             int64_t output_tokens, int64_t max_tokens)
{
    return (struct sgl_trace_row){
        .request =
            {
                .request = request,
                .arrival_ns = arrival_ns,
                .prompt_tokens = prompt_tokens,
                .max_tokens = max_tokens,
                .priority = SGL_PRIORITY_NORMAL,
            },
        .output_tokens = output_tokens,
        .recorded = SGL_RECORDED_ABSENT,
        .is_stopped = output_tokens < max_tokens,
    };
}

void sgl_test_draw_rows(struct sgl_rng *draws, struct sgl_trace_row *rows, size_t count,
                        const uint64_t ids[static 4], uint32_t steps_most)
{
    int64_t arrival_ns = 0;

    for (size_t i = 0; i < count; i++) {
        const int64_t output = (int64_t)sgl_rng_below(draws, 60);
        rows[i] = sgl_row((int64_t)i, arrival_ns, (int64_t)sgl_rng_below(draws, 120), output,
                          output + (int64_t)sgl_rng_below(draws, 20));
        rows[i].request.prefix_ids = ids;
        rows[i].request.prefix_count = sgl_rng_below(draws, 5);
        rows[i].request.prefix_block = 16;
        arrival_ns += (int64_t)sgl_rng_below(draws, steps_most + 1) * 500000;
    }
}

/* FNV-1a over the bytes of a number. */
static void hash(struct sgl_witness *witness, uint64_t number)
{
    for (int i = 0; i < 8; i++) {
        witness->digest ^= number >> (8 * i) & 0xff;
        witness->digest *= UINT64_C(0x100000001b3);
    }
}

static void hash_real(struct sgl_witness *witness, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    hash(witness, bits);
}

static struct sgl_seen *seen_of(struct sgl_witness *witness, int64_t request)
{
    if (request < 0 || (size_t)request >= witness->seen_count)
        abort();
    return &witness->seen[request];
}

static void hash_outcome(struct sgl_witness *witness, const struct sgl_outcome *outcome)
{
    const int64_t numbers[] = {
        outcome->queue_time_ns, outcome->ttft_ns,       outcome->e2e_ns,
        outcome->prompt_tokens, outcome->output_tokens, outcome->cached_tokens,
        outcome->queue_length,  outcome->reported_ns,   outcome->success};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        hash(witness, (uint64_t)numbers[i]);
    for (const char *at = outcome->error; at != NULL && *at != '\0'; at++)
        hash(witness, (uint64_t)*at);
}

static void hear_input(struct sgl_sink *self, uint64_t sequence, const struct sgl_input *input)
{
    struct sgl_witness *witness = (struct sgl_witness *)self;

    witness->input_count++;
    witness->time_went_back = witness->time_went_back || input->now_ns < witness->now_ns;
    witness->now_ns = input->now_ns;
    hash(witness, sequence);
    hash(witness, (uint64_t)input->kind);
    hash(witness, (uint64_t)input->now_ns);
    if (input->kind == SGL_INPUT_REPORT_LOAD) {
        if (witness->report_count++ == 0) {
            witness->first_report = input->report;
            witness->first_report_order = sequence;
        }
        hash(witness, input->worker);
        hash(witness, (uint64_t)input->report.queue_length);
        hash(witness, (uint64_t)input->report.running);
        hash(witness, (uint64_t)input->report.reported_ns);
        hash_real(witness, input->report.token_usage);
        return;
    }
    if (input->kind == SGL_INPUT_PROBE_RESULT) {
        witness->probe_count++;
        hash(witness, input->worker);
        hash(witness, input->is_on);
        return;
    }
    if (input->kind == SGL_INPUT_ADD_WORKER)
        return;
    hash(witness, (uint64_t)input->request);
    hash(witness, input->attempt);
    if (input->kind == SGL_INPUT_ROUTE) {
        seen_of(witness, input->request)->arrival_ns = input->now_ns;
        seen_of(witness, input->request)->route_order = sequence;
    } else if (input->kind == SGL_INPUT_FIRST_TOKEN)
        seen_of(witness, input->request)->first_token_ns = input->now_ns;
    else
        hash_outcome(witness, &input->outcome);
}

static void hear_decision(struct sgl_sink *self, const struct sgl_decision *decision,
                          const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    struct sgl_witness *witness = (struct sgl_witness *)self;

    hash(witness, decision->worker);
    for (uint32_t i = 0; i < candidate_count; i++) {
        hash(witness, (uint64_t)candidates[i].queue_length);
        hash(witness, (uint64_t)candidates[i].queue_age_ns);
    }
}

static void hear_outcome(struct sgl_sink *self, const struct sgl_outcome_record *record)
{
    struct sgl_witness *witness = (struct sgl_witness *)self;
    struct sgl_seen *seen = seen_of(witness, record->request);

    seen->completed_ns = record->now_ns;
    seen->worker = record->worker;
    seen->outcome = *record->outcome;
    seen->outcome_count++;
    seen->refused_count +=
        record->outcome->error != NULL && strcmp(record->outcome->error, "connection_refused") == 0;
    seen->outcome_order = record->sequence;
}

static void hear_gaps(struct sgl_sink *self, const struct sgl_gaps *gaps)
{
    struct sgl_witness *witness = (struct sgl_witness *)self;
    const size_t count = witness->class_count + gaps->class_count;
    struct sgl_gap_class *classes = realloc(witness->classes, count * sizeof *classes);

    if (classes == NULL)
        abort();
    memcpy(classes + witness->class_count, gaps->classes, gaps->class_count * sizeof *classes);
    witness->classes = classes;
    witness->class_count = count;
    hash(witness, gaps->worker);
    hash(witness, gaps->is_warm_up);
    for (uint32_t i = 0; i < gaps->class_count; i++) {
        hash(witness, (uint64_t)gaps->classes[i].from_ns);
        hash(witness, (uint64_t)gaps->classes[i].to_ns);
        hash(witness, gaps->classes[i].count);
        hash_real(witness, gaps->classes[i].sum_s);
        hash(witness, (uint64_t)gaps->classes[i].longest_ns);
    }
}

void sgl_witness_init(struct sgl_witness *witness, size_t request_count)
{
    static const struct sgl_sink_ops ops = {
        .input = hear_input,
        .decision = hear_decision,
        .outcome = hear_outcome,
        .gaps = hear_gaps,
    };

    *witness = (struct sgl_witness){
        .sink = {.ops = &ops, .wants_candidates = true, .wants_gaps = true},
        .seen = calloc(request_count + 1, sizeof *witness->seen),
        .seen_count = request_count,
        .digest = UINT64_C(0xcbf29ce484222325),
    };
    if (witness->seen == NULL)
        abort();
    for (size_t i = 0; i < request_count; i++)
        witness->seen[i].first_token_ns = SGL_ABSENT;
}

void sgl_witness_release(struct sgl_witness *witness)
{
    free(witness->seen);
    free(witness->classes);
    witness->seen = NULL;
    witness->classes = NULL;
}

void sgl_test_fleet_init(struct sgl_test_fleet *fleet, const char *policy, const char *model,
                         uint32_t worker_count)
{
    static const char *const urls[SGL_TEST_WORKER_MAX] = {"http://a", "http://b", "http://c",
                                                          "http://d", "http://e", "http://f",
                                                          "http://g", "http://h"};
    struct sgl_failure failure;

    memset(fleet, 0, sizeof *fleet);
    for (uint32_t i = 0; i < worker_count; i++) {
        if (sgl_worker_model_parse(&fleet->specs[i], model, &failure) != SGL_OK) {
            puts(failure.text);
            abort();
        }
        fleet->workers[i] =
            (struct sgl_simulation_worker){.url = urls[i], .spec = &fleet->specs[i]};
    }
    if (sgl_policy_parse(&fleet->policy, policy, &failure) != SGL_OK) {
        puts(failure.text);
        abort();
    }
    fleet->options = (struct sgl_simulation_options){
        .seed = 1,
        .policy = &fleet->policy,
        .workers = fleet->workers,
        .worker_count = worker_count,
        .max_new_tokens = 2048,
        .rate_scale = 1,
        .cuts_oversize = true,
    };
}

void sgl_test_fleet_release(struct sgl_test_fleet *fleet)
{
    for (uint32_t i = 0; i < SGL_TEST_WORKER_MAX; i++)
        sgl_worker_model_release(&fleet->specs[i]);
    sgl_policy_release(&fleet->policy);
}

struct sgl_simulation_totals sgl_test_fleet_run(struct sgl_test_fleet *fleet,
                                                const struct sgl_trace_row *rows, size_t row_count,
                                                struct sgl_witness *witness)
{
    struct sgl_memory_source source;
    struct sgl_simulation_totals totals;
    struct sgl_failure failure = {""};

    sgl_memory_source_init(&source, rows, row_count);
    fleet->options.sink = witness != NULL ? &witness->sink : NULL;
    const int status = sgl_simulate(&fleet->options, &source.source, &totals, &failure);
    CU_ASSERT_EQUAL_FATAL(status, SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    return totals;
}

int sgl_test_fleet_try(struct sgl_test_fleet *fleet, const struct sgl_trace_row *rows, size_t count,
                       struct sgl_failure *failure)
{
    struct sgl_memory_source source;
    struct sgl_simulation_totals totals;

    sgl_memory_source_init(&source, rows, count);
    failure->text[0] = '\0';
    fleet->options.sink = NULL;
    return sgl_simulate(&fleet->options, &source.source, &totals, failure);
}
