#include "load.h"

#include "core/absent.h"
#include "live/alarm.h"
#include "live/load_answer.h"
#include "live/load_body.h"
#include "live/load_wire.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PROGRESS_MS 100
#define NEVER_NS (INT64_C(1) << 62)

/* A request under way. */
struct flight {
    struct sgl_wire_exchange exchange; /* first: the wire hands it back */
    struct load *load;
    struct sgl_load_body body;
    struct sgl_load_answer answer;
    size_t record; /* its place in the result */
};

struct load {
    const struct sgl_load_options *options;
    struct sgl_source *source;
    struct sgl_load_result *result;
    struct sgl_failure *failure;
    int status;

    uv_loop_t loop;
    struct sgl_alarm alarm;
    uv_timer_t progress;
    uv_signal_t signals[2];
    struct sgl_wire *wire;

    int64_t began_ns; /* monotonic, time 0 of the run */
    struct sgl_trace_row row;
    bool has_row;
    uint64_t in_flight;
    uint64_t finished;
    size_t capacity; /* of the records */
    bool is_ending;
};

static void go_on(struct load *self);

static int64_t run_ns(const struct load *self, int64_t clock_ns)
{
    return clock_ns - self->began_ns;
}

/* ---- the end ------------------------------------------------------------------------------- */

/* Nothing is under way and nothing will be: what the loop watches is closed, so it ends. */
static void end(struct load *self)
{
    if (self->is_ending)
        return;
    self->is_ending = true;
    self->result->ended_ns = run_ns(self, sgl_alarm_now_ns());
    sgl_alarm_close(&self->alarm);
    sgl_wire_close(self->wire);
    uv_close((uv_handle_t *)&self->progress, NULL);
    for (size_t i = 0; i < sizeof self->signals / sizeof self->signals[0]; i++)
        uv_close((uv_handle_t *)&self->signals[i], NULL);
}

static void free_flight(struct flight *flight)
{
    sgl_load_answer_release(&flight->answer);
    free(flight->body.bytes);
    free(flight);
}

/* Gives up what is under way. */
static void interrupt(struct load *self)
{
    struct sgl_wire_exchange *exchange;

    self->has_row = false;
    while ((exchange = sgl_wire_any(self->wire)) != NULL) {
        struct flight *flight = (struct flight *)exchange;
        struct sgl_load_record *record = &self->result->records[flight->record];
        sgl_wire_cancel(self->wire, exchange);
        record->finish_ns = run_ns(self, sgl_alarm_now_ns());
        record->first_token_ns = flight->answer.first_token_ns;
        record->output_tokens = flight->answer.output_tokens;
        snprintf(record->error, sizeof record->error, "interrupted");
        self->in_flight--;
        free_flight(flight);
    }
    end(self);
}

static void fail(struct load *self, int status, const char *text)
{
    if (self->status == SGL_OK)
        self->status = text != NULL ? sgl_fail(self->failure, status, "%s", text) : status;
    self->has_row = false;
}

static void hear_signal(uv_signal_t *handle, int number)
{
    struct load *self = handle->data;

    (void)number;
    self->result->is_interrupted = true;
    interrupt(self);
}

/* ---- answers ------------------------------------------------------------------------------- */

/* A stamp of the server's clock in this run's time, when it can be true. */
static int64_t stamp_ns(const struct load *self, const struct sgl_load_record *record,
                        double epoch_s)
{
    /* A double holds epoch seconds to a quarter of a microsecond: as far as that it may be off. */
    const int64_t slack_ns = 1000;
    const double ns = epoch_s * 1e9 - (double)self->result->began_epoch_ns;

    if (isnan(epoch_s) || !(ns >= (double)(record->sent_ns - slack_ns)) ||
        !(ns <= (double)(record->finish_ns + slack_ns)))
        return SGL_ABSENT;
    return ns > 0 ? (int64_t)ns : 0;
}

static void hear_body(struct sgl_wire_exchange *exchange, const char *bytes, size_t size)
{
    struct flight *flight = (struct flight *)exchange;

    if (sgl_load_answer_take(&flight->answer, bytes, size,
                             run_ns(flight->load, sgl_alarm_now_ns())) != SGL_OK)
        flight->answer.error = "no_memory";
}

/* What the exchange came to, in one word; NULL: success. */
static const char *verdict(struct flight *flight, int64_t now_ns, char *out, size_t size)
{
    const struct sgl_wire_exchange *exchange = &flight->exchange;

    if (exchange->status != 0 && exchange->status != 200) {
        snprintf(out, size, "http_%ld", exchange->status);
        return out;
    }
    if (exchange->failure != NULL)
        return exchange->failure;
    sgl_load_answer_end(&flight->answer, now_ns);
    return flight->answer.error;
}

