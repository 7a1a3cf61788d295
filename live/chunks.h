/*
 * chunks.h - the chunked transfer coding (RFC 9112, 7.1), taken off a body that comes in pieces.
 *
 *      "1a;x=y" CRLF  26 bytes  CRLF    "0" CRLF  [fields of a trailer CRLF]  CRLF
 *       size    line  data      end      last     trailer, dropped            done
 *
 * libcurl could do it, and calls back once for each chunk: a stream of small events costs less when
 * all that one read brought is handed on as one. It still reads the sizes itself, to know where the
 * answer ends; both must agree, else the answer is a fault.
 *
 * Taken as libcurl takes it: a bare LF ends a line, extensions are passed over, so is what stands
 * behind the end. At most 16 digits of a size. A value without pointers: a copy is a way back.
 */
#ifndef SGL_LIVE_CHUNKS_H
#define SGL_LIVE_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sgl_chunks_state {
    SGL_CHUNKS_SIZE,    /* a digit is due, or after the first the rest of the line */
    SGL_CHUNKS_LINE,    /* to the LF behind a size */
    SGL_CHUNKS_DATA,    /* `left` bytes of it */
    SGL_CHUNKS_END,     /* CR, or LF, behind the data */
    SGL_CHUNKS_END_LF,  /* LF behind that CR */
    SGL_CHUNKS_TRAILER, /* the begin of a line behind the last chunk */
    SGL_CHUNKS_FIELD,   /* within such a line */
    SGL_CHUNKS_LAST_LF, /* LF behind the CR of the empty line */
    SGL_CHUNKS_DONE,
};

struct sgl_chunks {
    enum sgl_chunks_state state;
    int digits;    /* of the size, so far */
    uint64_t left; /* the size, then what is missing of the data */
};

/* At the begin of a body. */
struct sgl_chunks sgl_chunks_begin(void);

/* Writes the body's own bytes to `out` (room for `size`) and their count to *out_size. False: it is
 * malformed; what came before that was written. */
bool sgl_chunks_take(struct sgl_chunks *chunks, const char *bytes, size_t size, char *out,
                     size_t *out_size);

/* Did the body end? */
bool sgl_chunks_is_done(const struct sgl_chunks *chunks);

#endif
