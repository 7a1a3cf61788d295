#include "report_json.h"

#include "traces/json.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_VERSION 1

static json_t *reals(const double *values, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        if (!sgl_json_append(array, sgl_json_real(values[i])))
            return NULL;
    return array;
}

static json_t *level_json(const struct sgl_level *level)
{
    return json_pack("{s:i, s:o, s:o, s:o}", "n", (int)level->count, "mean",
                     sgl_json_real(level->mean), "low", sgl_json_real(level->low), "high",
                     sgl_json_real(level->high));
}

static json_t *effect_json(const struct sgl_effect *effect)
{
    return json_pack("{s:s, s:s, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "verdict",
                     sgl_verdict_name(effect->verdict), "method", sgl_method_name(effect->method),
                     "n", (int)effect->count, "is_ratio", (int)effect->is_ratio, "change",
                     sgl_json_real(effect->change), "low", sgl_json_real(effect->low), "high",
                     sgl_json_real(effect->high), "p", sgl_json_real(effect->p_value), "p_holm",
                     sgl_json_real(effect->p_holm), "equal_low", sgl_json_real(effect->equal_low),
                     "equal_high", sgl_json_real(effect->equal_high), "equal_p",
                     sgl_json_real(effect->equal_p), "runs_needed",
                     effect->runs_needed > 0 ? json_integer(effect->runs_needed) : json_null());
}

static json_t *saturation_json(const struct sgl_saturation_verdict *verdict)
{
    return verdict->is_known ? json_boolean(verdict->is_saturated) : json_null();
}

static json_t *reasons_json(const uint64_t *reasons)
{
    json_t *object = json_object();

    for (int r = 0; r < SGL_REASON_COUNT; r++)
        if (reasons[r] > 0 && !sgl_json_set(object, sgl_reason_name((enum sgl_reason)r),
                                            json_integer((json_int_t)reasons[r])))
            return NULL;
    return object;
}

static json_t *figures_json(const struct sgl_run *run)
{
    json_t *figures = json_object();
    char name[SGL_FIGURE_NAME_MAX];

    for (int f = 0; f < SGL_FIGURE_COUNT; f++)
        if (!sgl_json_set(figures, sgl_figure_name(f, name), sgl_json_real(run->figures[f])))
            return NULL;
    return figures;
}

static json_t *run_json(const struct sgl_run *run)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "seed",
                     (json_int_t)run->seed, "requests", (json_int_t)run->requests, "succeeded",
                     (json_int_t)run->succeeded, "failed", (json_int_t)run->failed, "unfinished",
                     (json_int_t)run->unfinished, "duration_s", sgl_json_real(run->duration_s),
                     "offered_per_s", sgl_json_real(run->offered_per_s), "good_share",
                     sgl_json_real(run->good_share), "is_saturated",
                     saturation_json(&run->saturation), "reasons", reasons_json(run->reasons),
                     "figures", figures_json(run));
}

static json_t *runs_json(const struct sgl_arm *arm)
{
    json_t *array = json_array();

    for (uint32_t r = 0; r < arm->run_count; r++)
        if (!sgl_json_append(array, run_json(&arm->runs[r])))
            return NULL;
    return array;
}

/* The distributions of the first run as quantiles; their probabilities are told once. */
static json_t *curves_json(const struct sgl_arm *arm)
{
    json_t *object = json_object();

    for (int m = 0; m < SGL_METRIC_COUNT && arm->run_count > 0; m++)
        if (!sgl_json_set(object, sgl_metric_name((enum sgl_metric)m),
                          reals(arm->runs[0].curves[m], SGL_CURVE_POINTS)))
            return NULL;
    return object;
}

/* One column of a worker's moments. */
static json_t *column_json(const struct sgl_detail *detail, uint32_t worker, size_t offset)
{
    double values[SGL_DETAIL_BINS];

    for (int b = 0; b < SGL_DETAIL_BINS; b++)
        memcpy(&values[b], (const unsigned char *)sgl_detail_moment(detail, worker, b) + offset,
               sizeof values[b]);
    return reals(values, SGL_DETAIL_BINS);
}

static json_t *worker_json(const struct sgl_detail *detail, uint32_t worker)
{
    static const struct {
        const char *name;
        size_t offset;
        bool is_gradient;
    } columns[] = {
        {"outstanding", offsetof(struct sgl_worker_moment, outstanding), false},
        {"score", offsetof(struct sgl_worker_moment, score), true},
        {"throughput_gradient", offsetof(struct sgl_worker_moment, throughput_gradient), true},
        {"latency_gradient", offsetof(struct sgl_worker_moment, latency_gradient), true},
    };
    json_t *object = json_object();

    if (!sgl_json_set(object, "url", sgl_json_text(detail->urls[worker])) ||
        !sgl_json_set(object, "pool", sgl_json_text(sgl_pool_name(detail->pools[worker]))))
        return NULL;
    for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
        if (columns[c].is_gradient && !detail->has_gradients)
            continue;
        if (!sgl_json_set(object, columns[c].name, column_json(detail, worker, columns[c].offset)))
            return NULL;
    }
    return object;
}

static json_t *moments_json(const struct sgl_detail *detail)
{
    json_t *array = json_array();

    for (uint32_t w = 0; w < detail->worker_count; w++)
        if (!sgl_json_append(array, worker_json(detail, w)))
            return NULL;
    return array;
}

