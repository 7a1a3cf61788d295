#include "chunks.h"

#include <string.h>

#define DIGITS_MAX 16

struct sgl_chunks sgl_chunks_begin(void)
{
    return (struct sgl_chunks){.state = SGL_CHUNKS_SIZE};
}

bool sgl_chunks_is_done(const struct sgl_chunks *chunks)
{
    return chunks->state == SGL_CHUNKS_DONE;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* A byte of the line that says a size. False: it is no such line. */
static bool take_size(struct sgl_chunks *chunks, char c)
{
    const int digit = chunks->state == SGL_CHUNKS_SIZE ? digit_of(c) : -1;

    if (digit >= 0) {
        chunks->left = 16 * chunks->left + (uint64_t)digit;
        return ++chunks->digits <= DIGITS_MAX && chunks->left <= INT64_MAX;
    }
    if (chunks->digits == 0)
        return false;
    chunks->state = SGL_CHUNKS_LINE;
    if (c == '\n') {
        chunks->digits = 0;
        chunks->state = chunks->left > 0 ? SGL_CHUNKS_DATA : SGL_CHUNKS_TRAILER;
    }
    return true;
}

/* A byte behind a chunk's data, or behind the last chunk. */
static bool take_end(struct sgl_chunks *chunks, char c)
{
    switch (chunks->state) {
    case SGL_CHUNKS_END:
        chunks->state = c == '\r' ? SGL_CHUNKS_END_LF : SGL_CHUNKS_SIZE;
        return c == '\r' || c == '\n';
    case SGL_CHUNKS_END_LF:
        chunks->state = SGL_CHUNKS_SIZE;
        return c == '\n';
    case SGL_CHUNKS_TRAILER:
        chunks->state = c == '\r'   ? SGL_CHUNKS_LAST_LF
                        : c == '\n' ? SGL_CHUNKS_DONE
                                    : SGL_CHUNKS_FIELD;
        return true;
    case SGL_CHUNKS_FIELD:
        if (c == '\n')
            chunks->state = SGL_CHUNKS_TRAILER;
        return true;
    case SGL_CHUNKS_LAST_LF:
        chunks->state = SGL_CHUNKS_DONE;
        return c == '\n';
    case SGL_CHUNKS_SIZE:
    case SGL_CHUNKS_LINE:
    case SGL_CHUNKS_DATA:
    case SGL_CHUNKS_DONE:
        break;
    }
    return true; /* behind the end */
}

bool sgl_chunks_take(struct sgl_chunks *chunks, const char *bytes, size_t size, char *out,
                     size_t *out_size)
{
    const char *const end = bytes + size;
    bool is_good = true;

    *out_size = 0;
    while (is_good && bytes < end) {
        if (chunks->state == SGL_CHUNKS_DATA) {
            const size_t here = (size_t)(end - bytes);
            const size_t run = chunks->left < here ? (size_t)chunks->left : here;
            memcpy(out + *out_size, bytes, run);
            *out_size += run;
            bytes += run;
            chunks->left -= run;
            if (chunks->left == 0)
                chunks->state = SGL_CHUNKS_END;
        } else if (chunks->state <= SGL_CHUNKS_LINE) {
            is_good = take_size(chunks, *bytes++);
        } else {
            is_good = take_end(chunks, *bytes++);
        }
    }
    return is_good;
}
