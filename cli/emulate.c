/* sglsim emulate: servers that answer as SGLang workers do, without a GPU. */
#include "cli.h"
#include "live/emulate.h"
#include "options.h"
#include "sim/transfer.h"
#include "sim/worker_model.h"
#include "core/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_STANDARD 30001
#define WORKERS_MOST 1024
#define BLOCK_STANDARD 16
#define BLOCK_MOST 65536
#define BOOTSTRAP_STANDARD 8998   /* SGLang's disaggregation_bootstrap_port */
#define ROOM_TIMEOUT_STANDARD 300 /* s; SGLANG_DISAGGREGATION_WAITING_TIMEOUT */
#define ROOM_TIMEOUT_MOST 1e6
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
    "streamed or not, for one prompt or a batch: /generate (with logprobs, made up), "
    "/v1/completions,\n"
    "/v1/chat/completions; meta_info has queue times, queue length and cached tokens.\n"
    "/emulate/faults makes a worker slow, hang, fail, cut, garble or vanish. Stops at ctrl-C.\n"
    "\n"
    "--prefill-count and --decode-count make pairs: the flags of `sglsim serve` for them are "
    "printed.\n"
    "Both legs of a request name a room (bootstrap_host, bootstrap_port, bootstrap_room). The "
    "prefill\n"
    "worker keeps the prompt's memory until the decode worker has fetched it, over the "
    "simulator's\n"
    "wires (--kv-transfer), also from another process: --role starts one kind alone. A leg whose\n"
    "other leg does not come fails after --room-timeout, as in SGLang.\n";

static const char examples[] =
    "  sglsim emulate --count 3                              # ports 30001, 30002, 30003\n"
    "  sglsim emulate --port 9000 --profile llama31-70b-tp4-h100 --worker kv_tokens=200000\n"
    "  sglsim emulate --count 8 --time-scale 10              # ten times as fast\n"
    "  sglsim emulate --prefill-count 2 --decode-count 2     # prefill 30001-2, decode 30003-4\n"
    "  sglsim emulate --role prefill --bootstrap-port 9100   # one leg; the other elsewhere\n"
    "  curl -d '{\"text\":\"Hello\",\"sampling_params\":{\"max_new_tokens\":8}}' "
    "localhost:30001/generate\n"
    "  curl -d '{\"status\":503,\"for_ms\":5000}' localhost:30001/emulate/faults\n";

struct emulate_command {
    const char *host;
    uint64_t port;
    uint64_t count;
    const char *role;
    uint64_t prefill_count;
    uint64_t decode_count;
    uint64_t bootstrap_port; /* NO_PORT: the standard one, or any when --port is */
    const char *kv_transfer;
    double room_timeout_s;
    const char *profile;
    const char *worker;
    const char *model;
    double time_scale;
    uint64_t prefix_block;
    bool quiet;
    struct sgl_worker_model_spec spec;
    struct sgl_parameters transfer;
    uint32_t counts[SGL_EMULATE_ROLE_COUNT];
};

#define NO_PORT UINT64_MAX

static uint64_t worker_count(const struct emulate_command *c)
{
    return (uint64_t)c->counts[0] + c->counts[1] + c->counts[2];
}

/* Of each role how many. False after a complaint. */
static bool count_workers(struct emulate_command *c)
{
    const bool has_pairs = c->prefill_count > 0 || c->decode_count > 0;
    const uint64_t most = WORKERS_MOST;

    if (has_pairs && (c->count > 0 || c->role[0] != '\0')) {
        sgl_complain("--prefill-count and --decode-count say how many workers of which role there "
                     "are: neither --count nor --role can stand beside them");
        return false;
    }
    if (has_pairs) {
        c->counts[SGL_EMULATE_PREFILL] =
            (uint32_t)(c->prefill_count < most ? c->prefill_count : most);
        c->counts[SGL_EMULATE_DECODE] = (uint32_t)(c->decode_count < most ? c->decode_count : most);
    } else {
        const enum sgl_emulate_role role = strcmp(c->role, "prefill") == 0  ? SGL_EMULATE_PREFILL
                                           : strcmp(c->role, "decode") == 0 ? SGL_EMULATE_DECODE
                                                                            : SGL_EMULATE_REGULAR;
        c->counts[role] = c->count == 0 ? 1 : (uint32_t)(c->count < most + 1 ? c->count : most + 1);
    }
    if (worker_count(c) <= most && c->prefill_count <= most && c->decode_count <= most &&
        c->port <= UINT16_MAX && (c->port == 0 || c->port + worker_count(c) - 1 <= UINT16_MAX))
        return true;
    sgl_complain("--port and --count, expected at most %d workers and ports up to 65535",
                 WORKERS_MOST);
    return false;
}

/* What only pairs have. False after a complaint. */
static bool check_pairs(struct emulate_command *c)
{
    const uint32_t prefills = c->counts[SGL_EMULATE_PREFILL];
    const bool is_said =
        c->bootstrap_port != NO_PORT || c->kv_transfer != NULL || !isnan(c->room_timeout_s);

    if (is_said && prefills == 0 && c->counts[SGL_EMULATE_DECODE] == 0) {
        sgl_complain("--bootstrap-port, --kv-transfer and --room-timeout are of prefill and decode "
                     "workers (see --role)");
        return false;
    }
    if (isnan(c->room_timeout_s))
        c->room_timeout_s = ROOM_TIMEOUT_STANDARD;
    if (c->bootstrap_port == NO_PORT)
        c->bootstrap_port = c->port == 0 && prefills > 0 ? 0 : BOOTSTRAP_STANDARD;
    if (c->bootstrap_port <= UINT16_MAX &&
        (c->bootstrap_port == 0 || c->bootstrap_port + prefills <= (uint64_t)UINT16_MAX + 1))
        return true;
    sgl_complain("--bootstrap-port, expected a port for each prefill worker up to 65535");
    return false;
}

