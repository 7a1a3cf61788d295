/*
 * The view client against files that the real client wrote. A recorded round robin run is fed to
 * the router as it happened; the log's view must then be the file: header, order, and every column
 * that a log can know, among them the running averages, whose meaning was inferred from these
 * files.
 */
#include "log_support.h"
#include "support.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_COUNT 31
#define ROW_MAX 1024
#define LINE_MAX_SIZE 2048
#define TOLERANCE 1e-7 /* of times rounded to ns, relative */

/* Columns of the file by name, for feeding. The rest are only compared. */
enum column {
    REQ_ID = 3,
    HOST = 6,
    MAX_TOKENS = 9,
    PROMPT_TOKENS = 10,
    OUTPUT_TOKENS = 11,
    ARRIVAL = 15,
    SEND = 16,
    FIRST_TOKEN = 20,
    FINISH = 21,
    TTFT = 24,
    PURE_QUEUE = 30,
};

/* What no log knows, and what it knows by another definition (log_views.h). */
static const char unknown_columns[] = " input_length actual_total_tokens output_tokens_from_trace "
                                      "server_created_time queue_time_start queue_time_end "
                                      "queue_time_in_server tokenize_time ";

struct file {
    char *header;
    size_t row_count;
    char *cells[ROW_MAX][COLUMN_COUNT];
    char *lines[ROW_MAX];
};

/* No cell of these files is quoted. */
static void split(char *line, char **cells)
{
    line[strcspn(line, "\r\n")] = '\0';
    for (int i = 0; i < COLUMN_COUNT; i++) {
        cells[i] = line;
        char *comma = strchr(line, ',');
        CU_ASSERT_EQUAL_FATAL(comma != NULL, i < COLUMN_COUNT - 1);
        if (comma != NULL) {
            *comma = '\0';
            line = comma + 1;
        }
    }
}

static struct file *read_file(const char *path)
{
    struct file *file = calloc(1, sizeof *file);
    FILE *stream = fopen(path, "r");
    char line[LINE_MAX_SIZE];

    if (file == NULL || stream == NULL) {
        perror(path);
        abort();
    }
    while (fgets(line, sizeof line, stream) != NULL) {
        if (file->header == NULL) {
            line[strcspn(line, "\r\n")] = '\0';
            file->header = strdup(line);
            continue;
        }
        CU_ASSERT_FATAL(file->row_count < ROW_MAX);
        file->lines[file->row_count] = strdup(line);
        split(file->lines[file->row_count], file->cells[file->row_count]);
        file->row_count++;
    }
    fclose(stream);
    return file;
}

static void free_file(struct file *file)
{
    for (size_t i = 0; i < file->row_count; i++)
        free(file->lines[i]);
    free(file->header);
    free(file);
}

static int64_t nanoseconds(const char *seconds)
{
    return seconds[0] == '\0' ? SGL_ABSENT : llround(strtod(seconds, NULL) * 1e9);
}

static int64_t difference(const char *later, const char *earlier)
{
    return later[0] == '\0' ? SGL_ABSENT : nanoseconds(later) - nanoseconds(earlier);
}

/* Routes and completions in order of time. */
struct event {
    int64_t now_ns;
    size_t row;
    bool is_complete;
};

