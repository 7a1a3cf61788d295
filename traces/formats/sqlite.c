/*
 * sqlite.c - a table (or view) of a SQLite database whose columns have the names of columns.def or
 * their aliases. Rows come in the order of rowid, without being sorted first.
 */
#include "traces/sqlite_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct table_reader {
    struct sgl_sqlite_reader base;
    char *names; /* the headers of base.reader.headers, one after the other */
};

static bool detect(const struct sgl_format_input *input)
{
    static const char *const suffixes[] = {".db", ".sqlite", ".sqlite3"};
    const size_t size = strlen(input->path);

    if (sgl_sqlite_is_head(input->bytes))
        return true;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const size_t length = strlen(suffixes[i]);
        if (size > length && strcmp(input->path + size - length, suffixes[i]) == 0)
            return true;
    }
    return false;
}

/* "requests, workers" or "none", as far as there is room. */
static int list_tables(struct table_reader *self, char *out, size_t size)
{
    sqlite3_stmt *statement;
    size_t length = 0;
    int step;

    snprintf(out, size, "none");
    if (sqlite3_prepare_v2(self->base.database,
                           "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') "
                           "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
                           -1, &statement, NULL) != SQLITE_OK)
        return -1;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW && length < size) {
        char excerpt[SGL_EXCERPT_MAX];
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        length += (size_t)snprintf(out + length, size - length, "%s%s", length > 0 ? ", " : "",
                                   name != NULL ? sgl_excerpt(name, strlen(name), excerpt) : "?");
    }
    sqlite3_finalize(statement);
    return step == SQLITE_DONE || step == SQLITE_ROW ? 0 : -1;
}

static int fail_table(struct table_reader *self, const struct sgl_format_input *input,
                      struct sgl_failure *failure)
{
    char tables[160];
    char excerpt[SGL_EXCERPT_MAX];

    if (list_tables(self, tables, sizeof tables) < 0)
        return sgl_sqlite_fail(&self->base, failure, input->name);
    return sgl_fail(failure, SGL_EINVAL, "%s: no table '%s', expected one of its tables: %s",
                    input->name, sgl_excerpt(input->table, strlen(input->table), excerpt), tables);
}

/* Is there a table or view of that name? Views and tables WITHOUT ROWID come in their own order. 1:
 * with rowid; 2: without; 0: none; negative: failure. */
static int find_table(struct table_reader *self, const struct sgl_format_input *input,
                      struct sgl_failure *failure)
{
    sqlite3_stmt *statement;
    int found = 0;

    if (sqlite3_prepare_v2(self->base.database,
                           "SELECT type = 'table' AND wr = 0 FROM pragma_table_list "
                           "WHERE name = ? COLLATE NOCASE AND schema = 'main'",
                           -1, &statement, NULL) != SQLITE_OK)
        return sgl_sqlite_fail(&self->base, failure, input->name);
    sqlite3_bind_text(statement, 1, input->table, -1, SQLITE_STATIC);
    const int step = sqlite3_step(statement);
    if (step == SQLITE_ROW)
        found = sqlite3_column_int(statement, 0) != 0 ? 1 : 2;
    sqlite3_finalize(statement);
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        return sgl_sqlite_fail(&self->base, failure, input->name);
    return found;
}

/* The names of the columns we read, copied, and the list of them for a SELECT. */
static char *choose_columns(struct table_reader *self, sqlite3_stmt *all,
                            const struct sgl_column_map *map)
{
    sqlite3_str *list = sqlite3_str_new(self->base.database);
    size_t size = 1;

    for (enum sgl_column column = 0; column < SGL_COLUMN_COUNT; column++)
        if (map->index[column] != SGL_NO_COLUMN)
            size += strlen(sqlite3_column_name(all, (int)map->index[column])) + 1;
    self->names = malloc(size);
    char *at = self->names;
    for (enum sgl_column column = 0; at != NULL && column < SGL_COLUMN_COUNT; column++) {
        if (map->index[column] == SGL_NO_COLUMN)
            continue;
        const char *name = sqlite3_column_name(all, (int)map->index[column]);
        const size_t name_size = strlen(name) + 1;
        self->base.reader.headers[column] = memcpy(at, name, name_size);
        at += name_size;
        sqlite3_str_appendf(list, "%s\"%w\"", sqlite3_str_length(list) > 0 ? ", " : "", name);
    }
    return sqlite3_str_finish(list);
}

