#include "folder_state.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 4096

static void die(const char *what)
{
    perror(what);
    abort();
}

static int is_named(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static void add_file(FILE *out, const char *path)
{
    char block[PATH_SIZE];
    size_t got;
    FILE *file = fopen(path, "rb");
    struct stat info;

    if (file == NULL || fstat(fileno(file), &info) != 0)
        die(path);
    const size_t size = (size_t)info.st_size;
    fwrite(&size, sizeof size, 1, out);
    while ((got = fread(block, 1, sizeof block, file)) > 0)
        fwrite(block, 1, got, out);
    fclose(file);
}

/* The files of one folder; those of its folders when `depth` allows (logs are one deep). */
static void add_folder(FILE *out, const char *path, const char *prefix, int depth)
{
    struct dirent **entries;
    const int count = scandir(path, &entries, is_named, alphasort);

    if (count < 0)
        die(path);
    for (int i = 0; i < count; i++) {
        char below[PATH_SIZE];
        struct stat info;
        snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name);
        if (lstat(below, &info) != 0)
            die(below);
        const bool is_folder = S_ISDIR(info.st_mode);
        fprintf(out, "%s%s%s", prefix, entries[i]->d_name, is_folder ? "/" : "");
        fputc('\0', out);
        if (!is_folder) {
            add_file(out, below);
        } else if (depth > 0) {
            char name[PATH_SIZE];
            snprintf(name, sizeof name, "%s%s/", prefix, entries[i]->d_name);
            add_folder(out, below, name, depth - 1);
        }
        free(entries[i]);
    }
    free(entries);
}

struct folder_state folder_state_of(const char *path)
{
    struct folder_state state = {0};
    FILE *out = open_memstream(&state.bytes, &state.size);

    if (out == NULL)
        die(path);
    add_folder(out, path, "", 1);
    if (fclose(out) != 0)
        die(path);
    return state;
}

bool folder_state_equals(const struct folder_state *left, const struct folder_state *right)
{
    return left->size == right->size && memcmp(left->bytes, right->bytes, left->size) == 0;
}

static void empty(const char *path, int depth)
{
    struct dirent **entries;
    const int count = scandir(path, &entries, is_named, alphasort);

    if (count < 0)
        die(path);
    for (int i = 0; i < count; i++) {
        char below[PATH_SIZE];
        snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name);
        if (unlink(below) != 0 && depth > 0) {
            empty(below, depth - 1);
            if (rmdir(below) != 0)
                die(below);
        }
        free(entries[i]);
    }
    free(entries);
}

void folder_state_restore(const struct folder_state *state, const char *path)
{
    const char *end = state->bytes + state->size;

    empty(path, 1);
    for (const char *at = state->bytes; at < end;) {
        char below[PATH_SIZE];
        const size_t length = strlen(at);
        size_t size;
        snprintf(below, sizeof below, "%s/%s", path, at);
        const bool is_folder = at[length - 1] == '/';
        at += length + 1;
        if (is_folder) {
            if (mkdir(below, 0777) != 0)
                die(below);
            continue;
        }
        memcpy(&size, at, sizeof size);
        at += sizeof size;
        FILE *file = fopen(below, "wb");
        if (file == NULL || fwrite(at, 1, size, file) != size || fclose(file) != 0)
            die(below);
        at += size;
    }
}

void folder_state_release(struct folder_state *state)
{
    free(state->bytes);
    *state = (struct folder_state){0};
}

void folder_state_remove(const char *path)
{
    empty(path, 2);
    if (rmdir(path) != 0)
        die(path);
}
