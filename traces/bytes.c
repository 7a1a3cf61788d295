#include "bytes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

#define GZIP_MAGIC "\x1f\x8b"
#define GZIP_MAGIC_SIZE 2
#define GZIP_WINDOW (15 + 16) /* zlib.h, inflateInit2: the largest window, gzip header and CRC */

struct sgl_unpacker {
    z_stream stream;
    const unsigned char *packed_at; /* packed bytes that zlib has not seen */
    const unsigned char *packed_end;
    unsigned char *chunk;
    uint64_t packed_count;   /* bytes given to zlib */
    uint64_t unpacked_count; /* bytes it gave back */
    bool is_between;         /* a member is complete, and nothing of another has been seen */
};

static int fail_errno(struct sgl_failure *failure, const char *name, int error)
{
    char text[128] = "unknown error";

    (void)strerror_r(error, text, sizeof text);
    return sgl_fail(failure, SGL_EIO, "%s: %s", name, text);
}

int sgl_bytes_open(struct sgl_bytes *bytes, const char *path, const char *name,
                   struct sgl_failure *failure)
{
    *bytes = (struct sgl_bytes){.name = name};
    bytes->chunk = malloc(SGL_BYTES_CHUNK);
    if (bytes->chunk == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", name);
    bytes->at = bytes->end = bytes->chunk;
    bytes->file = fopen(path, "rb");
    if (bytes->file == NULL) {
        const int code = fail_errno(failure, name, errno);
        sgl_bytes_close(bytes);
        return code;
    }
    const int code = sgl_bytes_more(bytes, failure);
    if (code < 0)
        sgl_bytes_close(bytes);
    return code < 0 ? code : 0;
}

void sgl_bytes_of_memory(struct sgl_bytes *bytes, const void *memory, size_t size, const char *name)
{
    *bytes = (struct sgl_bytes){.name = name, .at = memory};
    bytes->end = bytes->at + size;
}

static int read_file(struct sgl_bytes *bytes, size_t *size_out, struct sgl_failure *failure)
{
    *size_out = 0;
    if (bytes->file == NULL)
        return 0;
    errno = 0;
    *size_out = fread(bytes->chunk, 1, SGL_BYTES_CHUNK, bytes->file);
    if (*size_out < SGL_BYTES_CHUNK && ferror(bytes->file))
        return fail_errno(failure, bytes->name, errno);
    return 0;
}

static int fail_packed(const struct sgl_bytes *bytes, const char *what, struct sgl_failure *failure)
{
    const struct sgl_unpacker *unpacker = bytes->unpacker;

    return sgl_fail(failure, SGL_EINVAL,
                    "%s: gzip data %s after %llu bytes (%llu unpacked), expected a whole file",
                    bytes->name, what, (unsigned long long)unpacker->packed_count,
                    (unsigned long long)unpacker->unpacked_count);
}

/* Sees to it that there are packed bytes. 1; 0: the file is over; negative: failure. */
static int refill(struct sgl_bytes *bytes, struct sgl_failure *failure)
{
    struct sgl_unpacker *unpacker = bytes->unpacker;
    size_t size;

    if (unpacker->packed_at < unpacker->packed_end)
        return 1;
    const int code = read_file(bytes, &size, failure);
    if (code < 0 || size == 0)
        return code;
    unpacker->packed_at = bytes->chunk;
    unpacker->packed_end = bytes->chunk + size;
    return 1;
}

/* One call of inflate(), counted. A piece of memory may be larger than zlib's counts. */
static int inflate_piece(struct sgl_unpacker *unpacker)
{
    z_stream *stream = &unpacker->stream;
    const size_t left = (size_t)(unpacker->packed_end - unpacker->packed_at);
    const uInt packed = (uInt)(left < SGL_BYTES_CHUNK ? left : SGL_BYTES_CHUNK);
    const uInt room = stream->avail_out;

    stream->next_in = unpacker->packed_at;
    stream->avail_in = packed;
    const int code = inflate(stream, Z_NO_FLUSH);
    unpacker->packed_at += packed - stream->avail_in;
    unpacker->packed_count += packed - stream->avail_in;
    unpacker->unpacked_count += room - stream->avail_out;
    unpacker->is_between = code == Z_STREAM_END;
    return code;
}

/* Unpacks one chunk. As sgl_bytes_more(). */
static int unpack_more(struct sgl_bytes *bytes, struct sgl_failure *failure)
{
    struct sgl_unpacker *unpacker = bytes->unpacker;
    z_stream *stream = &unpacker->stream;

    stream->next_out = unpacker->chunk;
    stream->avail_out = (uInt)SGL_BYTES_CHUNK;
    while (stream->avail_out > 0) {
        int code = refill(bytes, failure);
        if (code < 0)
            return code;
        if (code == 0 && !unpacker->is_between)
            return fail_packed(bytes, "end", failure);
        if (code == 0)
            break;
        const bool was_between = unpacker->is_between;
        code = inflate_piece(unpacker);
        if (code == Z_MEM_ERROR)
            return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to unpack it", bytes->name);
        if (code != Z_OK && code != Z_STREAM_END)
            return fail_packed(bytes, was_between ? "are followed by others" : "are damaged",
                               failure);
        if (code == Z_STREAM_END)
            (void)inflateReset(stream); /* cannot fail: the stream is in order */
    }
    bytes->at = unpacker->chunk;
    bytes->end = unpacker->chunk + (SGL_BYTES_CHUNK - stream->avail_out);
    return bytes->at < bytes->end;
}

int sgl_bytes_unpack(struct sgl_bytes *bytes, struct sgl_failure *failure)
{
    const size_t size = (size_t)(bytes->end - bytes->at);

    if (size < GZIP_MAGIC_SIZE || memcmp(bytes->at, GZIP_MAGIC, GZIP_MAGIC_SIZE) != 0)
        return 0;
    struct sgl_unpacker *unpacker = calloc(1, sizeof *unpacker);
    if (unpacker != NULL)
        unpacker->chunk = malloc(SGL_BYTES_CHUNK);
    if (unpacker == NULL || unpacker->chunk == NULL ||
        inflateInit2(&unpacker->stream, GZIP_WINDOW) != Z_OK) {
        if (unpacker != NULL)
            free(unpacker->chunk);
        free(unpacker);
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to unpack it", bytes->name);
    }
    bytes->unpacker = unpacker;
    unpacker->packed_at = bytes->at;
    unpacker->packed_end = bytes->end;
    bytes->at = bytes->end = unpacker->chunk;
    const int code = unpack_more(bytes, failure);
    return code < 0 ? code : 0;
}

int sgl_bytes_more(struct sgl_bytes *bytes, struct sgl_failure *failure)
{
    size_t size;

    assert(bytes->at == bytes->end);
    if (bytes->unpacker != NULL)
        return unpack_more(bytes, failure);
    const int code = read_file(bytes, &size, failure);
    if (code < 0)
        return code;
    bytes->at = bytes->end = bytes->chunk;
    if (size > 0)
        bytes->end += size;
    return size > 0;
}

void sgl_bytes_close(struct sgl_bytes *bytes)
{
    if (bytes->unpacker != NULL) {
        (void)inflateEnd(&bytes->unpacker->stream);
        free(bytes->unpacker->chunk);
        free(bytes->unpacker);
    }
    if (bytes->file != NULL)
        (void)fclose(bytes->file); /* only read from: nothing can be lost */
    free(bytes->chunk);
    *bytes = (struct sgl_bytes){.name = bytes->name};
}
