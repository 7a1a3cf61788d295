/* A comparison as an aligned table, readable at 100 columns. */
#include "analysis/report.h"
#include "analysis/report_format.h"
#include "core/text.h"

#include <math.h>
#include <string.h>

#define WIDTH 100
#define INDENT 13
#define TEXT_MAX 1024

/* Columns that a UTF-8 text takes: every byte but the later ones of a character. */
static int columns_of(const char *text)
{
    int columns = 0;

    for (; *text != '\0'; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

static void print_right(FILE *out, const char *text, int width)
{
    /* What is too wide for its column still stands apart. */
    fprintf(out, "%*s%s", width > columns_of(text) ? width - columns_of(text) : 1, "", text);
}

static void print_arms(FILE *out, const struct sgl_report *report)
{
    const struct sgl_comparison *comparison = report->comparison;

    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        char label[16];
        char text[TEXT_MAX];
        snprintf(label, sizeof label, "%c%s", sgl_report_letter(arm), arm == 0 ? "  baseline" : "");
        snprintf(text, sizeof text, "%s", report->policies[arm].text);
        sgl_text_print_wrapped(out, label, text);
    }
}

static void print_row(FILE *out, const struct sgl_report *report, uint32_t load, uint32_t arm,
                      int figure)
{
    const struct sgl_comparison *comparison = report->comparison;
    const struct sgl_effect *effect = sgl_comparison_effect(comparison, load, arm, figure);
    char name[SGL_FIGURE_NAME_MAX];
    char text[64];

    fprintf(out, "%-20s", sgl_figure_name(figure, name));
    for (uint32_t side = 0; side < 2; side++) {
        const uint32_t shown = side == 0 ? 0 : arm;
        const bool is_saturated =
            sgl_arm_saturated(sgl_comparison_arm(comparison, load, shown), NULL) > 0;
        print_right(out,
                    sgl_text_level(sgl_comparison_level(comparison, load, shown, figure),
                                   is_saturated, text, sizeof text),
                    15);
    }
    print_right(out, sgl_text_change(effect, figure, text, sizeof text), 10);
    print_right(out, sgl_text_interval(effect, figure, text, sizeof text), 18);
    print_right(out, sgl_text_p(effect->p_holm, text, sizeof text), 7);
    fprintf(out, "  %s\n", sgl_text_verdict(effect, comparison->margin, text, sizeof text));
}

static void print_saturation(FILE *out, const struct sgl_comparison *comparison, uint32_t load,
                             uint32_t arm)
{
    const struct sgl_arm *own = sgl_comparison_arm(comparison, load, arm);
    uint32_t known;
    const uint32_t saturated = sgl_arm_saturated(own, &known);

    if (known == 0)
        fprintf(out, "%c unknown (too few arrivals)", sgl_report_letter(arm));
    else
        fprintf(out, "%c %s (%u of %u run%s)", sgl_report_letter(arm), saturated > 0 ? "YES" : "no",
                saturated, known, sgl_plural(known));
}

static void print_table(FILE *out, const struct sgl_report *report, uint32_t load, uint32_t arm)
{
    const struct sgl_comparison *comparison = report->comparison;
    const struct sgl_arm *baseline = sgl_comparison_arm(comparison, load, 0);
    char column[2] = {sgl_report_letter(arm), '\0'};
    char offered[32];

    fprintf(out, "\n%c against A, load %g", column[0], comparison->loads[load]);
    if (baseline->run_count > 0)
        fprintf(out, " (%s requests/s offered)",
                sgl_text_number(baseline->runs[0].offered_per_s, offered, sizeof offered));
    fprintf(out, ", latencies in ms\n%-20s%15s%15s%10s%18s%7s  %s\n", "", "A", column, "change",
            "95 % interval", "p", "verdict");
    for (int figure = 0; figure < SGL_FIGURE_COUNT; figure++) {
        const struct sgl_level *level = sgl_comparison_level(comparison, load, 0, figure);
        if (level->count > 0 || sgl_comparison_level(comparison, load, arm, figure)->count > 0)
            print_row(out, report, load, arm, figure);
    }
    fprintf(out, "saturated    ");
    print_saturation(out, comparison, load, 0);
    fprintf(out, ", ");
    print_saturation(out, comparison, load, arm);
    fputc('\n', out);
}

static void print_legend(FILE *out, const struct sgl_report *report)
{
    const struct sgl_comparison *comparison = report->comparison;
    const struct sgl_arm *baseline = sgl_comparison_arm(comparison, 0, 0);
    char text[TEXT_MAX];
    char population[512];

    snprintf(text, sizeof text,
             "n = %u run%s of each, %s; mean over runs ± half of the 95 %% interval; changes are "
             "geometric means of ratios; intervals 95 %%, not adjusted; p: %s, adjusted by Holm "
             "over %u test%s; ~ : not shown",
             baseline->run_count, sgl_plural(baseline->run_count),
             sgl_pairing_name(comparison->pairing),
             comparison->pairing == SGL_PAIRED_SEEDS || comparison->pairing == SGL_PAIRED_SWITCHBACK
                 ? "paired t, or long-run t where runs do not differ"
                 : "Student's t on the long-run variance (few degrees of freedom)",
             comparison->tests, sgl_plural(comparison->tests));
    fputc('\n', out);
    sgl_text_print_wrapped(out, "method", text);
    snprintf(text, sizeof text,
             "= : equal within %.3g %%, by two one-sided tests at 5 %% (TOST on log ratios); "
             "(needs N): runs that would show a change of %.3g %% with 80 %% power; ! : saturated, "
             "the figure grows with the length of the run",
             100 * comparison->margin, 100 * comparison->margin);
    sgl_text_print_wrapped(out, "", text);
    sgl_text_print_wrapped(out, "intervals",
                           sgl_report_population(report, population, sizeof population));
    for (uint32_t i = 0; i < report->note_count; i++)
        sgl_text_print_wrapped(out, "note", report->notes[i]);
}

static void print_gates(FILE *out, const struct sgl_report *report)
{
    char text[256];

    for (uint32_t i = 0; i < report->gate_count; i++) {
        const struct sgl_gate *gate = &report->gates[i];
        char value[32];
        const double scale = gate->is_relative ? 100 : 1;
        const char *unit = gate->is_relative ? "%" : sgl_figure_unit(gate->figure);
        sgl_text_number(gate->value * scale, value, sizeof value);
        if (gate->outcome == SGL_GATE_UNKNOWN)
            snprintf(text, sizeof text, "%s: cannot be judged, nothing measured it%s", gate->text,
                     gate->figure == SGL_FIGURE_GOODPUT && !sgl_objectives_any(&report->objectives)
                         ? " (goodput is of objectives: give --slo)"
                         : "");
        else
            snprintf(text, sizeof text, "%s: %s (%c at load %g: %s%s %s)%s", gate->text,
                     gate->outcome == SGL_GATE_FAILED ? "FAILED" : "passed",
                     sgl_report_letter(gate->arm), report->comparison->loads[gate->load],
                     gate->is_relative && gate->value > 0 ? "+" : "", value, unit,
                     gate->outcome == SGL_GATE_DOUBTFUL
                         ? ", but beyond the limit: not shown, more seeds would settle it"
                         : "");
        sgl_text_print_wrapped(out, "gate", text);
    }
}

int sgl_report_text(FILE *out, const struct sgl_report *report)
{
    const struct sgl_comparison *comparison = report->comparison;
    char verdict[TEXT_MAX];
    char label[16];

    fprintf(out, "sglsim %s compare: %s\n\n", report->version,
            strcmp(report->kind, "live") == 0  ? "live, measured on real traffic"
            : strcmp(report->kind, "sim") == 0 ? "simulated"
                                               : "simulated and live");
    for (uint32_t i = 0; i < report->fact_count; i++)
        if (strncmp(report->facts[i].key, "policy", 6) != 0)
            sgl_text_print_wrapped(out, report->facts[i].key, report->facts[i].value);
    print_arms(out, report);
    fputc('\n', out);
    for (uint32_t arm = 1; arm < comparison->arm_count; arm++) {
        snprintf(label, sizeof label, "%c against A", sgl_report_letter(arm));
        sgl_text_print_wrapped(out, label,
                               sgl_report_verdict(report, 0, arm, verdict, sizeof verdict));
    }
    for (uint32_t load = 0; load < comparison->load_count; load++)
        for (uint32_t arm = 1; arm < comparison->arm_count; arm++)
            print_table(out, report, load, arm);
    print_legend(out, report);
    print_gates(out, report);
    return ferror(out) == 0 ? SGL_OK : SGL_EIO;
}
