/*
 * sglsim convert IN OUT: a trace into another file format, or a decision log into another medium.
 *
 *     trace (any format) or log --rows--> CSV or SQLite trace   read twice: columns, then rows
 *     log (SQLite or folder)    --rows--> log (folder, SQLite)  every table, so the same digests
 */
#include "cli.h"
#include "core/text.h"
#include "options.h"
#include "program.h"
#include "trace_rows.h"
#include "traces/log_copy.h"
#include "traces/log_file.h"
#include "traces/open.h"
#include "traces/trace_writer.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define EPOCH_KEPT_NS INT64_C(1000000000000000000) /* 2001: from here on a number is read as ns */

struct conversion {
    struct sgl_trace_options input;
    const char *output;
    const char *to; /* "trace" or "log"; NULL: told by the names */
    bool quiet;
    struct sgl_trace *trace;
    struct sgl_trace_writer *writer;
};

static bool is_folder(const char *path)
{
    const size_t length = strlen(path);
    struct stat info;

    return (length > 0 && path[length - 1] == '/') ||
           (stat(path, &info) == 0 && S_ISDIR(info.st_mode));
}

/* Reads the whole trace: with a writer its rows are written, always their columns are gathered. */
static int read_all(struct conversion *conversion, uint32_t *columns, struct sgl_failure *failure)
{
    struct sgl_trace_row row;
    int status;

    while ((status = sgl_trace_next(conversion->trace, &row, failure)) == 1) {
        *columns |= sgl_trace_row_columns(&row);
        if (conversion->writer == NULL)
            continue;
        status = sgl_trace_writer_write(conversion->writer, &row, failure);
        if (status != SGL_OK)
            return status;
    }
    return status;
}

static int open_trace(struct conversion *conversion, struct sgl_failure *failure)
{
    sgl_trace_close(conversion->trace);
    conversion->trace = NULL;
    return sgl_trace_open(&conversion->trace, &conversion->input, failure);
}

static int convert_trace(struct conversion *conversion, struct sgl_failure *failure)
{
    uint32_t columns = 0;
    int status = open_trace(conversion, failure);

    if (status == SGL_OK)
        status = read_all(conversion, &columns, failure);
    if (status != SGL_OK)
        return status;
    const int64_t epoch_ns = sgl_trace_facts(conversion->trace)->epoch_ns;
    status = open_trace(conversion, failure);
    if (status == SGL_OK)
        status = sgl_trace_writer_open(&conversion->writer,
                                       &(struct sgl_trace_writer_options){
                                           .path = conversion->output,
                                           .columns = columns,
                                           .origin_ns = epoch_ns >= EPOCH_KEPT_NS ? epoch_ns : 0,
                                       },
                                       failure);
    if (status == SGL_OK)
        status = read_all(conversion, &columns, failure);
    if (status != SGL_OK)
        return status;
    struct sgl_trace_writer *writer = conversion->writer;
    conversion->writer = NULL; /* close frees it, whatever comes of it */
    return sgl_trace_writer_close(writer, failure);
}

/* Is the input a decision log, finished or not? A folder can be nothing else. */
static bool is_log(const struct conversion *conversion)
{
    struct sgl_failure ignored;

    return is_folder(conversion->input.path) ||
           sgl_log_file_is_log(conversion->input.path, &ignored) == 1;
}

/* A copy of a log that is not whole is not whole either. */
static int complain_of_cut(const struct conversion *conversion, struct sgl_failure *failure)
{
    struct sgl_log_value row[SGL_LOG_COLUMN_MAX];
    struct sgl_log_reader *reader;
    int status = sgl_log_reader_open(&reader, conversion->input.path, failure);

    if (status != SGL_OK)
        return status;
    status = sgl_log_reader_next_row(reader, SGL_LOG_GAP, row, failure);
    if (!sgl_log_reader_is_complete(reader))
        sgl_complain("%s: the run of this log did not finish: what came later is missing",
                     conversion->input.path);
    else if (status == 1)
        sgl_complain("%s: this log has gaps, in which inputs were dropped", conversion->input.path);
    sgl_log_reader_close(reader);
    return status < 0 ? status : SGL_OK;
}

