/* The headline figures of every load, each change with its interval drawn against the margin. */
#include "analysis/report_format.h"
#include "analysis/sort.h"
#include "page.h"
#include "core/text.h"

#include <math.h>
#include <string.h>

#define FOREST_WIDTH 170.0
#define FOREST_HALF 77.0

/* Changes are drawn on one scale per table, wide enough for three quarters of them: one that is
 * ten times the others must not flatten these. */
static double scale_of(const struct sgl_comparison *comparison, uint32_t load, uint32_t arm)
{
    static const double steps[] = {0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5};
    double sizes[SGL_FIGURE_COUNT] = {0};
    size_t count = 0;

    for (int figure = 0; figure < SGL_FIGURE_COUNT; figure++) {
        const struct sgl_effect *effect = sgl_comparison_effect(comparison, load, arm, figure);
        if (effect->is_ratio && isfinite(effect->change))
            sizes[count++] = fabs(log1p(effect->change));
    }
    sgl_reals_sort(sizes, count);
    const double widest = fmax(3 * comparison->margin, count > 0 ? sizes[3 * (count - 1) / 4] : 0);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (widest <= steps[i])
            return steps[i];
    return widest;
}

static double place(double share, double scale)
{
    return FOREST_WIDTH / 2 + fmin(fmax(log1p(share) / scale, -1), 1) * FOREST_HALF;
}

static void print_forest(struct sgl_page *page, const struct sgl_effect *effect, double scale)
{
    const double margin = page->comparison->margin;

    sgl_page_print(page, "<td class=\"wide\">");
    if (effect->is_ratio && isfinite(effect->change)) {
        const double from = place(1 / (1 + margin) - 1, scale);
        sgl_page_print(page,
                       "<svg class=\"forest\" viewBox=\"0 0 %g 16\" aria-hidden=\"true\"><rect "
                       "class=\"margin\" x=\"%.1f\" y=\"0\" width=\"%.1f\" height=\"16\" "
                       "style=\"fill:var(--soft);opacity:.15\"/><path class=\"zero\" "
                       "d=\"M%g 0V16\"/>",
                       FOREST_WIDTH, from, place(margin, scale) - from, FOREST_WIDTH / 2);
        if (isfinite(effect->low) && isfinite(effect->high))
            sgl_page_print(page, "<path class=\"iv\" d=\"M%.1f 8H%.1f\"/>",
                           place(effect->low, scale), place(effect->high, scale));
        if (fabs(log1p(effect->change)) <= scale)
            sgl_page_print(page, "<circle class=\"est\" cx=\"%.1f\" cy=\"8\" r=\"3\"/></svg>",
                           place(effect->change, scale));
        else
            sgl_page_print(page, "<path class=\"est\" d=\"M%.1f 3.5l%d 4.5l%d 4.5z\"/></svg>",
                           place(effect->change, scale), effect->change > 0 ? 6 : -6,
                           effect->change > 0 ? -6 : 6);
    }
    sgl_page_print(page, "</td>");
}

