/*
 * sglsim generate OUT: a trace drawn from laws, and what came of the draws beside what was meant.
 *
 *     laws --> generator (traces/generate) --> rows --> CSV or SQLite --> read back: digest
 *                                               +--> statistics
 *
 * A database keeps the laws with the requests; a CSV has no place for them.
 */
#include "analysis/samples.h"
#include "cli.h"
#include "core/absent.h"
#include "core/text.h"
#include "generate.h"
#include "options.h"
#include "program.h"
#include "progress.h"
#include "traces/open.h"
#include "traces/trace_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_SIZE 6144
#define LAW_INDENT "                                                     "
#define REQUESTS_STANDARD 1000
#define REPORT_EVERY 4096

static const char examples[] =
    "  sglsim generate t.csv --requests 10000 --arrivals poisson:rate=20\n"
    "  sglsim generate t.csv --duration 600s --arrivals gamma:rate=20,cv=3 --seed "
    "7\n"
    "  sglsim generate t.db --prefixes system=16,zipf=1.2,blocks=4 --sessions "
    "turns=5\n"
    "  sglsim generate t.csv --prompt trace:file=azure.csv --output "
    "trace:file=azure.csv\n"
    "  sglsim generate t.csv --arrivals servegen:client=5,scale=0.1,file=rates.csv.gz\n"
    "  sglsim replay t.csv --policy cache_aware\n";

struct words {
    const char *arrivals;
    const char *prompt;
    const char *output;
    const char *prefixes;
    const char *sessions;
    const char *max_tokens;
};

/* "name:key=value,..." of every law with its standard values, for the help. */
static size_t put_laws(char *out, size_t size, const char *title,
                       const struct sgl_law_ops *(*at)(uint32_t index))
{
    size_t used = (size_t)snprintf(out, size, "\n%s\n", title);

    for (uint32_t i = 0; at(i) != NULL && used < size; i++) {
        struct sgl_law law = {.ops = at(i)};
        sgl_parameters_init(&law.parameters, law.ops->parameters);
        law.file = law.ops->takes_file ? strdup("PATH") : NULL;
        char *text = sgl_law_format(&law);
        const char *name = text != NULL ? text : law.ops->name;
        used += (size_t)snprintf(out + used, size - used, "  %-50s%s%s\n", name,
                                 strlen(name) < 50 ? " " : "\n" LAW_INDENT, law.ops->summary);
        free(text);
        sgl_law_release(&law);
    }
    return used < size ? used : size - 1;
}

static const char *make_help(char *out)
{
    size_t used = (size_t)snprintf(
        out, HELP_SIZE,
        "Draws a trace of requests from laws and writes it (OUT.csv, OUT.db, OUT.sqlite). Says "
        "the laws\n"
        "with all parameters, and for rate, gaps and lengths what came of them beside what was "
        "intended.\n"
        "The same options and seed give the same bytes; another law of arrivals leaves the "
        "lengths as\n"
        "they were.\n");

    used += put_laws(out + used, HELP_SIZE - used,
                     "laws of arrivals, with default values:", sgl_arrivals_at);
    used += put_laws(out + used, HELP_SIZE - used,
                     "laws of lengths (tokens), with default values:", sgl_length_at);
    snprintf(out + used, HELP_SIZE - used,
             "\n--prefixes system=8,zipf=1,blocks=2: that many system prompts of that many blocks, "
             "of Zipf\n"
             "popularity, one before each session's text. --sessions turns=4,think_s=10,tpot_ms=20,"
             "\n"
             "max_context=131072: a turn's prompt is the whole prompt before, its output (which is "
             "assumed\n"
             "to take tpot_ms a token) and new tokens; arrivals are then those of sessions. Both "
             "give prompts\n"
             "prefix ids, one per whole block.\n");
    return out;
}

