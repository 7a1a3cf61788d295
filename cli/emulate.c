/* sglsim emulate: servers that answer as SGLang workers do, without a GPU. */
#include "cli.h"
#include "live/emulate.h"
#include "options.h"
#include "sim/worker_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_STANDARD 30001
#define WORKERS_MOST 1024
#define BLOCK_STANDARD 16
#define BLOCK_MOST 65536
#define TIME_SCALE_MOST 1000.0 /* a worker's clock then lasts for 100 days */

static const char description[] =
    "Serves SGLang's API from the simulator's worker model in real time: continuous batching, KV\n"
    "memory and a prefix cache, at the step times of a profile. So routers, clients and "
    "dashboards\n"
    "run without a GPU. One process, N workers on consecutive ports.\n"
    "\n"
    "A request gives as many (meaningless) tokens as it asks for, each in the instant the "
    "modelled\n"
    "engine gives it. Four bytes of a prompt count as a token; input_ids are counted. Answers are\n"
    "streamed or not: /generate, /v1/chat/completions, /v1/completions; meta_info has queue "
    "times,\n"
    "queue length and cached tokens. /emulate/faults makes a worker slow, hang, fail, cut, garble "
    "or\n"
    "vanish. Stops at ctrl-C.\n";

static const char examples[] =
    "  sglsim emulate --count 3                              # ports 30001, 30002, 30003\n"
    "  sglsim emulate --port 9000 --profile llama31-70b-tp4-h100 --worker kv_tokens=200000\n"
    "  sglsim emulate --count 8 --time-scale 10              # ten times as fast\n"
    "  curl -d '{\"text\":\"Hello\",\"sampling_params\":{\"max_new_tokens\":8}}' "
    "localhost:30001/generate\n"
    "  curl -d '{\"status\":503,\"for_ms\":5000}' localhost:30001/emulate/faults\n";

struct emulate_command {
    const char *host;
    uint64_t port;
    uint64_t count;
    const char *profile;
    const char *worker;
    const char *model;
    double time_scale;
    uint64_t prefix_block;
    bool quiet;
    struct sgl_worker_model_spec spec;
};

static int parse_options(struct emulate_command *c, int argument_count, char **arguments)
{
    const struct sgl_option table[] = {
        {"port", 'p', SGL_OPTION_NATURAL, "PORT", &c->port,
         "of the first worker (default 30001); 0: free ones", 0},
        {"count", 'n', SGL_OPTION_NATURAL, "N", &c->count,
         "workers, on consecutive ports (default 1)", 1},
        {"host", 0, SGL_OPTION_TEXT, "HOST", &c->host, "to listen on (default 127.0.0.1)", 0},
        {"profile", 0, SGL_OPTION_TEXT, "NAME|FILE", &c->profile,
         "step times (default " SGL_PROFILE_STANDARD ")", 0},
        {"worker", 'w', SGL_OPTION_TEXT, "k=v,...", &c->worker,
         "override worker or profile parameters, such as scheduler=vllm", 0},
        {"time-scale", 0, SGL_OPTION_POSITIVE, "X", &c->time_scale,
         "how much faster than real time (default 1)", 0},
        {"model", 0, SGL_OPTION_TEXT, "NAME", &c->model,
         "what it calls its model (default: the profile's)", 0},
        {"prefix-block", 0, SGL_OPTION_NATURAL, "N", &c->prefix_block,
         "tokens of a block of the prefix cache (default 16)", 1},
        {"quiet", 'q', SGL_OPTION_FLAG, NULL, &c->quiet, "print the urls and nothing else", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim emulate [options]",
        .text = description,
        .examples = examples,
        .options = table,
        .operands_least = 0,
        .operands_most = 0,
    };
    size_t operand_count;
    const int exit_code = sgl_options_parse(&usage, argument_count, arguments, &operand_count);

    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    if (c->count > WORKERS_MOST || c->port > UINT16_MAX ||
        (c->port > 0 && c->port + c->count - 1 > UINT16_MAX)) {
        sgl_complain("--port and --count, expected at most %d workers and ports up to 65535",
                     WORKERS_MOST);
        return SGL_EXIT_USAGE;
    }
    if (c->prefix_block > BLOCK_MOST || c->time_scale > TIME_SCALE_MOST ||
        c->time_scale < 1 / TIME_SCALE_MOST) {
        sgl_complain("--prefix-block or --time-scale is out of range, expected at most %d, and "
                     "%g to %g",
                     BLOCK_MOST, 1 / TIME_SCALE_MOST, TIME_SCALE_MOST);
        return SGL_EXIT_USAGE;
    }
    return SGL_OPTIONS_RUN;
}

/* The urls, one a line, for people and for scripts that wait for them. */
static void say_ready(void *context, const uint16_t *ports, uint32_t count)
{
    const struct emulate_command *c = context;
    char caveat[256];

    for (uint32_t i = 0; i < count; i++)
        printf("http://%s:%u\n", c->host, ports[i]);
    fflush(stdout);
    if (c->quiet)
        return;
    sgl_complain("%u worker%s of profile %s at %g times real time; ctrl-C stops", count,
                 count == 1 ? "" : "s", c->spec.profile.name, c->time_scale);
    for (uint32_t i = 0; sgl_worker_model_caveat(&c->spec, i, caveat, sizeof caveat) != NULL; i++)
        sgl_complain("note: %s", caveat);
}

int sgl_command_emulate(int argument_count, char **arguments)
{
    struct emulate_command command = {
        .host = "127.0.0.1",
        .port = PORT_STANDARD,
        .count = 1,
        .time_scale = 1,
        .prefix_block = BLOCK_STANDARD,
    };
    struct sgl_failure failure = {.text = ""};
    int exit_code = parse_options(&command, argument_count, arguments);

    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    if (sgl_worker_model_resolve(&command.spec, "batching", command.profile, command.worker,
                                 &failure) != SGL_OK) {
        sgl_complain_of(command.profile != NULL ? command.profile : "", failure.text);
        return SGL_EXIT_USAGE;
    }
    const int status = sgl_emulate_run(
        &(struct sgl_emulate_options){
            .host = command.host,
            .port = (uint16_t)command.port,
            .count = (uint32_t)command.count,
            .spec = &command.spec,
            .model = command.model != NULL ? command.model : command.spec.profile.model,
            .time_scale = command.time_scale,
            .prefix_block = (uint32_t)command.prefix_block,
            .ready = say_ready,
            .context = &command,
        },
        &failure);
    if (status != SGL_OK) {
        sgl_complain("%s", failure.text);
        exit_code = SGL_EXIT_FAILED;
    } else {
        exit_code = SGL_EXIT_DONE;
    }
    sgl_worker_model_release(&command.spec);
    return exit_code;
}
