#include "load_file.h"

#include "core/absent.h"
#include "traces/new_file.h"
#include "traces/partial.h"
#include "traces/trace_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char header[] =
    "PREFILL_THROUGHPUT,DECODE_THROUGHPUT,AVG_LATENCY,req_id,success,error,host,"
    "has_generated_text,input_length,expected_output_length,actual_prompt_tokens,"
    "actual_output_tokens,actual_total_tokens,output_tokens_from_trace,decode_length,arrival_time,"
    "router_send_time,server_created_time,queue_time_start,queue_time_end,"
    "server_first_token_time,finish_time,server_latency,total_latency,ttft,"
    "prefill_token_throughput,decode_token_throughput,queue_time_in_router,queue_time_in_server,"
    "tokenize_time,pure_queue_time\n";

/* Up to a record's finish, over all successes and over those of its host. */
struct rates {
    double prompt;
    double output;
    double average_s; /* finish over the number finished */
    double host_prompt;
    double host_output;
};

static bool is_success(const struct sgl_load_record *record)
{
    return record->error[0] == '\0';
}

/* As the server counted, else as they were asked for. */
static int64_t prompt_tokens(const struct sgl_load_record *record)
{
    return record->prompt_tokens != SGL_ABSENT ? record->prompt_tokens : record->wanted_prompt;
}

/* ---- rates --------------------------------------------------------------------------------- */

struct host {
    const char *url;
    int64_t prompt;
    int64_t output;
};

