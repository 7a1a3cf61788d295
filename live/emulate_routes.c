/*
 * emulate_routes.c - what can be asked of an emulated worker beside tokens. Fields are those of
 * SGLang's server (0.4 to 0.5) that clients and routers read; what an emulator cannot know is left
 * out.
 */
#include "emulate_worker.h"

#include "core/version.h"
#include "traces/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number, or null where there is none. */
static void put_number(struct sgl_buffer *out, const char *name, double value)
{
    if (isfinite(value))
        sgl_buffer_format(out, ",\"%s\":%.17g", name, value);
    else
        sgl_buffer_format(out, ",\"%s\":null", name);
}

/* A text, quoted. */
static void put_text(struct sgl_buffer *out, const char *name, const char *text)
{
    char *object = sgl_json_line(json_pack("{s:s}", name, text));

    if (object == NULL)
        out->has_failed = true;
    else
        sgl_buffer_append(out, object + 1, strlen(object) - 2); /* without its braces */
    free(object);
}

/* "null" is SGLang's word for a worker that has no leg. */
static void put_role(struct sgl_emulate_worker *worker, struct sgl_buffer *out)
{
    static const char *const modes[] = {
        [SGL_EMULATE_REGULAR] = "null",
        [SGL_EMULATE_PREFILL] = "prefill",
        [SGL_EMULATE_DECODE] = "decode",
    };

    sgl_buffer_format(out, ",\"disaggregation_mode\":\"%s\"", modes[worker->role]);
    if (worker->role == SGL_EMULATE_PREFILL)
        sgl_buffer_format(out, ",\"disaggregation_bootstrap_port\":%u", worker->bootstrap_port);
}

/* Legs of pairs: prompts that are kept, and legs that wait for memory. */
static void count_legs(const struct sgl_emulate_worker *worker, uint32_t *kept, uint32_t *held)
{
    *kept = *held = 0;
    for (uint32_t handle = 0; handle < worker->flight_count; handle++) {
        *kept += worker->flights[handle]->stage == SGL_EMULATE_KEPT;
        *held += worker->flights[handle]->stage == SGL_EMULATE_HELD &&
                 worker->flights[handle]->due != NULL;
    }
}

static void put_server_info(struct sgl_emulate_worker *worker, struct sgl_buffer *out)
{
    const struct sgl_emulate_options *options = worker->run->options;
    struct sgl_emulated_load load;
    uint32_t kept;
    uint32_t held;
    char text[64];

    sgl_emulator_load(worker->emulator, &load);
    snprintf(text, sizeof text, "sglsim-emulate-%s", SGL_VERSION);
    sgl_buffer_append_text(out, "{");
    put_text(out, "model_path", options->model);
    sgl_buffer_append_text(out, ",");
    put_text(out, "served_model_name", options->model);
    sgl_buffer_append_text(out, ",");
    put_text(out, "version", text);
    sgl_buffer_format(out, ",\"status\":\"ready\",\"tp_size\":1,\"dp_size\":1,\"port\":%u",
                      worker->port);
    put_role(worker, out);
    put_number(out, "page_size", sgl_emulator_parameter(worker->emulator, "page_size"));
    put_number(out, "chunked_prefill_size",
               sgl_emulator_parameter(worker->emulator, "chunked_prefill_size"));
    put_number(out, "max_prefill_tokens",
               sgl_emulator_parameter(worker->emulator, "max_prefill_tokens"));
    put_number(out, "max_running_requests",
               sgl_emulator_parameter(worker->emulator, "max_running_requests"));
    /* 0 is unlimited there; a server has a number. */
    const double kv_tokens = sgl_emulator_parameter(worker->emulator, "kv_tokens");
    put_number(out, "max_total_num_tokens", kv_tokens > 0 ? kv_tokens : (double)NAN);
    put_number(out, "time_scale", options->time_scale);
    count_legs(worker, &kept, &held);
    sgl_buffer_format(out,
                      ",\"internal_states\":[{\"load\":%" PRId64 ",\"requests\":%" PRIu64
                      ",\"finished\":%" PRIu64 ",\"aborted\":%" PRIu64 ",\"output_tokens\":%" PRId64
                      ",\"rooms\":%" PRIu32 ",\"kept\":%" PRIu32 ",\"waiting_for_memory\":%" PRIu32
                      "}]}",
                      load.queue_length + load.running, worker->requests, worker->finished,
                      worker->aborted, worker->output_tokens, worker->rooms.count, kept, held);
}