/* exact, x1.5 or a number. */
static bool read_max_tokens(const char *text, struct sgl_generator_options *options)
{
    double value;

    if (strcmp(text, "exact") == 0) {
        options->max_factor = 1;
        return true;
    }
    const bool is_factor = text[0] == 'x';
    const char *digits = text + is_factor;
    if (!sgl_real_read(digits, strlen(digits), &value) || value < 1)
        return false;
    if (is_factor) {
        options->max_factor = value;
        return value <= 1000;
    }
    options->max_tokens = value <= SGL_LENGTH_MOST ? (int64_t)value : 0;
    return options->max_tokens > 0 && (double)options->max_tokens == value;
}

/* Every word into options; `generation` owns what they point to. */
static int parse(struct sgl_generation *generation, const struct words *words,
                 struct sgl_failure *failure)
{
    struct sgl_generator_options *options = &generation->options;
    int status = sgl_arrivals_parse(&generation->arrivals, words->arrivals, "--arrivals", failure);

    if (status == SGL_OK)
        status = sgl_length_parse(&generation->prompt, words->prompt, SGL_LENGTH_PROMPT, "--prompt",
                                  failure);
    if (status == SGL_OK)
        status = sgl_length_parse(&generation->output, words->output, SGL_LENGTH_OUTPUT, "--output",
                                  failure);
    sgl_parameters_init(&generation->prefixes, sgl_generator_prefixes);
    sgl_parameters_init(&generation->sessions, sgl_generator_sessions);
    if (status == SGL_OK)
        status =
            sgl_parameters_parse(&generation->prefixes, words->prefixes, "--prefixes", failure);
    if (status == SGL_OK)
        status =
            sgl_parameters_parse(&generation->sessions, words->sessions, "--sessions", failure);
    if (status == SGL_OK && words->max_tokens != NULL &&
        !read_max_tokens(words->max_tokens, options))
        status = sgl_fail(failure, SGL_EINVAL,
                          "--max-tokens %.40s, expected exact, a number of tokens, or x1.5 (a "
                          "multiple of the output)",
                          words->max_tokens);
    options->arrivals = &generation->arrivals;
    options->prompt = &generation->prompt;
    options->output = &generation->output;
    options->prefixes = words->prefixes != NULL ? &generation->prefixes : NULL;
    options->sessions = words->sessions != NULL ? &generation->sessions : NULL;
    return status;
}

static uint32_t columns_of(const struct sgl_generator_options *options)
{
    uint32_t columns = 0;

    if (options->max_factor > 0 || options->max_tokens > 0)
        columns |= SGL_COLUMN_BIT(SGL_COLUMN_MAX_TOKENS);
    if (options->sessions != NULL)
        columns |= SGL_COLUMN_BIT(SGL_COLUMN_SESSION_ID);
    if (options->sessions != NULL || options->prefixes != NULL)
        columns |=
            SGL_COLUMN_BIT(SGL_COLUMN_PREFIX_HASHES) | SGL_COLUMN_BIT(SGL_COLUMN_PREFIX_BLOCK);
    return columns;
}

/* Adds a row to the statistics. */
static int count_row(struct sgl_generation *generation, const struct sgl_trace_row *row,
                     const struct sgl_generator_facts *facts)
{
    const double arrival_s = (double)row->request.arrival_ns / 1e9;

    if (facts->is_first_turn) {
        if (facts->session_count > 1) {
            const double gap_s = arrival_s - generation->last_start_s;
            const double from_mean = gap_s - generation->gap_mean_s;
            generation->gap_mean_s += from_mean / (double)++generation->gap_count;
            generation->gap_squares += from_mean * (gap_s - generation->gap_mean_s);
        }
        generation->last_start_s = arrival_s;
    }
    generation->last_arrival_s = arrival_s;
    if (sgl_samples_add(&generation->new_tokens, (double)facts->new_tokens) != SGL_OK ||
        sgl_samples_add(&generation->prompt_tokens, (double)row->request.prompt_tokens) != SGL_OK ||
        sgl_samples_add(&generation->output_tokens, (double)row->output_tokens) != SGL_OK)
        return SGL_ENOMEM;
    return SGL_OK;
}

