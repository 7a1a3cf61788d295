/* Inputs of a log, joined with the rows they refer to. */
#include "log_parse.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

/* Room for `count` objects in a buffer that only grows. */
static void *reserve(void *memory, size_t *count_max, size_t count, size_t size)
{
    if (count <= *count_max)
        return memory;
    void *grown = realloc(memory, count * size);
    if (grown != NULL)
        *count_max = count;
    return grown;
}

static void read_prefix_ids(struct sgl_parse *row, struct sgl_log_reader *reader,
                            struct sgl_request *request)
{
    const struct sgl_log_value *value = &row->values[SGL_LOG_REQUEST_PREFIX_IDS];

    if (value->kind == SGL_LOG_NULL)
        return;
    if (value->size % 8 != 0 || value->size == 0) {
        sgl_parse_refuse(row, SGL_LOG_REQUEST_PREFIX_IDS, "a blob of one or more ids of 8 bytes");
        return;
    }
    const size_t count = value->size / 8;
    uint64_t *ids = reserve(reader->prefix_ids, &reader->prefix_max, count, sizeof *ids);
    if (ids == NULL) {
        row->status = sgl_fail(row->failure, SGL_ENOMEM, "%s: out of memory", reader->path);
        return;
    }
    reader->prefix_ids = ids;
    const unsigned char *bytes = value->bytes;
    for (size_t i = 0; i < count; i++) {
        ids[i] = 0;
        for (int b = 7; b >= 0; b--)
            ids[i] = ids[i] << 8 | bytes[8 * i + (size_t)b];
    }
    request->prefix_ids = ids;
    request->prefix_count = count;
}

/* "0 3 5": worker indices; the router checks that they ascend. */
static void read_excluded(struct sgl_parse *row, struct sgl_log_reader *reader,
                          struct sgl_route *route)
{
    const struct sgl_log_value *value = &row->values[SGL_LOG_INPUT_EXCLUDED];
    const char *at = sgl_parse_text(row, SGL_LOG_INPUT_EXCLUDED);
    uint32_t count = 0;

    if (at == NULL)
        return;
    uint32_t *excluded =
        reserve(reader->excluded, &reader->excluded_max, value->size / 2 + 1, sizeof *excluded);
    if (excluded == NULL) {
        row->status = sgl_fail(row->failure, SGL_ENOMEM, "%s: out of memory", reader->path);
        return;
    }
    reader->excluded = excluded;
    for (;;) {
        char *end;
        const unsigned long long number =
            *at >= '0' && *at <= '9' ? strtoull(at, &end, 10) : ULLONG_MAX;
        if (number >= SGL_NO_WORKER) {
            sgl_parse_refuse(row, SGL_LOG_INPUT_EXCLUDED,
                             "worker indices with one space between them");
            return;
        }
        excluded[count++] = (uint32_t)number;
        if (*end == '\0')
            break;
        at = *end == ' ' ? end + 1 : "";
    }
    route->excluded = excluded;
    route->excluded_count = count;
}

/* Copies the texts of a row, so that they outlive the next search in its table. */
static int keep_texts(struct sgl_log_reader *reader, enum sgl_log_table table,
                      struct sgl_log_value *values)
{
    const uint32_t column_count = sgl_log_layouts[table].column_count;
    size_t size = 1;

    for (uint32_t i = 0; i < column_count; i++)
        if (values[i].kind == SGL_LOG_TEXT)
            size += values[i].size + 1;
    char *at = reserve(reader->texts, &reader->texts_max, size, 1);
    if (at == NULL)
        return SGL_ENOMEM;
    reader->texts = at;
    for (uint32_t i = 0; i < column_count; i++)
        if (values[i].kind == SGL_LOG_TEXT) {
            memcpy(at, values[i].bytes, values[i].size + 1);
            values[i].bytes = at;
            at += values[i].size + 1;
        }
    return SGL_OK;
}

/* The row that another one refers to. */
static bool join(struct sgl_parse *row, struct sgl_log_reader *reader, enum sgl_log_table table,
                 int64_t key, struct sgl_parse *joined, struct sgl_log_value *values)
{
    *joined = (struct sgl_parse){
        .reader = reader, .table = table, .values = values, .failure = row->failure};
    if (row->status != SGL_OK)
        return false;
    const int found = reader->source->ops->find(reader->source, table, key, values, row->failure);
    if (found == 1 && keep_texts(reader, table, values) == SGL_OK)
        return true;
    if (found == 1) {
        row->status = sgl_fail(row->failure, SGL_ENOMEM, "%s: out of memory", reader->path);
        return false;
    }
    char own_key[SGL_LOG_VALUE_TEXT_MAX];
    row->status = found < 0
                      ? found
                      : sgl_fail(row->failure, SGL_EINVAL,
                                 "%s: table %s, %s %" PRId64 ": no such row, but input %s needs it",
                                 reader->path, sgl_log_layouts[table].name,
                                 sgl_log_layouts[table].columns[0].name, key,
                                 sgl_log_value_text(&row->values[0], own_key));
    return false;
}

