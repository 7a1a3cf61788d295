#include "trace_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The distinct names so far, sorted. */
struct names {
    char *urls[SGL_TRACE_WORKER_MAX];
    uint32_t count;
};

/* Where the name is, or where it belongs. */
static uint32_t place_of(const struct names *names, const char *url, bool *is_there)
{
    uint32_t low = 0;
    uint32_t high = names->count;

    *is_there = false;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = strcmp(names->urls[middle], url);
        *is_there = *is_there || order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int add_name(struct names *names, const struct sgl_raw_cell *cell, const char *name,
                    struct sgl_failure *failure)
{
    bool is_there;
    const uint32_t place = place_of(names, cell->text, &is_there);

    if (is_there)
        return 0;
    if (names->count == SGL_TRACE_WORKER_MAX)
        return sgl_fail(failure, SGL_EINVAL, "%s: more than %d different workers, expected fewer",
                        name, SGL_TRACE_WORKER_MAX);
    char *copy = malloc(cell->size + 1);
    if (copy == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory for its workers", name);
    memcpy(copy, cell->text, cell->size + 1);
    for (uint32_t i = names->count++; i > place; i--)
        names->urls[i] = names->urls[i - 1];
    names->urls[place] = copy;
    return 0;
}

static int read_names(struct names *names, struct sgl_trace_file *file, struct sgl_failure *failure)
{
    struct sgl_raw_row raw = {0};
    int code;

    if (file->reader->headers[SGL_COLUMN_WORKER_URL] == NULL)
        return 0;
    while ((code = file->reader->ops->next(file->reader, &raw, failure)) > 0) {
        const struct sgl_raw_cell *cell = &raw.cells[SGL_COLUMN_WORKER_URL];
        if (cell->text == NULL || cell->size == 0)
            continue;
        code = add_name(names, cell, file->name, failure);
        if (code < 0)
            break;
    }
    return code;
}

/* One block: the pointers, then the strings. */
static char **pack_names(const struct names *names)
{
    size_t size = (names->count + 1) * sizeof(char *);

    for (uint32_t i = 0; i < names->count; i++)
        size += strlen(names->urls[i]) + 1;
    char **urls = malloc(size);
    if (urls == NULL)
        return NULL;
    char *at = (char *)(urls + names->count + 1);
    for (uint32_t i = 0; i < names->count; i++) {
        const size_t url_size = strlen(names->urls[i]) + 1;
        urls[i] = memcpy(at, names->urls[i], url_size);
        at += url_size;
    }
    urls[names->count] = NULL;
    return urls;
}

bool sgl_trace_is_read_once(const struct sgl_trace_options *options)
{
    struct stat info;

    return options->memory == NULL && stat(options->path, &info) == 0 && !S_ISREG(info.st_mode) &&
           !S_ISDIR(info.st_mode);
}

int sgl_trace_workers(char ***urls_out, uint32_t *count_out,
                      const struct sgl_trace_options *options, struct sgl_failure *failure)
{
    struct names names = {.count = 0};
    struct sgl_trace_file file = {0};

    /* To be asked before the first byte is taken. */
    if (sgl_trace_is_read_once(options))
        return sgl_fail(
            failure, SGL_EINVAL,
            "%s: cannot be read a second time, expected a regular file (write it to one "
            "first)",
            options->path);
    int code = sgl_trace_file_open(&file, options, failure);
    if (code == 0)
        code = read_names(&names, &file, failure);
    if (code == 0) {
        *urls_out = pack_names(&names);
        *count_out = names.count;
        if (*urls_out == NULL)
            code = sgl_fail(failure, SGL_ENOMEM, "%s: no memory for its workers", file.name);
    }
    for (uint32_t i = 0; i < names.count; i++)
        free(names.urls[i]);
    sgl_trace_file_close(&file);
    return code;
}
