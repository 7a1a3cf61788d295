/*
 * sglang_bench.c - what SGLang's bench_serving writes with --output-file and --output-details: one
 * JSON object for a run, whose arrays have an element for each request:
 *
 *     {"backend": "sglang", ..., "input_lens": [...], "output_lens": [...], "ttfts": [...],
 *      "itls": [[...], ...], "generated_texts": [...], "errors": ["", ...]}
 *
 * Source: docs/developer_guide/bench_serving.md and python/sglang/bench_serving.py of
 * sgl-project/sglang. That has no arrival times, and without them there is no trace: such a run is
 * refused. vLLM's version of the program adds start_times (s of a clock of its own), and with those
 * it is read. ttfts are s, 0 where no token came; an error that is not empty is a failed request.
 * Texts and inter-token latencies are not needed. One object is one run: a second one is refused,
 * for the two clocks need not agree.
 *
 * Datasets of prompts for the same program ({"prompt": ...}, {"conversations": ...}) have neither
 * token counts nor times and are refused with that word.
 */
#include "traces/jsonl_parser.h"

#include "core/absent.h"

#include <stdlib.h>
#include <string.h>

/* A run of 1,000 requests of 500 tokens has some 10 MiB of inter-token latencies. */
#define LINE_SIZE_MAX ((size_t)128 * 1024 * 1024)

static const struct {
    enum sgl_column column;
    const char *name;
    bool is_required;
} arrays[] = {
    {SGL_COLUMN_ARRIVAL_TIME, "start_times", true},
    {SGL_COLUMN_PROMPT_TOKENS, "input_lens", true},
    {SGL_COLUMN_OUTPUT_TOKENS, "output_lens", true},
    {SGL_COLUMN_TTFT, "ttfts", false},
    {SGL_COLUMN_ERROR, "errors", false},
};

enum { ERRORS = 4 }; /* its place in the table */

#define ARRAY_COUNT (sizeof arrays / sizeof arrays[0])

struct bench_reader {
    struct sgl_format_reader reader;
    struct sgl_jsonl_parser parser;
    const json_t *values[ARRAY_COUNT]; /* of the run; NULL: it has none */
    size_t request_count;
    size_t request; /* the next */
    char numbers[ARRAY_COUNT][SGL_JSONL_NUMBER_MAX];
};

static bool detect(const struct sgl_format_input *input)
{
    static const char *const names[] = {"input_lens", "total_input_tokens", "request_throughput",
                                        "prompt", "conversations"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (sgl_jsonl_head_has(input->bytes, names[i]))
            return true;
    return false;
}

static void close_bench(struct sgl_format_reader *reader)
{
    struct bench_reader *self = (struct bench_reader *)reader;

    sgl_jsonl_release(&self->parser);
    free(self);
}

static int fail_missing(const struct bench_reader *self, const char *name,
                        struct sgl_failure *failure)
{
    const json_t *run = self->parser.object;

    if (json_object_get(run, "prompt") != NULL || json_object_get(run, "conversations") != NULL)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s%llu: has prompts without token counts and arrival times, expected the "
                        "results of a run of bench_serving",
                        self->reader.place, (unsigned long long)self->parser.line);
    if (strcmp(name, "start_times") == 0 && json_object_get(run, "input_lens") != NULL)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s%llu: the run has no start_times, so nobody knows when its requests "
                        "came, expected a run that states them",
                        self->reader.place, (unsigned long long)self->parser.line);
    return sgl_fail(failure, SGL_EINVAL,
                    "%s%llu: the run has no %s, expected its requests one by one (bench_serving "
                    "--output-details)",
                    self->reader.place, (unsigned long long)self->parser.line, name);
}

