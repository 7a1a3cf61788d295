#include "simulation_options.h"

#include "cli.h"
#include "core/router.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_NEW_TOKENS_STANDARD 2048
#define INTERVAL_MIN_NS 1000
#define NS_PER_S 1e9
#define TIMEOUT_MOST_NS 1e18                                          /* 31 years */
#define HEALTH_INTERVAL_STANDARD_NS (60 * SGL_NANOSECONDS_PER_SECOND) /* DESIGN, section 7 */

void sgl_simulation_flags_init(struct sgl_simulation_flags *flags)
{
    *flags = (struct sgl_simulation_flags){
        .rate_scale = 1,
        .max_new_tokens = MAX_NEW_TOKENS_STANDARD,
        .completions_report = "on",
        .over_capacity = "refuse",
        .until_ns = SGL_ABSENT,
        .request_timeout_s = NAN,
        .client_timeout_ns = SGL_ABSENT,
        .health_interval_ns = HEALTH_INTERVAL_STANDARD_NS,
    };
    sgl_reliability_flags_init(&flags->reliability);
    sgl_admission_flags_init(&flags->admission);
}

static int check_interval(const char *name, int64_t interval_ns)
{
    if (interval_ns == 0 || interval_ns >= INTERVAL_MIN_NS)
        return SGL_OPTIONS_RUN;
    sgl_complain("%s is below 1us, expected 0 or at least that (a run would never end)", name);
    return SGL_EXIT_USAGE;
}

/* A loss of a signal that there is not would do nothing. */
static int read_loss(struct sgl_simulation_flags *flags)
{
    /* clang-format off */
    static const struct sgl_parameter table[] = {
        {"completions", SGL_PARAMETER_REAL, 0, 0, 1, NULL, "of the queue lengths in answers"},
        {"load", SGL_PARAMETER_REAL, 0, 0, 1, NULL, "of the load reports"},
        {0},
    };
    /* clang-format on */
    struct sgl_parameters parameters;
    struct sgl_failure failure;

    sgl_parameters_init(&parameters, table);
    if (sgl_parameters_parse(&parameters, flags->signal_loss, "--signal-loss", &failure) !=
        SGL_OK) {
        sgl_complain("%s", failure.text);
        return SGL_EXIT_USAGE;
    }
    flags->completions_loss = parameters.value[0];
    flags->load_loss = parameters.value[1];
    sgl_parameters_release(&parameters);
    if (flags->load_loss > 0 && flags->load_interval_ns == 0) {
        sgl_complain("--signal-loss load=%g, but nothing is reported (give --load-interval)",
                     flags->load_loss);
        return SGL_EXIT_USAGE;
    }
    if (flags->completions_loss > 0 && strcmp(flags->completions_report, "off") == 0) {
        sgl_complain("--signal-loss completions=%g, but answers report nothing "
                     "(--completions-report is off)",
                     flags->completions_loss);
        return SGL_EXIT_USAGE;
    }
    return SGL_OPTIONS_RUN;
}

/* Options of a queue in which nobody waits would do nothing. */
static int read_admission(struct sgl_simulation_flags *flags)
{
    struct sgl_admission_flags standard;

    if (!sgl_admission_flags_resolve(&flags->admission, &flags->admission_limits))
        return SGL_EXIT_USAGE;
    sgl_admission_flags_init(&standard);
    if (sgl_admission_is_limited(&flags->admission_limits) ||
        (flags->admission.queue_size == standard.queue_size &&
         flags->admission.queue_timeout_s == standard.queue_timeout_s))
        return SGL_OPTIONS_RUN;
    sgl_complain("--queue-size and --queue-timeout-secs are of those who wait to be let in, and "
                 "everybody is (give --max-concurrent-requests or "
                 "--rate-limit-tokens-per-second)");
    return SGL_EXIT_USAGE;
}

/* "P:D" */
static int read_pairs(struct sgl_simulation_flags *flags)
{
    unsigned prefill_count;
    unsigned decode_count;
    char rest;

    if (flags->pairs == NULL)
        return SGL_OPTIONS_RUN;
    if (flags->workers > 0 || flags->fleet != NULL) {
        sgl_complain("--pairs says how many workers there are: neither --workers nor --fleet can "
                     "stand beside it");
        return SGL_EXIT_USAGE;
    }
    if (strspn(flags->pairs, "0123456789:") != strlen(flags->pairs) ||
        sscanf(flags->pairs, "%6u:%6u%c", &prefill_count, &decode_count, &rest) != 2 ||
        prefill_count == 0 || decode_count == 0 ||
        prefill_count + decode_count > SGL_WORKER_MAX_STANDARD) {
        sgl_complain("--pairs '%.40s', expected prefill and decode workers such as 2:3, at most %d "
                     "in all",
                     flags->pairs, SGL_WORKER_MAX_STANDARD);
        return SGL_EXIT_USAGE;
    }
    flags->prefill_count = prefill_count;
    flags->decode_count = decode_count;
    return SGL_OPTIONS_RUN;
}

