#include "upstream_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX ((size_t)64 * 1024)
#define FIELD_MAX 256
#define KEPT_MAX ((size_t)16 * 1024)      /* of a head's buffer, for the next answer */
#define EXPECT_FROM ((size_t)1024 * 1024) /* libcurl asks before it sends longer bodies */

/* ---- the request ---- */

/* One line of the head; an empty value is written `Name;`, which libcurl sends as `Name:`. */
static void add_line(struct sgl_call *call, const struct sgl_http_field *field)
{
    struct sgl_buffer *texts = &call->line_texts;

    sgl_buffer_append(texts, field->name, field->name_size);
    if (field->value_size == 0) {
        sgl_buffer_append(texts, ";", 2);
    } else {
        sgl_buffer_append(texts, ": ", 2);
        sgl_buffer_append(texts, field->value, field->value_size + 1);
    }
}

/* `Name:` keeps libcurl from adding a field of its own. */
static size_t add_nothing_of(struct sgl_call *call, const char *line)
{
    sgl_buffer_append(&call->line_texts, line, strlen(line) + 1);
    return 1;
}

#define OWN_LINES 3

/* libcurl borrows the list until the call is over, and does not change it: a list of our own takes
 * no memory for each line. False: no memory. */
static bool make_list(struct sgl_call *call)
{
    const size_t needed = call->field_count + OWN_LINES;
    bool has_accept = false;
    bool has_type = false;
    size_t count = call->field_count;

    if (call->line_capacity < needed) {
        struct curl_slist *grown = realloc(call->lines, needed * sizeof *call->lines);
        if (grown == NULL)
            return false;
        call->lines = grown;
        call->line_capacity = needed;
    }
    sgl_buffer_clear(&call->line_texts, KEPT_MAX);
    for (size_t i = 0; i < call->field_count; i++) {
        const struct sgl_http_field *field = &call->fields[i];
        has_accept =
            has_accept || (field->name_size == 6 && strcasecmp(field->name, "accept") == 0);
        has_type =
            has_type || (field->name_size == 12 && strcasecmp(field->name, "content-type") == 0);
        add_line(call, field);
    }
    if (!has_accept)
        count += add_nothing_of(call, "Accept:");
    if (!has_type && call->is_post)
        count += add_nothing_of(call, "Content-Type:");
    if (call->body_size >= EXPECT_FROM)
        count += add_nothing_of(call, "Expect:");
    if (call->line_texts.has_failed)
        return false;
    char *text = call->line_texts.bytes;
    for (size_t i = 0; i < count; i++) {
        call->lines[i] =
            (struct curl_slist){.data = text, .next = i + 1 < count ? &call->lines[i + 1] : NULL};
        text += strlen(text) + 1;
    }
    return true;
}

static void reset_answer(struct sgl_call *call)
{
    call->status = 0;
    call->reason[0] = '\0';
    call->head_field_count = 0;
    call->length = SGL_HTTP_CHUNKED;
    call->has_head = false;
    call->transfer_encodings = 0;
    call->lengths = 0;
    call->is_faulty = false;
    call->is_in_line = false;
    sgl_buffer_clear(&call->head, KEPT_MAX);
}

int sgl_call_start(struct sgl_upstream *upstream, struct sgl_call *call)
{
    CURL *easy = sgl_upstream_take(upstream);

    assert(!call->is_under_way);
    if (easy == NULL)
        return SGL_ENOMEM;
    reset_answer(call);
    call->upstream = upstream;
    call->easy = easy;
    call->error = NULL;
    call->is_paused = false;
    call->is_sent = false;
    int status = make_list(call) ? sgl_upstream_aim(upstream, easy, call) : SGL_ENOMEM;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, status == SGL_OK ? call->lines : NULL);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    if (call->is_post) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body_size > 0 ? call->body : "");
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    if (status == SGL_OK && curl_multi_add_handle(upstream->multi, easy) != CURLM_OK)
        status = SGL_ENOMEM;
    if (status != SGL_OK) {
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
        call->easy = NULL;
        sgl_upstream_give(upstream, easy);
        return status;
    }
    call->is_under_way = true;
    return SGL_OK;
}

/* libcurl sends a request again by itself when a kept connection breaks before a byte came back.
 * The worker may have begun on it: whether it is sent again is the relay's to say, and the log's to
 * know. */
int sgl_call_on_send(void *context, char *remote, char *local, int remote_port, int local_port)
{
    struct sgl_call *call = context;

    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    if (call->is_sent)
        return CURL_PREREQFUNC_ABORT;
    call->is_sent = true;
    return CURL_PREREQFUNC_OK;
}

/* ---- the answer ---- */

