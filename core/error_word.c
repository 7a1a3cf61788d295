#include "error_word.h"

#include <stddef.h>
#include <string.h>

struct error_word {
    const char *word;
    enum sgl_blame blame;
    bool is_retryable;
    const char *meaning;
};

#define ROW(word, blame, is_retryable, meaning) {#word, SGL_BLAME_##blame, is_retryable, meaning},

static const struct error_word words[] = {SGL_ERROR_MAP(ROW)};

#define WORD_COUNT (sizeof words / sizeof words[0])

static const struct error_word *find(const char *error)
{
    for (size_t i = 0; error != NULL && i < WORD_COUNT; i++)
        if (strcmp(words[i].word, error) == 0)
            return &words[i];
    return NULL;
}

/* The status of `http_NNN`, or 0. */
static int status_of(const char *error)
{
    static const char prefix[] = "http_";
    const size_t length = sizeof prefix - 1;
    int status = 0;

    if (error == NULL || strncmp(error, prefix, length) != 0 || strlen(error) != length + 3)
        return 0;
    for (const char *digit = error + length; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9')
            return 0;
        status = 10 * status + (*digit - '0');
    }
    return status;
}

enum sgl_blame sgl_error_blame(const char *error)
{
    const struct error_word *word = find(error);
    const int status = status_of(error);

    if (word != NULL)
        return word->blame;
    if (status == 429 || status == 503)
        return SGL_BLAME_BUSY;
    /* 408: the worker gave up waiting for a body that the proxy had sent in full. */
    if (status >= 400 && status < 500 && status != 408)
        return SGL_BLAME_CLIENT;
    return SGL_BLAME_WORKER;
}

bool sgl_error_is_retryable(const char *error)
{
    static const int statuses[] = {408, 429, 500, 502, 503, 504};
    const struct error_word *word = find(error);
    const int status = status_of(error);

    if (word != NULL)
        return word->is_retryable;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (status == statuses[i])
            return true;
    return false;
}

const char *sgl_error_meaning(const char *error)
{
    const struct error_word *word = find(error);

    return word != NULL ? word->meaning : NULL;
}
