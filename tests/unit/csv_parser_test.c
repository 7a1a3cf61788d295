/*
 * Rows and places of CSV. The oracle is a writer: it draws cells, writes them with every freedom
 * CSV has, and notes where each begins.
 */
#include "support.h"

#include "core/rng.h"
#include "traces/csv_parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES 200
#define CELLS_MOST 6
#define ROWS_MOST 400
#define CELL_SIZE 24

struct cell {
    char text[CELL_SIZE];
    uint64_t line;
    uint64_t column;
};

struct table {
    struct cell cells[ROWS_MOST][CELLS_MOST];
    uint32_t cell_count;
    uint32_t row_count;
    char *bytes;
    size_t size;
    uint64_t line; /* of the next byte */
    uint64_t column;
    bool is_plain; /* the row being written takes no freedom */
};

static void put(struct table *table, const char *text)
{
    for (; *text != '\0'; text++) {
        const bool is_end = *text == '\n' || (*text == '\r' && text[1] != '\n');
        table->bytes[table->size++] = *text;
        table->column = is_end ? 1 : table->column + 1;
        table->line += is_end;
    }
}

static void draw_text(char out[static CELL_SIZE], bool is_plain, struct sgl_rng *draws)
{
    static const char *const pieces[] = {"7",
                                         "12",
                                         "x",
                                         "-",
                                         "a b",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         ",",
                                         "\"",
                                         "\n",
                                         "\r\n",
                                         "\xf0\x9f\x98\x80"};
    const uint32_t piece_count = is_plain ? 5 : sizeof pieces / sizeof pieces[0];
    const uint32_t count = sgl_rng_below(draws, 5);
    size_t size = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < count; i++)
        size += (size_t)snprintf(out + size, CELL_SIZE - size, "%s",
                                 pieces[sgl_rng_below(draws, piece_count)]);
}

static void put_blanks(struct table *table, struct sgl_rng *draws)
{
    static const char *const blanks[] = {"", "", "", " ", "\t", "  \t "};

    if (!table->is_plain)
        put(table, blanks[sgl_rng_below(draws, sizeof blanks / sizeof blanks[0])]);
}

static void put_cell(struct table *table, struct cell *cell, struct sgl_rng *draws)
{
    const bool must_quote = strpbrk(cell->text, ",\"\r\n") != NULL;
    char doubled[2 * CELL_SIZE + 3];
    size_t size = 0;

    put_blanks(table, draws);
    cell->line = table->line;
    cell->column = table->column;
    if (!must_quote && (table->is_plain || sgl_rng_below(draws, 3) > 0)) {
        put(table, cell->text);
    } else {
        doubled[size++] = '"';
        for (const char *c = cell->text; *c != '\0'; c++) {
            doubled[size++] = *c;
            if (*c == '"')
                doubled[size++] = '"';
        }
        doubled[size++] = '"';
        doubled[size] = '\0';
        put(table, doubled);
    }
    put_blanks(table, draws);
    if (cell->text[0] == '\0' && size == 0) {
        cell->line = table->line; /* an empty cell stands where it ends */
        cell->column = table->column;
    }
}

/* At least one byte that is no space: a row of nothing is a blank line. */
static void fill_row(struct cell *row, uint32_t count, bool is_plain, struct sgl_rng *draws)
{
    for (uint32_t k = 0; k < count; k++)
        draw_text(row[k].text, is_plain, draws);
    if (count == 1 && row[0].text[0] == '\0')
        memcpy(row[0].text, "1", 2);
}

static void write_table(struct table *table, struct sgl_rng *draws)
{
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    const char *end = ends[sgl_rng_below(draws, 3)];

    table->cell_count = 1 + sgl_rng_below(draws, CELLS_MOST);
    table->row_count = 1 + sgl_rng_below(draws, ROWS_MOST);
    table->bytes = calloc(table->row_count + 1, CELLS_MOST * (2 * CELL_SIZE + 16) + 16);
    CU_ASSERT_PTR_NOT_NULL_FATAL(table->bytes);
    table->line = 1;
    table->column = 1;
    if (sgl_rng_below(draws, 2) == 0) {
        memcpy(table->bytes, "\xef\xbb\xbf", 3);
        table->size = 3;
    }
    for (uint32_t i = 0; i < table->row_count; i++) {
        table->is_plain = sgl_rng_below(draws, 2) == 0;
        fill_row(table->cells[i], table->cell_count, table->is_plain, draws);
        while (sgl_rng_below(draws, 10) == 0) {
            put_blanks(table, draws);
            put(table, end);
        }
        for (uint32_t k = 0; k < table->cell_count; k++) {
            put(table, k > 0 ? "," : "");
            put_cell(table, &table->cells[i][k], draws);
        }
        if (i + 1 < table->row_count || sgl_rng_below(draws, 2) == 0)
            put(table, end);
    }
}

