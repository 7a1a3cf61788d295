/* sglsim serve: the live proxy. */
#include "serve_options.h"

#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char text[] =
    "Routes requests of clients to SGLang servers, by the same policies that `sglsim replay`\n"
    "simulates, and logs every decision. Clients talk to it as to a server: /generate,\n"
    "/v1/chat/completions, /v1/completions, /v1/embeddings, /v1/rerank, streaming or not; bodies\n"
    "and fields pass unchanged. Answers say x-sglsim-worker, x-sglsim-reason, x-sglsim-decision.\n"
    "\n"
    "Also there: /health, /readiness, /workers, /add_worker?url=, /remove_worker?url=,\n"
    "/get_loads, /flush_cache, /metrics. SIGTERM drains; a second one cuts.\n";

static const char examples[] =
    "  sglsim serve --worker-urls http://gpu1:30000 http://gpu2:30000\n"
    "  sglsim serve --worker-urls http://gpu1:30000 http://gpu2:30000 --policy marginal_utility "
    "\\\n"
    "      --log run.db --port 8000\n"
    "  sglsim serve --pd-disaggregation --prefill http://gpu1:30000 8998 --decode "
    "http://gpu2:30000\n"
    "  sglsim verify run.db                             # after it was stopped\n"
    "  sglsim replay run.db --policy round_robin        # what would another policy have done?\n"
    "  curl -s localhost:30000/generate -d '{\"text\": \"Hello\"}' -D -\n";

/* One `name = value` line. What was not given has no line. */
static void print_option(const struct sgl_option *option)
{
    char real[SGL_REAL_TEXT_MAX];

    switch (option->kind) {
    case SGL_OPTION_FLAG:
        printf("%s = %s\n", option->name, *(const bool *)option->target ? "on" : "off");
        return;
    case SGL_OPTION_PAIRS:
    case SGL_OPTION_TEXT:
    case SGL_OPTION_CHOICE: {
        const char *value = *(const char *const *)option->target;
        if (value != NULL && value[0] != '\0')
            printf("%s = %s\n", option->name, value);
        return;
    }
    case SGL_OPTION_NATURAL: {
        const uint64_t value = *(const uint64_t *)option->target;
        if (value != UINT64_MAX)
            printf("%s = %" PRIu64 "\n", option->name, value);
        return;
    }
    case SGL_OPTION_POSITIVE: {
        const double value = *(const double *)option->target;
        if (!isnan(value))
            printf("%s = %s\n", option->name, sgl_real_text(value, real));
        return;
    }
    case SGL_OPTION_DURATION:
        printf("%s = %" PRId64 "ns\n", option->name, *(const int64_t *)option->target);
        return;
    case SGL_OPTION_LIST: {
        const struct sgl_option_list *list = option->target;
        for (uint32_t i = 0; i < list->count; i++)
            printf("%s = %s\n", option->name, list->items[i]);
        return;
    }
    }
}

static const char *policy_text(const struct sgl_serve_setup *setup, enum sgl_pool pool)
{
    const char *format = setup->policy_text[pool];

    return format != NULL ? format : setup->proxy.policy[pool]->ops->name;
}

/* "random"; of pairs "random+round_robin". */
static void put_policies(const struct sgl_serve_setup *setup, FILE *out)
{
    if (setup->proxy.policy[SGL_POOL_REGULAR] != NULL)
        fprintf(out, "%s", policy_text(setup, SGL_POOL_REGULAR));
    else
        fprintf(out, "%s+%s", policy_text(setup, SGL_POOL_PREFILL),
                policy_text(setup, SGL_POOL_DECODE));
}

/* How many workers, and how they are chosen. */
static void put_fleet(const struct sgl_serve_setup *setup, FILE *out)
{
    const struct sgl_proxy_options *proxy = &setup->proxy;
    size_t prefill = 0;

    for (size_t i = 0; i < proxy->worker_count; i++)
        prefill += proxy->workers[i].pool == SGL_POOL_PREFILL;
    if (proxy->policy[SGL_POOL_REGULAR] != NULL)
        fprintf(out, "%zu worker%s, policy %s", proxy->worker_count,
                proxy->worker_count == 1 ? "" : "s", policy_text(setup, SGL_POOL_REGULAR));
    else
        fprintf(out, "%zu prefill, policy %s, %zu decode, policy %s", prefill,
                policy_text(setup, SGL_POOL_PREFILL), proxy->worker_count - prefill,
                policy_text(setup, SGL_POOL_DECODE));
}

/* Two names for one thing are one line; operands join the workers. What is printed is pasted, sent
 * and committed: keys are named and not said. */
