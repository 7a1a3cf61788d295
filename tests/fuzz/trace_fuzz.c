/*
 * Any bytes as a trace of a format told by its content: JSON lines, CSV, gzip of either. Whatever
 * comes:
 *
 *  - every call ends with rows, the end or one line of failure, and the same again when repeated;
 *  - rows are numbered 0, 1, 2, ..., their times start at 0 and never fall, their counts are in
 * range;
 *  - sorting in the window and sorting in a file give the same rows, told by the digest;
 *  - looking for workers finds all that the rows name, when the trace is good.
 */
#include "fuzz.h"

#include "traces/open.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MOST (INT64_C(1) << 31)

/* What reading it all gives. */
struct result {
    int code;
    uint64_t digest;
    uint64_t row_count;
    struct sgl_failure failure;
};

static bool is_count(int64_t value)
{
    return value == SGL_ABSENT || (value >= 0 && value <= COUNT_MOST);
}

static void check_row(const struct sgl_trace_row *row, int64_t number, int64_t last_ns)
{
    assert(row->request.request == number);
    assert(number == 0 ? row->request.arrival_ns == 0 : row->request.arrival_ns >= last_ns);
    assert(row->request.prompt_tokens != SGL_ABSENT && is_count(row->request.prompt_tokens));
    assert(row->output_tokens != SGL_ABSENT && is_count(row->output_tokens));
    assert(is_count(row->request.max_tokens) && is_count(row->recorded.cached_tokens));
    assert(row->request.tenant == NULL || row->request.tenant[0] != '\0');
}

static bool has_url(char *const *urls, uint32_t count, const char *url)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(urls[i], url) == 0)
            return true;
    return false;
}

static void check_failure(int code, const struct sgl_failure *failure)
{
    assert(code == SGL_EINVAL && strncmp(failure->text, "fuzz.txt", 8) == 0);
    assert(strpbrk(failure->text, "\n\r\x1b") == NULL);
}

static struct result read_all(const struct sgl_trace_options *options, char *const *urls,
                              uint32_t url_count)
{
    struct result result = {.code = 0};
    struct sgl_failure again;
    struct sgl_trace *trace;
    struct sgl_trace_row row;
    int64_t last_ns = 0;

    result.code = sgl_trace_open(&trace, options, &result.failure);
    if (result.code < 0) {
        check_failure(result.code, &result.failure);
        return result;
    }
    while ((result.code = sgl_trace_next(trace, &row, &result.failure)) > 0) {
        check_row(&row, (int64_t)result.row_count++, last_ns);
        last_ns = row.request.arrival_ns;
        assert(urls == NULL || row.recorded.worker_url == NULL ||
               has_url(urls, url_count, row.recorded.worker_url));
    }
    assert(sgl_trace_next(trace, &row, &again) == result.code);
    if (result.code < 0) {
        check_failure(result.code, &result.failure);
        assert(strcmp(again.text, result.failure.text) == 0);
    }
    result.digest = sgl_trace_facts(trace)->digest;
    assert(result.row_count == sgl_trace_facts(trace)->row_count);
    sgl_trace_close(trace);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct sgl_trace_options options = {.path = "fuzz.txt", .memory = bytes, .memory_size = size};
    struct sgl_failure failure;
    char **urls = NULL;
    uint32_t url_count = 0;

    const int code = sgl_trace_workers(&urls, &url_count, &options, &failure);
    const struct result in_window = read_all(&options, urls, url_count);
    assert(in_window.code < 0 || code == 0);
    free(urls);
    if (in_window.row_count == 0)
        return 0;
    /* A file of 65,536 rows and more may be refused in the window alone: no fuzzer makes one. */
    options.sorts_in_file = true;
    const struct result in_file = read_all(&options, NULL, 0);
    assert(in_file.code == in_window.code && in_file.digest == in_window.digest);
    assert(in_file.row_count == in_window.row_count);
    return 0;
}