static int write_rows(struct sgl_generation *generation, struct sgl_generator *generator,
                      struct sgl_trace_writer *writer, bool is_quiet, struct sgl_failure *failure)
{
    const struct sgl_generator_facts *facts = sgl_generator_facts(generator);
    struct sgl_progress progress;
    struct sgl_trace_row row;
    int status;

    sgl_progress_start(&progress, is_quiet);
    while ((status = sgl_generator_next(generator, &row, failure)) == 1) {
        status = sgl_trace_writer_write(writer, &row, failure);
        if (status == SGL_OK && count_row(generation, &row, facts) != SGL_OK)
            status = sgl_fail(failure, SGL_ENOMEM, "no memory for the statistics");
        if (status != SGL_OK)
            break;
        if (facts->request_count % REPORT_EVERY == 0)
            sgl_progress_report(&progress, facts->request_count, row.request.arrival_ns);
    }
    sgl_progress_end(&progress);
    generation->facts = *facts;
    if (status == SGL_OK && facts->request_count == 0)
        status =
            sgl_fail(failure, SGL_EINVAL, "no request arrives within --duration (ask for longer)");
    if (status == SGL_OK && (sgl_samples_sort(&generation->new_tokens) != SGL_OK ||
                             sgl_samples_sort(&generation->prompt_tokens) != SGL_OK ||
                             sgl_samples_sort(&generation->output_tokens) != SGL_OK))
        status = sgl_fail(failure, SGL_ENOMEM, "no memory for the statistics");
    return status;
}

/* What was written, read as any trace: it must be readable, and its digest names it. */
static int read_back(struct sgl_generation *generation, struct sgl_failure *failure)
{
    struct sgl_trace *trace = NULL;
    struct sgl_trace_row row;
    int status =
        sgl_trace_open(&trace, &(struct sgl_trace_options){.path = generation->path}, failure);

    if (status != SGL_OK)
        return status;
    while ((status = sgl_trace_next(trace, &row, failure)) == 1)
        continue;
    if (status == SGL_OK)
        generation->digest = sgl_trace_facts(trace)->digest;
    sgl_trace_close(trace);
    return status;
}

static int generate(struct sgl_generation *generation, bool is_quiet, struct sgl_failure *failure)
{
    struct sgl_generator *generator = NULL;
    struct sgl_trace_writer *writer = NULL;
    struct sgl_trace_note notes[SGL_GENERATION_NOTES];
    int status = sgl_generation_describe(generation, notes, failure);

    if (status == SGL_OK)
        status = sgl_generator_create(&generator, &generation->options, failure);
    if (status == SGL_OK)
        status = sgl_trace_writer_open(&writer,
                                       &(struct sgl_trace_writer_options){
                                           .path = generation->path,
                                           .columns = columns_of(&generation->options),
                                           .notes = notes,
                                           .note_count = SGL_GENERATION_NOTES,
                                       },
                                       failure);
    sgl_generation_notes_release(notes);
    if (status == SGL_OK)
        status = write_rows(generation, generator, writer, is_quiet, failure);
    if (status == SGL_OK) {
        status = sgl_trace_writer_close(writer, failure);
        writer = NULL; /* freed, whatever came of it */
    }
    sgl_trace_writer_discard(writer);
    sgl_generator_destroy(generator);
    return status == SGL_OK ? read_back(generation, failure) : status;
}

static void release(struct sgl_generation *generation)
{
    sgl_law_release(&generation->arrivals);
    sgl_law_release(&generation->prompt);
    sgl_law_release(&generation->output);
    sgl_parameters_release(&generation->prefixes);
    sgl_parameters_release(&generation->sessions);
    sgl_samples_release(&generation->new_tokens);
    sgl_samples_release(&generation->prompt_tokens);
    sgl_samples_release(&generation->output_tokens);
}

