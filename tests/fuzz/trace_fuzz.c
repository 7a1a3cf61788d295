/*
 * Any bytes as a trace: they are refused in one line that names the file, or they give requests
 * that are numbered from 0, in order of arrival from 0 on, with lengths that can be simulated. What
 * the reader said once, the end or a failure, it says again.
 */
#include "fuzz.h"

#include "traces/open.h"

#include <assert.h>
#include <string.h>

#define NAME "t.csv"

static void assert_failure(const struct sgl_failure *failure)
{
    assert(strncmp(failure->text, NAME, sizeof NAME - 1) == 0);
    for (const char *at = failure->text; *at != '\0'; at++)
        assert((unsigned char)*at >= ' ');
}

static void assert_row(const struct sgl_trace_row *row, int64_t number, int64_t earliest_ns)
{
    assert(row->request.request == number);
    assert(row->request.arrival_ns >= earliest_ns);
    assert(number > 0 || row->request.arrival_ns == 0);
    assert(row->request.prompt_tokens >= 0);
    assert(row->output_tokens >= 0);
    assert(row->request.max_tokens >= 0 || row->request.max_tokens == SGL_ABSENT);
    assert(row->request.request_id == NULL || strlen(row->request.request_id) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct sgl_trace_options options = {.path = NAME, .memory = bytes, .memory_size = size};
    struct sgl_failure failure = {.text = ""};
    struct sgl_trace *trace = NULL;
    struct sgl_trace_row row;
    int64_t count = 0;
    int64_t earliest_ns = 0;
    int status = sgl_trace_open(&trace, &options, &failure);

    if (status != SGL_OK) {
        assert_failure(&failure);
        return 0;
    }
    while ((status = sgl_trace_next(trace, &row, &failure)) == 1) {
        assert_row(&row, count, earliest_ns);
        earliest_ns = row.request.arrival_ns;
        count++;
    }
    struct sgl_failure again = {.text = ""};
    assert(sgl_trace_next(trace, &row, &again) == status);
    if (status == 0) {
        assert(count > 0 && sgl_trace_facts(trace)->row_count == (uint64_t)count);
    } else {
        assert_failure(&failure);
        assert(strcmp(failure.text, again.text) == 0);
    }
    sgl_trace_close(trace);
    return 0;
}
