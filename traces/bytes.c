#include "bytes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

int sgl_bytes_more(struct sgl_bytes *bytes, struct sgl_failure *failure)
{
    assert(bytes->at == bytes->end);
    if (bytes->file == NULL)
        return 0;
    errno = 0;
    const size_t size = fread(bytes->chunk, 1, SGL_BYTES_CHUNK, bytes->file);
    if (size < SGL_BYTES_CHUNK && ferror(bytes->file))
        return fail_errno(failure, bytes->name, errno);
    bytes->at = bytes->chunk;
    bytes->end = bytes->chunk + size;
    return size > 0;
}

void sgl_bytes_close(struct sgl_bytes *bytes)
{
    if (bytes->file != NULL)
        (void)fclose(bytes->file); /* only read from: nothing can be lost */
    free(bytes->chunk);
    *bytes = (struct sgl_bytes){.name = bytes->name};
}