static size_t count_wrong(const struct table *table, struct sgl_bytes *bytes)
{
    struct sgl_failure failure = {""};
    struct sgl_csv_parser *parser;
    struct sgl_csv_row row;
    size_t wrong = 0;
    uint32_t rows = 0;
    int code;

    if (sgl_csv_create(&parser, bytes, &failure) < 0)
        return 1;
    while ((code = sgl_csv_next(parser, &row, &failure)) > 0 && rows < table->row_count) {
        const struct cell *expected = table->cells[rows++];
        wrong += row.cell_count != table->cell_count || row.line != expected[0].line;
        for (uint32_t k = 0; k < row.cell_count && k < table->cell_count; k++)
            wrong += strcmp(row.cells[k].text, expected[k].text) != 0 ||
                     row.cells[k].size != strlen(expected[k].text) ||
                     row.cells[k].line != expected[k].line ||
                     row.cells[k].column != expected[k].column;
    }
    if (code < 0)
        printf("\n  %s\n", failure.text);
    sgl_csv_destroy(parser);
    return wrong + (code != 0) + (rows != table->row_count);
}

static void cells_and_places_come_back(void)
{
    struct table *table = malloc(sizeof *table);

    if (table == NULL)
        abort();
    for (int64_t i = 0; i < FILES; i++) {
        struct sgl_rng draws = sgl_rng_stream(11, SGL_PURPOSE_LENGTH, 0, i, 0);
        struct sgl_bytes bytes;
        memset(table, 0, sizeof *table);
        write_table(table, &draws);
        sgl_bytes_of_memory(&bytes, table->bytes, table->size, "t.csv");
        CU_ASSERT_EQUAL(count_wrong(table, &bytes), 0);
        free(table->bytes);
    }
    free(table);
}

/* The same bytes read with a chunk's end in another place each time: in front of the table stands a
 * quoted cell of growing size, so the first chunk ends anywhere in the first rows. */
static void the_end_of_a_chunk_may_fall_anywhere(void)
{
    static const char rest[] =
        ",\"\xe2\x82\xac\"\"\r\nx\"\r\n\xf0\x9f\x98\x80,  \"a\" \r\n\r\n 1\t,2";
    static char file[SGL_BYTES_CHUNK + sizeof rest];
    const size_t rest_size = sizeof rest - 1;

    for (size_t cut = 0; cut <= rest_size; cut++) {
        const size_t filled = SGL_BYTES_CHUNK - cut;
        struct sgl_failure failure = {""};
        struct sgl_csv_parser *parser = NULL;
        struct sgl_csv_row row = {0};
        struct sgl_bytes bytes;
        memset(file, 'y', filled);
        memcpy(file + filled, rest, rest_size);
        const char *path = sgl_scratch_file("chunk.csv", file, filled + rest_size);
        CU_ASSERT_EQUAL_FATAL(sgl_bytes_open(&bytes, path, "t.csv", &failure), 0);
        CU_ASSERT_EQUAL_FATAL(sgl_csv_create(&parser, &bytes, &failure), 0);
        CU_ASSERT_EQUAL(sgl_csv_next(parser, &row, &failure), 1);
        CU_ASSERT_EQUAL(row.cell_count, 2);
        CU_ASSERT_EQUAL(row.cells[0].size, filled);
        SGL_ASSERT_TEXT(row.cells[1].text, "\xe2\x82\xac\"\r\nx");
        CU_ASSERT_EQUAL(sgl_csv_next(parser, &row, &failure), 1);
        SGL_ASSERT_TEXT(row.cells[1].text, "a");
        CU_ASSERT_EQUAL(row.line, 3);
        CU_ASSERT_EQUAL(sgl_csv_next(parser, &row, &failure), 1);
        SGL_ASSERT_TEXT(row.cells[0].text, "1");
        CU_ASSERT_EQUAL(row.line, 5);
        CU_ASSERT_EQUAL(row.cells[1].column, 5);
        CU_ASSERT_EQUAL(sgl_csv_next(parser, &row, &failure), 0);
        SGL_ASSERT_TEXT(failure.text, "");
        sgl_csv_destroy(parser);
        sgl_bytes_close(&bytes);
    }
}

/* The failure text of a CSV, or "" when it has none. */
static const char *failure_of(const char *text, size_t size)
{
    static struct sgl_failure failure;
    struct sgl_csv_parser *parser;
    struct sgl_csv_row row;
    struct sgl_bytes bytes;

    failure.text[0] = '\0';
    sgl_bytes_of_memory(&bytes, text, size, "t.csv");
    if (sgl_csv_create(&parser, &bytes, &failure) < 0)
        return failure.text;
    while (sgl_csv_next(parser, &row, &failure) > 0)
        continue;
    sgl_csv_destroy(parser);
    return failure.text;
}

