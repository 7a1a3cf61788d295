/*
 * simulation_options.h - the options of every command that simulates: rows for its table, checks,
 * and what they mean to the simulator and to the log.
 *
 *     struct sgl_simulation_flags flags;
 *
 *     sgl_simulation_flags_init(&flags);
 *     const struct sgl_option table[] = {..., SGL_SIMULATION_ROWS(flags), ..., {0}};
 *     sgl_options_parse(...), sgl_simulation_flags_check(&flags)
 *
 *     sgl_simulated_fleet_resolve   (simulated_fleet.h) which workers those are
 *     sgl_simulation_flags_apply    -> struct sgl_simulation_options
 *     sgl_simulation_flags_state    -> facts of the log
 *
 * Texts are borrowed from argv or a configuration.
 */
#ifndef SGL_CLI_SIMULATION_OPTIONS_H
#define SGL_CLI_SIMULATION_OPTIONS_H

#include "cli/admission_options.h"
#include "cli/options.h"
#include "cli/reliability_options.h"
#include "sim/simulation.h"
#include "traces/log_sink.h"

struct sgl_simulation_flags {
    uint64_t workers; /* 0: the trace's, else 4 */
    const char *service;
    const char *profile;
    const char *worker;     /* overrides, "k=v,k=v" */
    const char *fleet;      /* a file (sim/fleet_file.h) instead of the four above; NULL: none */
    const char *pairs;      /* "P:D" instead of `workers`; NULL: none */
    uint32_t prefill_count; /* of pairs, as checked */
    uint32_t decode_count;
    const char *prefill_policy; /* of pairs; NULL: as every other */
    const char *decode_policy;
    const char *kv_transfer; /* "k=v,k=v" (sim/transfer.h); NULL: as it stands there */
    int64_t health_interval_ns;
    struct sgl_reliability_flags reliability; /* of fleets with faults, as the next two */
    struct sgl_retry_options retry;           /* what they come to, once checked */
    struct sgl_router_limits limits;
    double request_timeout_s;  /* NaN: none */
    int64_t client_timeout_ns; /* SGL_ABSENT: none */
    struct sgl_admission_flags admission;
    struct sgl_admission_options admission_limits; /* what they come to, once checked */
    uint64_t concurrency;                          /* 0: requests arrive when the trace says */
    int64_t until_ns;                              /* SGL_ABSENT: to the last answer */
    double rate_scale;
    uint64_t max_new_tokens;
    int64_t response_delay_ns;
    int64_t load_interval_ns;
    int64_t load_delay_ns;
    const char *completions_report; /* on | off */
    const char *signal_loss;        /* "completions=p,load=p"; NULL: none */
    double completions_loss;        /* what it says, once checked */
    double load_loss;
    const char *over_capacity; /* refuse | cut */
    bool stepwise;
};

