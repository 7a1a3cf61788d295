/*
 * log.c - a decision log of this program as a trace: its requests, with what became of them.
 *
 *     request --+--> its last outcome (of a pair: the decode one) --> output_tokens, worker,
 * measures
 *               +--> the input that sent it                       --> router_send_time
 *
 * What is recorded is what the router measured: queue_time_start is the moment it sent the request,
 * as if the network took no time, and queue_time_end that plus the worker's queue time. A request
 * whose output tokens nobody counted (it failed, was cancelled or never answered) cannot be
 * replayed: it is left out, counted, and the trace warns of it.
 */
#include "traces/log_schema.h"
#include "traces/sqlite_reader.h"

#include "core/absent.h"

#include <stdlib.h>
#include <string.h>

#define APPLICATION_OFFSET                                                                         \
    68 /* of the application id in a database, big-endian: SQLite file format 1.3 */
#define NUMBER_SIZE 4

/* One row per column of ours that a log has, in the order of the table; i: the request was sent, e:
 * it ended, o: its outcome, w: its worker. */
/* clang-format off */
#define LOG_COLUMN_MAP(X)                                             \
    X(ARRIVAL_TIME,            "r.arrival_ns")                        \
    X(PROMPT_TOKENS,           "coalesce(r.prompt_tokens, o.prompt_tokens)") \
    X(OUTPUT_TOKENS,           "o.output_tokens")                     \
    X(REQUEST_ID,              "r.request_id")                        \
    X(MAX_TOKENS,              "r.max_tokens")                        \
    X(CACHED_TOKENS,           "o.cached_tokens")                     \
    X(PREFIX_HASHES,           "r.prefix_ids")                        \
    X(SESSION_ID,              "r.session")                           \
    X(TENANT,                  "r.tenant")                            \
    X(PRIORITY,                "r.priority")                          \
    X(MODEL,                   "r.model")                             \
    X(WORKER_URL,              "w.url")                               \
    X(ROUTER_SEND_TIME,        "i.time_ns")                           \
    X(QUEUE_TIME_START,        "i.time_ns")                           \
    X(QUEUE_TIME_END,          "i.time_ns + o.queue_time_ns")         \
    X(SERVER_FIRST_TOKEN_TIME, "r.arrival_ns + o.ttft_ns")            \
    X(FINISH_TIME,             "e.time_ns")                           \
    X(SERVER_LATENCY,          "e.time_ns - i.time_ns")               \
    X(TTFT,                    "o.ttft_ns")                           \
    X(SUCCESS,                 "o.success")                           \
    X(ERROR,                   "o.error")                             \
    X(PREFIX_BLOCK,            "r.prefix_block")
/* clang-format on */

/* The last outcome of a request is found through the index that every finished log has. */
static const char rows_sql[] = "SELECT "
#define COLUMN_SQL(upper, expression) expression ", "
    LOG_COLUMN_MAP(COLUMN_SQL)
#undef COLUMN_SQL
        "0 FROM request r"
        " LEFT JOIN outcome o ON o.sequence = (SELECT max(x.sequence) FROM outcome x"
        " WHERE x.request = r.request AND x.pool <> 'prefill')"
        " LEFT JOIN input e ON e.sequence = o.sequence"
        " LEFT JOIN input i ON i.sequence = o.decision_sequence"
        " LEFT JOIN worker w ON w.worker = o.worker"
        " ORDER BY r.request";

static const char *const headers[SGL_COLUMN_COUNT] = {
#define COLUMN_HEADER(upper, expression) [SGL_COLUMN_##upper] = (expression),
    LOG_COLUMN_MAP(COLUMN_HEADER)
#undef COLUMN_HEADER
};

static bool detect(const struct sgl_format_input *input)
{
    const unsigned char *head = input->bytes->at;
    uint32_t application = 0;

    if (!sgl_sqlite_is_head(input->bytes) ||
        (size_t)(input->bytes->end - head) < APPLICATION_OFFSET + NUMBER_SIZE)
        return false;
    for (int i = 0; i < NUMBER_SIZE; i++)
        application = application << 8 | head[APPLICATION_OFFSET + i];
    return application == SGL_LOG_APPLICATION;
}

/* The first column of the query's first row as text, copied, or "". */
static int look_up(struct sgl_sqlite_reader *self, const char *sql, char *out, size_t size,
                   const char *name, struct sgl_failure *failure)
{
    sqlite3_stmt *statement;

    out[0] = '\0';
    if (sqlite3_prepare_v2(self->database, sql, -1, &statement, NULL) != SQLITE_OK)
        return sgl_sqlite_fail(self, failure, name);
    const int step = sqlite3_step(statement);
    if (step == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        snprintf(out, size, "%s", text != NULL ? text : "");
    }
    sqlite3_finalize(statement);
    return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : sgl_sqlite_fail(self, failure, name);
}