static void damaged_bytes_are_named_by_their_place(void)
{
#define CASE(bytes, failure)                                                                       \
    {                                                                                              \
        .text = (bytes), .size = sizeof(bytes) - 1, .expected = (failure)                          \
    }
    static const struct {
        const char *text;
        size_t size;
        const char *expected;
    } cases[] = {
        CASE("", ""),
        CASE("a,b\nc", ""),
        CASE("a,b\n\nc,\"d\n\ne\n", "t.csv:3:3: quote never closed, expected another one"),
        CASE("a\n  \"b", "t.csv:2:3: quote never closed, expected another one"),
        CASE("a\nb\"c\n",
             "t.csv:2:2: quote in the middle of a cell, expected \"\" in a quoted cell"),
        CASE("a\n\"b\"c\n",
             "t.csv:2:4: quote in the middle of a cell, expected \"\" in a quoted cell"),
        CASE("a,b\r\nc\0,d", "t.csv:2:2: NUL byte, expected text"),
        CASE("abcd\n\xff", "t.csv:2:1: not UTF-8, expected UTF-8 text"),
        CASE("abcd\n\xe2\x82", "t.csv:2:3: file ends within a character, expected UTF-8 text"),
        CASE("abcd\nx\xe2\x82,", "t.csv:2:4: not UTF-8, expected UTF-8 text"),
        CASE("abcd\n\xc0\x80", "t.csv:2:1: not UTF-8, expected UTF-8 text"),
        CASE("abcd\n\xed\xa0\x80", "t.csv:2:2: not UTF-8, expected UTF-8 text"),
        CASE("abcd\n\xf4\x90\x80\x80", "t.csv:2:2: not UTF-8, expected UTF-8 text"),
        CASE("abcd\n\xe0\x9f\xbf", "t.csv:2:2: not UTF-8, expected UTF-8 text"),
        CASE("\xff\xfe"
             "a\0,\0",
             "t.csv: looks like UTF-16, expected UTF-8"),
        CASE("\xfe\xff\0a\0,", "t.csv: looks like UTF-16, expected UTF-8"),
        CASE("a\0,\0", "t.csv: looks like UTF-16, expected UTF-8"),
        CASE("\0a\0,", "t.csv: looks like UTF-16, expected UTF-8"),
    };
#undef CASE

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        SGL_ASSERT_TEXT(failure_of(cases[i].text, cases[i].size), cases[i].expected);
}

static void large_rows_are_refused_in_bounded_memory(void)
{
    const size_t size = (size_t)10 * 1024 * 1024;
    char *text = malloc(size);

    if (text == NULL)
        abort();
    memset(text, 'x', size);
    text[1] = text[3] = '\n';
    SGL_ASSERT_TEXT(failure_of(text, size), "t.csv:3:1: cell of more than 1 MiB, expected less "
                                            "(is a quote never closed?)");
    text[4] = '"';
    SGL_ASSERT_TEXT(failure_of(text, size), "t.csv:3:1: cell of more than 1 MiB, expected less "
                                            "(is a quote never closed?)");
    memset(text, ',', SGL_CELL_COUNT_MAX - 1);
    text[SGL_CELL_COUNT_MAX - 1] = '\n';
    SGL_ASSERT_TEXT(failure_of(text, SGL_CELL_COUNT_MAX), "");
    text[SGL_CELL_COUNT_MAX - 1] = ',';
    text[SGL_CELL_COUNT_MAX] = '\n';
    SGL_ASSERT_TEXT(failure_of(text, SGL_CELL_COUNT_MAX + 1),
                    "t.csv:1:4097: row of more than 4,096 cells or 16 MiB, expected less");
    free(text);
}

static void cells_nobody_wants_are_counted_only(void)
{
    static const bool keep[] = {false, true};
    static const char text[] = "a,b,c\n1,2,3\n";
    struct sgl_failure failure;
    struct sgl_csv_parser *parser;
    struct sgl_csv_row row;
    struct sgl_bytes bytes;

    sgl_bytes_of_memory(&bytes, text, sizeof text - 1, "t.csv");
    CU_ASSERT_EQUAL_FATAL(sgl_csv_create(&parser, &bytes, &failure), 0);
    CU_ASSERT_EQUAL(sgl_csv_next(parser, &row, &failure), 1);
    SGL_ASSERT_TEXT(row.cells[2].text, "c");
    sgl_csv_keep(parser, keep, 2);
    CU_ASSERT_EQUAL(sgl_csv_next(parser, &row, &failure), 1);
    CU_ASSERT_EQUAL(row.cell_count, 3);
    CU_ASSERT_PTR_NULL(row.cells[0].text);
    SGL_ASSERT_TEXT(row.cells[1].text, "2");
    CU_ASSERT_PTR_NULL(row.cells[2].text);
    sgl_csv_destroy(parser);
}

SGL_SUITE(csv_parser) = {
    {"cells and their places come back from any spelling", cells_and_places_come_back},
    {"the end of a chunk may fall anywhere", the_end_of_a_chunk_may_fall_anywhere},
    {"damaged bytes are named by their place", damaged_bytes_are_named_by_their_place},
    {"large rows are refused in bounded memory", large_rows_are_refused_in_bounded_memory},
    {"cells nobody wants are counted only", cells_nobody_wants_are_counted_only},
    CU_TEST_INFO_NULL,
};
