/* A comparison as Markdown, for a pull request or a notebook. */
#include "analysis/report.h"
#include "analysis/report_format.h"
#include "core/text.h"

#include <string.h>

#define TEXT_MAX 1024

static void print_table(FILE *out, const struct sgl_report *report, uint32_t load, uint32_t arm)
{
    const struct sgl_comparison *comparison = report->comparison;
    const bool saturated[2] = {
        sgl_arm_saturated(sgl_comparison_arm(comparison, load, 0), NULL) > 0,
        sgl_arm_saturated(sgl_comparison_arm(comparison, load, arm), NULL) > 0,
    };
    char text[64];
    char name[SGL_FIGURE_NAME_MAX];

    fprintf(out, "\n## %c against A, load %g\n\n", sgl_report_letter(arm), comparison->loads[load]);
    fprintf(out, "| figure | unit | A | %c | change | 95 %% interval | p (Holm) | verdict |\n",
            sgl_report_letter(arm));
    fprintf(out, "|---|---|--:|--:|--:|--:|--:|---|\n");
    for (int figure = 0; figure < SGL_FIGURE_COUNT; figure++) {
        const struct sgl_level *left = sgl_comparison_level(comparison, load, 0, figure);
        const struct sgl_level *right = sgl_comparison_level(comparison, load, arm, figure);
        const struct sgl_effect *effect = sgl_comparison_effect(comparison, load, arm, figure);
        if (left->count == 0 && right->count == 0)
            continue;
        fprintf(out, "| %s | %s ", sgl_figure_name(figure, name), sgl_figure_unit(figure));
        fprintf(out, "| %s ", sgl_text_level(left, saturated[0], text, sizeof text));
        fprintf(out, "| %s ", sgl_text_level(right, saturated[1], text, sizeof text));
        fprintf(out, "| %s ", sgl_text_change(effect, figure, text, sizeof text));
        fprintf(out, "| %s ", sgl_text_interval(effect, figure, text, sizeof text));
        fprintf(out, "| %s ", sgl_text_p(effect->p_holm, text, sizeof text));
        fprintf(out, "| %s |\n", sgl_text_verdict(effect, comparison->margin, text, sizeof text));
    }
}

int sgl_report_markdown(FILE *out, const struct sgl_report *report)
{
    const struct sgl_comparison *comparison = report->comparison;
    char text[TEXT_MAX];

    fprintf(out, "# Policies compared (%s)\n\n",
            strcmp(report->kind, "live") == 0  ? "live"
            : strcmp(report->kind, "sim") == 0 ? "simulated"
                                               : "simulated and live");
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++)
        fprintf(out, "- **%c**%s: `%s`\n", sgl_report_letter(arm), arm == 0 ? " (baseline)" : "",
                report->policies[arm].text);
    fputc('\n', out);
    for (uint32_t arm = 1; arm < comparison->arm_count; arm++)
        fprintf(out, "**%c against A:** %s.\n\n", sgl_report_letter(arm),
                sgl_report_verdict(report, 0, arm, text, sizeof text));
    fprintf(out, "Runs of each: %u, %s. Intervals are about %s.\n",
            sgl_comparison_arm(comparison, 0, 0)->run_count, sgl_pairing_name(comparison->pairing),
            sgl_report_population(report, text, sizeof text));
    for (uint32_t load = 0; load < comparison->load_count; load++)
        for (uint32_t arm = 1; arm < comparison->arm_count; arm++)
            print_table(out, report, load, arm);
    fprintf(out,
            "\nMean over runs ± half of the 95 %% interval; changes are geometric means of ratios; "
            "intervals are not adjusted, p is, by Holm over %u test%s. `=`: equal within %.3g %% "
            "(TOST). `~`: not shown; (needs N): runs that would show a change of %.3g %% with "
            "80 %% power. `!`: saturated.\n\n",
            comparison->tests, sgl_plural(comparison->tests), 100 * comparison->margin,
            100 * comparison->margin);
    for (uint32_t i = 0; i < report->note_count; i++)
        fprintf(out, "- note: %s\n", report->notes[i]);
    for (uint32_t i = 0; i < report->gate_count; i++)
        fprintf(out, "- gate `%s`: %s\n", report->gates[i].text,
                sgl_gate_outcome_name(report->gates[i].outcome));
    fprintf(out, "\n| | |\n|---|---|\n");
    for (uint32_t i = 0; i < report->fact_count; i++)
        fprintf(out, "| %s | %s |\n", report->facts[i].key, report->facts[i].value);
    return ferror(out) == 0 ? SGL_OK : SGL_EIO;
}
