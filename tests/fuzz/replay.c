/*
 * replay.c - runs a fuzz target without libFuzzer: `fuzz_x FOLDER` feeds it every file of the
 * folder, in order of name, and of each file the same mutations in every run. So what a fuzzer once
 * found, and the neighbourhood of it, stays an ordinary test of every build.
 */
#include "fuzz.h"

#include "core/rng.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_FED 65536
#define MUTATIONS 2000
#define EDITS_MOST 6

/* Overwrites, deletes or doubles a few bytes. Returns the new size. */
static size_t mutate(uint8_t *bytes, size_t size, struct sgl_rng *draws)
{
    const uint32_t edits = 1 + sgl_rng_below(draws, EDITS_MOST);

    for (uint32_t i = 0; i < edits && size > 0; i++) {
        const size_t at = sgl_rng_below(draws, (uint32_t)size);
        switch (sgl_rng_below(draws, 4)) {
        case 0:
            bytes[at] = (uint8_t)sgl_rng_below(draws, 256);
            break;
        case 1:
            bytes[at] = (uint8_t)(bytes[at] ^ 1u << sgl_rng_below(draws, 8));
            break;
        case 2:
            size--;
            memmove(bytes + at, bytes + at + 1, size - at);
            break;
        default:
            if (size < SIZE_MAX_FED) {
                memmove(bytes + at + 1, bytes + at, size - at);
                size++;
            }
        }
    }
    return size;
}

/* A copy of exactly that size, so that a sanitizer sees a read past its end. */
static int feed(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        return 1;
    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 0;
}

static int feed_file(const char *path, int64_t number)
{
    static uint8_t original[SIZE_MAX_FED];
    static uint8_t mutant[SIZE_MAX_FED];
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        perror(path);
        return 1;
    }
    const size_t size = fread(original, 1, sizeof original, file);
    fclose(file);
    int status = feed(original, size);
    for (uint32_t i = 0; i < MUTATIONS && status == 0; i++) {
        struct sgl_rng draws = sgl_rng_stream(1, SGL_PURPOSE_DECIDE, 0, number, i);
        memcpy(mutant, original, size);
        status = feed(mutant, mutate(mutant, size, &draws));
    }
    return status;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argument_count, char **arguments)
{
    struct dirent **entries = NULL;
    const int count =
        argument_count == 2 ? scandir(arguments[1], &entries, is_input, alphasort) : -1;
    int status = count > 0 ? 0 : 1;

    if (count <= 0)
        fprintf(stderr, "usage: fuzz_x FOLDER (with inputs in it)\n");
    for (int i = 0; i < count; i++) {
        char path[4096];
        if (snprintf(path, sizeof path, "%s/%s", arguments[1], entries[i]->d_name) >=
                (int)sizeof path ||
            feed_file(path, i) != 0)
            status = 1;
        free(entries[i]);
    }
    free(entries);
    printf("%d inputs, %d mutations of each\n", count > 0 ? count : 0, MUTATIONS);
    return status;
}
