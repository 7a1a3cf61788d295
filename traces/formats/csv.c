/*
 * csv.c - comma separated values with a header row. This covers what SGLang's router tests write
 * (31 columns, where input_length counts characters: actual_prompt_tokens comes before it among the
 * names of prompt_tokens) and the Azure LLM traces (TIMESTAMP, ContextTokens, GeneratedTokens).
 */
#include "traces/csv_reader.h"

/* What nobody else knows, but no JSON: its first line is no header. */
static bool detect(const struct sgl_format_input *input)
{
    const unsigned char *at = input->bytes->at;

    while (at < input->bytes->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at == input->bytes->end || (*at != '{' && *at != '[');
}

static int open_csv(struct sgl_format_reader **reader_out, const struct sgl_format_input *input,
                    struct sgl_failure *failure)
{
    return sgl_csv_reader_open(reader_out, &sgl_format_csv, NULL, input, failure);
}

const struct sgl_format_ops sgl_format_csv = {
    .name = "csv",
    .summary = "comma separated values with a header row",
    .has_filter = true,
    .detect = detect,
    .open = open_csv,
    .next = sgl_csv_reader_next,
    .close = sgl_csv_reader_close,
};