/* What the table cannot say. False after a complaint. */
static bool check_options(struct emulate_command *c)
{
    if (!count_workers(c) || !check_pairs(c))
        return false;
    if (c->prefix_block > BLOCK_MOST || c->time_scale > TIME_SCALE_MOST ||
        c->time_scale < 1 / TIME_SCALE_MOST || c->room_timeout_s > ROOM_TIMEOUT_MOST) {
        sgl_complain("--prefix-block, --time-scale or --room-timeout is out of range, expected at "
                     "most %d, %g to %g, and at most %g",
                     BLOCK_MOST, 1 / TIME_SCALE_MOST, TIME_SCALE_MOST, ROOM_TIMEOUT_MOST);
        return false;
    }
    return true;
}

static int parse_options(struct emulate_command *c, int argument_count, char **arguments)
{
    const struct sgl_option table[] = {
        {"port", 'p', SGL_OPTION_NATURAL, "PORT", &c->port,
         "of the first worker (default 30001); 0: free ones", 0},
        {"count", 'n', SGL_OPTION_NATURAL, "N", &c->count,
         "workers, on consecutive ports (default 1)", 1},
        {"role", 0, SGL_OPTION_CHOICE, "regular|prefill|decode", &c->role,
         "which leg of each request they have (default regular: both)", 0},
        {"prefill-count", 0, SGL_OPTION_NATURAL, "N", &c->prefill_count,
         "prefill workers, on the first ports", 1},
        {"decode-count", 0, SGL_OPTION_NATURAL, "N", &c->decode_count,
         "decode workers, on the ports behind them", 1},
        {"bootstrap-port", 0, SGL_OPTION_NATURAL, "PORT", &c->bootstrap_port,
         "of the first prefill worker (default 8998); 0: free ones", 0},
        {"kv-transfer", 0, SGL_OPTION_TEXT, "k=v,...", &c->kv_transfer,
         "latency_us, bandwidth_gbps, bytes_per_token of memory between legs", 0},
        {"room-timeout", 0, SGL_OPTION_POSITIVE, "S", &c->room_timeout_s,
         "how long a leg waits for the other one (default 300)", 0},
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
    if (!check_options(c))
        return SGL_EXIT_USAGE;
    return SGL_OPTIONS_RUN;
}

/* As `sglsim serve` wants it said. */
static void put_flag(FILE *out, const char *host, const struct sgl_emulate_place *place)
{
    if (place->role == SGL_EMULATE_PREFILL)
        fprintf(out, "--prefill http://%s:%u %u", host, place->port, place->bootstrap_port);
    else
        fprintf(out, "%shttp://%s:%u", place->role == SGL_EMULATE_DECODE ? "--decode " : "", host,
                place->port);
}

/* The urls, or flags, one a line: for people and for scripts that wait for them. */
static void say_ready(void *context, const struct sgl_emulate_place *places, uint32_t count)
{
    const struct emulate_command *c = context;
    char caveat[256];

    for (uint32_t i = 0; i < count; i++) {
        put_flag(stdout, c->host, &places[i]);
        printf("\n");
    }
    fflush(stdout);
    if (c->quiet)
        return;
    sgl_complain("%u worker%s of profile %s at %g times real time; ctrl-C stops", count,
                 sgl_plural((uint64_t)count), c->spec.profile.name, c->time_scale);
    for (uint32_t i = 0; sgl_worker_model_caveat(&c->spec, i, caveat, sizeof caveat) != NULL; i++)
        sgl_complain("note: %s", caveat);
    if (c->counts[SGL_EMULATE_PREFILL] > 0)
        sgl_complain("note: the transfer of KV memory is not measured (--kv-transfer)");
}

int sgl_command_emulate(int argument_count, char **arguments)
{
    struct emulate_command command = {
        .host = "127.0.0.1",
        .port = PORT_STANDARD,
        .role = "",
        .bootstrap_port = NO_PORT,
        .room_timeout_s = NAN,
        .time_scale = 1,
        .prefix_block = BLOCK_STANDARD,
    };
    struct sgl_failure failure = {.text = ""};
    int exit_code = parse_options(&command, argument_count, arguments);

    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    const int resolved = sgl_worker_model_resolve(&command.spec, "batching", command.profile,
                                                  command.worker, &failure);
    if (resolved != SGL_OK) {
        sgl_complain_of(command.profile != NULL ? command.profile : "", failure.text);
        return resolved == SGL_EINVAL ? SGL_EXIT_USAGE : SGL_EXIT_FAILED;
    }
    sgl_parameters_init(&command.transfer, sgl_transfer_parameters);
    if (sgl_parameters_parse(&command.transfer, command.kv_transfer, "--kv-transfer", &failure) !=
        SGL_OK) {
        sgl_complain("%s", failure.text);
        sgl_worker_model_release(&command.spec);
        return SGL_EXIT_USAGE;
    }
    const int status = sgl_emulate_run(
        &(struct sgl_emulate_options){
            .host = command.host,
            .port = (uint16_t)command.port,
            .counts = {command.counts[0], command.counts[1], command.counts[2]},
            .bootstrap_port = (uint16_t)command.bootstrap_port,
            .kv_transfer = &command.transfer,
            .room_timeout_s = command.room_timeout_s,
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
    sgl_parameters_release(&command.transfer);
    sgl_worker_model_release(&command.spec);
    return exit_code;
}