static int compare_events(const void *left, const void *right)
{
    const struct event *a = left;
    const struct event *b = right;

    if (a->now_ns != b->now_ns)
        return a->now_ns < b->now_ns ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static void feed(struct sgl_router *router, const struct file *file, const struct event *event)
{
    char *const *cells = file->cells[event->row];
    struct sgl_failure failure = {""};
    struct sgl_request request = {
        .request = (int64_t)event->row,
        .arrival_ns = nanoseconds(cells[ARRIVAL]),
        .prompt_tokens = strtoll(cells[PROMPT_TOKENS], NULL, 10),
        .max_tokens = strtoll(cells[MAX_TOKENS], NULL, 10),
        .priority = SGL_PRIORITY_NORMAL,
        .request_id = cells[REQ_ID],
    };
    struct sgl_input input = {.kind = SGL_INPUT_ROUTE,
                              .now_ns = event->now_ns,
                              .request = request.request,
                              .route = {.request = &request}};

    if (event->is_complete) {
        input.kind = SGL_INPUT_COMPLETE;
        input.outcome = sgl_outcome_absent();
        input.outcome.success = true;
        input.outcome.prompt_tokens = request.prompt_tokens;
        input.outcome.output_tokens = strtoll(cells[OUTPUT_TOKENS], NULL, 10);
        input.outcome.queue_time_ns = nanoseconds(cells[PURE_QUEUE]);
        input.outcome.ttft_ns = difference(cells[FIRST_TOKEN], cells[ARRIVAL]);
        input.outcome.e2e_ns = difference(cells[FINISH], cells[ARRIVAL]);
    }
    CU_ASSERT_EQUAL(sgl_router_feed(router, &input, NULL, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
}

static const char *log_of(const struct file *file, const char *name)
{
    static struct event events[2 * ROW_MAX];
    struct sgl_policy_spec spec = sgl_world_policy("round_robin");
    struct sgl_failure failure = {""};
    struct sgl_log *log;
    const char *path = sgl_scratch(name);

    for (size_t i = 0; i < file->row_count; i++) {
        events[2 * i] = (struct event){nanoseconds(file->cells[i][SEND]), i, false};
        events[2 * i + 1] = (struct event){nanoseconds(file->cells[i][FINISH]), i, true};
    }
    qsort(events, 2 * file->row_count, sizeof events[0], compare_events);
    CU_ASSERT_EQUAL_FATAL(
        sgl_log_open(&log, path,
                     &(struct sgl_log_options){.policy = {&spec}, .epoch_ns = SGL_ABSENT},
                     &failure),
        SGL_OK);
    struct sgl_router *router = sgl_world_router(&spec, 0, sgl_log_sink(log));
    for (int w = 1; w <= 3; w++) {
        char url[40];
        snprintf(url, sizeof url, "http://localhost:%d", 30000 + w);
        sgl_router_feed(router,
                        &(struct sgl_input){.kind = SGL_INPUT_ADD_WORKER, .added = {.url = url}},
                        NULL, NULL);
    }
    for (size_t i = 0; i < 2 * file->row_count; i++)
        feed(router, file, &events[i]);
    sgl_router_destroy(router);
    CU_ASSERT_EQUAL_FATAL(sgl_log_close(log, &failure), SGL_OK);
    sgl_policy_release(&spec);
    return path;
}

static void compare_cell(sqlite3_stmt *view, int column, const char *cell, size_t row)
{
    const char *name = sqlite3_column_name(view, column);
    const char *text = (const char *)sqlite3_column_text(view, column);
    char word[64];
    char *end;

    snprintf(word, sizeof word, " %s ", name);
    if (strstr(unknown_columns, word) != NULL)
        return;
    const double expected = strtod(cell, &end);
    const double actual = sqlite3_column_double(view, column);
    bool same;
    if (cell[0] == '\0')
        same = text == NULL;
    else if (text == NULL)
        same = false;
    else if (*end != '\0')
        same = strcmp(text, cell) == 0;
    else
        same = fabs(actual - expected) <= TOLERANCE * fmax(1, fabs(expected));
    if (!same)
        printf("\nrow %zu, %s: is %s, the file has %s\n", row, name, text != NULL ? text : "NULL",
               cell);
    CU_ASSERT_TRUE(same);
}

static void compare_view(const char *path, const struct file *file)
{
    sqlite3 *database;
    sqlite3_stmt *view;
    size_t row = 0;
    char header[LINE_MAX_SIZE] = "";

    CU_ASSERT_EQUAL_FATAL(sqlite3_open(path, &database), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_prepare_v2(database, "SELECT * FROM client", -1, &view, NULL),
                          SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_column_count(view), COLUMN_COUNT);
    for (int i = 0; i < COLUMN_COUNT; i++) {
        const size_t used = strlen(header);
        snprintf(header + used, sizeof header - used, "%s%s", i > 0 ? "," : "",
                 sqlite3_column_name(view, i));
    }
    SGL_ASSERT_TEXT(header, file->header);
    for (; sqlite3_step(view) == SQLITE_ROW && row < file->row_count; row++)
        for (int i = 0; i < COLUMN_COUNT; i++)
            compare_cell(view, i, file->cells[row][i], row);
    CU_ASSERT_EQUAL(row, file->row_count);
    sqlite3_finalize(view);
    sqlite3_close(database);
}

static void client_is_the_file_of_the_recorded_run(void)
{
    static const char *const names[] = {
        "sglang_custom/uniform/RR_router_test_20250731_090735.csv",
        "sglang_custom/hetero/RR_router_test_20250731_091332.csv",
        "sglang_custom/new_test/RR_router_test_20250801_174252.csv"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct file *file = read_file(sgl_data_file(names[i]));
        compare_view(log_of(file, "recorded.db"), file);
        free_file(file);
    }
}

SGL_SUITE(log_recorded) = {
    {"the view client is the file that the client wrote of the same run",
     client_is_the_file_of_the_recorded_run},
    CU_TEST_INFO_NULL,
};