static void put_model_info(struct sgl_emulate_worker *worker, struct sgl_buffer *out)
{
    sgl_buffer_append_text(out, "{");
    put_text(out, "model_path", worker->run->options->model);
    sgl_buffer_append_text(out, ",");
    put_text(out, "tokenizer_path", worker->run->options->model);
    sgl_buffer_append_text(out, ",\"is_generation\":true,\"preferred_sampling_params\":null,"
                                "\"weight_version\":\"default\",\"has_image_understanding\":false,"
                                "\"has_audio_understanding\":false}");
}

static void put_models(struct sgl_emulate_worker *worker, struct sgl_buffer *out)
{
    const struct sgl_emulate_run *run = worker->run;

    sgl_buffer_append_text(out, "{\"object\":\"list\",\"data\":[{");
    put_text(out, "id", run->options->model);
    sgl_buffer_append_text(out, ",");
    put_text(out, "root", run->options->model);
    sgl_buffer_format(out,
                      ",\"object\":\"model\",\"created\":%" PRId64
                      ",\"owned_by\":\"sglang\",\"parent\":null,\"max_model_len\":null}]}",
                      run->began_epoch_ns / 1000000000);
}

/* Tokens in KV memory, where it is limited. */
static double used_tokens(const struct sgl_emulate_worker *worker,
                          const struct sgl_emulated_load *load)
{
    return round(load->token_usage * sgl_emulator_parameter(worker->emulator, "kv_tokens"));
}

static void put_load(struct sgl_emulate_worker *worker, struct sgl_buffer *out)
{
    struct sgl_emulated_load load;

    sgl_emulator_load(worker->emulator, &load);
    sgl_buffer_format(out, "[{\"dp_rank\":0,\"num_reqs\":%" PRId64 ",\"num_waiting_reqs\":%" PRId64,
                      load.queue_length + load.running, load.queue_length);
    put_number(out, "num_tokens", used_tokens(worker, &load));
    sgl_buffer_append_text(out, "}]");
}

static void put_loads(struct sgl_emulate_worker *worker, struct sgl_buffer *out)
{
    struct sgl_emulated_load load;

    sgl_emulator_load(worker->emulator, &load);
    sgl_buffer_format(out,
                      "{\"timestamp\":%.6f,\"dp_rank_count\":1,\"loads\":[{\"dp_rank\":0,"
                      "\"num_running_reqs\":%" PRId64 ",\"num_waiting_reqs\":%" PRId64
                      ",\"num_total_reqs\":%" PRId64,
                      (double)sgl_alarm_epoch_ns() / 1e9, load.running, load.queue_length,
                      load.running + load.queue_length);
    put_number(out, "num_used_tokens", used_tokens(worker, &load));
    put_number(out, "token_usage", load.token_usage);
    sgl_buffer_format(out,
                      "}],\"aggregate\":{\"total_running_reqs\":%" PRId64
                      ",\"total_waiting_reqs\":%" PRId64 ",\"total_reqs\":%" PRId64 "}}",
                      load.running, load.queue_length, load.running + load.queue_length);
}

/* ---- answers ------------------------------------------------------------------------------- */

static void respond_text(struct sgl_http_exchange *exchange, int status, const char *text)
{
    const struct sgl_http_field field = sgl_http_field("Content-Type", "text/plain");

    sgl_http_respond(exchange, status, &field, 1, text, strlen(text));
}

static void respond_put(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange,
                        void (*put)(struct sgl_emulate_worker *worker, struct sgl_buffer *out))
{
    struct sgl_buffer body = {0};

    put(worker, &body);
    sgl_emulate_respond_json(exchange, 200, &body);
}

static void respond_health(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange)
{
    const bool is_well = !worker->faults.is_unhealthy;

    respond_text(exchange, is_well ? 200 : 503, "");
}

static void respond_server_info(struct sgl_emulate_worker *worker,
                                struct sgl_http_exchange *exchange)
{
    respond_put(worker, exchange, put_server_info);
}

static void respond_model_info(struct sgl_emulate_worker *worker,
                               struct sgl_http_exchange *exchange)
{
    respond_put(worker, exchange, put_model_info);
}

static void respond_models(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange)
{
    respond_put(worker, exchange, put_models);
}

static void respond_load(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange)
{
    sgl_emulate_advance(worker);
    respond_put(worker, exchange, put_load);
}

static void respond_loads(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange)
{
    sgl_emulate_advance(worker);
    respond_put(worker, exchange, put_loads);
}

/* One that hangs is not: nothing ends it. */
static bool is_under_way(const struct sgl_emulate_flight *flight)
{
    return flight->stage == SGL_EMULATE_ENGINE || flight->stage == SGL_EMULATE_KEPT ||
           flight->due != NULL;
}

