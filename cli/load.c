/* sglsim load: a trace as real requests to a server. */
#include "load.h"

#include "cli.h"
#include "program.h"
#include "live/load_file.h"
#include "options.h"
#include "trace_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_STANDARD_NS (INT64_C(600) * 1000000000)
#define TIMEOUT_MOST_NS (INT64_C(30) * 24 * 3600 * 1000000000)
#define OUT_STANDARD "./sglsim-load.csv"
#define CONCURRENCY_MOST 65536
#define BAR_CELLS 30
#define BAR_AFTER_NS INT64_C(1000000000)

static const char description[] =
    "Sends each request of a trace to a server that speaks SGLang's or OpenAI's API (a worker, a\n"
    "router, `sglsim emulate`), streaming the answers, and measures them: time to first token, "
    "gaps\n"
    "between tokens, end to end. Prompts are made up to have the trace's token counts; where the\n"
    "trace has prefix_hashes, equal ids become equal text, so that prefix caches behave. Each\n"
    "request asks for the trace's output tokens, ignoring end of sequence.\n"
    "\n"
    "Open loop (default): every request is sent at its time, however slow the server is, and\n"
    "latencies count from the intended time. Closed loop (--concurrency N): N are kept under way.\n"
    "\n"
    "What was measured goes to a client file that `sglsim replay` reads as a recorded trace.\n"
    "Ctrl-C ends the run early and keeps what there is.\n";

static const char examples[] =
    "  sglsim load trace.csv --url http://127.0.0.1:30000\n"
    "  sglsim load trace.csv --url http://127.0.0.1:30000 --requests 500 --rate-scale 2\n"
    "  sglsim load trace.csv --url http://127.0.0.1:8000 --api chat --model "
    "meta-llama/Llama-3.1-8B\n"
    "  sglsim load mooncake.jsonl --url http://127.0.0.1:30001 --concurrency 64 --out run.db\n"
    "  sglsim replay sglsim-load.csv --policy cache_aware\n";

