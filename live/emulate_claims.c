/*
 * Where a decode worker fetches what a prefill worker computed: HTTP on the bootstrap port, in one
 * process as between several.
 *
 *     decode                                     prefill, at bootstrap_host:bootstrap_port
 *       POST /emulate/room {"room":73,"to":"..."}  ->  waits in room 73 for the prompt
 *       <-  200 {"prompt_tokens":300,"cached_tokens":0,"wait_ns":850000}
 *       comes back in wait_ns: the memory is there     lets go of it then
 *
 *       hangs up                                   ->  the prefill leg fails
 *       <-  410                                        its leg has ended: nothing will come
 *       <-  409                                        another waits in that room
 *
 * "to" names the decode worker's wire (emulate_wires.h). SGLang's workers speak a protocol of their
 * own here, which nobody else sees.
 *
 * Bounds: rooms and connections of a port, addresses that this process asks (ADDRESSES_MAX, for
 * clients name them), bytes of an answer.
 */
#include "emulate_worker.h"

#include "live/upstream.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/emulate/room"
#define ADDRESSES_MAX 1024
#define ADDRESS_SIZE (SGL_EMULATE_HOST_MAX + 24)
#define CONNECT_TIMEOUT_MS 5000
#define CONNECTIONS_KEPT 256
#define ANSWER_MAX 1024
#define DEAD "Failed to get kvcache from prefill instance, it might be dead"

/* A question that is out, or was cancelled. */
struct sgl_emulate_claim {
    struct sgl_call call; /* first */
    struct sgl_emulate_flight *flight;
    struct sgl_buffer answer;
    char body[96 + SGL_EMULATE_WIRE_NAME_SIZE];
};

struct sgl_emulate_prefills {
    struct sgl_upstream *upstream;
    char (*addresses)[ADDRESS_SIZE];
    uint32_t address_count;
};

/* ---- the prefill worker's side ------------------------------------------------------------- */

static void refuse(struct sgl_http_exchange *exchange, int status, const char *message)
{
    sgl_http_respond_error(exchange, status, "BadRequestError", message, NULL, 0);
}

static void hear_claim(struct sgl_emulate_worker *worker, struct sgl_http_exchange *exchange)
{
    json_t *root = json_loadb(exchange->body, exchange->body_size, 0, NULL);
    const json_t *number = json_object_get(root, "room");
    const char *to = json_string_value(json_object_get(root, "to"));

    if (!json_is_integer(number) || json_integer_value(number) < 0 || to == NULL) {
        json_decref(root);
        refuse(exchange, 400, "expected {\"room\": N, \"to\": \"...\"}");
        return;
    }
    sgl_emulate_advance(worker);
    const uint32_t wire = sgl_emulate_wires_find(worker->run->wires, to);
    struct sgl_emulate_room *room =
        wire != SGL_EMULATE_NO_WIRE
            ? sgl_emulate_rooms_open(&worker->rooms, json_integer_value(number))
            : NULL;
    json_decref(root);
    if (room == NULL) {
        refuse(exchange, 503, "too many rooms or decode workers, or out of memory");
        return;
    }
    if (room->claim != NULL) {
        refuse(exchange, 409, "another decode worker waits in that room");
        return;
    }
    room->claim = exchange;
    room->wire = wire;
    exchange->context = room;
    sgl_emulate_send_memory(room, worker->now_ns);
    sgl_emulate_advance(worker);
}

static void hear_request(void *context, struct sgl_http_exchange *exchange)
{
    const bool is_claim = strcmp(exchange->target, PATH) == 0;

    if (is_claim && strcmp(exchange->method, "POST") == 0)
        hear_claim(context, exchange);
    else if (strcmp(exchange->target, "/health") == 0 && strcmp(exchange->method, "GET") == 0)
        sgl_http_respond(exchange, 200, NULL, 0, "OK", 2);
    else
        refuse(exchange, is_claim ? 405 : 404, "expected POST " PATH " or GET /health");
}

/* Its decode leg has ended: nobody will take the memory. */
static void hear_gone(void *context, struct sgl_http_exchange *exchange)
{
    struct sgl_emulate_worker *worker = context;
    struct sgl_emulate_room *room = exchange->context;

    if (room == NULL)
        return;
    room->claim = NULL;
    if (room->flight == NULL) {
        sgl_emulate_rooms_close(&worker->rooms, room);
        return;
    }
    sgl_emulate_fail_leg(room->flight, "Prefill transfer", "Decode instance could be dead");
    sgl_emulate_stay_awake(worker->run);
    sgl_emulate_advance(worker);
}

