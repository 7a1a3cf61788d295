#include "event_log.h"

#include "core/text.h"
#include "traces/json.h"
#include "http_buffer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PENDING_MAX ((size_t)256 * 1024)
#define KEPT_MAX ((size_t)16 * 1024)
#define CLOSING_S 2

static const struct {
    const char *name;
    enum sgl_event_level level;
    bool is_of_request;
} kinds[SGL_EVENT_KIND_COUNT] = {
#define SGL_EVENT_ROW(name, level, is_of_request) {#name, SGL_EVENT_##level, is_of_request},
    SGL_EVENT_MAP(SGL_EVENT_ROW)
#undef SGL_EVENT_ROW
};

/* How many of a kind were told in the second that runs. */
struct told {
    time_t second;
    uint32_t count;
    uint64_t suppressed;
};

struct sgl_event_log {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* pending, is_closing or has_ended */
    pthread_t writer;
    struct sgl_buffer pending;
    struct told told[SGL_EVENT_KIND_COUNT];
    uint64_t lost; /* lines */
    int descriptor;
    bool is_json;
    bool is_closing;
    bool has_ended;
    enum sgl_event_level level;
};

/* ---- lines ---- */

static void put_text_value(struct sgl_buffer *line, const char *text)
{
    const bool is_bare = text[0] != '\0' && strpbrk(text, " \"=\\") == NULL;

    if (!is_bare)
        sgl_buffer_append(line, "\"", 1);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            sgl_buffer_append(line, "\\", 1);
        sgl_buffer_append(line, c, 1);
    }
    if (!is_bare)
        sgl_buffer_append(line, "\"", 1);
}

/* One line, whatever bytes a client has put into its request's name. */
static void put_text(struct sgl_buffer *out, enum sgl_event_kind kind, const char *text,
                     const struct sgl_event_field *fields, size_t field_count)
{
    struct sgl_buffer line = {0};

    sgl_buffer_append_text(&line, "sglsim: ");
    sgl_buffer_append_text(&line, text != NULL ? text : kinds[kind].name);
    for (size_t i = 0; i < field_count && text == NULL; i++) {
        sgl_buffer_format(&line, " %s=", fields[i].name);
        if (fields[i].text != NULL)
            put_text_value(&line, fields[i].text);
        else
            sgl_buffer_format(&line, "%lld", (long long)fields[i].number);
    }
    sgl_buffer_append(&line, "", 1);
    if (!line.has_failed) {
        sgl_text_tame(line.bytes);
        sgl_buffer_append_text(out, line.bytes);
        sgl_buffer_append(out, "\n", 1);
    }
    sgl_buffer_release(&line);
}

static json_t *object_of(enum sgl_event_kind kind, const char *time,
                         const struct sgl_event_field *fields, size_t field_count)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    json_t *root = json_pack("{s:s, s:s, s:s}", "time", time, "level", levels[kinds[kind].level],
                             "event", kinds[kind].name);

    for (size_t i = 0; i < field_count && root != NULL; i++) {
        json_t *value = fields[i].text != NULL ? sgl_json_text(fields[i].text)
                                               : json_integer((json_int_t)fields[i].number);
        if (!sgl_json_set(root, fields[i].name, value))
            return NULL;
    }
    return root;
}

static void put_json(struct sgl_buffer *out, enum sgl_event_kind kind, const struct timespec *now,
                     const struct sgl_event_field *fields, size_t field_count)
{
    char time[40];
    struct tm parts;
    size_t used = 0;

    if (gmtime_r(&now->tv_sec, &parts) != NULL)
        used = strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(time + used, sizeof time - used, ".%03dZ", (int)(now->tv_nsec / 1000000));
    char *line = sgl_json_line(object_of(kind, time, fields, field_count));
    if (line == NULL)
        return; /* no memory: the next one may have some */
    sgl_buffer_append_text(out, line);
    sgl_buffer_append(out, "\n", 1);
    free(line);
}

/* ---- under the mutex ---- */

static void put(struct sgl_event_log *log, enum sgl_event_kind kind, const char *text,
                const struct sgl_event_field *fields, size_t field_count,
                const struct timespec *now)
{
    if (sgl_buffer_left(&log->pending) > PENDING_MAX || log->pending.has_failed) {
        log->lost++;
        return;
    }
    if (log->is_json)
        put_json(&log->pending, kind, now, fields, field_count);
    else
        put_text(&log->pending, kind, text, fields, field_count);
}

