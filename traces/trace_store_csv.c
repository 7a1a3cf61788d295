/*
 * trace_store_csv.c - requests as comma separated values.
 *
 * A row is put together in a buffer that goes to the file when it is full; what libcsv writes is
 * what libcsv reads.
 */
#include "trace_store.h"

#include "partial.h"

#include <csv.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_FULL ((size_t)64 * 1024)
#define HEADER_MOST 4096 /* our longest header has some 300 bytes */

struct csv_store {
    struct sgl_trace_store base;
    char *buffer;
    size_t size;
    size_t capacity;
};

static int is_ours(const char *path, struct sgl_failure *failure)
{
    char head[HEADER_MOST];
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);

    if (descriptor < 0)
        return sgl_fail_errno(failure, "cannot read", path);
    const ssize_t count = read(descriptor, head, sizeof head);
    const int status = count < 0 ? sgl_fail_errno(failure, "cannot read", path) : 1;
    close(descriptor);
    if (status < 0)
        return status;
    const char *end = memchr(head, '\n', (size_t)count);
    return end != NULL && sgl_trace_header_is_ours(head, (size_t)(end - head));
}

static struct sgl_trace_store *create(void)
{
    struct csv_store *self = calloc(1, sizeof *self);

    /* cppcheck-suppress memleak ; it lives on as its base */
    return self != NULL ? &self->base : NULL;
}

/* Room for `size` more bytes at the end of the buffer, or NULL. */
static char *reserve(struct csv_store *self, size_t size)
{
    if (self->buffer == NULL || size > self->capacity - self->size) {
        const size_t capacity = 2 * (self->capacity + size) + BUFFER_FULL;
        char *grown = realloc(self->buffer, capacity);
        if (grown == NULL)
            return NULL;
        self->buffer = grown;
        self->capacity = capacity;
    }
    return self->buffer + self->size;
}

static bool put(struct csv_store *self, const char *text, size_t size)
{
    char *place = reserve(self, size);

    if (place == NULL)
        return false;
    /* cppcheck-suppress uninitvar ; as many bytes as the caller wrote */
    memcpy(place, text, size);
    self->size += size;
    return true;
}

static bool put_seconds(struct csv_store *self, int64_t ns)
{
    char text[SGL_SECONDS_TEXT_MAX];

    return put(self, text, sgl_seconds_text(ns, text));
}

static bool put_natural(struct csv_store *self, uint64_t value)
{
    char text[SGL_NATURAL_TEXT_MAX];

    return put(self, text, sgl_natural_text(value, text));
}

static bool put_text(struct csv_store *self, const char *text)
{
    const size_t size = strlen(text);
    const size_t most = 2 * size + 2; /* every byte a quote, and two around */
    char *place = reserve(self, most);

    if (place == NULL)
        return false;
    self->size += csv_write(place, most, text, size);
    return true;
}

static bool put_hashes(struct csv_store *self, const struct sgl_request *request)
{
    for (size_t i = 0; i < request->prefix_count; i++)
        if (!put(self, " ", i > 0) || !put_natural(self, request->prefix_ids[i]))
            return false;
    return true;
}

/* False: no memory. */
static bool put_cell(struct csv_store *self, const struct sgl_trace_row *row,
                     enum sgl_column column)
{
    const void *const member = sgl_trace_row_member(row, column);
    const char *word;

    switch (sgl_columns[column].kind) {
    case SGL_KIND_TIME:
        return put_seconds(self, *(const int64_t *)member + self->base.origin_ns);
    case SGL_KIND_DURATION:
        return put_seconds(self, *(const int64_t *)member);
    case SGL_KIND_COUNT:
        return put_natural(self, (uint64_t) * (const int64_t *)member);
    case SGL_KIND_SIZE:
        return put_natural(self, *(const uint32_t *)member);
    case SGL_KIND_TEXT:
        return put_text(self, *(const char *const *)member);
    case SGL_KIND_HASHES:
        return put_hashes(self, &row->request);
    case SGL_KIND_PRIORITY:
        word = sgl_priority_name(row->request.priority);
        return put(self, word, strlen(word));
    case SGL_KIND_BOOLEAN:
        word = row->recorded.success ? "true" : "false";
        return put(self, word, strlen(word));
    }
    return true;
}

static int fail_memory(const struct csv_store *self, struct sgl_failure *failure)
{
    return sgl_fail(failure, SGL_ENOMEM, "%s: no memory for the row", self->base.path);
}

/* The buffer into the file. */
static int flush(struct csv_store *self, struct sgl_failure *failure)
{
    for (size_t at = 0; at < self->size;) {
        const ssize_t count = write(self->base.file.descriptor, self->buffer + at, self->size - at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return sgl_fail_errno(failure, "cannot write", self->base.path);
        at += (size_t)count;
    }
    self->size = 0;
    return SGL_OK;
}

static int begin(struct sgl_trace_store *store, struct sgl_failure *failure)
{
    struct csv_store *self = (struct csv_store *)store;
    bool is_put = true;

    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT && is_put; column++)
        if ((store->columns & SGL_COLUMN_BIT(column)) != 0)
            is_put = put(self, ",", column > 0) &&
                     put(self, sgl_columns[column].name, strlen(sgl_columns[column].name));
    if (!is_put || !put(self, "\n", 1))
        return fail_memory(self, failure);
    return SGL_OK;
}

static int write_row(struct sgl_trace_store *store, const struct sgl_trace_row *row,
                     struct sgl_failure *failure)
{
    struct csv_store *self = (struct csv_store *)store;
    bool is_put = true;

    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT && is_put; column++) {
        if ((store->columns & SGL_COLUMN_BIT(column)) == 0)
            continue;
        is_put = put(self, ",", column > 0) &&
                 (!sgl_trace_row_has(row, column) || put_cell(self, row, column));
    }
    if (!is_put || !put(self, "\n", 1))
        return fail_memory(self, failure);
    return self->size >= BUFFER_FULL ? flush(self, failure) : SGL_OK;
}

static int finish(struct sgl_trace_store *store, struct sgl_failure *failure)
{
    return flush((struct csv_store *)store, failure);
}

static void release(struct sgl_trace_store *store)
{
    (void)store; /* the descriptor is the file's */
}

static void destroy(struct sgl_trace_store *store)
{
    struct csv_store *self = (struct csv_store *)store;

    free(self->buffer);
    free(self);
}

const struct sgl_trace_store_ops sgl_trace_store_csv = {
    .name = "csv",
    .suffixes = ".csv",
    .is_ours = is_ours,
    .create = create,
    .begin = begin,
    .write = write_row,
    .finish = finish,
    .release = release,
    .destroy = destroy,
};
