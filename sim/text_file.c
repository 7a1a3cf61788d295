#include "sim/text_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sgl_text_file_read(char **text_out, const char *path, size_t size_max,
                       struct sgl_failure *failure)
{
    char reason[128] = "unknown error";
    FILE *file = fopen(path, "rb");

    *text_out = NULL;
    if (file == NULL) {
        (void)strerror_r(errno, reason, sizeof reason);
        return sgl_fail(failure, SGL_EIO, "%s: %s", path, reason);
    }
    char *text = malloc(size_max + 2);
    if (text == NULL) {
        fclose(file);
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", path);
    }
    const size_t size = fread(text, 1, size_max + 1, file);
    const bool failed = ferror(file) != 0;
    fclose(file);
    text[size] = '\0';
    int status = SGL_OK;
    if (failed)
        status = sgl_fail(failure, SGL_EIO, "%s: cannot be read, expected a file of text", path);
    else if (size > size_max)
        status = sgl_fail(failure, SGL_EINVAL, "%s: too long, expected at most %zu bytes", path,
                          size_max);
    else if (strlen(text) != size)
        status = sgl_fail(failure, SGL_EINVAL, "%s: has a NUL byte, expected text", path);
    if (status != SGL_OK) {
        free(text);
        return status;
    }
    *text_out = text;
    return SGL_OK;
}

struct sgl_span sgl_span_trimmed(const char *text, size_t length)
{
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    while (length > 0 && isspace((unsigned char)text[0])) {
        text++;
        length--;
    }
    return (struct sgl_span){text, length};
}

bool sgl_span_is(struct sgl_span span, const char *word)
{
    return strlen(word) == span.length && memcmp(span.text, word, span.length) == 0;
}