static void put_suppressed(struct sgl_event_log *log, enum sgl_event_kind of,
                           const struct timespec *now)
{
    struct told *told = &log->told[of];
    const struct sgl_event_field fields[] = {
        {.name = "of", .text = kinds[of].name},
        {.name = "count", .number = (int64_t)told->suppressed},
    };

    if (told->suppressed > 0)
        put(log, SGL_EVENT_KIND_suppressed, NULL, fields, 2, now);
    told->suppressed = 0;
}

/* May one more of its kind be told in this second? */
static bool is_within_rate(struct sgl_event_log *log, enum sgl_event_kind kind,
                           const struct timespec *now)
{
    struct told *told = &log->told[kind];

    if (!kinds[kind].is_of_request)
        return true;
    if (told->second != now->tv_sec) {
        put_suppressed(log, kind, now);
        told->second = now->tv_sec;
        told->count = 0;
    }
    if (told->count < SGL_EVENT_RATE_MAX) {
        told->count++;
        return true;
    }
    told->suppressed++;
    return false;
}

void sgl_event_say(struct sgl_event_log *log, enum sgl_event_kind kind, const char *text,
                   const struct sgl_event_field *fields, size_t field_count)
{
    struct timespec now;

    if (kinds[kind].level > log->level)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&log->mutex);
    if (is_within_rate(log, kind, &now)) {
        put(log, kind, text, fields, field_count, &now);
        pthread_cond_broadcast(&log->changed);
    }
    pthread_mutex_unlock(&log->mutex);
}

/* ---- the writer ---- */

/* Whatever cannot be written is lost: there is nobody to tell it to. */
static void write_all(int descriptor, const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t written = write(descriptor, bytes, size);
        if (written >= 0) {
            bytes += written;
            size -= (size_t)written;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){.fd = descriptor, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            return;
        }
    }
}

/* What is still owed when it ends, or when there is room again. */
static void put_owed(struct sgl_event_log *log)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    for (int kind = 0; kind < SGL_EVENT_KIND_COUNT && log->is_closing; kind++)
        put_suppressed(log, (enum sgl_event_kind)kind, &now);
    if (log->lost == 0)
        return;
    const struct sgl_event_field field = {.name = "count", .number = (int64_t)log->lost};
    log->lost = 0;
    put(log, SGL_EVENT_KIND_lines_lost, NULL, &field, 1, &now);
}

static void *run(void *context)
{
    struct sgl_event_log *log = context;
    struct sgl_buffer taken = {0};
    bool is_last = false;

    pthread_mutex_lock(&log->mutex);
    while (!is_last) {
        while (sgl_buffer_left(&log->pending) == 0 && log->lost == 0 && !log->is_closing)
            pthread_cond_wait(&log->changed, &log->mutex);
        const struct sgl_buffer full = log->pending;
        log->pending = taken;
        taken = full;
        put_owed(log);
        is_last = log->is_closing && sgl_buffer_left(&log->pending) == 0;
        pthread_mutex_unlock(&log->mutex);
        write_all(log->descriptor, taken.bytes, taken.size);
        sgl_buffer_clear(&taken, KEPT_MAX);
        pthread_mutex_lock(&log->mutex);
    }
    log->has_ended = true;
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->mutex);
    sgl_buffer_release(&taken);
    return NULL;
}

/* ---- life ---- */

int sgl_event_log_create(struct sgl_event_log **log_out, int descriptor, bool is_json,
                         enum sgl_event_level level, struct sgl_failure *failure)
{
    struct sgl_event_log *log = calloc(1, sizeof *log);

    *log_out = NULL;
    if (log == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    log->descriptor = descriptor;
    log->is_json = is_json;
    log->level = level;
    pthread_mutex_init(&log->mutex, NULL);
    pthread_cond_init(&log->changed, NULL);
    if (pthread_create(&log->writer, NULL, run, log) != 0) {
        free(log);
        return sgl_fail(failure, SGL_EIO, "cannot start the thread that writes to stderr");
    }
    *log_out = log;
    return SGL_OK;
}

void sgl_event_log_close(struct sgl_event_log *log)
{
    struct timespec until;
    int status = 0;

    if (log == NULL)
        return;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSING_S;
    pthread_mutex_lock(&log->mutex);
    log->is_closing = true;
    pthread_cond_broadcast(&log->changed);
    while (!log->has_ended && status == 0)
        status = pthread_cond_timedwait(&log->changed, &log->mutex, &until);
    const bool has_ended = log->has_ended;
    pthread_mutex_unlock(&log->mutex);
    if (!has_ended) {
        pthread_detach(log->writer);
        return; /* the thread still uses it, as long as there is a process */
    }
    pthread_join(log->writer, NULL);
    sgl_buffer_release(&log->pending);
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->mutex);
    free(log);
}