static void print_row(struct sgl_page *page, uint32_t load, uint32_t arm, int figure, double scale)
{
    const struct sgl_comparison *comparison = page->comparison;
    const struct sgl_effect *effect = sgl_comparison_effect(comparison, load, arm, figure);
    char text[64];
    char name[SGL_FIGURE_NAME_MAX];
    const bool is_first = !sgl_figure_is_latency(figure) ? figure == SGL_FIGURE_BEFORE_RATES + 1
                                                         : figure % SGL_STATISTIC_COUNT == 0;

    sgl_page_print(page, "<tr%s><th scope=\"row\">%s</th><td class=\"l wide\">%s</td>",
                   is_first ? " class=\"first\"" : "", sgl_figure_name(figure, name),
                   sgl_figure_unit(figure));
    for (uint32_t side = 0; side < 2; side++) {
        const uint32_t shown = side == 0 ? 0 : arm;
        const bool is_saturated =
            sgl_arm_saturated(sgl_comparison_arm(comparison, load, shown), NULL) > 0;
        sgl_text_level(sgl_comparison_level(comparison, load, shown, figure), is_saturated, text,
                       sizeof text);
        const size_t mean = strcspn(text, " ");
        sgl_page_print(page, "<td>%.*s<span class=\"more\">%s</span></td>", (int)mean, text,
                       text + mean);
    }
    sgl_page_print(page, "<td>%s</td>", sgl_text_change(effect, figure, text, sizeof text));
    sgl_page_print(page, "<td class=\"more\">%s</td>",
                   sgl_text_interval(effect, figure, text, sizeof text));
    print_forest(page, effect, scale);
    sgl_page_print(page, "<td class=\"more\">");
    sgl_page_text(page, sgl_text_p(effect->p_holm, text, sizeof text));
    sgl_page_print(page, "</td><td class=\"l %s\">%s</td></tr>\n",
                   sgl_verdict_name(effect->verdict),
                   sgl_text_verdict(effect, comparison->margin, text, sizeof text));
}

static void print_table(struct sgl_page *page, uint32_t load, uint32_t arm)
{
    const struct sgl_comparison *comparison = page->comparison;
    const double scale = scale_of(comparison, load, arm);
    const struct sgl_arm *baseline = sgl_comparison_arm(comparison, load, 0);
    char caption[160];
    char offered[32];

    snprintf(
        caption, sizeof caption, "%c against A at load %g (%s requests/s offered), %u run%s",
        sgl_report_letter(arm), comparison->loads[load],
        sgl_text_number(baseline->run_count > 0 ? baseline->runs[0].offered_per_s : (double)NAN,
                        offered, sizeof offered),
        baseline->run_count, sgl_plural(baseline->run_count));
    sgl_page_table_begin(page, "figures", caption);
    sgl_page_print(
        page,
        "<thead><tr><th class=\"l\" scope=\"col\">figure</th><th class=\"l wide\" "
        "scope=\"col\">unit</th><th scope=\"col\" class=\"t0\">A</th><th scope=\"col\" "
        "class=\"t%u\">%c</th><th scope=\"col\">change</th><th class=\"more\" "
        "scope=\"col\">95 %% interval</th><th class=\"wide\" scope=\"col\">&minus;%.0f to "
        "+%.0f %%</th><th class=\"more\" scope=\"col\">p</th><th class=\"l\" "
        "scope=\"col\">verdict</th></tr></thead>\n"
        "<tbody>\n",
        arm % 6, sgl_report_letter(arm), -100 * expm1(-scale), 100 * expm1(scale));
    for (int figure = 0; figure < SGL_FIGURE_COUNT; figure++)
        if (sgl_comparison_level(comparison, load, 0, figure)->count > 0 ||
            sgl_comparison_level(comparison, load, arm, figure)->count > 0)
            print_row(page, load, arm, figure, scale);
    sgl_page_print(page, "</tbody>");
    sgl_page_table_end(page);
}

void sgl_section_figures(struct sgl_page *page)
{
    const struct sgl_comparison *comparison = page->comparison;

    sgl_page_paragraph(page, "note narrow",
                       "Latencies in ms. Intervals and p are there on a wider screen: turn it.");
    for (uint32_t load = 0; load < comparison->load_count; load++)
        for (uint32_t arm = 1; arm < comparison->arm_count; arm++)
            print_table(page, load, arm);
    sgl_page_paragraph(
        page, "note",
        "A and B: mean over runs, ± half of its 95 %% interval; ! marks a saturated "
        "arm. Change: geometric mean of the ratios of paired runs. The grey band is "
        "the margin of %.3g %%; an arrow points to what lies outside the scale. = : equal "
        "within the margin, shown. ~ : neither a difference nor equality is shown; "
        "(needs N): runs that would show a change of the margin with 80 %% power.",
        100 * comparison->margin);
}
