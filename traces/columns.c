#include "columns.h"

#include "core/text.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 64 /* room for one name of the table */

const struct sgl_column_info sgl_columns[SGL_COLUMN_COUNT] = {
#define SGL_COLUMN(upper, given_name, given_aliases, given_kind, member)                           \
    [SGL_COLUMN_##upper] = {.name = (given_name),                                                  \
                            .aliases = (given_aliases),                                            \
                            .kind = SGL_KIND_##given_kind,                                         \
                            .offset = offsetof(struct sgl_trace_row, member)},
#include "columns.def"
#undef SGL_COLUMN
};

_Static_assert(SGL_COLUMN_COUNT <= 32, "a row's columns are the bits of 32");

const char *sgl_excerpt(const char *text, size_t size, char out[static SGL_EXCERPT_MAX])
{
    const size_t most = SGL_EXCERPT_MAX - 4;
    size_t kept = size;

    if (size > most) {
        kept = most;
        while (kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80)
            kept--;
    }
    memcpy(out, text, kept);
    for (size_t i = 0; i < kept; i++) {
        const unsigned char c = (unsigned char)out[i];
        const bool is_c1 = c == 0xc2 && i + 1 < kept && (unsigned char)out[i + 1] < 0xa0;
        if (c < 0x20 || c == 0x7f)
            out[i] = '?';
        if (is_c1)
            out[i] = out[i + 1] = '?';
    }
    memcpy(out + kept, size > most ? "..." : "", size > most ? 4 : 1);
    return out;
}

/* The place of a heading: "t.csv:1:14", or just "t.db:requests". */
static const char *heading_place(const char *place, uint64_t column, char *out, size_t size)
{
    if (column == 0)
        snprintf(out, size, "%s", place);
    else
        snprintf(out, size, "%s:%llu", place, (unsigned long long)column);
    return out;
}

static int compare_names(const void *left, const void *right)
{
    const struct sgl_heading *const *a = left;
    const struct sgl_heading *const *b = right;
    const int order = strcmp((*a)->name, (*b)->name);

    if (order != 0)
        return order;
    return (*a > *b) - (*a < *b);
}

static int refuse_twins(const struct sgl_heading *headings, uint32_t count, const char *place,
                        struct sgl_failure *failure)
{
    const struct sgl_heading **sorted =
        calloc((size_t)count + 1, sizeof(const struct sgl_heading *));
    const struct sgl_heading *twin = NULL;
    char where[SGL_PLACE_MAX];
    char name[SGL_EXCERPT_MAX];

    if (sorted == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory for %u columns", place, count);
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = &headings[i];
    qsort(sorted, count, sizeof(const struct sgl_heading *), compare_names);
    for (uint32_t i = 1; i < count; i++) {
        const bool is_twin =
            sorted[i]->name[0] != '\0' && strcmp(sorted[i - 1]->name, sorted[i]->name) == 0;
        if (is_twin && (twin == NULL || sorted[i] < twin))
            twin = sorted[i];
    }
    free(sorted);
    if (twin == NULL)
        return 0;
    return sgl_fail(failure, SGL_EINVAL, "%s: a second column %s, expected every name once",
                    heading_place(place, twin->column, where, sizeof where),
                    sgl_excerpt(twin->name, strlen(twin->name), name));
}

static uint32_t find(const struct sgl_heading *headings, uint32_t count, const char *name,
                     size_t length)
{
    for (uint32_t i = 0; i < count; i++)
        if (strncmp(headings[i].name, name, length) == 0 && headings[i].name[length] == '\0')
            return i;
    return SGL_NO_COLUMN;
}

/* Where the header has the name or, in their order, one of the aliases. */
static uint32_t find_column(const struct sgl_column_info *info, const struct sgl_heading *headings,
                            uint32_t count)
{
    uint32_t found = find(headings, count, info->name, strlen(info->name));

    for (const char *at = info->aliases; found == SGL_NO_COLUMN && *at != '\0';) {
        const size_t length = strcspn(at, " ");
        found = find(headings, count, at, length);
        at += length;
        at += strspn(at, " ");
    }
    return found;
}

/* " (did you mean 'prompt_tokens'?)" when a heading is a slip of one of the column's names. */
static const char *suggest(const struct sgl_column_info *info, const struct sgl_heading *headings,
                           uint32_t count, char *out, size_t size)
{
    char hint[2 * NAME_SIZE] = "";
    char excerpt[SGL_EXCERPT_MAX];
    char alias[NAME_SIZE];

    out[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        struct sgl_nearest nearest = {.wanted = headings[i].name};
        sgl_nearest_offer(&nearest, info->name);
        sgl_nearest_hint(&nearest, hint, sizeof hint);
        for (const char *at = info->aliases; hint[0] == '\0' && *at != '\0';) {
            const size_t length = strcspn(at, " ");
            snprintf(alias, sizeof alias, "%.*s", (int)length, at);
            nearest = (struct sgl_nearest){.wanted = headings[i].name};
            sgl_nearest_offer(&nearest, alias);
            sgl_nearest_hint(&nearest, hint, sizeof hint);
            at += length;
            at += strspn(at, " ");
        }
        if (hint[0] != '\0') {
            snprintf(out, size, "; there is '%s'%s",
                     sgl_excerpt(headings[i].name, strlen(headings[i].name), excerpt), hint);
            return out;
        }
    }
    return out;
}

/* A first row of which no cell is a name we know, but one begins like a number: there is no header.
 */
static const struct sgl_heading *find_data(const struct sgl_heading *headings, uint32_t count)
{
    const struct sgl_heading *number = NULL;

    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++)
        if (find_column(&sgl_columns[column], headings, count) != SGL_NO_COLUMN)
            return NULL;
    for (uint32_t i = 0; i < count && number == NULL; i++)
        if (headings[i].name[0] >= '0' && headings[i].name[0] <= '9')
            number = &headings[i];
    return number;
}

int sgl_columns_map(struct sgl_column_map *map, const struct sgl_heading *headings, uint32_t count,
                    const char *place, struct sgl_failure *failure)
{
    const struct sgl_heading *const data = find_data(headings, count);
    char where[SGL_PLACE_MAX];
    char excerpt[SGL_EXCERPT_MAX];
    char hint[256];

    if (data != NULL)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: '%s' is data, expected a header with arrival_time, prompt_tokens, "
                        "output_tokens",
                        heading_place(place, data->column, where, sizeof where),
                        sgl_excerpt(data->name, strlen(data->name), excerpt));
    const int code = refuse_twins(headings, count, place, failure);
    if (code < 0)
        return code;
    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++) {
        const struct sgl_column_info *info = &sgl_columns[column];
        map->index[column] = find_column(info, headings, count);
        if (column < SGL_COLUMN_REQUIRED_COUNT && map->index[column] == SGL_NO_COLUMN)
            return sgl_fail(failure, SGL_EINVAL, "%s: no column %s, expected it or one of: %s%s",
                            place, info->name, info->aliases,
                            suggest(info, headings, count, hint, sizeof hint));
    }
    return 0;
}