int sgl_simulation_flags_check(struct sgl_simulation_flags *flags)
{
    if (flags->workers > SGL_WORKER_MAX_STANDARD) {
        sgl_complain("--workers %llu, expected at most %d", (unsigned long long)flags->workers,
                     SGL_WORKER_MAX_STANDARD);
        return SGL_EXIT_USAGE;
    }
    if (flags->fleet != NULL && (flags->workers > 0 || flags->service != NULL ||
                                 flags->profile != NULL || flags->worker != NULL)) {
        sgl_complain("--fleet describes every worker: --workers, --service, --profile and --worker "
                     "cannot stand beside it (write them into the file)");
        return SGL_EXIT_USAGE;
    }
    if (flags->fleet == NULL && flags->pairs == NULL &&
        (flags->prefill_policy != NULL || flags->decode_policy != NULL ||
         flags->kv_transfer != NULL)) {
        sgl_complain("--prefill-policy, --decode-policy and --kv-transfer are of pairs, and the "
                     "fleet has none (see --pairs)");
        return SGL_EXIT_USAGE;
    }
    if (flags->concurrency > UINT32_MAX) {
        sgl_complain("--concurrency %llu, expected at most %u",
                     (unsigned long long)flags->concurrency, UINT32_MAX);
        return SGL_EXIT_USAGE;
    }
    if (flags->concurrency > 0 && flags->rate_scale != 1) {
        sgl_complain("--rate-scale scales arrival times, which --concurrency does not look at "
                     "(give one of them)");
        return SGL_EXIT_USAGE;
    }
    if (flags->load_delay_ns > 0 && flags->load_interval_ns == 0) {
        sgl_complain("--load-delay, but nothing is reported (give --load-interval)");
        return SGL_EXIT_USAGE;
    }
    int checked = check_interval("--load-interval", flags->load_interval_ns);
    if (checked == SGL_OPTIONS_RUN)
        checked = check_interval("--health-interval", flags->health_interval_ns);
    if (checked == SGL_OPTIONS_RUN)
        checked = read_pairs(flags);
    if (checked == SGL_OPTIONS_RUN)
        checked = read_admission(flags);
    if (checked == SGL_OPTIONS_RUN &&
        !sgl_reliability_flags_resolve(&flags->reliability, &flags->retry, &flags->limits))
        checked = SGL_EXIT_USAGE;
    return checked == SGL_OPTIONS_RUN ? read_loss(flags) : checked;
}

bool sgl_simulation_flags_can_fail(const struct sgl_simulation_flags *flags, bool has_faults)
{
    return has_faults || !isnan(flags->request_timeout_s);
}

const char *sgl_simulation_deadlines_text(const struct sgl_simulation_flags *flags, char *out,
                                          size_t size)
{
    const bool has_clients = flags->client_timeout_ns != SGL_ABSENT;
    size_t used = 0;

    if (isnan(flags->request_timeout_s) && !has_clients)
        return NULL;
    if (!isnan(flags->request_timeout_s))
        used = (size_t)snprintf(out, size, "given up after %.6g s%s", flags->request_timeout_s,
                                has_clients ? ", " : "");
    if (has_clients && used < size)
        snprintf(out + used, size - used, "clients leave after %.6g s",
                 (double)flags->client_timeout_ns / NS_PER_S);
    return out;
}

static bool is_of_breakers(const char *name)
{
    return strncmp(name, "cb-", 3) == 0 || strcmp(name, "disable-circuit-breaker") == 0;
}

const char *sgl_simulation_flags_idle(const struct sgl_simulation_flags *flags, char *out,
                                      size_t size)
{
    struct sgl_simulation_flags own = *flags;
    struct sgl_simulation_flags standard;
    const struct sgl_option table[] = {
        {"health-interval", 0, SGL_OPTION_DURATION, "TIME", &own.health_interval_ns, "", 0},
        SGL_RELIABILITY_ROWS(own.reliability),
    };
    size_t used = 0;

    sgl_simulation_flags_init(&standard);
    out[0] = '\0';
    for (size_t i = 0; i < sizeof table / sizeof table[0] && used < size; i++)
        if (strcmp(table[i].help, "the same") != 0 &&
            !(sgl_simulation_flags_can_fail(flags, false) && is_of_breakers(table[i].name)) &&
            sgl_option_differs(&table[i], &own, &standard))
            used += (size_t)snprintf(out + used, size - used, "%s--%s", used > 0 ? ", " : "",
                                     table[i].name);
    return out;
}