/* A log may be readable and yet not have all of its run: a live one drops what the disk does not
 * take, and of an interrupted one a copy has what was there. */
static int look_for_cuts(struct sgl_sqlite_reader *self, const char *name,
                         struct sgl_failure *failure)
{
    char *cut = self->reader.cut;
    char value[32];
    int code = look_up(self, "SELECT 1 FROM run WHERE key = 'is_complete'", value, sizeof value,
                       name, failure);

    if (code == 0 && value[0] == '\0')
        snprintf(cut, SGL_CUT_MAX,
                 "the log was cut off, its run did not finish: what came later is missing");
    if (code < 0 || cut[0] != '\0')
        return code;
    code = look_up(self, "SELECT sum(dropped) FROM gap", value, sizeof value, name, failure);
    if (code == 0 && value[0] != '\0')
        snprintf(cut, SGL_CUT_MAX,
                 "the log has gaps, in which %s inputs were dropped: requests are missing, and the "
                 "load is less than it was",
                 value);
    return code;
}

/* Is the log of our version, and readable? */
static int check_log(struct sgl_sqlite_reader *self, const char *name, struct sgl_failure *failure)
{
    char value[32];
    char expected[32];

    int code = look_up(self, "PRAGMA user_version", value, sizeof value, name, failure);
    if (code < 0)
        return code;
    snprintf(expected, sizeof expected, "%d", SGL_LOG_VERSION);
    if (strcmp(value, expected) != 0)
        return sgl_fail(failure, SGL_EINVAL, "%s: is a decision log of version %s, expected %s",
                        name, value, expected);
    code = look_up(self, "SELECT count(*) FROM sqlite_schema WHERE name = 'outcome_request'", value,
                   sizeof value, name, failure);
    if (code < 0)
        return code;
    if (strcmp(value, "1") != 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: is a decision log that was not finished, expected a finished one "
                        "(sglsim convert %.200s whole.db makes one of what is there)",
                        name, name);
    code = look_for_cuts(self, name, failure);
    if (code < 0)
        return code;
    code =
        look_up(self,
                "SELECT e.value FROM run e JOIN run t ON t.key = 'times' AND t.value = 'absolute'"
                " WHERE e.key = 'epoch_ns'",
                value, sizeof value, name, failure);
    if (code == 0 && value[0] != '\0')
        self->reader.epoch_ns = strtoll(value, NULL, 10);
    return code;
}

static void close_log(struct sgl_format_reader *reader)
{
    struct sgl_sqlite_reader *self = (struct sgl_sqlite_reader *)reader;

    sgl_sqlite_release(self);
    free(self);
}

static int open_log(struct sgl_format_reader **reader_out, const struct sgl_format_input *input,
                    struct sgl_failure *failure)
{
    struct sgl_sqlite_reader *self = calloc(1, sizeof *self);

    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: no memory to read it", input->name);
    int code = sgl_sqlite_open(self, &sgl_format_log, input, "request", failure);
    if (code == 0)
        code = check_log(self, input->name, failure);
    if (code == 0 && sqlite3_prepare_v2(self->database, rows_sql, sizeof rows_sql, &self->statement,
                                        NULL) != SQLITE_OK)
        code = sgl_sqlite_fail(self, failure, input->name);
    if (code < 0) {
        close_log(&self->reader);
        return code;
    }
    self->has_native_units = true;
    self->reader.skipped_words = "of the log have no output tokens and were left out";
    memcpy(self->reader.headers, headers, sizeof headers);
    *reader_out = &self->reader;
    return 0;
}

static int next_row(struct sgl_format_reader *reader, struct sgl_raw_row *row_out,
                    struct sgl_failure *failure)
{
    struct sgl_sqlite_reader *self = (struct sgl_sqlite_reader *)reader;
    int code = sgl_sqlite_next(self, row_out, failure);

    while (code > 0 && row_out->cells[SGL_COLUMN_OUTPUT_TOKENS].text == NULL) {
        reader->skipped_count++;
        code = sgl_sqlite_next(self, row_out, failure);
    }
    return code;
}

const struct sgl_format_ops sgl_format_log = {
    .name = "log",
    .summary = "a decision log of this program, to be decided anew",
    .detect = detect,
    .open = open_log,
    .next = next_row,
    .close = close_log,
};
