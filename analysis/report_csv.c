/*
 * A comparison as CSV: one row per load, arm and figure, unrounded; what is unknown is empty.
 * Latencies in ms; change, low, high are shares where is_ratio is 1, else in the unit.
 */
#include "analysis/report.h"

#include <math.h>

/* A text as one cell. */
static void print_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void print_numbers(FILE *out, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fputc(',', out);
        if (isfinite(values[i]))
            fprintf(out, "%.17g", values[i]);
    }
}

int sgl_report_csv(FILE *out, const struct sgl_report *report)
{
    const struct sgl_comparison *comparison = report->comparison;
    char name[SGL_FIGURE_NAME_MAX];

    fprintf(out, "kind,load,arm,policy,figure,unit,runs,saturated_runs,mean,mean_low,mean_high,"
                 "pairing,method,n,is_ratio,change,low,high,p,p_holm,equal_low,equal_high,equal_p,"
                 "runs_needed,verdict\n");
    for (uint32_t load = 0; load < comparison->load_count; load++)
        for (uint32_t arm = 0; arm < comparison->arm_count; arm++)
            for (int figure = 0; figure < SGL_FIGURE_COUNT; figure++) {
                const struct sgl_level *level = sgl_comparison_level(comparison, load, arm, figure);
                const struct sgl_effect *effect =
                    sgl_comparison_effect(comparison, load, arm, figure);
                const double levels[] = {level->mean, level->low, level->high};
                const double changes[] = {effect->change,     effect->low,    effect->high,
                                          effect->p_value,    effect->p_holm, effect->equal_low,
                                          effect->equal_high, effect->equal_p};
                fprintf(out, "%s,%.17g,%c,", report->kind, comparison->loads[load],
                        sgl_report_letter(arm));
                print_text(out, report->policies[arm].text);
                fprintf(out, ",%s,%s,%u,%u", sgl_figure_name(figure, name), sgl_figure_unit(figure),
                        level->count,
                        sgl_arm_saturated(sgl_comparison_arm(comparison, load, arm), NULL));
                print_numbers(out, levels, sizeof levels / sizeof levels[0]);
                fprintf(out, ",%s,%s,%u,%d", sgl_pairing_name(comparison->pairing),
                        sgl_method_name(effect->method), effect->count, effect->is_ratio);
                print_numbers(out, changes, sizeof changes / sizeof changes[0]);
                if (effect->runs_needed > 0)
                    fprintf(out, ",%u", effect->runs_needed);
                else
                    fputc(',', out);
                fprintf(out, ",%s\n", arm > 0 ? sgl_verdict_name(effect->verdict) : "baseline");
            }
    return ferror(out) == 0 ? SGL_OK : SGL_EIO;
}
