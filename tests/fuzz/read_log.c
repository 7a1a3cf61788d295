#include "read_log.h"

#include "analysis/verify.h"
#include "traces/log_reader.h"
#include "traces/open.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *sgl_fuzz_scratch(char out[static SGL_FUZZ_PATH_MAX])
{
    snprintf(out, SGL_FUZZ_PATH_MAX, "%s/sglsim-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(out) == NULL)
        abort();
    return out;
}

static void check_failure(int code, const struct sgl_failure *failure)
{
    assert(code == SGL_EINVAL || code == SGL_EIO);
    assert(failure->text[0] != '\0' && strpbrk(failure->text, "\n\r\x1b") == NULL);
}

static void read_streams(const char *path)
{
    struct sgl_failure failure = {""};
    struct sgl_logged_candidate candidate;
    struct sgl_logged_outcome outcome;
    struct sgl_logged_input input;
    struct sgl_log_reader *reader;
    struct sgl_decision decision;
    uint64_t last = 0;

    int code = sgl_log_reader_open(&reader, path, &failure);
    if (code != SGL_OK) {
        check_failure(code, &failure);
        return;
    }
    while ((code = sgl_log_reader_next_input(reader, &input, &failure)) == 1) {
        assert(input.sequence > last);
        last = input.sequence;
    }
    assert(code == 0 || (check_failure(code, &failure), true));
    while ((code = sgl_log_reader_next_decision(reader, &decision, &failure)) == 1)
        ;
    assert(code == 0 || (check_failure(code, &failure), true));
    while ((code = sgl_log_reader_next_candidate(reader, &candidate, &failure)) == 1)
        ;
    assert(code == 0 || (check_failure(code, &failure), true));
    while ((code = sgl_log_reader_next_outcome(reader, &outcome, &failure)) == 1)
        ;
    assert(code == 0 || (check_failure(code, &failure), true));
    sgl_log_reader_close(reader);
}

static void verify(const char *path)
{
    struct sgl_verify_report report = {0};
    struct sgl_verify_report again = {0};
    struct sgl_failure failure = {""};
    const int code = sgl_verify(path, &report, &failure);

    assert(sgl_verify(path, &again, &failure) == code);
    if (code != SGL_OK) {
        check_failure(code, &failure);
        return;
    }
    assert(report.status == again.status && strcmp(report.text, again.text) == 0);
    assert(report.text[0] != '\0' && strpbrk(report.text, "\n\r\x1b") == NULL);
}

static void read_trace(const char *path)
{
    const struct sgl_trace_options options = {.path = path, .tracks_flights = true};
    struct sgl_failure failure = {""};
    struct sgl_trace *trace;
    struct sgl_trace_row row;
    int64_t last_ns = 0;

    int code = sgl_trace_open(&trace, &options, &failure);
    if (code < 0) {
        check_failure(code, &failure);
        return;
    }
    while ((code = sgl_trace_next(trace, &row, &failure)) > 0) {
        assert(row.request.arrival_ns >= last_ns && row.output_tokens != SGL_ABSENT);
        last_ns = row.request.arrival_ns;
    }
    assert(code == 0 || (check_failure(code, &failure), true));
    sgl_trace_close(trace);
}

void sgl_fuzz_read_log(const char *path)
{
    read_streams(path);
    verify(path);
    read_trace(path);
}