const struct sgl_http_handler sgl_emulate_bootstrap_handler = {
    .request = hear_request,
    .gone = hear_gone,
};

void sgl_emulate_answer_claim(struct sgl_emulate_room *room, const struct sgl_emulate_grant *grant)
{
    struct sgl_buffer body = {0};

    if (grant == NULL) {
        refuse(room->claim, 410, "the prefill leg has ended");
    } else {
        sgl_buffer_format(&body,
                          "{\"prompt_tokens\":%" PRId64 ",\"cached_tokens\":%" PRId64
                          ",\"wait_ns\":%" PRId64 "}",
                          grant->prompt_tokens, grant->cached_tokens, grant->wait_ns);
        sgl_emulate_respond_json(room->claim, 200, &body);
    }
    room->claim = NULL;
    sgl_emulate_stay_awake(room->flight->worker->run);
}

/* ---- the decode worker's side -------------------------------------------------------------- */

static void free_claim(struct sgl_emulate_claim *claim)
{
    sgl_call_release(&claim->call);
    sgl_buffer_release(&claim->answer);
    free(claim);
}

void sgl_emulate_unclaim(struct sgl_emulate_flight *flight)
{
    struct sgl_emulate_claim *claim = flight->claim;

    flight->claim = NULL;
    sgl_call_cancel(&claim->call);
    free_claim(claim);
}

/* The numbers of a grant. False: it is none. */
static bool read_grant(const struct sgl_buffer *answer, struct sgl_emulate_grant *grant)
{
    json_t *root = json_loadb(answer->bytes != NULL ? answer->bytes : "", answer->size, 0, NULL);
    const json_t *tokens = json_object_get(root, "prompt_tokens");
    const json_t *cached = json_object_get(root, "cached_tokens");
    const json_t *wait = json_object_get(root, "wait_ns");
    const bool is_good = json_is_integer(tokens) && json_is_integer(cached) &&
                         json_is_integer(wait) && json_integer_value(wait) >= 0;

    *grant = (struct sgl_emulate_grant){
        .prompt_tokens = json_integer_value(tokens),
        .cached_tokens = json_integer_value(cached),
        .wait_ns = json_integer_value(wait),
    };
    json_decref(root);
    return is_good;
}

static void on_head(struct sgl_call *call)
{
    (void)call; /* its status is looked at when all is there */
}

static bool on_body(struct sgl_call *call, const char *bytes, size_t size)
{
    struct sgl_emulate_claim *claim = (struct sgl_emulate_claim *)(void *)call;

    if (claim->answer.size + size <= ANSWER_MAX)
        sgl_buffer_append(&claim->answer, bytes, size);
    return true;
}

static bool has_not_connected(const char *error)
{
    return strcmp(error, "connection_refused") == 0 || strcmp(error, "connect_timeout") == 0;
}

static void on_done(struct sgl_call *call)
{
    struct sgl_emulate_claim *claim = (struct sgl_emulate_claim *)(void *)call;
    struct sgl_emulate_flight *flight = claim->flight;
    struct sgl_emulate_worker *worker = flight->worker;
    struct sgl_emulate_grant grant;
    char why[ADDRESS_SIZE + 80];

    flight->claim = NULL;
    if (call->error != NULL && has_not_connected(call->error)) {
        snprintf(why, sizeof why, "Could not fetch prefill parallel info from bootstrap_addr: %s",
                 call->worker_url + strlen("http://"));
        sgl_emulate_fail_leg(flight, "Decode handshake", why);
    } else if (call->error == NULL && call->status == 409) {
        sgl_emulate_fail(flight->question, 400, "bootstrap_room is taken by another request");
    } else if (call->error != NULL || call->status != 200 || !read_grant(&claim->answer, &grant)) {
        sgl_emulate_fail_leg(flight, "Decode transfer", DEAD);
    } else {
        sgl_emulate_claimed(flight, &grant);
    }
    free_claim(claim);
    sgl_emulate_advance(worker);
}

