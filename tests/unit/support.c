#include "support.h"

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 1024
#define PATH_RING 8

void sgl_assert_text(const char *actual, const char *expected, const char *file, int line)
{
    const bool same = actual != NULL && strcmp(actual, expected) == 0;

    if (!same)
        printf("\n%s:%d:\n  is       %s\n  expected %s\n", file, line,
               actual != NULL ? actual : "(nothing)", expected);
    CU_assertImplementation(same, (unsigned)line, "text", file, "", CU_FALSE);
}

void sgl_assert_contains(const char *text, const char *part, const char *file, int line)
{
    const bool has = strstr(text, part) != NULL;

    if (!has)
        printf("\n%s:%d:\n  is       %s\n  expected it to contain %s\n", file, line, text, part);
    CU_assertImplementation(has, (unsigned)line, "contains", file, "", CU_FALSE);
}

bool sgl_same_bits(const double *left, const double *right, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t left_bits;
        uint64_t right_bits;
        memcpy(&left_bits, &left[i], sizeof left_bits);
        memcpy(&right_bits, &right[i], sizeof right_bits);
        if (left_bits != right_bits)
            return false;
    }
    return true;
}

static char *next_path(void)
{
    static char ring[PATH_RING][PATH_SIZE];
    static unsigned next;

    return ring[next++ % PATH_RING];
}

const char *sgl_data_folder(void)
{
    static char folder[PATH_SIZE / 2];
    const char *given = getenv("SGLSIM_DATA");
    struct stat info;

    snprintf(folder, sizeof folder, "%s",
             given != NULL ? given : SGL_SOURCE_FOLDER "/../shared/data");
    return stat(folder, &info) == 0 && S_ISDIR(info.st_mode) ? folder : NULL;
}

const char *sgl_data_file(const char *name)
{
    char *path = next_path();

    snprintf(path, PATH_SIZE, "%s/%.500s", sgl_data_folder(), name);
    return path;
}

static char scratch_folder[PATH_SIZE / 2];

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void remove_scratch(void)
{
    nftw(scratch_folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *sgl_scratch(const char *name)
{
    char *path = next_path();

    if (scratch_folder[0] == '\0') {
        const char *base = getenv("TMPDIR");
        snprintf(scratch_folder, sizeof scratch_folder, "%s/sglsim-test-XXXXXX",
                 base != NULL ? base : "/tmp");
        if (mkdtemp(scratch_folder) == NULL) {
            perror(scratch_folder);
            abort();
        }
        atexit(remove_scratch);
    }
    snprintf(path, PATH_SIZE, "%s/%.500s", scratch_folder, name);
    return path;
}

const char *sgl_scratch_file(const char *name, const void *bytes, size_t size)
{
    const char *path = sgl_scratch(name);
    FILE *file = fopen(path, "wb");

    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        abort();
    }
    return path;
}

const char *sgl_scratch_text(const char *name, const char *text)
{
    return sgl_scratch_file(name, text, strlen(text));
}
