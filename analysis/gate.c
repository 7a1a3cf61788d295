#include "gate.h"

#include "analysis/stats_mean.h"
#include "core/text.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define QUOTED "%.60s"

const char *sgl_gate_outcome_name(enum sgl_gate_outcome outcome)
{
    static const char *const names[] = {"passed", "doubtful", "failed", "unknown"};

    return names[outcome];
}

/* A limit: "+5%", "500ms", "0.01". */
static bool read_limit(struct sgl_gate *gate, const char *text)
{
    const size_t length = strlen(text);
    double nanoseconds;

    gate->is_relative = length > 0 && text[length - 1] == '%';
    if (gate->is_relative) {
        if (!sgl_real_read(text, length - 1, &gate->limit))
            return false;
        gate->limit /= 100;
        return gate->limit > -1;
    }
    if (!sgl_figure_is_latency(gate->figure))
        return sgl_real_read(text, length, &gate->limit);
    if (sgl_real_read(text, length, &nanoseconds) || !sgl_duration_read(text, length, &nanoseconds))
        return false;
    gate->limit = nanoseconds / 1e6;
    return true;
}

int sgl_gate_parse(struct sgl_gate *gate, const char *text, struct sgl_failure *failure)
{
    const size_t length = strcspn(text, "<>");
    char hint[128];
    char name[SGL_FIGURE_NAME_MAX];

    *gate = (struct sgl_gate){.text = text};
    if (text[length] == '\0')
        return sgl_fail(failure, SGL_EINVAL,
                        "gate '" QUOTED "' has no < or >, expected such as ttft_p99>+5%%", text);
    gate->figure = sgl_figure_named(text, length, hint, sizeof hint);
    if (gate->figure == SGL_FIGURE_COUNT)
        return sgl_fail(failure, SGL_EINVAL,
                        "gate '" QUOTED "': unknown figure%s (such as ttft_mean, e2e_p99, goodput, "
                        "requests_per_s, failed_share, cache_hit_rate)",
                        text, hint);
    gate->is_above = text[length] == '>';
    if (!read_limit(gate, text + length + 1))
        return sgl_fail(failure, SGL_EINVAL,
                        "gate '" QUOTED "': limit of %s is '%.30s', expected a change such as "
                        "+5%% or a figure such as %s",
                        text, sgl_figure_name(gate->figure, name), text + length + 1,
                        sgl_figure_is_latency(gate->figure) ? "500ms" : "0.5");
    return SGL_OK;
}

/* The one-sided 95 % bound on the side that must pass the limit to fail. */
static double bound_of(double estimate, double error, double freedom, bool is_above)
{
    const double t =
        freedom < 1e6 ? gsl_cdf_tdist_Pinv(0.95, freedom) : gsl_cdf_ugaussian_Pinv(0.95);

    return is_above ? estimate - t * error : estimate + t * error;
}

struct judged {
    double value;
    double bound;
};

static struct judged judge_change(const struct sgl_gate *gate, const struct sgl_effect *effect)
{
    struct judged judged = {effect->change, (double)NAN};

    if (!effect->is_ratio) {
        /* Without a ratio there is no percentage, unless nothing changed at all. */
        judged.value = effect->change == 0 ? 0 : (double)NAN;
        return judged;
    }
    if (effect->method == SGL_METHOD_NONE)
        return judged;
    judged.bound =
        expm1(bound_of(log1p(effect->change), effect->error, effect->freedom, gate->is_above));
    return judged;
}

static struct judged judge_figure(const struct sgl_gate *gate, const struct sgl_level *level)
{
    struct judged judged = {level->mean, (double)NAN};

    if (level->count >= 2) {
        const double freedom = level->count - 1;
        const double error = (level->high - level->mean) / gsl_cdf_tdist_Pinv(0.975, freedom);
        judged.bound = bound_of(level->mean, error, freedom, gate->is_above);
    }
    return judged;
}

static bool is_beyond(const struct sgl_gate *gate, double value)
{
    return gate->is_above ? value > gate->limit : value < gate->limit;
}

void sgl_gate_judge(struct sgl_gate *gate, const struct sgl_comparison *comparison)
{
    int worst = -1;

    for (uint32_t load = 0; load < comparison->load_count; load++)
        for (uint32_t arm = 1; arm < comparison->arm_count; arm++) {
            const struct judged judged =
                gate->is_relative
                    ? judge_change(gate, sgl_comparison_effect(comparison, load, arm, gate->figure))
                    : judge_figure(gate, sgl_comparison_level(comparison, load, arm, gate->figure));
            const double deciding = isnan(judged.bound) ? judged.value : judged.bound;
            const enum sgl_gate_outcome outcome = isnan(judged.value)         ? SGL_GATE_UNKNOWN
                                                  : is_beyond(gate, deciding) ? SGL_GATE_FAILED
                                                  : is_beyond(gate, judged.value)
                                                      ? SGL_GATE_DOUBTFUL
                                                      : SGL_GATE_PASSED;
            /* The enum is in order of badness, but that a known failure beats what is unknown. */
            const int badness = outcome == SGL_GATE_FAILED ? SGL_GATE_UNKNOWN + 1 : (int)outcome;
            if (badness <= worst)
                continue;
            worst = badness;
            gate->outcome = outcome;
            gate->arm = arm;
            gate->load = load;
            gate->value = judged.value;
            gate->bound = judged.bound;
        }
}