/* At least the least there is, for 0 is none. */
static int64_t timeout_ns(double timeout_s)
{
    const double ns = timeout_s * NS_PER_S;

    if (isnan(timeout_s))
        return 0;
    return ns < 1 ? 1 : ns < TIMEOUT_MOST_NS ? (int64_t)ns : (int64_t)TIMEOUT_MOST_NS;
}

void sgl_simulation_flags_apply(const struct sgl_simulation_flags *flags,
                                struct sgl_simulation_options *options)
{
    options->max_new_tokens = (int64_t)flags->max_new_tokens;
    options->rate_scale = flags->rate_scale;
    options->response_delay_ns = flags->response_delay_ns;
    options->load_interval_ns = flags->load_interval_ns;
    options->load_delay_ns = flags->load_delay_ns;
    options->load_loss = flags->load_loss;
    options->completions_loss = flags->completions_loss;
    options->completions_report = strcmp(flags->completions_report, "on") == 0;
    options->health_interval_ns = flags->health_interval_ns;
    if (options->faults != NULL)
        options->retry = flags->retry.total_max > 0 ? &flags->retry : NULL;
    if (sgl_simulation_flags_can_fail(flags, options->faults != NULL))
        options->limits = flags->limits;
    options->request_timeout_ns = timeout_ns(flags->request_timeout_s);
    options->client_timeout_ns =
        flags->client_timeout_ns != SGL_ABSENT ? flags->client_timeout_ns : 0;
    options->admission =
        sgl_admission_is_limited(&flags->admission_limits) ? &flags->admission_limits : NULL;
    options->concurrency = (uint32_t)flags->concurrency;
    options->until_ns = flags->until_ns != SGL_ABSENT ? flags->until_ns : 0;
    options->cuts_oversize = strcmp(flags->over_capacity, "cut") == 0;
    options->stepwise = flags->stepwise;
}

static void state_time(struct sgl_log *log, const char *key, int64_t time_ns)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)time_ns);
    sgl_log_fact(log, key, text);
}

static void state_retries(const struct sgl_retry_options *retry, struct sgl_log *log)
{
    char text[256];

    snprintf(text, sizeof text,
             "total_max=%u,worker_max=%u,first_delay_ns=%lld,most_delay_ns=%lld,growth=%.17g,"
             "jitter=%.17g,budget_percent=%u,budget_reserve=%u",
             retry->total_max, retry->worker_max, (long long)retry->first_delay_ns,
             (long long)retry->most_delay_ns, retry->growth, retry->jitter, retry->budget_percent,
             retry->budget_reserve);
    sgl_log_fact(log, "retries", retry->total_max > 0 ? text : "off");
}

static void state_admission(const struct sgl_admission_options *admission, struct sgl_log *log)
{
    char text[160];

    snprintf(text, sizeof text,
             "concurrency_max=%lld,queue_max=%u,timeout_ns=%lld,interval_ns=%lld,slack_ns=%lld",
             (long long)admission->concurrency_max, admission->queue_max,
             (long long)admission->timeout_ns, (long long)admission->rate.interval_ns,
             (long long)admission->rate.slack_ns);
    sgl_log_fact(log, "admission", text);
}

void sgl_simulation_flags_state(const struct sgl_simulation_flags *flags, bool has_faults,
                                struct sgl_log *log)
{
    char text[80];

    snprintf(text, sizeof text, "%.17g", flags->rate_scale);
    sgl_log_fact(log, "rate_scale", text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)flags->max_new_tokens);
    sgl_log_fact(log, "max_new_tokens", text);
    if (flags->concurrency > 0) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)flags->concurrency);
        sgl_log_fact(log, "concurrency", text);
    }
    if (flags->until_ns != SGL_ABSENT)
        state_time(log, "until_ns", flags->until_ns);
    state_time(log, "response_delay_ns", flags->response_delay_ns);
    state_time(log, "load_interval_ns", flags->load_interval_ns);
    state_time(log, "load_delay_ns", flags->load_delay_ns);
    sgl_log_fact(log, "completions_report", flags->completions_report);
    sgl_log_fact(log, "over_capacity", flags->over_capacity);
    snprintf(text, sizeof text, "completions=%.17g,load=%.17g", flags->completions_loss,
             flags->load_loss);
    if (flags->signal_loss != NULL)
        sgl_log_fact(log, "signal_loss", text);
    if (flags->fleet != NULL)
        state_time(log, "health_interval_ns", flags->health_interval_ns);
    if (has_faults)
        state_retries(&flags->retry, log);
    if (!isnan(flags->request_timeout_s))
        state_time(log, "request_timeout_ns", timeout_ns(flags->request_timeout_s));
    if (flags->client_timeout_ns != SGL_ABSENT)
        state_time(log, "client_timeout_ns", flags->client_timeout_ns);
    if (sgl_admission_is_limited(&flags->admission_limits))
        state_admission(&flags->admission_limits, log);
}
