/*
 * failing_malloc.c - a library for LD_PRELOAD under which the n-th allocation of a program fails.
 *
 *     SGL_TORTURE_FAIL=n      that call of malloc, calloc, realloc, posix_memalign or aligned_alloc
 *                             gives NULL with ENOMEM, and only that one (0: none)
 *     SGL_TORTURE_COUNT=FILE  when the program ends, how many there were is written there
 *
 * Calls of every library count, as do those within libc (strdup, open_memstream, stdio). The
 * program must be of one thread. Under the address sanitizer its allocator is the next one, so what
 * is allocated is still watched.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EARLY_SIZE 4096 /* what dlsym itself asks for, while the next allocator is looked for */

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
} next;

static _Alignas(max_align_t) unsigned char early[EARLY_SIZE];
static size_t early_used;
static unsigned long count;
static unsigned long failing;
static int is_counting;

/* A function's address is no object pointer in C, but dlsym gives one: its bytes are copied. */
static void find(void *function, const char *name)
{
    void *address = dlsym(RTLD_NEXT, name);

    memcpy(function, &address, sizeof address);
}

static void find_next(void)
{
    static int is_found;

    if (is_found)
        return;
    is_found = 1;
    find(&next.free, "free");
    find(&next.calloc, "calloc");
    find(&next.realloc, "realloc");
    find(&next.posix_memalign, "posix_memalign");
    find(&next.aligned_alloc, "aligned_alloc");
    find(&next.malloc, "malloc");
}

static int is_early(const void *at)
{
    return (uintptr_t)at >= (uintptr_t)early && (uintptr_t)at < (uintptr_t)(early + EARLY_SIZE);
}

static void *allocate_early(size_t size)
{
    const size_t rounded =
        (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);

    if (rounded > EARLY_SIZE - early_used)
        abort();
    early_used += rounded;
    return early + early_used - rounded;
}

static int fails(void)
{
    if (!is_counting || ++count != failing)
        return 0;
    errno = ENOMEM;
    return 1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("SGL_TORTURE_FAIL");

    find_next();
    failing = text != NULL ? strtoul(text, NULL, 10) : 0;
    is_counting = 1;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("SGL_TORTURE_COUNT");
    const unsigned long total = count;

    is_counting = 0;
    if (path == NULL)
        return;
    FILE *file = fopen(path, "w");
    if (file == NULL || fprintf(file, "%lu\n", total) < 0 || fclose(file) != 0)
        abort();
}

void *malloc(size_t size)
{
    find_next();
    if (next.malloc == NULL)
        return allocate_early(size);
    return fails() ? NULL : next.malloc(size);
}

void *calloc(size_t number, size_t size)
{
    find_next();
    if (next.malloc == NULL) /* never freed and zero from the start */
        return allocate_early(number * size);
    return fails() ? NULL : next.calloc(number, size);
}

void *realloc(void *old, size_t size)
{
    find_next();
    return fails() ? NULL : next.realloc(old, size);
}

void free(void *at)
{
    if (at == NULL || is_early(at))
        return;
    find_next();
    next.free(at);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    find_next();
    return fails() ? ENOMEM : next.posix_memalign(out, alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    find_next();
    return fails() ? NULL : next.aligned_alloc(alignment, size);
}