static bool is_idle(const struct sgl_emulate_worker *worker)
{
    for (uint32_t handle = 0; handle < worker->flight_count; handle++)
        if (is_under_way(worker->flights[handle]))
            return false;
    return true;
}

/* As SGLang: only an idle server flushes. */
static void flush_cache(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange)
{
    sgl_emulate_advance(worker);
    if (!is_idle(worker)) {
        respond_text(exchange, 400, "Flush cache failed: requests are under way.\n");
        return;
    }
    sgl_alarm_set(&worker->alarm, SGL_ALARM_NEVER);
    if (sgl_emulator_reset(worker->emulator, worker->run->failure) != SGL_OK) {
        sgl_emulate_stop(worker->run, SGL_ENOMEM, NULL);
        respond_text(exchange, 503, "out of memory\n");
        return;
    }
    respond_text(exchange, 200, "Cache flushed.\n");
}

static void abort_request(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange)
{
    json_t *root = json_loadb(exchange->body, exchange->body_size, 0, NULL);
    const json_t *rid = json_object_get(root, "rid");
    const bool is_all = json_is_true(json_object_get(root, "abort_all"));

    if (!is_all && !json_is_string(rid)) {
        json_decref(root);
        sgl_http_respond_error(exchange, 400, "BadRequestError",
                               "expected {\"rid\": \"...\"} or {\"abort_all\": true}", NULL, 0);
        return;
    }
    sgl_emulate_advance(worker);
    for (uint32_t handle = 0; handle < worker->flight_count; handle++) {
        struct sgl_emulate_flight *flight = worker->flights[handle];
        if (!is_under_way(flight) || flight->question == NULL)
            continue;
        const char *own = flight->question->request.parts[flight->part].rid;
        if (is_all || (own != NULL && strcmp(own, json_string_value(rid)) == 0))
            sgl_emulate_abort(flight, "Abort in waiting queue or while running");
    }
    json_decref(root);
    sgl_emulate_advance(worker);
    respond_text(exchange, 200, "");
}

static void show_faults(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange)
{
    struct sgl_buffer body = {0};

    sgl_emulate_faults_put(&body, &worker->faults);
    sgl_emulate_respond_json(exchange, 200, &body);
}

static void set_faults(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange)
{
    struct sgl_emulate_run *run = worker->run;
    struct sgl_emulate_faults faults;
    struct sgl_failure failure = {.text = ""};
    uint32_t index = worker->index;
    uint64_t for_ms;

    int status = sgl_emulate_faults_read(&faults, &for_ms, &index, exchange->body,
                                         exchange->body_size, &failure);
    if (status == SGL_OK && index >= run->worker_count)
        status = sgl_fail(&failure, SGL_EINVAL, "worker %u, expected one of 0 to %u", index,
                          run->worker_count - 1);
    if (status != SGL_OK) {
        sgl_http_respond_error(exchange, 400, "BadRequestError", failure.text, NULL, 0);
        return;
    }
    sgl_emulate_set_faults(&run->workers[index], &faults, for_ms);
    show_faults(&run->workers[index], exchange);
}

struct route {
    const char *method;
    const char *path;
    void (*answer)(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange);
};

static const struct route routes[] = {
    {"GET", "/health", respond_health},
    {"GET", "/health_generate", respond_health},
    {"GET", "/get_server_info", respond_server_info},
    {"GET", "/server_info", respond_server_info},
    {"GET", "/get_model_info", respond_model_info},
    {"GET", "/model_info", respond_model_info},
    {"GET", "/v1/models", respond_models},
    {"GET", "/get_load", respond_load},
    {"GET", "/v1/loads", respond_loads},
    {"POST", "/flush_cache", flush_cache},
    {"GET", "/flush_cache", flush_cache},
    {"POST", "/abort_request", abort_request},
    {"GET", "/emulate/faults", show_faults},
    {"POST", "/emulate/faults", set_faults},
};

bool sgl_emulate_route(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange,
                       const char *path, size_t path_size)
{
    bool is_known = false;

    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strlen(routes[i].path) != path_size || memcmp(path, routes[i].path, path_size) != 0)
            continue;
        if (strcmp(exchange->method, routes[i].method) == 0) {
            routes[i].answer(worker, exchange);
            return true;
        }
        is_known = true;
    }
    if (is_known)
        sgl_http_respond_error(exchange, 405, "method_not_allowed", "another method is expected",
                               NULL, 0);
    return is_known;
}
