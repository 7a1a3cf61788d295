#include "recording.h"

#include "core/text.h"
#include "recording_vllm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 1024

int sgl_recording_add(struct sgl_recording *recording, const struct sgl_recorded_request *request)
{
    if (recording->count == recording->capacity) {
        const size_t capacity =
            recording->capacity > 0 ? 2 * recording->capacity : (size_t)CAPACITY_FIRST;
        if (recording->count >= SGL_RECORDING_MAX)
            return SGL_ENOMEM;
        struct sgl_recorded_request *requests =
            realloc(recording->requests, capacity * sizeof *requests);
        if (requests == NULL)
            return SGL_ENOMEM;
        recording->requests = requests;
        recording->capacity = capacity;
    }
    struct sgl_recorded_request *added = &recording->requests[recording->count];
    const struct sgl_request *from = &request->row.request;
    uint64_t *ids = NULL;

    if (from->prefix_count > 0) {
        ids = malloc(from->prefix_count * sizeof *ids);
        if (ids == NULL)
            return SGL_ENOMEM;
        memcpy(ids, from->prefix_ids, from->prefix_count * sizeof *ids);
    }
    *added = *request;
    added->row.request.request = (int64_t)recording->count;
    added->row.request.request_id = NULL;
    added->row.request.tenant = NULL;
    added->row.request.session = NULL;
    added->row.request.model = NULL;
    added->row.request.prefix_ids = ids;
    added->row.recorded.worker_url = NULL;
    added->row.recorded.error = NULL;
    recording->count++;
    recording->failed_count += request->failed;
    return SGL_OK;
}

void sgl_recording_release(struct sgl_recording *recording)
{
    /* The ids are const for those who read them; here they are ours again. */
    for (size_t i = 0; i < recording->count; i++) {
        union {
            const uint64_t *borrowed;
            uint64_t *owned;
        } ids = {.borrowed = recording->requests[i].row.request.prefix_ids};
        free(ids.owned);
    }
    free(recording->requests);
    free(recording->urls);
    free(recording->cut);
    *recording = (struct sgl_recording){0};
}

static int64_t first_known(int64_t first, int64_t second)
{
    return first != SGL_ABSENT ? first : second;
}

static int64_t sum_known(int64_t base, int64_t duration)
{
    return base != SGL_ABSENT && duration != SGL_ABSENT ? base + duration : SGL_ABSENT;
}