static int by_finish(const void *left, const void *right)
{
    const struct sgl_load_record *a = *(const struct sgl_load_record *const *)left;
    const struct sgl_load_record *b = *(const struct sgl_load_record *const *)right;

    if (a->finish_ns != b->finish_ns)
        return a->finish_ns < b->finish_ns ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* The host's sums; hosts are few. NULL without memory. */
static struct host *find_host(struct host **hosts, size_t *count, const char *url)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*hosts)[i].url, url) == 0)
            return &(*hosts)[i];
    struct host *grown = realloc(*hosts, (*count + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    *hosts = grown;
    grown[*count] = (struct host){.url = url};
    return &grown[(*count)++];
}

static int fill_rates(struct rates *rates, const struct sgl_load_result *result,
                      const struct sgl_load_record **order, size_t count)
{
    struct host *hosts = NULL;
    size_t host_count = 0;
    int64_t prompt = 0;
    int64_t output = 0;
    int status = SGL_OK;

    for (size_t k = 0; k < count && status == SGL_OK; k++) {
        const struct sgl_load_record *record = order[k];
        struct host *host = find_host(&hosts, &host_count, record->worker_url);
        const double finish_s = (double)record->finish_ns / 1e9;
        if (host == NULL) {
            status = SGL_ENOMEM;
            break;
        }
        prompt += prompt_tokens(record);
        output += record->output_tokens;
        host->prompt += prompt_tokens(record);
        host->output += record->output_tokens;
        rates[record - result->records] = (struct rates){
            .prompt = (double)prompt / finish_s,
            .output = (double)output / finish_s,
            .average_s = finish_s / (double)(k + 1),
            .host_prompt = (double)host->prompt / finish_s,
            .host_output = (double)host->output / finish_s,
        };
    }
    free(hosts);
    return status;
}

/* One per record; NULL without memory. */
static struct rates *make_rates(const struct sgl_load_result *result)
{
    struct rates *rates = calloc(result->count + 1, sizeof *rates);
    const struct sgl_load_record **order = calloc(result->count + 1, sizeof *order);
    size_t count = 0;

    if (rates != NULL && order != NULL) {
        for (size_t i = 0; i < result->count; i++)
            if (is_success(&result->records[i]))
                order[count++] = &result->records[i];
        qsort(order, count, sizeof *order, by_finish);
        if (fill_rates(rates, result, order, count) == SGL_OK) {
            free(order);
            return rates;
        }
    }
    free(order);
    free(rates);
    return NULL;
}

/* ---- CSV ----------------------------------------------------------------------------------- */

static void put_text(FILE *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void put_count(FILE *out, int64_t value)
{
    if (value != SGL_ABSENT)
        fprintf(out, "%" PRId64, value);
    putc(',', out);
}

/* Seconds from `start_ns`; nothing when either is unknown or they lie the other way round. */
static void put_since(FILE *out, int64_t start_ns, int64_t ns, char end)
{
    if (start_ns != SGL_ABSENT && ns != SGL_ABSENT && ns >= start_ns)
        fprintf(out, "%" PRId64 ".%09" PRId64, (ns - start_ns) / 1000000000,
                (ns - start_ns) % 1000000000);
    putc(end, out);
}

static void put_rate(FILE *out, const struct sgl_load_record *record, double value)
{
    if (is_success(record))
        fprintf(out, "%.17g", value);
    putc(',', out);
}

static void put_record(FILE *out, const struct sgl_load_record *record, const struct rates *rates,
                       const char *url)
{
    put_rate(out, record, rates->prompt);
    put_rate(out, record, rates->output);
    put_rate(out, record, rates->average_s);
    put_text(out, record->request_id);
    fprintf(out, ",%s,%s,", is_success(record) ? "True" : "False", record->error);
    put_text(out, record->worker_url != NULL ? record->worker_url : url);
    fprintf(out, ",%s,", record->has_text ? "True" : "False");
    put_count(out, record->prompt_bytes > 0 ? (int64_t)record->prompt_bytes : SGL_ABSENT);
    put_count(out, record->wanted_output);
    put_count(out, prompt_tokens(record));
    put_count(out, record->output_tokens);
    put_count(out, prompt_tokens(record) + record->output_tokens);
    put_count(out, record->wanted_output);
    put_count(out, record->output_tokens);
    put_since(out, 0, record->intended_ns, ',');
    put_since(out, 0, record->sent_ns, ',');
    put_since(out, 0, record->server_created_ns, ',');
    put_since(out, 0, record->queue_start_ns, ',');
    put_since(out, 0, record->queue_end_ns, ',');
    put_since(out, 0, record->first_token_ns, ',');
    put_since(out, 0, record->finish_ns, ',');
    put_since(out, record->sent_ns, record->finish_ns, ',');
    put_since(out, record->intended_ns, record->finish_ns, ',');
    put_since(out, record->intended_ns, record->first_token_ns, ',');
    put_rate(out, record, rates->host_prompt);
    put_rate(out, record, rates->host_output);
    put_since(out, record->intended_ns, record->sent_ns, ',');
    put_since(out, record->server_created_ns, record->first_token_ns, ',');
    put_since(out, record->server_created_ns, record->queue_start_ns, ',');
    put_since(out, record->queue_start_ns, record->queue_end_ns, '\n');
}

static int write_csv(const char *path, const struct sgl_load_result *result, const char *url,
                     struct sgl_failure *failure)
{
    struct sgl_new_file file;
    int status = sgl_new_file_open(&file, path, failure);

    if (status != SGL_OK)
        return status;
    struct rates *rates = make_rates(result);
    /* Its own descriptor: closing the stream must leave that of the new file open. */
    const int descriptor = dup(file.descriptor);
    FILE *out = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (rates == NULL) {
        status = sgl_fail(failure, SGL_ENOMEM, "%s: no memory to write it", path);
    } else if (out == NULL) {
        status = sgl_fail_errno(failure, "cannot write", path);
    } else {
        fputs(header, out);
        for (size_t i = 0; i < result->count; i++)
            put_record(out, &result->records[i], &rates[i], url);
        if (fflush(out) != 0 || ferror(out) != 0)
            status = sgl_fail_errno(failure, "cannot write", path);
    }
    if (out != NULL)
        fclose(out);
    else if (descriptor >= 0)
        close(descriptor);
    free(rates);
    if (status == SGL_OK)
        return sgl_new_file_publish(&file, failure);
    sgl_new_file_discard(&file);
    return status;
}

/* ---- SQLite -------------------------------------------------------------------------------- */

static struct sgl_trace_row trace_row(const struct sgl_load_record *record, size_t index,
                                      const char *url)
{
    const bool has_token = record->first_token_ns != SGL_ABSENT;

    return (struct sgl_trace_row){
        .request =
            {
                .request = (int64_t)index,
                .arrival_ns = record->intended_ns,
                .prompt_tokens = prompt_tokens(record),
                .max_tokens = record->wanted_output,
                .priority = SGL_PRIORITY_NORMAL,
                .request_id = record->request_id,
                .prefix_ids = record->prefix_ids,
                .prefix_count = record->prefix_count,
                .prefix_block = record->prefix_count > 0 ? record->prefix_block : 0,
            },
        .output_tokens = record->output_tokens,
        .recorded =
            {
                .worker_url = record->worker_url != NULL ? record->worker_url : url,
                .router_send_ns = record->sent_ns,
                .queue_start_ns = record->queue_start_ns,
                .queue_end_ns = record->queue_end_ns,
                .first_token_ns = record->first_token_ns,
                .finish_ns = record->finish_ns,
                .server_latency_ns = record->finish_ns - record->sent_ns,
                .ttft_ns = has_token ? record->first_token_ns - record->intended_ns : SGL_ABSENT,
                .cached_tokens = record->cached_tokens,
                .has_success = true,
                .success = is_success(record),
                .error = is_success(record) ? NULL : record->error,
            },
    };
}

static int write_sqlite(const char *path, const struct sgl_load_result *result, const char *url,
                        struct sgl_failure *failure)
{
    struct sgl_trace_writer *writer = NULL;
    uint32_t columns = 0;

    for (size_t i = 0; i < result->count; i++) {
        const struct sgl_trace_row row = trace_row(&result->records[i], i, url);
        columns |= sgl_trace_row_columns(&row);
    }
    int status = sgl_trace_writer_open(
        &writer, &(struct sgl_trace_writer_options){.path = path, .columns = columns}, failure);
    for (size_t i = 0; i < result->count && status == SGL_OK; i++) {
        const struct sgl_trace_row row = trace_row(&result->records[i], i, url);
        status = sgl_trace_writer_write(writer, &row, failure);
    }
    if (status == SGL_OK)
        return sgl_trace_writer_close(writer, failure);
    sgl_trace_writer_discard(writer);
    return status;
}

/* ---- either -------------------------------------------------------------------------------- */

static bool is_csv(const char *path)
{
    const char *format = sgl_trace_writer_format(path);

    return format != NULL && strcmp(format, "csv") == 0;
}

/* Only our own kind may be replaced: a file of another header is somebody's. */
static int check_header(const char *path, struct sgl_failure *failure)
{
    char head[sizeof header];
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return SGL_OK; /* there is none, or opening it for writing will say what is wrong */
    const size_t size = fread(head, 1, sizeof header - 1, file);
    fclose(file);
    if (size == 0 || (size == sizeof header - 1 && memcmp(head, header, size) == 0))
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL,
                    "%s: is there and holds something else (choose another name, or remove it)",
                    path);
}

/* Can a CSV be written there? Said before requests are sent, for afterwards it would cost them. */
static int check_place(const char *path, struct sgl_failure *failure)
{
    struct sgl_new_file file;
    int status = check_header(path, failure);

    if (status == SGL_OK && (status = sgl_new_file_open(&file, path, failure)) == SGL_OK)
        sgl_new_file_discard(&file);
    return status;
}

int sgl_load_file_check(const char *path, struct sgl_failure *failure)
{
    if (sgl_trace_writer_format(path) == NULL)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: the suffix tells no kind of file, expected .csv, .db, .sqlite or "
                        ".sqlite3",
                        path);
    if (is_csv(path))
        return check_place(path, failure);
    /* The trace writer looks at what is there before anything else. */
    struct sgl_trace_writer *writer = NULL;
    const int status =
        sgl_trace_writer_open(&writer, &(struct sgl_trace_writer_options){.path = path}, failure);
    sgl_trace_writer_discard(writer);
    return status;
}

int sgl_load_file_write(const char *path, const struct sgl_load_result *result, const char *url,
                        struct sgl_failure *failure)
{
    if (!is_csv(path))
        return write_sqlite(path, result, url, failure);
    const int status = check_header(path, failure);
    return status == SGL_OK ? write_csv(path, result, url, failure) : status;
}
