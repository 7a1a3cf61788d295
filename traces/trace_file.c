#include "trace_file.h"

#include "unfolded.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Long paths are cut in front, where they tell least, so that the message has room. */
static void set_name(char name[static SGL_TRACE_NAME_SIZE], const char *path)
{
    const size_t size = strlen(path);

    if (size < SGL_TRACE_NAME_SIZE)
        memcpy(name, path, size + 1);
    else
        snprintf(name, SGL_TRACE_NAME_SIZE, "...%s", path + size - (SGL_TRACE_NAME_SIZE - 4));
}

/* ServeGen's published files have no header; this is the one of their collection here. */
#define SERVEGEN_HEAD "workload,client,t_s,rate_req_per_s,cv"

/* Files people will try: better a word on what they are than on their first byte. */
static int refuse_foreign(const struct sgl_bytes *bytes, struct sgl_failure *failure)
{
    static const struct {
        const char *magic;
        size_t size;
        const char *what;
    } foreign[] = {
        {"\x28\xb5\x2f\xfd", 4, "zstd-compressed, expected it unpacked"},
        {"\xfd\x37zXZ", 5, "xz-compressed, expected it unpacked"},
        {"BZh", 3, "bzip2-compressed, expected it unpacked"},
        {"PK\x03\x04", 4, "a zip file or spreadsheet, expected CSV or SQLite"},
        {"PAR1", 4, "a Parquet file, expected CSV or SQLite"},
        {"\x1f\x8b", 2, "gzip-compressed twice, expected it once"},
        {SERVEGEN_HEAD, sizeof SERVEGEN_HEAD - 1,
         "ServeGen's statistics of clients, not requests (sglsim generate --arrivals servegen "
         "draws some)"},
    };

    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if ((size_t)(bytes->end - bytes->at) >= foreign[i].size &&
            memcmp(bytes->at, foreign[i].magic, foreign[i].size) == 0)
            return sgl_fail(failure, SGL_EINVAL, "%s: is %s", bytes->name, foreign[i].what);
    return 0;
}

/* `path` is where the bytes are; the file's name is set. */
static int open_at(struct sgl_trace_file *file, const char *path,
                   const struct sgl_trace_options *options, struct sgl_failure *failure)
{
    struct sgl_format_input input = {
        .path = path,
        .name = file->name,
        .bytes = &file->bytes,
        .table = options->table != NULL ? options->table : "requests",
        .where = options->where,
    };
    struct stat info;
    char names[128];

    if (options->memory != NULL) {
        sgl_bytes_of_memory(&file->bytes, options->memory, options->memory_size, file->name);
    } else {
        const int code = sgl_bytes_open(&file->bytes, path, file->name, failure);
        if (code < 0)
            return code;
        input.is_file = stat(path, &info) == 0 && S_ISREG(info.st_mode);
    }
    int code = sgl_bytes_unpack(&file->bytes, failure);
    if (code == 0 && options->format == NULL)
        code = refuse_foreign(&file->bytes, failure);
    if (code < 0)
        return code;
    const struct sgl_format_ops *format = sgl_format_find(options->format, &input);
    if (format == NULL && options->format == NULL)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: is JSON of no known kind, expected lines of Mooncake's or of "
                        "bench_serving's (--format says which)",
                        file->name);
    if (format == NULL)
        return sgl_fail(failure, SGL_EINVAL, "unknown trace format '%s', expected one of %s",
                        options->format, sgl_trace_format_names(names, sizeof names));
    if (options->where != NULL && !format->has_filter)
        return sgl_fail(failure, SGL_EINVAL, "%s: --where is for CSV, and this is format %s",
                        file->name, format->name);
    if (options->table != NULL && !format->has_tables)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: --table is for a SQLite trace, and this is format %s", file->name,
                        format->name);
    return format->open(&file->reader, &input, failure);
}

int sgl_trace_file_open(struct sgl_trace_file *file, const struct sgl_trace_options *options,
                        struct sgl_failure *failure)
{
    struct sgl_unfolded unfolded;

    *file = (struct sgl_trace_file){0};
    set_name(file->name, options->path);
    if (options->memory != NULL || !sgl_is_folder(options->path))
        return open_at(file, options->path, options, failure);
    int status = sgl_unfold(&unfolded, options->path, failure);
    if (status != SGL_OK)
        return status;
    status = open_at(file, unfolded.path, options, failure);
    sgl_unfolded_remove(&unfolded);
    return status;
}

const char *sgl_trace_format_names(char *out, size_t size)
{
    size_t length = 0;

    out[0] = '\0';
    for (uint32_t i = 0; sgl_format_at(i) != NULL && length < size; i++)
        length += (size_t)snprintf(out + length, size - length, "%s%s", i > 0 ? ", " : "",
                                   sgl_format_at(i)->name);
    return out;
}

void sgl_trace_file_close(struct sgl_trace_file *file)
{
    if (file->reader != NULL)
        file->reader->ops->close(file->reader);
    file->reader = NULL;
    sgl_bytes_close(&file->bytes);
}