static void hear_done(struct sgl_wire_exchange *exchange)
{
    struct flight *flight = (struct flight *)exchange;
    struct load *self = flight->load;
    struct sgl_load_record *record = &self->result->records[flight->record];
    const struct sgl_load_answer *answer = &flight->answer;
    const int64_t now_ns = run_ns(self, sgl_alarm_now_ns());
    char text[sizeof record->error];
    const char *error = verdict(flight, now_ns, text, sizeof text);

    snprintf(record->error, sizeof record->error, "%s", error != NULL ? error : "");
    record->finish_ns = now_ns;
    record->first_token_ns = answer->first_token_ns;
    record->output_tokens = answer->output_tokens;
    record->prompt_tokens = answer->prompt_tokens;
    record->cached_tokens = answer->cached_tokens;
    record->has_text = answer->has_text;
    record->server_created_ns = stamp_ns(self, record, answer->server_created_s);
    record->queue_start_ns = stamp_ns(self, record, answer->queue_start_s);
    record->queue_end_ns = stamp_ns(self, record, answer->queue_end_s);
    record->worker_url =
        strdup(exchange->worker[0] != '\0' ? exchange->worker : self->options->url);
    if (record->worker_url == NULL)
        fail(self, SGL_ENOMEM, "out of memory");
    self->in_flight--;
    self->finished++;
    free_flight(flight);
    go_on(self);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void read_row(struct load *self)
{
    const uint64_t most = self->options->request_most;

    self->has_row = false;
    if (self->status != SGL_OK || (most > 0 && self->result->count >= most))
        return;
    const int status = self->source->ops->next(self->source, &self->row, self->failure);
    if (status < 0)
        fail(self, status, NULL);
    self->has_row = status == 1;
}

/* When the row in hand is to be sent, in the run's time. */
static int64_t intended_ns(const struct load *self)
{
    if (self->options->concurrency > 0)
        return run_ns(self, sgl_alarm_now_ns());
    const double ns = round((double)self->row.request.arrival_ns / self->options->rate_scale);
    return ns < (double)NEVER_NS ? (int64_t)ns : NEVER_NS;
}

static struct sgl_load_record *add_record(struct load *self)
{
    struct sgl_load_result *result = self->result;

    if (result->count == self->capacity) {
        const size_t capacity = 2 * self->capacity + 256;
        struct sgl_load_record *grown = realloc(result->records, capacity * sizeof *grown);
        if (grown == NULL)
            return NULL;
        result->records = grown;
        self->capacity = capacity;
    }
    return &result->records[result->count];
}

/* Ours to keep: the row goes with the next one. False: no memory. */
static bool fill_record(struct load *self, struct sgl_load_record *record)
{
    const struct sgl_request *request = &self->row.request;
    char name[32];

    *record = (struct sgl_load_record){
        .prefix_count = request->prefix_count,
        .prefix_block = request->prefix_block,
        .intended_ns = intended_ns(self),
        .first_token_ns = SGL_ABSENT,
        .wanted_prompt = request->prompt_tokens,
        .wanted_output = self->row.output_tokens,
        .prompt_tokens = SGL_ABSENT,
        .cached_tokens = SGL_ABSENT,
        .server_created_ns = SGL_ABSENT,
        .queue_start_ns = SGL_ABSENT,
        .queue_end_ns = SGL_ABSENT,
    };
    snprintf(name, sizeof name, "request-%lld", (long long)request->request);
    record->request_id = strdup(request->request_id != NULL ? request->request_id : name);
    if (record->request_id != NULL && request->prefix_count > 0) {
        const size_t size = request->prefix_count * sizeof *record->prefix_ids;
        record->prefix_ids = malloc(size);
        if (record->prefix_ids != NULL)
            memcpy(record->prefix_ids, request->prefix_ids, size);
    }
    if (record->request_id != NULL && (request->prefix_count == 0 || record->prefix_ids != NULL))
        return true;
    free(record->request_id);
    return false;
}

static bool send_row(struct load *self)
{
    struct sgl_load_record *record = add_record(self);
    struct flight *flight = record != NULL ? calloc(1, sizeof *flight) : NULL;

    if (flight == NULL || !fill_record(self, record)) {
        free(flight);
        return false;
    }
    flight->load = self;
    flight->record = self->result->count++; /* from here on the record is the result's */
    sgl_load_answer_begin(&flight->answer, self->options);
    if (sgl_load_body_make(&flight->body, self->options, &self->row, record->request_id) !=
        SGL_OK) {
        free_flight(flight);
        return false;
    }
    record->prompt_bytes = flight->body.prompt_bytes;
    flight->exchange.body = flight->body.bytes;
    flight->exchange.body_size = flight->body.size;
    flight->exchange.request_id = record->request_id;
    flight->exchange.timeout_ns = self->options->timeout_ns;
    record->sent_ns = run_ns(self, sgl_alarm_now_ns());
    if (self->options->concurrency > 0)
        record->intended_ns = record->sent_ns;
    record->finish_ns = record->sent_ns;
    if (sgl_wire_send(self->wire, &flight->exchange) != SGL_OK) {
        free_flight(flight);
        return false;
    }
    self->in_flight++;
    return true;
}

/* Sends what is due, and sets the alarm for the next. */
static void go_on(struct load *self)
{
    const uint32_t concurrency = self->options->concurrency;

    while (self->has_row && (concurrency == 0 || self->in_flight < concurrency)) {
        const int64_t due_ns = intended_ns(self);
        if (concurrency == 0 && due_ns > run_ns(self, sgl_alarm_now_ns())) {
            sgl_alarm_set(&self->alarm, self->began_ns + due_ns);
            break;
        }
        if (!send_row(self)) {
            fail(self, SGL_ENOMEM, "out of memory");
            break;
        }
        read_row(self);
    }
    if (self->status != SGL_OK)
        interrupt(self);
    else if (!self->has_row && self->in_flight == 0)
        end(self);
}

static void hear_alarm(struct sgl_alarm *alarm, int64_t now_ns)
{
    (void)now_ns;
    go_on(alarm->context);
}

static void hear_progress(uv_timer_t *timer)
{
    struct load *self = timer->data;

    self->options->progress(self->options->context, self->finished, self->in_flight,
                            run_ns(self, sgl_alarm_now_ns()));
}

/* ---- the run ------------------------------------------------------------------------------- */

/* A connection is a descriptor: as many as the system allows us. */
static void raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_wire(struct load *self)
{
    const char *url = self->options->url;
    char whole[1024];
    size_t length = strlen(url);

    while (length > 0 && url[length - 1] == '/')
        length--;
    const int size = snprintf(whole, sizeof whole, "%.*s%s", (int)length, url,
                              sgl_load_path(self->options->api));
    if (size < 0 || (size_t)size >= sizeof whole)
        return sgl_fail(self->failure, SGL_EINVAL, "the url is over 1,000 bytes");
    return sgl_wire_open(&self->wire,
                         &(struct sgl_wire_options){
                             .loop = &self->loop,
                             .url = whole,
                             .header = self->options->header,
                             .body = hear_body,
                             .done = hear_done,
                         },
                         self->failure);
}

static void start(struct load *self)
{
    static const int numbers[] = {SIGINT, SIGTERM};

    uv_timer_init(&self->loop, &self->progress);
    self->progress.data = self;
    if (self->options->progress != NULL)
        uv_timer_start(&self->progress, hear_progress, PROGRESS_MS, PROGRESS_MS);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uv_signal_init(&self->loop, &self->signals[i]);
        self->signals[i].data = self;
        uv_signal_start(&self->signals[i], hear_signal, numbers[i]);
    }
    self->began_ns = sgl_alarm_now_ns();
    self->result->began_epoch_ns = sgl_alarm_epoch_ns();
    read_row(self);
    go_on(self);
}

int sgl_load_run(const struct sgl_load_options *options, struct sgl_source *source,
                 struct sgl_load_result *result, struct sgl_failure *failure)
{
    struct load self = {.options = options, .source = source, .result = result, .failure = failure};

    *result = (struct sgl_load_result){0};
    raise_limits();
    if (uv_loop_init(&self.loop) != 0)
        return sgl_fail(failure, SGL_EIO, "cannot make an event loop");
    self.status = sgl_alarm_open(&self.alarm, &self.loop, hear_alarm, &self, failure);
    if (self.status == SGL_OK) {
        self.status = open_wire(&self);
        if (self.status == SGL_OK)
            start(&self);
        else
            sgl_alarm_close(&self.alarm);
    }
    uv_run(&self.loop, UV_RUN_DEFAULT);
    sgl_wire_free(self.wire);
    uv_loop_close(&self.loop);
    return self.status;
}

void sgl_load_result_release(struct sgl_load_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        free(result->records[i].request_id);
        free(result->records[i].worker_url);
        free(result->records[i].prefix_ids);
    }
    free(result->records);
    *result = (struct sgl_load_result){0};
}