/* clang-format off */
#define SGL_SIMULATION_ROWS(flags)                                                                 \
    {"workers", 'n', SGL_OPTION_NATURAL, "N", &(flags).workers,                                    \
     "workers (default: the distinct worker_url of the trace, else 4)", 1},                        \
    {"service", 0, SGL_OPTION_TEXT, sgl_worker_model_words, &(flags).service,                      \
     "how workers serve (default batching), and NAME:k=v,... for\n"                                \
     "parameters: exponential:mean_s=0.5,servers=8", 0},                           \
    {"profile", 0, SGL_OPTION_TEXT, "NAME|FILE", &(flags).profile,                                 \
     "step times of batching (default " SGL_PROFILE_STANDARD ")", 0},                              \
    {"worker", 'w', SGL_OPTION_TEXT, "k=v,...", &(flags).worker,                                   \
     "override worker or profile parameters, such as scheduler=vllm", 0},                          \
    {"fleet", 0, SGL_OPTION_TEXT, "FILE", &(flags).fleet,                                          \
     "unlike workers, and faults they have: sections [worker] and\n"                              \
     "[fault] (sim/README.md); instead of the four above. The router\n"                           \
     "does about faults what --max-worker-retries and those below say", 0},                        \
    {"pairs", 0, SGL_OPTION_TEXT, "P:D", &(flags).pairs,                                           \
     "P workers that prefill and D that decode, instead of --workers", 0},                         \
    {"prefill-policy", 0, SGL_OPTION_TEXT, "P[:k=v]", &(flags).prefill_policy,                     \
     "of pairs: who prefills (default: --policy)", 0},                                             \
    {"decode-policy", 0, SGL_OPTION_TEXT, "P[:k=v]", &(flags).decode_policy,                       \
     "of pairs: who decodes (default: --policy)", 0},                                              \
    {"kv-transfer", 0, SGL_OPTION_TEXT, "k=v,...", &(flags).kv_transfer,                           \
     "of pairs: latency_us (20), bandwidth_gbps (50), bytes_per_token\n"                           \
     "(131072) of KV memory on its way from prefill to decode", 0},                                \
    {"health-interval", 0, SGL_OPTION_DURATION, "TIME", &(flags).health_interval_ns,               \
     "workers with faults are probed that often (default 60s; 0: never)", 0},                      \
    SGL_RELIABILITY_ROWS((flags).reliability),                                                     \
    SGL_ADMISSION_ROWS((flags).admission),                                                         \
    {"request-timeout-secs", 0, SGL_OPTION_POSITIVE, "S", &(flags).request_timeout_s,              \
     "for a request, all attempts together; then the router gives it up\n"                         \
     "(default: never)", 0},                                                                       \
    {"client-timeout", 0, SGL_OPTION_DURATION, "TIME", &(flags).client_timeout_ns,                 \
     "clients leave that have no whole answer by then (default: never)", 1},                       \
    {"rate-scale", 0, SGL_OPTION_POSITIVE, "X", &(flags).rate_scale,                               \
     "divide arrival times by X (default 1): 2 is twice the load", 0},                             \
    {"concurrency", 0, SGL_OPTION_NATURAL, "N", &(flags).concurrency,                              \
     "closed loop: keep N requests in flight, instead of arrival times", 1},                       \
    {"until", 0, SGL_OPTION_DURATION, "TIME", &(flags).until_ns,                                   \
     "cut the run after that time, and say what was cut", 1},                                      \
    {"max-new-tokens", 0, SGL_OPTION_NATURAL, "N", &(flags).max_new_tokens,                        \
     "max_tokens of requests that state none (default 2048)", 1},                                  \
    {"response-delay", 0, SGL_OPTION_DURATION, "TIME", &(flags).response_delay_ns,                 \
     "how late answers reach the router (default 0)", 0},                                          \
    {"load-interval", 0, SGL_OPTION_DURATION, "TIME", &(flags).load_interval_ns,                   \
     "workers report their load that often (default 0: never)", 0},                                \
    {"load-delay", 0, SGL_OPTION_DURATION, "TIME", &(flags).load_delay_ns,                         \
     "how late those reports reach the router (default 0)", 0},                                    \
    {"completions-report", 0, SGL_OPTION_CHOICE, "on|off", &(flags).completions_report,            \
     "answers carry the worker's queue length (default on)", 0},                                   \
    {"signal-loss", 0, SGL_OPTION_TEXT, "S=P,...", &(flags).signal_loss,                           \
     "queue lengths lost with probability P: completions=P, load=P", 0},                           \
    {"over-capacity", 0, SGL_OPTION_CHOICE, "refuse|cut", &(flags).over_capacity,                  \
     "a request that no worker has the KV memory for: refuse the run\n"                            \
     "(default), or cut its answer to what one has", 0},                                           \
    {"stepwise", 0, SGL_OPTION_FLAG, NULL, &(flags).stepwise,                                      \
     "simulate one engine step at a time: same results, slower", 0}
/* clang-format on */

/* Every flag at its default. */
void sgl_simulation_flags_init(struct sgl_simulation_flags *flags);

/* Reads what is still a text. SGL_OPTIONS_RUN, or the exit code of a complaint made. */
int sgl_simulation_flags_check(struct sgl_simulation_flags *flags);

/* Names of what was said about workers that fail, "--health-interval, --disable-retries"; "" when
 * all of it is as it would be anyway. Without faults it changes nothing. Returns `out`. */
const char *sgl_simulation_flags_idle(const struct sgl_simulation_flags *flags, char *out,
                                      size_t size);

/* Sets the members of `options` that the flags are about; the others are left alone. After
 * sgl_simulated_fleet_apply, for retries and breakers are of a fleet with faults. The flags live as
 * long as the options. */
void sgl_simulation_flags_apply(const struct sgl_simulation_flags *flags,
                                struct sgl_simulation_options *options);

/* "given up after 5 s, clients leave after 3 s"; NULL when neither is. */
const char *sgl_simulation_deadlines_text(const struct sgl_simulation_flags *flags, char *out,
                                          size_t size);

/* Can anything fail that breakers look at? Then the router has some. */
bool sgl_simulation_flags_can_fail(const struct sgl_simulation_flags *flags, bool has_faults);

/* States the flags, but for the workers, as facts of the log. */
void sgl_simulation_flags_state(const struct sgl_simulation_flags *flags, bool has_faults,
                                struct sgl_log *log);

#endif
