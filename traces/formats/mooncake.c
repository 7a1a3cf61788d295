/*
 * mooncake.c - the traces of Mooncake: JSONL, one request a line:
 *
 *     {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47, 2353]}
 *
 * Source: FAST25-release/traces of kvcache-ai/Mooncake. timestamp is ms from the start; the ids
 * stand for blocks of 512 tokens, the last of which may be shorter, and equal ids for equal
 * prefixes up to there. Timestamps of the published traces come in steps of about 3 s: open.h,
 * spreads_steps.
 */
#include "traces/jsonl_parser.h"

#include "core/absent.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK "512"
#define LINE_SIZE_MAX ((size_t)16 * 1024 * 1024)
#define ID_TEXT_SIZE 21 /* a 64-bit number and a space */

static const struct {
    enum sgl_column column;
    const char *name;
} members[] = {
    {SGL_COLUMN_ARRIVAL_TIME, "timestamp"},
    {SGL_COLUMN_PROMPT_TOKENS, "input_length"},
    {SGL_COLUMN_OUTPUT_TOKENS, "output_length"},
};

#define MEMBER_COUNT (sizeof members / sizeof members[0])

struct mooncake_reader {
    struct sgl_format_reader reader;
    struct sgl_jsonl_parser parser;
    char numbers[MEMBER_COUNT][SGL_JSONL_NUMBER_MAX];
    char *ids; /* the text of hash_ids */
    size_t ids_capacity;
};

/* Qwen-Bailian's traces have these members too, but seconds and blocks of 16 tokens. */
static bool detect(const struct sgl_format_input *input)
{
    return sgl_jsonl_head_has(input->bytes, "timestamp") &&
           sgl_jsonl_head_has(input->bytes, "input_length") &&
           !sgl_jsonl_head_has(input->bytes, "chat_id");
}

static void close_mooncake(struct sgl_format_reader *reader)
{
    struct mooncake_reader *self = (struct mooncake_reader *)reader;

    sgl_jsonl_release(&self->parser);
    free(self->ids);
    free(self);
}

static int open_mooncake(struct sgl_format_reader **reader_out,
                         const struct sgl_format_input *input, struct sgl_failure *failure)
{
    struct mooncake_reader *self = calloc(1, sizeof *self);

    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", input->name);
    self->parser.bytes = input->bytes;
    self->parser.line_size_max = LINE_SIZE_MAX;
    self->reader.ops = &sgl_format_mooncake;
    self->reader.position_word = "line";
    self->reader.epoch_ns = SGL_ABSENT;
    self->reader.has_ms = true;
    self->reader.headers[SGL_COLUMN_PREFIX_HASHES] = "hash_ids";
    self->reader.headers[SGL_COLUMN_PREFIX_BLOCK] = "(" BLOCK ")";
    for (size_t i = 0; i < MEMBER_COUNT; i++)
        self->reader.headers[members[i].column] = members[i].name;
    snprintf(self->reader.place, sizeof self->reader.place, "%s:", input->name);
    *reader_out = &self->reader;
    return 0;
}

/* "46 47 2353" of [46, 47, 2353]; an empty or missing array is no ids. */
static int read_ids(struct mooncake_reader *self, struct sgl_raw_cell *cell,
                    struct sgl_failure *failure)
{
    const json_t *array = json_object_get(self->parser.object, "hash_ids");
    size_t length = 0;

    cell->text = NULL;
    if (array == NULL)
        return 0;
    if (!json_is_array(array))
        return sgl_jsonl_fail(&self->parser, "hash_ids", "is no array, expected [id, ...]",
                              failure);
    const size_t needed = json_array_size(array) * ID_TEXT_SIZE + 1;
    if (needed > self->ids_capacity) {
        char *grown = realloc(self->ids, needed * 2);
        if (grown == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%s%llu: no memory for the row",
                            self->reader.place, (unsigned long long)self->parser.line);
        self->ids = grown;
        self->ids_capacity = needed * 2;
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *id = json_array_get(array, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0)
            return sgl_jsonl_fail(&self->parser, "hash_ids",
                                  "has an element that is no id, expected whole numbers from 0",
                                  failure);
        length += (size_t)snprintf(self->ids + length, needed - length, "%s%lld", i > 0 ? " " : "",
                                   (long long)json_integer_value(id));
    }
    if (length > 0)
        cell->text = self->ids;
    cell->size = length;
    cell->line = self->parser.line;
    cell->column = sgl_jsonl_column(&self->parser, "hash_ids");
    return 0;
}

static int next_row(struct sgl_format_reader *reader, struct sgl_raw_row *row_out,
                    struct sgl_failure *failure)
{
    struct mooncake_reader *self = (struct mooncake_reader *)reader;
    struct sgl_raw_cell *cells = row_out->cells;

    int code = sgl_jsonl_next(&self->parser, failure);
    if (code <= 0)
        return code;
    row_out->position = self->parser.line;
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        const json_t *value = json_object_get(self->parser.object, members[i].name);
        struct sgl_raw_cell *cell = &cells[members[i].column];
        if (value == NULL)
            return sgl_jsonl_fail(&self->parser, members[i].name, "is missing", failure);
        if (!sgl_jsonl_cell(value, self->numbers[i], cell))
            return sgl_jsonl_fail(&self->parser, members[i].name,
                                  "is an array or object, expected a number", failure);
        cell->line = self->parser.line;
        cell->column = sgl_jsonl_column(&self->parser, members[i].name);
    }
    code = read_ids(self, &cells[SGL_COLUMN_PREFIX_HASHES], failure);
    if (code < 0)
        return code;
    const bool has_ids = cells[SGL_COLUMN_PREFIX_HASHES].text != NULL;
    cells[SGL_COLUMN_PREFIX_BLOCK] = (struct sgl_raw_cell){.text = has_ids ? BLOCK : NULL,
                                                           .size = has_ids ? sizeof BLOCK - 1 : 0};
    return 1;
}

const struct sgl_format_ops sgl_format_mooncake = {
    .name = "mooncake",
    .summary = "JSONL of the Mooncake traces",
    .detect = detect,
    .open = open_mooncake,
    .next = next_row,
    .close = close_mooncake,
};