static size_t refuse(struct sgl_call *call)
{
    call->is_faulty = true;
    return 0; /* not what libcurl gave: it stops */
}

/* Texts that go on to the client: blanks, tabs and what can be seen; not a CR, which some would
 * take for the end of a line. */
static bool is_text(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const unsigned char byte = (unsigned char)text[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

/* tchar of RFC 9110, 5.6.2. */
static bool is_name(const char *text, size_t size)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        const bool is_alphanumeric =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alphanumeric && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return size > 0;
}

/* "HTTP/1.1 200 OK"; the phrase, and the blank before it, may be missing. */
static bool begin_status(struct sgl_call *call, const char *line, size_t size)
{
    static const char version[] = "HTTP/1.";
    const char *digits = line + sizeof version + 1;
    int status = 0;

    reset_answer(call);
    if (size < sizeof version + 4 || memcmp(line, version, sizeof version - 1) != 0 ||
        digits[-2] < '0' || digits[-2] > '9' || digits[-1] != ' ' || !is_text(line, size))
        return false;
    for (int i = 0; i < 3; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        status = 10 * status + (digits[i] - '0');
    }
    const char *end = line + size;
    const char *phrase = digits + 3;
    if (phrase < end && *phrase++ != ' ')
        return false;
    /* Phrases mean nothing (RFC 9112, section 4): of a long one the beginning passes. */
    size_t length = (size_t)(end - phrase);
    if (length >= sizeof call->reason)
        length = sizeof call->reason - 1;
    memcpy(call->reason, phrase, length);
    call->reason[length] = '\0';
    call->status = status;
    call->version_minor = digits[-2] - '0';
    return status >= 100 && status <= 599;
}

static bool read_length(struct sgl_call *call, const char *value, size_t size)
{
    int64_t length = 0;

    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9' || length > INT64_MAX / 10 - 10)
            return false;
        length = 10 * length + (value[i] - '0');
    }
    call->length = length;
    return size > 0 && call->lengths++ == 0;
}

static bool add_field(struct sgl_call *call, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    size_t name_size = colon != NULL ? (size_t)(colon - line) : 0;

    /* Blanks before the colon are removed in answers (RFC 9112, 5.1). */
    while (name_size > 0 && (line[name_size - 1] == ' ' || line[name_size - 1] == '\t'))
        name_size--;
    if (!is_name(line, name_size) || !is_text(line, size) || call->head_field_count >= FIELD_MAX ||
        call->head.size + size > HEAD_MAX)
        return false;
    if (call->head_field_count == call->field_capacity) {
        const size_t capacity = call->field_capacity == 0 ? 16 : 2 * call->field_capacity;
        struct sgl_http_field *grown =
            realloc(call->head_fields, capacity * sizeof *call->head_fields);
        if (grown == NULL)
            return false;
        call->head_fields = grown;
        call->field_capacity = capacity;
    }
    const char *value = colon + 1;
    const char *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    struct sgl_http_field *field = &call->head_fields[call->head_field_count++];
    field->name_size = name_size;
    field->value_size = (size_t)(end - value);
    sgl_buffer_append(&call->head, line, field->name_size);
    sgl_buffer_append(&call->head, "", 1);
    sgl_buffer_append(&call->head, value, field->value_size);
    sgl_buffer_append(&call->head, "", 1);
    if (call->head.has_failed)
        return false;
    const bool is_length = name_size == 14 && strncasecmp(line, "content-length", 14) == 0;
    const bool is_coding = name_size == 17 && strncasecmp(line, "transfer-encoding", 17) == 0;
    if ((is_length || is_coding) && line[name_size] != ':')
        return false; /* libcurl has not seen it */
    if (is_coding)    /* the one there is, once, and not before HTTP/1.1 */
        return call->version_minor == 1 && call->transfer_encodings++ == 0 &&
               field->value_size == 7 && strncasecmp(value, "chunked", 7) == 0;
    return !is_length || read_length(call, value, field->value_size);
}

/* The head is complete, and does not move any more: the fields can point into it. */
static bool end_head(struct sgl_call *call)
{
    const char *at = call->head.bytes;

    if (call->status < 200)
        return call->status != 101; /* interim: the real one comes; nobody asked to upgrade */
    if (call->transfer_encodings > 0 && call->lengths > 0)
        return false;
    for (size_t i = 0; i < call->head_field_count; i++) {
        struct sgl_http_field *field = &call->head_fields[i];
        field->name = at;
        field->value = at + field->name_size + 1;
        at = field->value + field->value_size + 1;
    }
    call->has_head = true;
    call->chunks = sgl_chunks_begin();
    call->on_head(call);
    return true;
}