static int read_run(struct bench_reader *self, struct sgl_failure *failure)
{
    const int code = sgl_jsonl_next(&self->parser, failure);

    if (code < 0)
        return code;
    for (size_t i = 0; i < ARRAY_COUNT && code > 0; i++) {
        const char *name = arrays[i].name;
        const json_t *array = json_object_get(self->parser.object, name);
        self->values[i] = array;
        if (array == NULL && arrays[i].is_required)
            return fail_missing(self, name, failure);
        if (array == NULL)
            continue;
        if (!json_is_array(array))
            return sgl_jsonl_fail(&self->parser, name, "is no array, expected one", failure);
        if (i == 0)
            self->request_count = json_array_size(array);
        if (json_array_size(array) != self->request_count)
            return sgl_jsonl_fail(&self->parser, name,
                                  "has another number of elements than start_times, expected the "
                                  "same",
                                  failure);
        self->reader.headers[arrays[i].column] = name;
    }
    if (self->values[ERRORS] != NULL)
        self->reader.headers[SGL_COLUMN_SUCCESS] = arrays[ERRORS].name;
    return 0;
}

static int open_bench(struct sgl_format_reader **reader_out, const struct sgl_format_input *input,
                      struct sgl_failure *failure)
{
    struct bench_reader *self = calloc(1, sizeof *self);

    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", input->name);
    self->parser.bytes = input->bytes;
    self->parser.line_size_max = LINE_SIZE_MAX;
    self->reader.ops = &sgl_format_sglang_bench;
    self->reader.position_word = "request";
    self->reader.epoch_ns = SGL_ABSENT;
    snprintf(self->reader.place, sizeof self->reader.place, "%s:", input->name);
    const int code = read_run(self, failure);
    if (code < 0) {
        close_bench(&self->reader);
        return code;
    }
    snprintf(self->reader.place, sizeof self->reader.place, "%s:%llu:request ", input->name,
             (unsigned long long)self->parser.line);
    *reader_out = &self->reader;
    return 0;
}

/* After the last request: nothing more may come. */
static int end_run(struct bench_reader *self, struct sgl_failure *failure)
{
    const int code = sgl_jsonl_next(&self->parser, failure);

    if (code > 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s:%llu: a second run, expected one (their clocks need not agree: a file "
                        "for each)",
                        self->parser.bytes->name, (unsigned long long)self->parser.line);
    return code;
}

/* A request that failed has no first token, whatever its zero says. */
static void judge(struct sgl_raw_row *row)
{
    struct sgl_raw_cell *error = &row->cells[SGL_COLUMN_ERROR];
    struct sgl_raw_cell *ttft = &row->cells[SGL_COLUMN_TTFT];
    const bool is_failed = error->text != NULL && error->size > 0;

    row->cells[SGL_COLUMN_SUCCESS] =
        (struct sgl_raw_cell){.text = is_failed ? "0" : "1", .size = 1};
    if (is_failed)
        ttft->text = NULL;
}

static int next_row(struct sgl_format_reader *reader, struct sgl_raw_row *row_out,
                    struct sgl_failure *failure)
{
    struct bench_reader *self = (struct bench_reader *)reader;

    if (self->request == self->request_count)
        return end_run(self, failure);
    row_out->position = self->request + 1;
    for (size_t i = 0; i < ARRAY_COUNT; i++) {
        const json_t *value = json_array_get(self->values[i], self->request);
        struct sgl_raw_cell *cell = &row_out->cells[arrays[i].column];
        if (value != NULL && !sgl_jsonl_cell(value, self->numbers[i], cell))
            return sgl_jsonl_fail(&self->parser, arrays[i].name,
                                  "has an array or object, expected numbers or texts", failure);
    }
    if (self->values[ERRORS] != NULL)
        judge(row_out);
    self->request++;
    return 1;
}

const struct sgl_format_ops sgl_format_sglang_bench = {
    .name = "sglang_bench",
    .summary = "JSONL of bench_serving with details and start times",
    .detect = detect,
    .open = open_bench,
    .next = next_row,
    .close = close_bench,
};
