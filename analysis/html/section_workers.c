/* Load of every worker over time, and how uneven it was: of the trace as it was recorded. */
#include "analysis/html/plot.h"

#include <math.h>
#include <stdlib.h>

#define BINS SGL_DETAIL_BINS

static void fill_times(const struct sgl_detail *detail, double *times)
{
    for (int b = 0; b < BINS; b++)
        times[b] = (b + 0.5) * ((double)detail->bin_ns / 1e9);
}

static double most_loaded(const struct sgl_comparison *comparison)
{
    double most = 0;

    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_detail *detail = sgl_comparison_arm(comparison, 0, arm)->detail;
        for (uint32_t w = 0; detail != NULL && w < detail->worker_count; w++)
            for (int b = 0; b < BINS; b++)
                most = fmax(most, sgl_detail_moment(detail, w, b)->outstanding);
    }
    return most;
}

static void draw_loads(struct sgl_page *page, uint32_t arm, double most)
{
    const struct sgl_detail *detail = sgl_comparison_arm(page->comparison, 0, arm)->detail;
    struct sgl_plot plot = {
        .x = {0, BINS * ((double)detail->bin_ns / 1e9), false, false, "s from the first arrival",
              NULL, NULL},
        .y = {0, most > 0 ? most : 1, false, false, "", NULL, NULL},
    };
    double times[BINS];
    double loads[BINS];
    double means[BINS] = {0};
    char title[64];

    snprintf(title, sizeof title, "%c: outstanding per worker", sgl_report_letter(arm));
    fill_times(detail, times);
    sgl_plot_begin(&plot, page, title,
                   "Requests sent and not yet answered, mean of each bin; a thin line per worker, "
                   "the mean of all thick.");
    for (uint32_t w = 0; w < detail->worker_count; w++) {
        for (int b = 0; b < BINS; b++) {
            loads[b] = sgl_detail_moment(detail, w, b)->outstanding;
            means[b] += loads[b] / detail->worker_count;
        }
        sgl_plot_line(&plot, times, loads, BINS, "thin", arm);
    }
    sgl_plot_line(&plot, times, means, BINS, "line", arm);
    sgl_plot_end(&plot);
}

enum imbalance { RANGE, VARIATION, JAIN };

static double imbalance_of(const struct sgl_detail *detail, int bin, enum imbalance kind)
{
    const double n = detail->worker_count;
    double least = (double)INFINITY;
    double most = 0;
    double sum = 0;
    double squares = 0;

    for (uint32_t w = 0; w < detail->worker_count; w++) {
        const double load = sgl_detail_moment(detail, w, bin)->outstanding;
        least = fmin(least, load);
        most = fmax(most, load);
        sum += load;
        squares += load * load;
    }
    if (n == 0)
        return (double)NAN;
    if (kind == RANGE)
        return most - least;
    if (!(sum > 0))
        return (double)NAN; /* nothing to be uneven */
    if (kind == JAIN)
        return sum * sum / (n * squares);
    return sqrt(fmax(squares / n - sum * sum / n / n, 0)) / (sum / n);
}

/* Thresholds of cache_aware: the absolute one, and what the relative one demands. */
static void draw_thresholds(struct sgl_plot *plot, const struct sgl_report *report)
{
    for (uint32_t arm = 0; arm < report->comparison->arm_count; arm++) {
        const double threshold = report->policies[arm].balance_abs_threshold;
        char text[96];
        if (!isfinite(threshold))
            continue;
        snprintf(text, sizeof text, "%c balances above %g%s", sgl_report_letter(arm), threshold,
                 threshold > plot->y.most ? " (off the frame)" : "");
        sgl_plot_level(plot, threshold, "limit", arm, text);
    }
}

static void draw_imbalance(struct sgl_page *page, enum imbalance kind)
{
    static const char *const titles[] = {"most − least outstanding", "coefficient of variation",
                                         "Jain index (1 = even)"};
    const struct sgl_comparison *comparison = page->comparison;
    struct sgl_plot plot = {.x = {0, 1, false, false, "s from the first arrival", NULL, NULL},
                            .y = {0, kind == JAIN ? 1 : 0, false, false, "", NULL, NULL}};
    double times[BINS];
    double values[BINS];

    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_detail *detail = sgl_comparison_arm(comparison, 0, arm)->detail;
        if (detail == NULL)
            continue;
        sgl_axis_hold(&plot.x, BINS * ((double)detail->bin_ns / 1e9));
        for (int b = 0; b < BINS; b++)
            sgl_axis_hold(&plot.y, imbalance_of(detail, b, kind));
    }
    sgl_axis_settle(&plot.y);
    sgl_plot_begin(&plot, page, titles[kind],
                   "Unevenness of the load over the workers, per bin of time and policy.");
    if (kind == RANGE)
        draw_thresholds(&plot, page->report);
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_detail *detail = sgl_comparison_arm(comparison, 0, arm)->detail;
        double last = (double)NAN;
        if (detail == NULL)
            continue;
        fill_times(detail, times);
        for (int b = 0; b < BINS; b++) {
            values[b] = imbalance_of(detail, b, kind);
            last = isfinite(values[b]) ? values[b] : last;
        }
        sgl_plot_line(&plot, times, values, BINS, "line hair", arm);
        sgl_plot_label(&plot, last, arm);
    }
    sgl_plot_end(&plot);
}

static void print_means(struct sgl_page *page)
{
    const struct sgl_comparison *comparison = page->comparison;

    sgl_page_table_begin(page, "means", "Over the whole trace, means of the bins");
    sgl_page_print(page, "<thead><tr><th class=\"l\" scope=\"col\">policy</th><th "
                         "scope=\"col\">most &minus; least</th><th scope=\"col\">variation</th><th "
                         "scope=\"col\">Jain of load</th><th scope=\"col\">Jain of "
                         "requests</th></tr></thead><tbody>\n");
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_arm *own = sgl_comparison_arm(comparison, 0, arm);
        if (own->detail == NULL)
            continue;
        sgl_page_print(page, "<tr><th scope=\"row\">");
        sgl_page_arm(page, arm);
        sgl_page_print(page, "</th>");
        for (int kind = 0; kind < 3; kind++) {
            double sum = 0;
            int count = 0;
            for (int b = 0; b < BINS; b++) {
                const double value = imbalance_of(own->detail, b, (enum imbalance)kind);
                if (!isfinite(value))
                    continue;
                sum += value;
                count++;
            }
            if (count > 0)
                sgl_page_print(page, "<td>%.3f</td>", sum / count);
            else
                sgl_page_print(page, "<td>-</td>");
        }
        sgl_page_print(page, "<td>%.4f</td></tr>\n",
                       own->recorded != NULL ? own->recorded->figures[SGL_FIGURE_JAIN_INDEX]
                                             : (double)NAN);
    }
    sgl_page_print(page, "</tbody>");
    sgl_page_table_end(page);
}

void sgl_section_workers(struct sgl_page *page)
{
    const struct sgl_comparison *comparison = page->comparison;
    const double most = most_loaded(comparison);

    sgl_page_paragraph(page, "note",
                       "One run of the requests as they were recorded%s, %d bins of time; the same "
                       "scale for all policies.",
                       page->report->resamples ? ", not resampled" : "", BINS);
    sgl_page_grid_begin(page);
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++)
        if (sgl_comparison_arm(comparison, 0, arm)->detail != NULL)
            draw_loads(page, arm, most);
    for (int kind = 0; kind < 3; kind++)
        draw_imbalance(page, (enum imbalance)kind);
    sgl_page_grid_end(page);
    print_means(page);
}
