/*
 * Any bytes as the files of a decision log in CSV (read_log.h says what must hold).
 *
 * The input is an archive of them: a line "@NAME" begins a file, whose bytes go to the next line
 * that begins with @. Names that no log has are left out, so nothing is written elsewhere.
 */
#include "fuzz.h"

#include "read_log.h"
#include "traces/log_csv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_SIZE 32

/* Where the next line that begins with @ begins, or the end. */
static const uint8_t *next_mark(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at != '@') {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline != NULL ? newline + 1 : end;
    }
    return at;
}

static void write_file(const char *folder, const char *name, const uint8_t *bytes, size_t size)
{
    char path[SGL_FUZZ_PATH_MAX + NAME_MAX_SIZE];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        abort();
    fwrite(bytes, 1, size, file);
    if (fclose(file) != 0)
        abort();
}

static void unpack(const char *folder, const uint8_t *bytes, size_t size)
{
    const uint8_t *end = bytes + size;

    for (const uint8_t *at = next_mark(bytes, end); at < end;) {
        char name[NAME_MAX_SIZE] = "";
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            return;
        if ((size_t)(newline - at) <= sizeof name)
            memcpy(name, at + 1, (size_t)(newline - at) - 1);
        at = newline + 1;
        const uint8_t *next = next_mark(at, end);
        if (sgl_log_csv_has_file(name))
            write_file(folder, name, at, (size_t)(next - at));
        at = next;
    }
}

static void remove_file(void *context, const char *name)
{
    char path[SGL_FUZZ_PATH_MAX + NAME_MAX_SIZE];

    snprintf(path, sizeof path, "%s/%s", (const char *)context, name);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char folder[SGL_FUZZ_PATH_MAX];
    char path[SGL_FUZZ_PATH_MAX + 1];

    unpack(sgl_fuzz_scratch(folder), bytes, size);
    snprintf(path, sizeof path, "%s/", folder);
    sgl_fuzz_read_log(path);
    sgl_log_csv_each_file(remove_file, folder);
    const int status = rmdir(folder);
    assert(status == 0);
    return 0;
}