static void read_route(struct sgl_parse *row, struct sgl_log_reader *reader,
                       struct sgl_logged_input *logged)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    struct sgl_parse joined;
    struct sgl_request *request = &logged->request;

    read_excluded(row, reader, &logged->input.route);
    logged->input.route.request = request;
    if (!join(row, reader, SGL_LOG_REQUEST, logged->input.request, &joined, values))
        return;
    *request = (struct sgl_request){
        .request = logged->input.request,
        .arrival_ns = sgl_parse_optional(&joined, SGL_LOG_REQUEST_ARRIVAL_NS),
        .prompt_tokens = sgl_parse_optional(&joined, SGL_LOG_REQUEST_PROMPT_TOKENS),
        .max_tokens = sgl_parse_optional(&joined, SGL_LOG_REQUEST_MAX_TOKENS),
        .priority = sgl_parse_priority(&joined, SGL_LOG_REQUEST_PRIORITY),
        .request_id = sgl_parse_text(&joined, SGL_LOG_REQUEST_REQUEST_ID),
        .tenant = sgl_parse_text(&joined, SGL_LOG_REQUEST_TENANT),
        .session = sgl_parse_text(&joined, SGL_LOG_REQUEST_SESSION),
        .model = sgl_parse_text(&joined, SGL_LOG_REQUEST_MODEL),
    };
    read_prefix_ids(&joined, reader, request);
    if (values[SGL_LOG_REQUEST_PREFIX_BLOCK].kind != SGL_LOG_NULL)
        request->prefix_block =
            (uint32_t)sgl_parse_integer(&joined, SGL_LOG_REQUEST_PREFIX_BLOCK, 1, UINT32_MAX);
    row->status = joined.status;
}

static void read_outcome(struct sgl_parse *row, struct sgl_log_reader *reader,
                         struct sgl_logged_input *logged)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    struct sgl_parse joined;

    if (!join(row, reader, SGL_LOG_OUTCOME, (int64_t)logged->sequence, &joined, values))
        return;
    logged->input.outcome = sgl_parse_outcome(&joined);
    logged->input.outcome.queue_length = sgl_parse_optional(row, SGL_LOG_INPUT_QUEUE_LENGTH);
    logged->input.outcome.reported_ns = sgl_parse_optional(row, SGL_LOG_INPUT_REPORTED_NS);
    row->status = joined.status;
}

static void read_added(struct sgl_parse *row, struct sgl_log_reader *reader,
                       struct sgl_logged_input *logged)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    struct sgl_parse joined;
    const uint32_t index = sgl_parse_worker(row, SGL_LOG_INPUT_WORKER);

    if (!join(row, reader, SGL_LOG_WORKER, index, &joined, values))
        return;
    logged->input.added.url = sgl_parse_text(&joined, SGL_LOG_WORKER_URL);
    logged->input.added.model = sgl_parse_text(&joined, SGL_LOG_WORKER_MODEL);
    row->status = joined.status;
}

static void read_request_columns(struct sgl_parse *row, struct sgl_input *input)
{
    input->request = sgl_parse_request(row, SGL_LOG_INPUT_REQUEST);
    input->attempt = sgl_parse_attempt(row, SGL_LOG_INPUT_ATTEMPT);
    input->pool = sgl_parse_pool(row, SGL_LOG_INPUT_POOL);
}

static void read_input(struct sgl_parse *row, struct sgl_log_reader *reader,
                       struct sgl_logged_input *logged)
{
    struct sgl_input *input = &logged->input;

    switch (input->kind) {
    case SGL_INPUT_ROUTE:
        read_request_columns(row, input);
        read_route(row, reader, logged);
        break;
    case SGL_INPUT_FIRST_TOKEN:
        read_request_columns(row, input);
        break;
    case SGL_INPUT_COMPLETE:
    case SGL_INPUT_CANCEL:
    case SGL_INPUT_REJECT:
        read_request_columns(row, input);
        read_outcome(row, reader, logged);
        break;
    case SGL_INPUT_ADD_WORKER:
        input->pool = sgl_parse_pool(row, SGL_LOG_INPUT_POOL);
        read_added(row, reader, logged);
        break;
    case SGL_INPUT_REMOVE_WORKER:
        input->worker = sgl_parse_worker(row, SGL_LOG_INPUT_WORKER);
        break;
    case SGL_INPUT_PROBE_RESULT:
    case SGL_INPUT_SET_HEALTH:
    case SGL_INPUT_SET_DRAINING:
        input->worker = sgl_parse_worker(row, SGL_LOG_INPUT_WORKER);
        input->is_on = sgl_parse_integer(row, SGL_LOG_INPUT_IS_ON, 0, 1) == 1;
        break;
    case SGL_INPUT_REPORT_LOAD:
        input->worker = sgl_parse_worker(row, SGL_LOG_INPUT_WORKER);
        input->report = (struct sgl_load_report){
            .queue_length = sgl_parse_optional(row, SGL_LOG_INPUT_QUEUE_LENGTH),
            .running = sgl_parse_optional(row, SGL_LOG_INPUT_RUNNING),
            .token_usage = sgl_parse_optional_real(row, SGL_LOG_INPUT_TOKEN_USAGE),
            .reported_ns = sgl_parse_optional(row, SGL_LOG_INPUT_REPORTED_NS),
        };
        break;
    case SGL_INPUT_FLUSH_CACHE:
    case SGL_INPUT_TICK:
    case SGL_INPUT_COUNT:
        break;
    }
}

int sgl_log_reader_next_input(struct sgl_log_reader *reader, struct sgl_logged_input *out,
                              struct sgl_failure *failure)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    struct sgl_parse row = {
        .reader = reader, .table = SGL_LOG_INPUT, .values = values, .failure = failure};
    const int got = reader->source->ops->next(reader->source, SGL_LOG_INPUT, values, failure);

    if (got != 1)
        return got;
    *out = (struct sgl_logged_input){.sequence = sgl_parse_sequence(&row, SGL_LOG_INPUT_SEQUENCE)};
    out->input.now_ns = sgl_parse_integer(&row, SGL_LOG_INPUT_TIME_NS, INT64_MIN, INT64_MAX);
    out->input.kind = sgl_parse_kind(&row, SGL_LOG_INPUT_KIND);
    read_input(&row, reader, out);
    return row.status == SGL_OK ? 1 : row.status;
}
