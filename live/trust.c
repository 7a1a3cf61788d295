#include "trust.h"

#include "traces/partial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX_BYTES ((size_t)16 * 1024 * 1024) /* the system's bundle has a quarter of one */
#define PATH_SIZE 4096

/* The whole file at the end of `out`. */
static int read_file(struct sgl_buffer *out, const char *path, struct sgl_failure *failure)
{
    char bytes[16384];
    size_t got;
    char text[SGL_ERROR_TEXT_SIZE];
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return sgl_fail(failure, SGL_EINVAL, "%.300s: cannot read: %s", path,
                        sgl_error_text(errno, text));
    const size_t before = out->size;
    while ((got = fread(bytes, 1, sizeof bytes, file)) > 0 && out->size - before <= FILE_MAX_BYTES)
        sgl_buffer_append(out, bytes, got);
    const bool is_whole = ferror(file) == 0 && got == 0;
    fclose(file);
    if (out->has_failed)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    return is_whole ? SGL_OK
                    : sgl_fail(failure, SGL_EINVAL,
                               "%.300s: cannot be read, or is too large for a file of certificates",
                               path);
}

static bool has(const struct sgl_buffer *text, size_t from, const char *word)
{
    const size_t size = strlen(word);

    for (size_t i = from; i + size <= text->size; i++)
        if (text->bytes[i] == word[0] && memcmp(text->bytes + i, word, size) == 0)
            return true;
    return false;
}

static int read_certificates(struct sgl_buffer *text, const char *path, struct sgl_failure *failure)
{
    const size_t from = text->size;
    const int status = read_file(text, path, failure);

    if (status != SGL_OK || has(text, from, "CERTIFICATE-----"))
        return status;
    return sgl_fail(failure, SGL_EINVAL, "%.300s: has no certificate, expected PEM", path);
}

/* A key with a password would have libcurl ask for it, and every request wait. */
static int check_key(const char *path, struct sgl_failure *failure)
{
    struct sgl_buffer text = {0};
    int status = read_file(&text, path, failure);

    if (status == SGL_OK && !has(&text, 0, "PRIVATE KEY-----"))
        status = sgl_fail(failure, SGL_EINVAL, "%.300s: has no private key, expected PEM", path);
    else if (status == SGL_OK && has(&text, 0, "ENCRYPTED"))
        status = sgl_fail(failure, SGL_EINVAL,
                          "%.300s: the private key has a password, expected one without", path);
    if (text.bytes != NULL)
        memset(text.bytes, 0, text.size); /* a key has no business in freed memory */
    sgl_buffer_release(&text);
    return status;
}

static int read_authorities(struct sgl_trust *trust, const char *files, struct sgl_failure *failure)
{
    char path[PATH_SIZE];

    while (*files != '\0') {
        const size_t size = strcspn(files, ",");
        if (size >= sizeof path)
            return sgl_fail(failure, SGL_EINVAL, "the path of a certificate is too long");
        memcpy(path, files, size);
        path[size] = '\0';
        const int status =
            size > 0 ? read_certificates(&trust->authorities, path, failure) : SGL_OK;
        if (status != SGL_OK)
            return status;
        sgl_buffer_append(&trust->authorities, "\n", 1);
        files += size + (files[size] == ',');
    }
    return trust->authorities.has_failed ? sgl_fail(failure, SGL_ENOMEM, "out of memory") : SGL_OK;
}

int sgl_trust_read(struct sgl_trust *trust, const char *ca_files, const char *certificate_file,
                   const char *key_file, struct sgl_failure *failure)
{
    struct sgl_buffer certificate = {0};
    int status = SGL_OK;

    *trust = (struct sgl_trust){.certificate_file = certificate_file, .key_file = key_file};
    if (ca_files != NULL)
        status = read_authorities(trust, ca_files, failure);
    if (status == SGL_OK && certificate_file != NULL)
        status = read_certificates(&certificate, certificate_file, failure);
    sgl_buffer_release(&certificate);
    if (status == SGL_OK && certificate_file != NULL)
        status = check_key(key_file != NULL ? key_file : certificate_file, failure);
    return status;
}

void sgl_trust_release(struct sgl_trust *trust)
{
    sgl_buffer_release(&trust->authorities);
}