static int convert(struct conversion *conversion, struct sgl_failure *failure)
{
    const char *format = sgl_trace_writer_format(conversion->output);
    char word[SGL_SHELL_WORD_MAX];
    const bool is_csv = format != NULL && strcmp(format, "csv") == 0;
    bool to_log = is_folder(conversion->output) || (!is_csv && is_log(conversion));

    if (conversion->to != NULL)
        to_log = strcmp(conversion->to, "log") == 0;
    if (sgl_is_same_file(conversion->input.path, conversion->output))
        return sgl_fail(failure, SGL_EINVAL, "OUT is IN itself (choose another name)");
    if (to_log) {
        const int status = sgl_log_copy_file(conversion->input.path, conversion->output, failure);
        if (status != SGL_OK || conversion->quiet)
            return status;
        printf("%s: the same log (prove it: sglsim verify %s)\n",
               sgl_text_shell_word(conversion->output, word, sizeof word), word);
        return complain_of_cut(conversion, failure);
    }
    const int status = convert_trace(conversion, failure);
    if (status != SGL_OK || conversion->quiet)
        return status;
    const struct sgl_trace_facts *facts = sgl_trace_facts(conversion->trace);
    printf("%s: %llu request%s of format %s, times in %s, digest %016llx\n",
           sgl_text_shell_word(conversion->output, word, sizeof word),
           (unsigned long long)facts->row_count, sgl_plural(facts->row_count), facts->format,
           facts->time_unit, (unsigned long long)facts->digest);
    if (facts->cut != NULL)
        sgl_complain_of(conversion->input.path, facts->cut);
    sgl_complain_of_rows(facts);
    return status;
}

int sgl_command_convert(int argument_count, char **arguments)
{
    struct conversion conversion = {0};
    uint64_t prefix_block = 0;
    const struct sgl_option table[] = {
        {"to", 0, SGL_OPTION_CHOICE, "trace|log", &conversion.to,
         "what OUT is (default: a log if IN is one and OUT is no .csv)", 0},
        SGL_TRACE_ROWS("IN", conversion.input, prefix_block),
        {"quiet", 'q', SGL_OPTION_FLAG, NULL, &conversion.quiet, "say nothing", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim convert IN OUT [options]",
        .text = "Writes a trace of any format, or the requests of a decision log, as a CSV or "
                "SQLite trace\n"
                "(OUT.csv, OUT.db, OUT.sqlite); or a decision log as a folder of CSV files (OUT/) "
                "or as SQLite\n"
                "(OUT.db). The same requests keep the same digest, the same log the same digests "
                "of its tables.\n",
        .examples = "  sglsim convert mooncake.jsonl trace.csv --spread-steps\n"
                    "  sglsim convert trace.csv.gz trace.db\n"
                    "  sglsim convert sglsim-run.db run/\n"
                    "  sglsim convert sglsim-run.db requests.csv\n",
        .options = table,
        .operands_least = 2,
        .operands_most = 2,
    };
    struct sgl_failure failure = {.text = ""};
    size_t operand_count;
    const int exit_code = sgl_options_parse(&usage, argument_count, arguments, &operand_count);

    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    if (prefix_block > UINT32_MAX) {
        sgl_complain("--prefix-block is too large, expected at most %u", UINT32_MAX);
        return SGL_EXIT_USAGE;
    }
    conversion.input.path = arguments[1];
    conversion.input.prefix_block = (uint32_t)prefix_block;
    conversion.output = arguments[2];
    sgl_say_kept(conversion.quiet);
    const int status = convert(&conversion, &failure);
    sgl_trace_writer_discard(conversion.writer);
    sgl_trace_close(conversion.trace);
    if (status == SGL_OK)
        return SGL_EXIT_DONE;
    const bool is_output = strncmp(failure.text, conversion.output, strlen(conversion.output)) == 0;
    sgl_complain_of(is_output ? conversion.output : conversion.input.path, failure.text);
    return SGL_EXIT_FAILED;
}