static int run(struct sgl_generation *generation, const struct words *words, bool is_json,
               bool is_quiet)
{
    struct sgl_failure failure = {.text = ""};
    int status = parse(generation, words, &failure);

    if (status != SGL_OK) {
        sgl_complain("%s", failure.text);
        return status == SGL_EINVAL ? SGL_EXIT_USAGE : SGL_EXIT_FAILED;
    }
    sgl_say_kept(is_quiet);
    status = generate(generation, is_quiet, &failure);
    if (status == SGL_OK && is_json)
        status = sgl_generation_print_json(generation, &failure);
    else if (status == SGL_OK && !is_quiet)
        status = sgl_generation_print(generation, &failure);
    if (status == SGL_OK)
        return SGL_EXIT_DONE;
    sgl_complain_of(generation->path, failure.text);
    return SGL_EXIT_FAILED;
}

int sgl_command_generate(int argument_count, char **arguments)
{
    static struct sgl_generation generation;
    struct sgl_generator_options *options = &generation.options;
    struct words words = {
        .arrivals = "poisson",
        .prompt = "lognormal:mean=1024",
        .output = "lognormal:mean=256,max=2048",
    };
    uint64_t prefix_block = 512;
    bool is_json = false;
    bool is_quiet = false;
    char help[HELP_SIZE];
    const struct sgl_option table[] = {
        {"requests", 'n', SGL_OPTION_NATURAL, "N", &options->request_count,
         "at most so many (default 1000, without --duration)", 1},
        {"duration", 'd', SGL_OPTION_DURATION, "TIME", &options->duration_ns,
         "arrivals in this time from the start, such as 60s", 1},
        {"arrivals", 'a', SGL_OPTION_TEXT, "LAW", &words.arrivals,
         "when requests come (default poisson:rate=10)", 0},
        {"prompt", 0, SGL_OPTION_TEXT, "LAW", &words.prompt,
         "prompt tokens (default lognormal:mean=1024,cv=1,max=8192)", 0},
        {"output", 0, SGL_OPTION_TEXT, "LAW", &words.output,
         "output tokens (default lognormal:mean=256,cv=1,max=2048)", 0},
        {"prefixes", 0, SGL_OPTION_TEXT, "k=v,...", &words.prefixes,
         "system prompts that sessions share (default none)", 0},
        {"prefix-block", 0, SGL_OPTION_NATURAL, "N", &prefix_block,
         "tokens a prefix id stands for (default 512)", 1},
        {"sessions", 0, SGL_OPTION_TEXT, "k=v,...", &words.sessions,
         "conversations of several turns (default: one turn each)", 0},
        {"max-tokens", 0, SGL_OPTION_TEXT, "exact|N|x1.5", &words.max_tokens,
         "the limit requests ask for: the output itself, N (which cuts\nit), or a multiple "
         "(default: they state none)",
         0},
        {"seed", 's', SGL_OPTION_NATURAL, "N", &options->seed, "which draws (default 1)", 0},
        {"json", 'j', SGL_OPTION_FLAG, NULL, &is_json, "print the figures as JSON", 0},
        {"quiet", 'q', SGL_OPTION_FLAG, NULL, &is_quiet, "say nothing", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim generate OUT [options]",
        .text = make_help(help),
        .examples = examples,
        .options = table,
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operand_count;

    options->seed = 1;
    const int exit_code = sgl_options_parse(&usage, argument_count, arguments, &operand_count);
    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    if (prefix_block > SGL_LENGTH_MOST) {
        sgl_complain("--prefix-block is too large, expected at most %d", SGL_LENGTH_MOST);
        return SGL_EXIT_USAGE;
    }
    options->prefix_block = (uint32_t)prefix_block;
    if (options->request_count == 0 && options->duration_ns == 0)
        options->request_count = REQUESTS_STANDARD;
    generation.path = arguments[1];
    const int code = run(&generation, &words, is_json, is_quiet);
    release(&generation);
    return code;
}