/* The urls are sorted by strcmp and hold every one of the file. */
static uint32_t worker_of(const struct sgl_recording *recording, const char *url)
{
    uint32_t low = 0;
    uint32_t high = recording->worker_count;

    while (url != NULL && high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (strcmp(recording->urls[middle], url) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int take_row(struct sgl_recording *recording, const struct sgl_trace_row *row,
                    int64_t max_new_tokens)
{
    const struct sgl_recorded *recorded = &row->recorded;
    const int64_t arrival_ns = row->request.arrival_ns;
    const int64_t sent_ns = first_known(recorded->router_send_ns, arrival_ns);
    struct sgl_recorded_request request = {
        .row = *row,
        .worker = worker_of(recording, recorded->worker_url),
        .failed = (recorded->has_success && !recorded->success) || recorded->error != NULL,
        .at_worker_ns = sent_ns,
        .started_ns = recorded->queue_end_ns,
        .first_token_ns =
            first_known(recorded->first_token_ns, sum_known(arrival_ns, recorded->ttft_ns)),
        .finish_ns =
            first_known(recorded->finish_ns, sum_known(sent_ns, recorded->server_latency_ns)),
    };

    if (row->request.max_tokens == SGL_ABSENT)
        request.row.request.max_tokens = max_new_tokens;
    return sgl_recording_add(recording, &request);
}

/* Moves every request to its worker by the shortest way that was seen (recording.h). */
static void travel(struct sgl_recording *recording)
{
    int64_t way_ns = INT64_MAX;

    for (size_t i = 0; i < recording->count; i++) {
        const struct sgl_recorded_request *request = &recording->requests[i];
        const int64_t queued_ns = request->row.recorded.queue_start_ns;
        if (queued_ns != SGL_ABSENT && queued_ns - request->at_worker_ns < way_ns)
            way_ns = queued_ns - request->at_worker_ns;
    }
    if (way_ns == INT64_MAX || way_ns < 0)
        return;
    for (size_t i = 0; i < recording->count; i++)
        recording->requests[i].at_worker_ns += way_ns;
    recording->time_note = "at the worker: router_send_time and the shortest way from there to "
                           "queue_time_start";
}

static int load_trace(struct sgl_recording *recording, const struct sgl_trace_options *options,
                      int64_t max_new_tokens, struct sgl_failure *failure)
{
    struct sgl_trace *trace = NULL;
    struct sgl_trace_row row;
    int status = sgl_trace_workers(&recording->urls, &recording->worker_count, options, failure);

    if (status == SGL_OK)
        status = sgl_trace_open(&trace, options, failure);
    while (status == SGL_OK) {
        const int got = sgl_trace_next(trace, &row, failure);
        if (got <= 0) {
            status = got;
            break;
        }
        if (take_row(recording, &row, max_new_tokens) != SGL_OK)
            status = sgl_fail(failure, SGL_ENOMEM, "%s: does not fit in memory (at most %zu rows)",
                              options->path, SGL_RECORDING_MAX);
    }
    if (status == SGL_OK)
        recording->format = sgl_trace_facts(trace)->format;
    if (status == SGL_OK && sgl_trace_facts(trace)->cut != NULL) {
        recording->cut = strdup(sgl_trace_facts(trace)->cut);
        if (recording->cut == NULL)
            status = sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", options->path);
    }
    if (status == SGL_OK)
        travel(recording);
    sgl_trace_close(trace);
    return status;
}

/* A run without worker_url is one worker. */
static int name_workers(struct sgl_recording *recording)
{
    static const char name[] = "worker-0";

    if (recording->worker_count > 0)
        return SGL_OK;
    free(recording->urls); /* an empty array is memory too */
    recording->urls = malloc(sizeof *recording->urls + sizeof name);
    if (recording->urls == NULL)
        return SGL_ENOMEM;
    recording->urls[0] = (char *)(recording->urls + 1);
    memcpy(recording->urls[0], name, sizeof name);
    recording->worker_count = 1;
    return SGL_OK;
}

int sgl_recording_load(struct sgl_recording *recording, const struct sgl_trace_options *options,
                       int64_t max_new_tokens, struct sgl_failure *failure)
{
    *recording = (struct sgl_recording){0};
    int status = sgl_recording_load_vllm(recording, options->path, failure);
    if (status == 0)
        status = load_trace(recording, options, max_new_tokens, failure);
    else if (status > 0)
        status = SGL_OK;
    if (status == SGL_OK && name_workers(recording) != SGL_OK)
        status = sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", options->path);
    if (status != SGL_OK)
        sgl_recording_release(recording);
    return status;
}

struct place {
    int64_t time_ns;
    uint32_t number;
};

static int by_time(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;

    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

uint32_t *sgl_recording_order(const struct sgl_recording *recording)
{
    const size_t count = recording->count > 0 ? recording->count : 1;
    struct place *places = calloc(count, sizeof *places);
    uint32_t *order = malloc(count * sizeof *order);

    if (places == NULL || order == NULL) {
        free(places);
        free(order);
        return NULL;
    }
    for (size_t i = 0; i < recording->count; i++)
        places[i] = (struct place){recording->requests[i].at_worker_ns, (uint32_t)i};
    qsort(places, recording->count, sizeof *places, by_time);
    for (size_t i = 0; i < recording->count; i++)
        order[i] = places[i].number;
    free(places);
    return order;
}

static bool read_count(const char *text, size_t length, size_t *value_out)
{
    size_t value = 0;

    if (length == 0 || length > 12)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = 10 * value + (size_t)(text[i] - '0');
    }
    *value_out = value;
    return true;
}

int sgl_row_range_parse(struct sgl_row_range *range, const char *text, size_t count,
                        struct sgl_failure *failure)
{
    *range = (struct sgl_row_range){0, count};
    if (text == NULL || text[0] == '\0')
        return SGL_OK;
    const size_t length = strlen(text);
    const char *colon = strchr(text, ':');
    size_t percent;
    bool is_good;

    if (text[length - 1] == '%') {
        is_good = read_count(text, length - 1, &percent) && percent >= 1 && percent <= 100;
        if (is_good)
            range->to = count * percent / 100;
    } else if (colon != NULL) {
        const size_t left = (size_t)(colon - text);
        const size_t right = length - left - 1;
        is_good = (left == 0 || read_count(text, left, &range->from)) &&
                  (right == 0 || read_count(colon + 1, right, &range->to));
    } else {
        is_good = false;
    }
    if (!is_good)
        return sgl_fail(failure, SGL_EINVAL,
                        "rows '%.40s', expected FROM:TO (rows counted from 0, TO not included) or "
                        "the first N%%",
                        text);
    if (range->to > count)
        range->to = count;
    if (range->from >= range->to)
        return sgl_fail(failure, SGL_EINVAL, "rows '%.40s' hold none of the %zu requests", text,
                        count);
    return SGL_OK;
}
