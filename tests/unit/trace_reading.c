#include "trace_reading.h"

#include "core/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_number(FILE *out, const char *name, int64_t value)
{
    if (value != SGL_ABSENT)
        fprintf(out, " %s=%lld", name, (long long)value);
}

static void write_text(FILE *out, const char *name, const char *value)
{
    if (value != NULL)
        fprintf(out, " %s='%s'", name, value);
}

void trace_tell_row(FILE *out, const struct sgl_trace_row *row)
{
    const struct sgl_request *request = &row->request;
    const struct sgl_recorded *recorded = &row->recorded;

    fprintf(out, "%lld at %lld", (long long)request->request, (long long)request->arrival_ns);
    write_number(out, "prompt", request->prompt_tokens);
    write_number(out, "output", row->output_tokens);
    write_number(out, "max", request->max_tokens);
    if (request->priority != SGL_PRIORITY_NORMAL)
        write_text(out, "priority", sgl_priority_name(request->priority));
    write_text(out, "id", request->request_id);
    write_text(out, "tenant", request->tenant);
    write_text(out, "session", request->session);
    write_text(out, "model", request->model);
    for (size_t i = 0; i < request->prefix_count; i++)
        fprintf(out, "%s%llx", i == 0 ? " prefix=" : ",",
                (unsigned long long)request->prefix_ids[i]);
    if (request->prefix_block > 0)
        fprintf(out, " block=%u", (unsigned)request->prefix_block);
    write_text(out, "worker", recorded->worker_url);
    write_number(out, "send", recorded->router_send_ns);
    write_number(out, "start", recorded->queue_start_ns);
    write_number(out, "end", recorded->queue_end_ns);
    write_number(out, "first", recorded->first_token_ns);
    write_number(out, "finish", recorded->finish_ns);
    write_number(out, "latency", recorded->server_latency_ns);
    write_number(out, "ttft", recorded->ttft_ns);
    write_number(out, "cached", recorded->cached_tokens);
    if (recorded->has_success)
        fprintf(out, " success=%d", recorded->success);
    write_text(out, "error", recorded->error);
    fputc('\n', out);
}

static FILE *open_text(char **text)
{
    static size_t size; /* nobody asks for it */
    FILE *out = open_memstream(text, &size);

    if (out == NULL)
        abort();
    return out;
}

static void keep_facts(struct trace_reading *reading, const struct sgl_trace_facts *facts)
{
    FILE *headers = open_text(&reading->headers);
    FILE *warnings = open_text(&reading->warnings);

    reading->facts = *facts;
    for (enum sgl_column i = 0; i < SGL_COLUMN_COUNT; i++)
        if (facts->headers[i] != NULL)
            fprintf(headers, "%s=%s ", sgl_columns[i].name, facts->headers[i]);
    for (size_t i = 0; facts->warnings[i] != NULL; i++)
        fprintf(warnings, "%s\n", facts->warnings[i]);
    fclose(headers);
    fclose(warnings);
    memset(reading->facts.headers, 0, sizeof reading->facts.headers);
    memset(reading->facts.warnings, 0, sizeof reading->facts.warnings);
}

struct trace_reading trace_read(const struct sgl_trace_options *options)
{
    struct trace_reading reading = {0};
    struct sgl_trace *trace = NULL;
    struct sgl_trace_row row;
    FILE *rows = open_text(&reading.rows);

    reading.code = sgl_trace_open(&trace, options, &reading.failure);
    while (reading.code >= 0 &&
           (reading.code = sgl_trace_next(trace, &row, &reading.failure)) > 0) {
        trace_tell_row(rows, &row);
        reading.row_count++;
    }
    fclose(rows);
    if (trace != NULL)
        keep_facts(&reading, sgl_trace_facts(trace));
    sgl_trace_close(trace);
    return reading;
}

struct trace_reading trace_read_csv(const char *bytes, size_t size)
{
    const struct sgl_trace_options options = {
        .path = "t.csv", .memory = bytes, .memory_size = size};

    return trace_read(&options);
}

struct trace_reading trace_read_text(const char *text)
{
    return trace_read_csv(text, strlen(text));
}

void trace_reading_release(struct trace_reading *reading)
{
    free(reading->rows);
    free(reading->headers);
    free(reading->warnings);
    *reading = (struct trace_reading){0};
}
