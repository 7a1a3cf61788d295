/*
 * Any bytes as the file of a decision log in SQLite: read_log.h says what must hold, and no file
 * is left beside it.
 */
#include "fuzz.h"

#include "read_log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char folder[SGL_FUZZ_PATH_MAX];
    char path[SGL_FUZZ_PATH_MAX + 16];

    snprintf(path, sizeof path, "%s/log.db", sgl_fuzz_scratch(folder));
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        abort();
    fwrite(bytes, 1, size, file);
    if (fclose(file) != 0)
        abort();
    sgl_fuzz_read_log(path);
    unlink(path);
    const int status = rmdir(folder);
    assert(status == 0);
    return 0;
}