/* The number of the prefill worker's address; ADDRESSES_MAX: too many. */
static uint32_t find_address(struct sgl_emulate_prefills *prefills,
                             const struct sgl_emulate_meeting *meeting, uint16_t null_port)
{
    const bool is_bare_v6 = strchr(meeting->host, ':') != NULL && meeting->host[0] != '[';
    char address[ADDRESS_SIZE];

    snprintf(address, sizeof address, is_bare_v6 ? "http://[%s]:%d" : "http://%s:%d", meeting->host,
             meeting->port == SGL_EMULATE_NO_PORT ? null_port : (int)meeting->port);
    for (uint32_t i = 0; i < prefills->address_count; i++)
        if (strcmp(prefills->addresses[i], address) == 0)
            return i;
    if (prefills->address_count == ADDRESSES_MAX)
        return ADDRESSES_MAX;
    memcpy(prefills->addresses[prefills->address_count], address, strlen(address) + 1);
    return prefills->address_count++;
}

/* What a null port means here: as told, or, where ports are any free ones, that of the first
 * prefill worker of this process. */
static uint16_t null_port(const struct sgl_emulate_run *run)
{
    const uint16_t port = run->options->bootstrap_port;

    for (uint32_t i = 0; port == 0 && i < run->worker_count; i++)
        if (run->workers[i].role == SGL_EMULATE_PREFILL)
            return run->workers[i].bootstrap_port;
    return port;
}

static bool start(struct sgl_emulate_claim *claim, const struct sgl_emulate_meeting *meeting)
{
    static struct sgl_http_field field = {"Content-Type", "application/json", 12, 16};
    const struct sgl_emulate_worker *worker = claim->flight->worker;
    struct sgl_emulate_prefills *prefills = worker->run->prefills;
    const uint32_t address = find_address(prefills, meeting, null_port(worker->run));

    if (address == ADDRESSES_MAX)
        return false;
    snprintf(claim->body, sizeof claim->body, "{\"room\":%" PRId64 ",\"to\":\"%s\"}", meeting->room,
             sgl_emulate_wires_name(worker->run->wires, worker->index));
    claim->call = (struct sgl_call){
        .worker = address,
        .worker_url = prefills->addresses[address],
        .target = PATH,
        .is_post = true,
        .body = claim->body,
        .body_size = strlen(claim->body),
        .fields = &field,
        .field_count = 1,
        .on_head = on_head,
        .on_body = on_body,
        .on_done = on_done,
    };
    return sgl_call_start(prefills->upstream, &claim->call) == SGL_OK;
}

void sgl_emulate_claim(struct sgl_emulate_flight *flight)
{
    const struct sgl_emulate_question *question = flight->question;
    struct sgl_emulate_claim *claim = calloc(1, sizeof *claim);

    if (claim == NULL) {
        sgl_emulate_fail_leg(flight, "Decode handshake", "out of memory");
        return;
    }
    claim->flight = flight;
    if (!start(claim, &question->request.parts[flight->part].meeting)) {
        free_claim(claim);
        sgl_emulate_fail_leg(flight, "Decode handshake",
                             "no such bootstrap address, or too many of them");
        return;
    }
    flight->claim = claim;
    sgl_emulate_stay_awake(flight->worker->run);
}

int sgl_emulate_prefills_create(struct sgl_emulate_prefills **prefills_out,
                                struct sgl_emulate_run *run)
{
    const struct sgl_upstream_options options = {
        .loop = &run->loop,
        .worker_max = ADDRESSES_MAX,
        .connection_max = CONNECTIONS_KEPT,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
    };
    struct sgl_emulate_prefills *self = calloc(1, sizeof *self);

    *prefills_out = NULL;
    if (self == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(self);
        return sgl_fail(run->failure, SGL_ENOMEM, "out of memory");
    }
    self->addresses = calloc(ADDRESSES_MAX, sizeof *self->addresses);
    const int status = self->addresses != NULL
                           ? sgl_upstream_create(&self->upstream, &options, run->failure)
                           : sgl_fail(run->failure, SGL_ENOMEM, "out of memory");
    if (status == SGL_OK)
        *prefills_out = self;
    else
        sgl_emulate_prefills_free(self);
    return status;
}

void sgl_emulate_prefills_close(struct sgl_emulate_prefills *prefills)
{
    if (prefills != NULL)
        sgl_upstream_close(prefills->upstream);
}

void sgl_emulate_prefills_free(struct sgl_emulate_prefills *prefills)
{
    if (prefills == NULL)
        return;
    sgl_upstream_free(prefills->upstream);
    free(prefills->addresses);
    free(prefills);
    curl_global_cleanup();
}

bool sgl_emulate_prefills_turn(struct sgl_emulate_prefills *prefills)
{
    return sgl_upstream_turn(prefills->upstream);
}
