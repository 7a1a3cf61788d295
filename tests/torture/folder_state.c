#include "folder_state.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SIZE 4096

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
    char block[BLOCK_SIZE];
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

/* Three texts in one; the caller frees it. */
static char *join(const char *first, const char *second, const char *third)
{
    const size_t size = strlen(first) + strlen(second) + strlen(third) + 1;
    char *text = malloc(size);

    if (text == NULL)
        die("malloc");
    snprintf(text, size, "%s%s%s", first, second, third);
    return text;
}

/* The folders below a path, each behind the one that holds it: "", "a/", "b/", "a/c/". The path
 * itself is the first. */
struct folders {
    char **names;
    size_t count;
};

static void add_folder(struct folders *folders, const char *name, const char *slash)
{
    char **names = realloc(folders->names, (folders->count + 1) * sizeof *names);

    if (names == NULL)
        die("realloc");
    names[folders->count++] = join(name, slash, "");
    folders->names = names;
}

static void release_folders(struct folders *folders)
{
    for (size_t i = 0; i < folders->count; i++)
        free(folders->names[i]);
    free(folders->names);
}

/* Meets all that is in one of the folders, in order of name, and adds the folders among it. */
static void enter(struct folders *folders, size_t folder, const char *path,
                  void (*meet)(const char *place, const char *name, bool is_folder, FILE *out),
                  FILE *out)
{
    char *here = join(path, "/", folders->names[folder]);
    struct dirent **entries;
    const int count = scandir(here, &entries, is_named, alphasort);

    if (count < 0)
        die(here);
    for (int i = 0; i < count; i++) {
        char *name = join(folders->names[folder], entries[i]->d_name, "");
        char *place = join(path, "/", name);
        struct stat info;
        if (lstat(place, &info) != 0)
            die(place);
        const bool is_folder = S_ISDIR(info.st_mode);
        if (is_folder)
            add_folder(folders, name, "/");
        meet(place, name, is_folder, out);
        free(place);
        free(name);
        free(entries[i]);
    }
    free(entries);
    free(here);
}

static struct folders
walk(const char *path, void (*meet)(const char *place, const char *name, bool is_folder, FILE *out),
     FILE *out)
{
    struct folders folders = {0};

    add_folder(&folders, "", "");
    for (size_t i = 0; i < folders.count; i++)
        enter(&folders, i, path, meet, out);
    return folders;
}

static void record(const char *place, const char *name, bool is_folder, FILE *out)
{
    fprintf(out, "%s%s", name, is_folder ? "/" : "");
    fputc('\0', out);
    if (!is_folder)
        add_file(out, place);
}

struct folder_state folder_state_of(const char *path)
{
    struct folder_state state = {0};
    FILE *out = open_memstream(&state.bytes, &state.size);

    if (out == NULL)
        die(path);
    struct folders folders = walk(path, record, out);
    release_folders(&folders);
    if (fclose(out) != 0)
        die(path);
    return state;
}

bool folder_state_equals(const struct folder_state *left, const struct folder_state *right)
{
    return left->size == right->size && memcmp(left->bytes, right->bytes, left->size) == 0;
}

static void drop(const char *place, const char *name, bool is_folder, FILE *out)
{
    (void)name;
    (void)out;
    if (!is_folder && unlink(place) != 0)
        die(place);
}

static void empty(const char *path)
{
    struct folders folders = walk(path, drop, NULL);

    for (size_t i = folders.count - 1; i > 0; i--) {
        char *place = join(path, "/", folders.names[i]);
        if (rmdir(place) != 0)
            die(place);
        free(place);
    }
    release_folders(&folders);
}

void folder_state_restore(const struct folder_state *state, const char *path)
{
    const char *end = state->bytes + state->size;

    empty(path);
    for (const char *at = state->bytes; at < end;) {
        char *place = join(path, "/", at);
        const size_t length = strlen(at);
        size_t size;
        const bool is_folder = at[length - 1] == '/';
        at += length + 1;
        if (is_folder) {
            if (mkdir(place, 0777) != 0)
                die(place);
            free(place);
            continue;
        }
        memcpy(&size, at, sizeof size);
        at += sizeof size;
        FILE *file = fopen(place, "wb");
        if (file == NULL || fwrite(at, 1, size, file) != size || fclose(file) != 0)
            die(place);
        at += size;
        free(place);
    }
}

void folder_state_release(struct folder_state *state)
{
    free(state->bytes);
    *state = (struct folder_state){0};
}

void folder_state_remove(const char *path)
{
    empty(path);
    if (rmdir(path) != 0)
        die(path);
}
