#define _GNU_SOURCE /* memfd_create */
#include "text_file.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int fuzz_text_file(const uint8_t *bytes, size_t size, char path[static FUZZ_PATH_SIZE])
{
    const int descriptor = memfd_create("fuzz", MFD_CLOEXEC);

    if (descriptor < 0)
        return -1;
    if (write(descriptor, bytes, size) != (ssize_t)size) {
        close(descriptor);
        return -1;
    }
    snprintf(path, FUZZ_PATH_SIZE, "/proc/self/fd/%d", descriptor);
    return descriptor;
}

void fuzz_text_file_close(int descriptor)
{
    close(descriptor);
}