static int parse_options(struct sgl_load_command *c, int argument_count, char **arguments)
{
    const struct sgl_option table[] = {
        {"url", 'u', SGL_OPTION_TEXT, "URL", &c->url, "where to send, http://host:port (required)",
         0},
        {"api", 0, SGL_OPTION_CHOICE, "generate|chat|completions", &c->api,
         "/generate (default), /v1/chat/completions or\n/v1/completions", 0},
        {"stream", 0, SGL_OPTION_CHOICE, "on|off", &c->stream,
         "ask for tokens as they come (default on; off: no ttft)", 0},
        {"rate-scale", 0, SGL_OPTION_POSITIVE, "X", &c->rate_scale,
         "divide arrival times by X (default 1): 2 is twice the load", 0},
        {"concurrency", 'c', SGL_OPTION_NATURAL, "N", &c->concurrency,
         "closed loop: keep N requests under way, at no set times", 1},
        {"requests", 'n', SGL_OPTION_NATURAL, "N", &c->requests,
         "send only the first N requests of the trace", 1},
        {"timeout", 0, SGL_OPTION_DURATION, "TIME", &c->timeout_ns,
         "give a request up after this, from when it was sent\n(default 600s)", 0},
        {"prompt", 0, SGL_OPTION_CHOICE, "text|ids", &c->prompt,
         "text (default), or token ids: exact for any vocabulary", 0},
        {"model", 0, SGL_OPTION_TEXT, "NAME", &c->model,
         "model to ask for, where the trace names none", 0},
        {"header", 0, SGL_OPTION_TEXT, "'NAME: VALUE'", &c->header,
         "one more header, such as an authorization", 0},
        {"out", 'o', SGL_OPTION_TEXT, "PATH|none", &c->out,
         "the client file: .csv, or .db .sqlite\n(default " OUT_STANDARD ")", 0},
        {"seed", 's', SGL_OPTION_NATURAL, "N", &c->seed,
         "which words prompts without prefix ids have (default 1)", 0},
        SGL_TRACE_ROWS("TRACE", c->trace, c->prefix_block),
        {"json", 'j', SGL_OPTION_FLAG, NULL, &c->json, "print the figures as JSON", 0},
        {"quiet", 'q', SGL_OPTION_FLAG, NULL, &c->quiet, "no progress", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim load TRACE --url URL [options]",
        .text = description,
        .examples = examples,
        .options = table,
        .operands_least = 1,
        .operands_most = 1,
    };
    size_t operand_count;
    const int exit_code = sgl_options_parse(&usage, argument_count, arguments, &operand_count);

    if (exit_code == SGL_OPTIONS_RUN)
        c->path = arguments[1];
    return exit_code;
}

/* What the table cannot say. */
static bool check_options(const struct sgl_load_command *c)
{
    struct sgl_failure failure;

    if (c->url == NULL)
        sgl_complain("--url is missing (such as --url http://127.0.0.1:30000)");
    else if (strncmp(c->url, "http://", 7) != 0 && strncmp(c->url, "https://", 8) != 0)
        sgl_complain("--url %.200s, expected http://host:port", c->url);
    else if (c->timeout_ns < 1000000 || c->timeout_ns > TIMEOUT_MOST_NS)
        sgl_complain("--timeout, expected from 1ms to 30 days");
    else if (c->concurrency > CONCURRENCY_MOST || c->prefix_block > UINT32_MAX ||
             c->seed > INT64_MAX)
        sgl_complain("--concurrency, --prefix-block or --seed is too large, expected at most %d, "
                     "%u, %lld",
                     CONCURRENCY_MOST, UINT32_MAX, (long long)INT64_MAX);
    else if (c->concurrency > 0 && c->rate_scale != 1)
        sgl_complain("--rate-scale and --concurrency: a closed loop has no times to scale "
                     "(leave one out)");
    else if (strcmp(c->prompt, "ids") == 0 && strcmp(c->api, "chat") == 0)
        sgl_complain("--prompt ids: a chat takes text (use --api generate or completions)");
    else if (c->header != NULL && strchr(c->header, ':') == NULL)
        sgl_complain("--header %.60s, expected 'Name: value'", c->header);
    else if (strcmp(c->out, "none") != 0 && sgl_is_same_file(c->out, c->path))
        sgl_complain("--out %.200s is the trace itself (choose another --out, or none)", c->out);
    else if (strcmp(c->out, "none") != 0 && sgl_load_file_check(c->out, &failure) != SGL_OK)
        sgl_complain_of(c->out, failure.text);
    else
        return true;
    return false;
}

/* Reads the trace once before anything is sent: a bad row is found now, and not after an hour. */
static int look_ahead(struct sgl_load_command *c, struct sgl_failure *failure)
{
    struct sgl_trace *trace = NULL;
    struct sgl_trace_row row;
    int status = sgl_trace_open(&trace, &c->trace, failure);

    while (status == SGL_OK && (c->requests == 0 || c->total < c->requests)) {
        status = sgl_trace_next(trace, &row, failure);
        if (status < 1)
            break;
        c->total++;
        status = SGL_OK;
    }
    c->is_whole_trace = status == 0 && (c->requests == 0 || c->total < c->requests);
    if (status == SGL_OK) {
        c->trace_digest = sgl_trace_facts(trace)->digest;
        c->trace_format = sgl_trace_facts(trace)->format;
    }
    sgl_trace_close(trace);
    return status;
}

/* ---- while it runs ------------------------------------------------------------------------- */

static void take_gap(void *context, int64_t gap_ns, int64_t count)
{
    struct sgl_load_command *c = context;

    for (int64_t i = 0; i < count && !c->is_short_of_memory; i++)
        c->is_short_of_memory = sgl_samples_add(&c->gaps, (double)gap_ns) != SGL_OK;
}

static void draw_bar(void *context, uint64_t finished, uint64_t in_flight, int64_t now_ns)
{
    static const char full[BAR_CELLS + 1] = "##############################";
    static const char empty[BAR_CELLS + 1] = "..............................";
    struct sgl_load_command *c = context;
    const int cells = c->total > 0 ? (int)(BAR_CELLS * finished / c->total) : 0;

    if (now_ns < BAR_AFTER_NS)
        return;
    c->is_bar_drawn = true;
    fprintf(stderr, "\r\033[K[%.*s%.*s] %llu of %llu done, %llu under way, %.0f s", cells, full,
            BAR_CELLS - cells, empty, (unsigned long long)finished, (unsigned long long)c->total,
            (unsigned long long)in_flight, (double)now_ns / 1e9);
    fflush(stderr);
}

static int run(struct sgl_load_command *c, struct sgl_failure *failure)
{
    const bool has_bar = !c->quiet && isatty(STDERR_FILENO) == 1;
    struct sgl_trace *trace = NULL;
    int status = look_ahead(c, failure);

    if (status == SGL_OK)
        status = sgl_trace_open(&trace, &c->trace, failure);
    if (status != SGL_OK)
        return status;
    const struct sgl_load_options options = {
        .url = c->url,
        .api = strcmp(c->api, "chat") == 0          ? SGL_LOAD_CHAT
               : strcmp(c->api, "completions") == 0 ? SGL_LOAD_COMPLETIONS
                                                    : SGL_LOAD_GENERATE,
        .is_streaming = strcmp(c->stream, "on") == 0,
        .sends_ids = strcmp(c->prompt, "ids") == 0,
        .rate_scale = c->rate_scale,
        .concurrency = (uint32_t)c->concurrency,
        .request_most = c->requests,
        .timeout_ns = c->timeout_ns,
        .model = c->model,
        .header = c->header,
        .seed = c->seed,
        .gap = take_gap,
        .progress = has_bar ? draw_bar : NULL,
        .context = c,
    };
    status = sgl_load_run(&options, sgl_trace_source(trace), &c->result, failure);
    if (c->is_bar_drawn)
        fputs("\r\033[K", stderr);
    sgl_trace_close(trace);
    if (status == SGL_OK && c->is_short_of_memory)
        status = sgl_fail(failure, SGL_ENOMEM, "out of memory");
    if (status == SGL_OK && strcmp(c->out, "none") != 0)
        status = sgl_load_file_write(c->out, &c->result, c->url, failure);
    return status;
}

static bool any_success(const struct sgl_load_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        if (result->records[i].error[0] == '\0')
            return true;
    return false;
}

int sgl_command_load(int argument_count, char **arguments)
{
    struct sgl_load_command command = {
        .api = "generate",
        .stream = "on",
        .prompt = "text",
        .out = OUT_STANDARD,
        .rate_scale = 1,
        .seed = 1,
        .timeout_ns = TIMEOUT_STANDARD_NS,
    };
    struct sgl_failure failure = {.text = ""};
    int exit_code = parse_options(&command, argument_count, arguments);

    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    command.trace.path = command.path;
    command.trace.prefix_block = (uint32_t)command.prefix_block;
    sgl_say_kept(command.quiet);
    if (!check_options(&command))
        return SGL_EXIT_USAGE;
    exit_code = SGL_EXIT_DONE;
    if (run(&command, &failure) != SGL_OK) {
        const bool is_output = strncmp(failure.text, command.out, strlen(command.out)) == 0;
        sgl_complain_of(is_output ? command.out : command.path, failure.text);
        exit_code = SGL_EXIT_FAILED;
    } else if (sgl_load_report(&command) != SGL_OK) {
        sgl_complain("out of memory");
        exit_code = SGL_EXIT_FAILED;
    } else if (command.result.is_interrupted) {
        sgl_complain("interrupted: %zu of %llu request%s sent", command.result.count,
                     (unsigned long long)command.total, command.total == 1 ? " was" : "s were");
        exit_code = SGL_EXIT_FAILED;
    } else if (!any_success(&command.result)) {
        sgl_complain("no request succeeded (is a server listening at %.200s?)", command.url);
        exit_code = SGL_EXIT_FAILED;
    }
    sgl_samples_release(&command.gaps);
    sgl_load_result_release(&command.result);
    return exit_code;
}
