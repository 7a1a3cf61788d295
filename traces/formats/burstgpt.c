/*
 * burstgpt.c - the BurstGPT traces: a CSV with Timestamp, Model, Request tokens, Response tokens,
 * Total tokens, Log Type and, from release 2.0 on, Session ID and Elapsed time.
 *
 * Source: the README of HPMLL/BurstGPT. Timestamp is s since 0:00 of the first day. Elapsed time is
 * s from submission to the complete answer: what our server_latency is. Rows with 0 response tokens
 * are failures: they stay, with success false, and are counted.
 */
#include "traces/csv_reader.h"

static const struct sgl_csv_name names[] = {
    {"Timestamp", "arrival_time"},
    {"Request tokens", "prompt_tokens"},
    {"Response tokens", "output_tokens"},
    {"Model", "model"},
    {"Session ID", "session_id"},
    {"Elapsed time", "server_latency"},
    {0},
};

static bool detect(const struct sgl_format_input *input)
{
    return sgl_csv_head_has(input->bytes, "Request tokens", "Response tokens");
}

static int open_burstgpt(struct sgl_format_reader **reader_out,
                         const struct sgl_format_input *input, struct sgl_failure *failure)
{
    const int code = sgl_csv_reader_open(reader_out, &sgl_format_burstgpt, names, input, failure);

    if (code == 0) {
        (*reader_out)->zero_output_words = "have 0 response tokens: these requests failed";
        (*reader_out)->headers[SGL_COLUMN_SUCCESS] =
            (*reader_out)->headers[SGL_COLUMN_OUTPUT_TOKENS];
    }
    return code;
}

/* Is the count 0, however it is written ("0", "0.0")? What is no count is refused later. */
static bool is_zero(const struct sgl_raw_cell *cell)
{
    for (size_t i = 0; i < cell->size; i++)
        if (cell->text[i] != '0' && cell->text[i] != '.')
            return false;
    return cell->size > 0;
}

static int next_row(struct sgl_format_reader *reader, struct sgl_raw_row *row_out,
                    struct sgl_failure *failure)
{
    const int code = sgl_csv_reader_next(reader, row_out, failure);

    if (code > 0) {
        struct sgl_raw_cell *success = &row_out->cells[SGL_COLUMN_SUCCESS];
        *success = row_out->cells[SGL_COLUMN_OUTPUT_TOKENS];
        success->text = is_zero(success) ? "0" : "1";
        success->size = 1;
    }
    return code;
}

const struct sgl_format_ops sgl_format_burstgpt = {
    .name = "burstgpt",
    .summary = "CSV of the BurstGPT traces",
    .has_filter = true,
    .detect = detect,
    .open = open_burstgpt,
    .next = next_row,
    .close = sgl_csv_reader_close,
};