size_t sgl_call_on_header(char *bytes, size_t one, size_t size, void *context)
{
    struct sgl_call *call = context;
    size_t length = size * one;

    if (call->has_head)
        return length;                           /* a trailer: dropped */
    if (length > 0 && bytes[length - 1] == '\n') /* alone it ends a line too, as libcurl has it */
        length -= length > 1 && bytes[length - 2] == '\r' ? 2 : 1;
    bool is_good;
    if (length >= 5 && memcmp(bytes, "HTTP/", 5) == 0 && call->head_field_count == 0)
        is_good = begin_status(call, bytes, length);
    else if (call->status < 200 && length >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
        is_good = begin_status(call, bytes, length);
    else
        is_good = length == 0 ? end_head(call) : add_field(call, bytes, length);
    return is_good ? size * one : refuse(call);
}

/* Hands on what is in the chunks, as one. Bytes that are not taken come again: then the chunks are
 * as if these had not been seen. */
static size_t take_chunked(struct sgl_call *call, const char *bytes, size_t size)
{
    struct sgl_buffer *plain = &call->upstream->plain;
    struct sgl_chunks chunks = call->chunks;
    size_t plain_size;

    sgl_buffer_clear(plain, SIZE_MAX);
    char *out = sgl_buffer_reserve(plain, size);
    if (out == NULL)
        return refuse(call);
    const bool is_good = sgl_chunks_take(&chunks, bytes, size, out, &plain_size);
    if (plain_size > 0 && !call->on_body(call, out, plain_size)) {
        call->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    call->chunks = chunks;
    return is_good ? size : refuse(call);
}

/* libcurl before 8.1.1 continues the last field of the handle's answer before, whose memory is
 * gone, when the first field line of an answer begins with a blank. It does so between handing a
 * line to sgl_call_on_body and handing it to sgl_call_on_header: a folded line is refused here. */
static size_t look_at_line(struct sgl_call *call, const char *bytes, size_t size)
{
    const bool is_folded = !call->is_in_line && size > 0 && (bytes[0] == ' ' || bytes[0] == '\t');

    call->is_in_line = size > 0 && bytes[size - 1] != '\n';
    return is_folded ? refuse(call) : size;
}

size_t sgl_call_on_body(char *bytes, size_t one, size_t size, void *context)
{
    struct sgl_call *call = context;

    if (!call->has_head)
        return look_at_line(call, bytes, size * one);
    if (call->transfer_encodings > 0)
        return take_chunked(call, bytes, size * one);
    if (!call->on_body(call, bytes, size * one)) {
        call->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    return size * one;
}

/* ---- the end ---- */

/* Answers of these statuses end with their head. */
static bool has_body(const struct sgl_call *call)
{
    return call->status != 204 && call->status != 304;
}

static const char *error_of(const struct sgl_call *call, CURLcode code)
{
    if (call->is_faulty)
        return "bad_response";
    switch ((int)code) {
    case CURLE_OK:
        if (call->transfer_encodings > 0 && !sgl_chunks_is_done(&call->chunks) && has_body(call))
            return "bad_response";
        return call->has_head ? NULL : "bad_response";
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return "connection_refused";
    case CURLE_OPERATION_TIMEDOUT:
        return "connect_timeout";   /* the only time that libcurl was told to keep */
    case CURLE_ABORTED_BY_CALLBACK: /* it was about to be sent a second time */
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return call->has_head ? "stream_cut" : "connection_lost";
    default:
        return "bad_response";
    }
}

static void detach(struct sgl_call *call)
{
    CURL *easy = call->easy;

    curl_multi_remove_handle(call->upstream->multi, easy);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    call->easy = NULL;
    call->is_under_way = false;
    sgl_upstream_give(call->upstream, easy);
}

void sgl_call_finish(struct sgl_call *call, CURLcode code)
{
    call->error = error_of(call, code);
    detach(call);
}

void sgl_call_cancel(struct sgl_call *call)
{
    if (call->is_under_way)
        detach(call);
}

void sgl_call_resume(struct sgl_call *call)
{
    if (!call->is_under_way || !call->is_paused)
        return;
    call->is_paused = false;
    curl_easy_pause(call->easy, CURLPAUSE_CONT);
    call->upstream->wants_kick = true;
    call->upstream->has_worked = true;
}

void sgl_call_release(struct sgl_call *call)
{
    sgl_buffer_release(&call->head);
    free(call->head_fields);
    call->head_fields = NULL;
    call->field_capacity = 0;
    sgl_buffer_release(&call->line_texts);
    free(call->lines);
    call->lines = NULL;
    call->line_capacity = 0;
}
