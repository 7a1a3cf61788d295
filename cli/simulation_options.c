#include "simulation_options.h"

#include "cli.h"
#include "core/router.h"

#include <stdio.h>
#include <string.h>

#define MAX_NEW_TOKENS_STANDARD 2048
#define LOAD_INTERVAL_MIN_NS 1000

void sgl_simulation_flags_init(struct sgl_simulation_flags *flags)
{
    *flags = (struct sgl_simulation_flags){
        .rate_scale = 1,
        .max_new_tokens = MAX_NEW_TOKENS_STANDARD,
        .completions_report = "on",
    };
}

int sgl_simulation_flags_check(const struct sgl_simulation_flags *flags)
{
    if (flags->workers > SGL_WORKER_MAX_STANDARD) {
        sgl_complain("--workers %llu, expected at most %d", (unsigned long long)flags->workers,
                     SGL_WORKER_MAX_STANDARD);
        return SGL_EXIT_USAGE;
    }
    if (flags->load_interval_ns > 0 && flags->load_interval_ns < LOAD_INTERVAL_MIN_NS) {
        sgl_complain(
            "--load-interval is below 1us, expected 0 or at least that (a run would never end)");
        return SGL_EXIT_USAGE;
    }
    return SGL_OPTIONS_RUN;
}

void sgl_simulation_flags_apply(const struct sgl_simulation_flags *flags,
                                struct sgl_simulation_options *options)
{
    options->max_new_tokens = (int64_t)flags->max_new_tokens;
    options->rate_scale = flags->rate_scale;
    options->response_delay_ns = flags->response_delay_ns;
    options->load_interval_ns = flags->load_interval_ns;
    options->load_delay_ns = flags->load_delay_ns;
    options->completions_report = strcmp(flags->completions_report, "on") == 0;
    options->stepwise = flags->stepwise;
}

static void state_time(struct sgl_log *log, const char *key, int64_t time_ns)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)time_ns);
    sgl_log_fact(log, key, text);
}

void sgl_simulation_flags_state(const struct sgl_simulation_flags *flags, struct sgl_log *log)
{
    char text[64];

    snprintf(text, sizeof text, "%.17g", flags->rate_scale);
    sgl_log_fact(log, "rate_scale", text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)flags->max_new_tokens);
    sgl_log_fact(log, "max_new_tokens", text);
    state_time(log, "response_delay_ns", flags->response_delay_ns);
    state_time(log, "load_interval_ns", flags->load_interval_ns);
    state_time(log, "load_delay_ns", flags->load_delay_ns);
    sgl_log_fact(log, "completions_report", flags->completions_report);
}
