/*
 * aibrix.c - what the multi-round client of AIBrix's (and Production Stack's) benchmark records: a
 * CSV with prompt_tokens, generation_tokens, ttft, generation_time, user_id, question_id,
 * launch_time and finish_time, in s, launch_time and finish_time since 1970.
 *
 * Source of the columns: benchmark_output_20250519.zip of AIBrix v0.3.0 (test/regression). There
 * finish_time = launch_time + ttft + generation_time. A row is written when its request has
 * finished, so rows are not in order of launch, and requests that never finished are missing. A
 * user asks its questions one after the other: that is a session.
 */
#include "traces/csv_reader.h"

static const struct sgl_csv_name names[] = {
    {"launch_time", "arrival_time"},
    {"generation_tokens", "output_tokens"},
    {"user_id", "session_id"},
    {0},
};

static bool detect(const struct sgl_format_input *input)
{
    return sgl_csv_head_has(input->bytes, "launch_time", "generation_tokens");
}

static int open_aibrix(struct sgl_format_reader **reader_out, const struct sgl_format_input *input,
                       struct sgl_failure *failure)
{
    return sgl_csv_reader_open(reader_out, &sgl_format_aibrix, names, input, failure);
}

const struct sgl_format_ops sgl_format_aibrix = {
    .name = "aibrix",
    .summary = "CSV of AIBrix's multi-round benchmark client",
    .has_filter = true,
    .detect = detect,
    .open = open_aibrix,
    .next = sgl_csv_reader_next,
    .close = sgl_csv_reader_close,
};