static int prepare(struct table_reader *self, const struct sgl_format_input *input,
                   const char *columns, bool has_rowid, struct sgl_failure *failure)
{
    char *sql = sqlite3_mprintf("SELECT %s FROM main.\"%w\"%s", columns, input->table,
                                has_rowid ? " ORDER BY rowid" : "");

    if (sql == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", input->name);
    const int code = sqlite3_prepare_v2(self->base.database, sql, -1, &self->base.statement, NULL);
    sqlite3_free(sql);
    return code == SQLITE_OK ? 0 : sgl_sqlite_fail(&self->base, failure, input->name);
}

static int map_columns(const struct sgl_format_input *input, sqlite3_stmt *all,
                       struct sgl_column_map *map, struct sgl_failure *failure)
{
    const uint32_t count = (uint32_t)sqlite3_column_count(all);
    struct sgl_heading *headings = calloc(count, sizeof *headings);
    char place[SGL_PLACE_MAX];
    int code = 0;

    if (headings == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", input->name);
    for (uint32_t i = 0; i < count && code == 0; i++) {
        headings[i].name = sqlite3_column_name(all, (int)i);
        if (headings[i].name == NULL)
            code = sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", input->name);
    }
    snprintf(place, sizeof place, "%s:%.40s", input->name, input->table);
    if (code == 0)
        code = sgl_columns_map(map, headings, count, place, failure);
    free(headings);
    return code;
}

static int select_rows(struct table_reader *self, const struct sgl_format_input *input,
                       struct sgl_failure *failure)
{
    struct sgl_column_map map = {0};
    sqlite3_stmt *all;

    const int table = find_table(self, input, failure);
    if (table <= 0)
        return table < 0 ? table : fail_table(self, input, failure);
    int code = prepare(self, input, "*", false, failure);
    if (code < 0)
        return code;
    all = self->base.statement;
    self->base.statement = NULL;
    code = map_columns(input, all, &map, failure);
    if (code == 0) {
        char *columns = choose_columns(self, all, &map);
        code = columns == NULL || self->names == NULL
                   ? sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", input->name)
                   : prepare(self, input, columns, table == 1, failure);
        sqlite3_free(columns);
    }
    sqlite3_finalize(all);
    return code;
}

static void close_table(struct sgl_format_reader *reader)
{
    struct table_reader *self = (struct table_reader *)reader;

    sgl_sqlite_release(&self->base);
    free(self->names);
    free(self);
}

static int open_table(struct sgl_format_reader **reader_out, const struct sgl_format_input *input,
                      struct sgl_failure *failure)
{
    struct table_reader *self = calloc(1, sizeof *self);

    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", input->name);
    int code = sgl_sqlite_open(&self->base, &sgl_format_sqlite, input, input->table, failure);
    if (code == 0)
        code = select_rows(self, input, failure);
    if (code < 0) {
        close_table(&self->base.reader);
        return code;
    }
    *reader_out = &self->base.reader;
    return 0;
}

static int next_row(struct sgl_format_reader *reader, struct sgl_raw_row *row_out,
                    struct sgl_failure *failure)
{
    return sgl_sqlite_next((struct sgl_sqlite_reader *)reader, row_out, failure);
}

const struct sgl_format_ops sgl_format_sqlite = {
    .name = "sqlite",
    .summary = "a table of a SQLite database",
    .has_tables = true,
    .detect = detect,
    .open = open_table,
    .next = next_row,
    .close = close_table,
};