static json_t *recorded_json(const struct sgl_arm *arm)
{
    if (arm->detail == NULL)
        return json_null();
    return json_pack("{s:o, s:f, s:o}", "run",
                     arm->recorded != NULL ? run_json(arm->recorded) : json_null(), "bin_s",
                     (double)arm->detail->bin_ns / 1e9, "workers", moments_json(arm->detail));
}

static json_t *levels_json(const struct sgl_comparison *comparison, uint32_t load, uint32_t arm)
{
    json_t *object = json_object();
    char name[SGL_FIGURE_NAME_MAX];

    for (int f = 0; f < SGL_FIGURE_COUNT; f++)
        if (!sgl_json_set(object, sgl_figure_name(f, name),
                          level_json(sgl_comparison_level(comparison, load, arm, f))))
            return NULL;
    return object;
}

static json_t *effects_json(const struct sgl_comparison *comparison, uint32_t load, uint32_t arm)
{
    json_t *object = arm > 0 ? json_object() : json_null();
    char name[SGL_FIGURE_NAME_MAX];

    for (int f = 0; f < SGL_FIGURE_COUNT && arm > 0; f++)
        if (!sgl_json_set(object, sgl_figure_name(f, name),
                          effect_json(sgl_comparison_effect(comparison, load, arm, f))))
            return NULL;
    return object;
}

static json_t *arm_json(const struct sgl_report *report, uint32_t load, uint32_t arm)
{
    const struct sgl_comparison *comparison = report->comparison;
    const struct sgl_arm *own = sgl_comparison_arm(comparison, load, arm);
    const char letter[2] = {sgl_report_letter(arm), '\0'};

    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "arm", letter, "policy",
                     sgl_json_text(report->policies[arm].text), "levels",
                     levels_json(comparison, load, arm), "changes",
                     effects_json(comparison, load, arm), "runs", runs_json(own), "quantiles_ms",
                     curves_json(own), "recorded", recorded_json(own));
}

static json_t *arms_json(const struct sgl_report *report, uint32_t load)
{
    json_t *array = json_array();

    for (uint32_t arm = 0; arm < report->comparison->arm_count; arm++)
        if (!sgl_json_append(array, arm_json(report, load, arm)))
            return NULL;
    return array;
}

static json_t *loads_json(const struct sgl_report *report)
{
    json_t *array = json_array();

    for (uint32_t load = 0; load < report->comparison->load_count; load++)
        if (!sgl_json_append(array,
                             json_pack("{s:f, s:o}", "rate_scale", report->comparison->loads[load],
                                       "arms", arms_json(report, load))))
            return NULL;
    return array;
}

/* A list, for a key may come more than once. */
static json_t *facts_json(const struct sgl_report *report)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < report->fact_count; i++)
        if (!sgl_json_append(array, json_pack("{s:s, s:o}", "name", report->facts[i].key, "text",
                                              sgl_json_text(report->facts[i].value))))
            return NULL;
    return array;
}

static json_t *notes_json(const struct sgl_report *report)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < report->note_count; i++)
        if (!sgl_json_append(array, sgl_json_text(report->notes[i])))
            return NULL;
    return array;
}

static json_t *gate_json(const struct sgl_report *report, const struct sgl_gate *gate)
{
    const char letter[2] = {sgl_report_letter(gate->arm), '\0'};

    return json_pack("{s:o, s:s, s:s, s:f, s:o, s:o}", "gate", sgl_json_text(gate->text), "outcome",
                     sgl_gate_outcome_name(gate->outcome), "arm", letter, "rate_scale",
                     report->comparison->loads[gate->load], "value", sgl_json_real(gate->value),
                     "bound", sgl_json_real(gate->bound));
}

static json_t *gates_json(const struct sgl_report *report)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < report->gate_count; i++)
        if (!sgl_json_append(array, gate_json(report, &report->gates[i])))
            return NULL;
    return array;
}

json_t *sgl_report_to_json(const struct sgl_report *report)
{
    const struct sgl_comparison *comparison = report->comparison;
    double probabilities[SGL_CURVE_POINTS];
    char population[512];

    for (int i = 0; i < SGL_CURVE_POINTS; i++)
        probabilities[i] = sgl_curve_probability(i);
    return json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:f, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}",
        "schema_version", SCHEMA_VERSION, "command", "compare", "version", report->version, "kind",
        report->kind, "pairing", sgl_pairing_name(comparison->pairing), "intervals_are_about",
        sgl_report_population(report, population, sizeof population), "margin", comparison->margin,
        "tests", (int)comparison->tests, "warm_up_requests", (int)report->warm_up, "is_stationary",
        report->wanted_warm_up ? json_boolean(report->is_stationary) : json_null(), "facts",
        facts_json(report), "notes", notes_json(report), "gates", gates_json(report),
        "probabilities", reals(probabilities, SGL_CURVE_POINTS), "loads", loads_json(report));
}

int sgl_report_json(FILE *out, const struct sgl_report *report)
{
    if (!sgl_json_print(out, sgl_report_to_json(report)))
        return SGL_ENOMEM;
    return ferror(out) == 0 ? SGL_OK : SGL_EIO;
}
