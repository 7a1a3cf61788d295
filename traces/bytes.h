/*
 * bytes.h - the bytes of a trace, from front to back, read once: a file, a pipe, or memory.
 *
 *      [ ..... taken ..... | at ....... not yet taken ....... end ]   then sgl_bytes_more()
 *
 * After opening, [at, end) is the head of the file: its first 64 KiB, or all of it. Formats are
 * told apart by it, and because a reader goes on from there, a pipe can be a trace.
 *
 *     file or memory --> packed chunk --> inflate --> chunk --> [at, end)
 *                        after sgl_bytes_unpack()
 *
 * gzip (RFC 1952), told by its first two bytes, is unpacked on the way; members one after the other
 * count as one, as in gzip(1). Data cut off, damaged or followed by something else are one failure,
 * which says how much was good. Memory: two chunks and zlib's window of 32 KiB.
 *
 * The struct is the caller's; close it. Memory is borrowed and must outlive it.
 */
#ifndef SGL_TRACES_BYTES_H
#define SGL_TRACES_BYTES_H

#include "core/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SGL_BYTES_CHUNK ((size_t)64 * 1024)

struct sgl_bytes {
    const char *name; /* borrowed: the file as messages call it */
    FILE *file;       /* NULL when the bytes are in memory */
    unsigned char *chunk;
    const unsigned char *at;
    const unsigned char *end;
    struct sgl_unpacker *unpacker; /* NULL: the bytes come as they are */
};

int sgl_bytes_open(struct sgl_bytes *bytes, const char *path, const char *name,
                   struct sgl_failure *failure);
void sgl_bytes_of_memory(struct sgl_bytes *bytes, const void *memory, size_t size,
                         const char *name);

/* Call after opening, with nothing taken. If the head says gzip, [at, end) becomes the head of what
 * is packed there, and all that follows comes unpacked too; else nothing happens. */
int sgl_bytes_unpack(struct sgl_bytes *bytes, struct sgl_failure *failure);

/* Call with at == end. 1: there is more in [at, end); 0: that was all; negative: failure. */
int sgl_bytes_more(struct sgl_bytes *bytes, struct sgl_failure *failure);

/* Closing twice, or a zeroed struct, is fine. */
void sgl_bytes_close(struct sgl_bytes *bytes);

#endif