static void print_config(const struct sgl_option *rows, const struct sgl_serve_options *options,
                         const struct sgl_serve_setup *setup)
{
    if (setup->proxy.policy[SGL_POOL_REGULAR] != NULL) {
        printf("worker-urls =");
        for (size_t i = 0; i < setup->proxy.worker_count; i++)
            printf(" %s", setup->proxy.workers[i].url);
        printf("\n");
    }
    for (const struct sgl_option *row = rows; row->name != NULL; row++) {
        bool is_said = strcmp(row->name, "print-config") == 0 || row->target == rows[0].target;
        for (const struct sgl_option *before = rows; before < row; before++)
            is_said = is_said || before->target == row->target;
        if (!is_said && sgl_serve_guard_hides(&options->guard, row->target))
            printf("# %s = (a secret, not printed: put it here)\n", row->name);
        else if (!is_said)
            print_option(row);
    }
}

static void say_listener(struct sgl_event_log *events, enum sgl_event_kind kind, const char *what,
                         const char *host, uint16_t port, const char *path)
{
    char url[300];
    char line[400];
    const struct sgl_event_field field = {.name = "url", .text = url};

    snprintf(url, sizeof url, "http://%.255s:%u%s", host, port, path);
    snprintf(line, sizeof line, "%s on %s", what, url);
    sgl_event_say(events, kind, line, &field, 1);
}

/* The line of the event, and what it says of the policies; both may be long. NULL: no memory. */
static char *ready_texts(const struct sgl_serve_setup *setup, const char *url, char **policy_out)
{
    const struct sgl_proxy_options *proxy = &setup->proxy;
    char *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(policy_out, &size);

    if (out == NULL)
        return NULL;
    put_policies(setup, out);
    fclose(out);
    out = open_memstream(&line, &size);
    if (out == NULL)
        return NULL;
    fprintf(out, "listening on %s (%u thread%s, ", url, proxy->threads,
            proxy->threads == 1 ? "" : "s");
    put_fleet(setup, out);
    fprintf(out, ", log %s)", proxy->log != NULL ? proxy->log : "none");
    fclose(out);
    return line;
}

static void say_ready(void *context, struct sgl_event_log *events,
                      const struct sgl_proxy_ports *ports)
{
    const struct sgl_serve_setup *setup = context;
    const struct sgl_proxy_options *proxy = &setup->proxy;
    char url[300];
    char *policy = NULL;

    snprintf(url, sizeof url, "http://%.255s:%u", proxy->host, ports->clients);
    char *line = ready_texts(setup, url, &policy);
    const struct sgl_event_field fields[] = {
        {.name = "url", .text = url},
        {.name = "threads", .number = proxy->threads},
        {.name = "workers", .number = (int64_t)proxy->worker_count},
        {.name = "policy", .text = policy != NULL ? policy : ""},
        {.name = "log", .text = proxy->log != NULL ? proxy->log : "none"},
    };
    sgl_event_say(events, SGL_EVENT_KIND_start, line, fields, sizeof fields / sizeof fields[0]);
    free(line);
    free(policy);
    if (proxy->has_control_listener)
        say_listener(events, SGL_EVENT_KIND_control, "workers and metrics",
                     proxy->access.control_host, ports->control, "");
    if (proxy->has_metrics_listener)
        say_listener(events, SGL_EVENT_KIND_figures, "figures", proxy->metrics_host, ports->metrics,
                     "/metrics");
}

static int serve(struct sgl_serve_setup *setup)
{
    struct sgl_failure failure;

    setup->proxy.context = setup;
    setup->proxy.ready = say_ready;
    const int status = sgl_proxy_run(&setup->proxy, &failure);
    if (status == SGL_OK)
        return SGL_EXIT_DONE;
    if (!setup->proxy.events_are_json)
        sgl_complain("%s", failure.text);
    return status == SGL_EINVAL ? SGL_EXIT_USAGE : SGL_EXIT_FAILED;
}

int sgl_command_serve(int argument_count, char **arguments)
{
    static struct sgl_serve_setup setup;
    struct sgl_serve_options options;
    struct sgl_option rows[SGL_SERVE_ROWS_MAX];
    const struct sgl_usage usage = {
        .synopsis = "sglsim serve --worker-urls URL... [options]",
        .text = text,
        .examples = examples,
        .options = rows,
        .operands_most = SIZE_MAX,
    };
    size_t url_count;

    sgl_serve_options_init(&options);
    sgl_serve_rows(&options, rows);
    if (sgl_serve_refuses(argument_count, arguments))
        return SGL_EXIT_USAGE;
    int status = SGL_EXIT_USAGE;
    if (sgl_serve_fold(&setup.folded, &argument_count, arguments))
        status = sgl_options_parse(&usage, argument_count, setup.folded.arguments, &url_count);
    if (status != SGL_OPTIONS_RUN) {
        sgl_serve_release(&setup);
        return status;
    }
    status = SGL_EXIT_USAGE;
    if (sgl_serve_resolve(&setup, &options, setup.folded.arguments + 1, url_count)) {
        if (options.print_config) {
            print_config(rows, &options, &setup);
            status = SGL_EXIT_DONE;
        } else {
            status = serve(&setup);
        }
    }
    sgl_serve_release(&setup);
    return status;
}
