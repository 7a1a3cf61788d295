/* Load of every worker over time, and how uneven it was: of the trace as it was recorded. The pools
 * of pairs are apart: their workers do different work, and are never chosen from together. */
#include "analysis/html/plot.h"

#include <math.h>
#include <stdlib.h>

#define BINS SGL_DETAIL_BINS

static void fill_times(const struct sgl_detail *detail, double *times)
{
    for (int b = 0; b < BINS; b++)
        times[b] = (b + 0.5) * ((double)detail->bin_ns / 1e9);
}

static double most_loaded(const struct sgl_comparison *comparison, enum sgl_pool pool)
{
    double most = 0;

    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_detail *detail = sgl_comparison_arm(comparison, 0, arm)->detail;
        for (uint32_t w = 0; detail != NULL && w < detail->worker_count; w++)
            for (int b = 0; b < BINS && detail->pools[w] == pool; b++)
                most = fmax(most, sgl_detail_moment(detail, w, b)->outstanding);
    }
    return most;
}

static void draw_loads(struct sgl_page *page, uint32_t arm, enum sgl_pool pool, double most)
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
    const uint32_t workers = sgl_detail_pool_size(detail, pool);
    char title[64];

    snprintf(title, sizeof title, "%c: outstanding per %sworker", sgl_report_letter(arm),
             sgl_detail_pool_prefix(pool));
    fill_times(detail, times);
    sgl_plot_begin(&plot, page, title,
                   "Requests sent and not yet answered, mean of each bin; a thin line per worker, "
                   "the mean of all thick.");
    for (uint32_t w = 0; w < detail->worker_count; w++) {
        if (detail->pools[w] != pool)
            continue;
        for (int b = 0; b < BINS; b++) {
            loads[b] = sgl_detail_moment(detail, w, b)->outstanding;
            means[b] += loads[b] / workers;
        }
        sgl_plot_line(&plot, times, loads, BINS, "thin", arm);
    }
    sgl_plot_line(&plot, times, means, BINS, "line", arm);
    sgl_plot_end(&plot);
}

enum imbalance { RANGE, VARIATION, JAIN };

static double imbalance_of(const struct sgl_detail *detail, enum sgl_pool pool, int bin,
                           enum imbalance kind)
{
    const double n = sgl_detail_pool_size(detail, pool);
    double least = (double)INFINITY;
    double most = 0;
    double sum = 0;
    double squares = 0;

    for (uint32_t w = 0; w < detail->worker_count; w++) {
        if (detail->pools[w] != pool)
            continue;
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

/* Is there a worker of that pool under any policy? */
static bool has_pool(const struct sgl_comparison *comparison, enum sgl_pool pool)
{
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_detail *detail = sgl_comparison_arm(comparison, 0, arm)->detail;
        if (detail != NULL && sgl_detail_pool_size(detail, pool) > 0)
            return true;
    }
    return false;
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

static void draw_imbalance(struct sgl_page *page, enum sgl_pool pool, enum imbalance kind)
{
    static const char *const titles[] = {"most − least outstanding", "coefficient of variation",
                                         "Jain index (1 = even)"};
    const struct sgl_comparison *comparison = page->comparison;
    struct sgl_plot plot = {.x = {0, 1, false, false, "s from the first arrival", NULL, NULL},
                            .y = {0, kind == JAIN ? 1 : 0, false, false, "", NULL, NULL}};
    double times[BINS];
    double values[BINS];
    char title[96];

    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_detail *detail = sgl_comparison_arm(comparison, 0, arm)->detail;
        if (detail == NULL)
            continue;
        sgl_axis_hold(&plot.x, BINS * ((double)detail->bin_ns / 1e9));
        for (int b = 0; b < BINS; b++)
            sgl_axis_hold(&plot.y, imbalance_of(detail, pool, b, kind));
    }
    sgl_axis_settle(&plot.y);
    snprintf(title, sizeof title, "%s%s%s", sgl_detail_pool_prefix(pool),
             pool != SGL_POOL_REGULAR ? "workers: " : "", titles[kind]);
    sgl_plot_begin(&plot, page, title,
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
            values[b] = imbalance_of(detail, pool, b, kind);
            last = isfinite(values[b]) ? values[b] : last;
        }
        sgl_plot_line(&plot, times, values, BINS, "line hair", arm);
        sgl_plot_label(&plot, last, arm);
    }
    sgl_plot_end(&plot);
}

/* Over all bins that have it; NaN when none has. */
static double mean_imbalance(const struct sgl_detail *detail, enum sgl_pool pool,
                             enum imbalance kind)
{
    double sum = 0;
    int count = 0;

    for (int b = 0; b < BINS; b++) {
        const double value = imbalance_of(detail, pool, b, kind);
        if (!isfinite(value))
            continue;
        sum += value;
        count++;
    }
    return count > 0 ? sum / count : (double)NAN;
}

/* Of the decisions for each worker of the pool, repeated attempts too. */
static double jain_of_requests(const struct sgl_detail *detail, enum sgl_pool pool)
{
    double sum = 0;
    double squares = 0;

    for (uint32_t w = 0; w < detail->worker_count; w++)
        if (detail->pools[w] == pool) {
            sum += (double)detail->decided[w];
            squares += (double)detail->decided[w] * (double)detail->decided[w];
        }
    return squares > 0 ? sum * sum / (sgl_detail_pool_size(detail, pool) * squares) : (double)NAN;
}

static void print_number(struct sgl_page *page, double value, int decimals)
{
    if (isfinite(value))
        sgl_page_print(page, "<td>%.*f</td>", decimals, value);
    else
        sgl_page_print(page, "<td>-</td>");
}

static void print_means(struct sgl_page *page, enum sgl_pool pool)
{
    const struct sgl_comparison *comparison = page->comparison;
    char caption[96];

    snprintf(caption, sizeof caption, "Over the whole trace%s%s, means of the bins",
             pool != SGL_POOL_REGULAR ? ", workers of pool " : "",
             pool != SGL_POOL_REGULAR ? sgl_pool_name(pool) : "");
    sgl_page_table_begin(page, "means", caption);
    sgl_page_print(page, "<thead><tr><th class=\"l\" scope=\"col\">policy</th><th "
                         "scope=\"col\">workers</th><th scope=\"col\">most &minus; least</th><th "
                         "scope=\"col\">variation</th><th scope=\"col\">Jain of load</th><th "
                         "scope=\"col\">Jain of requests</th></tr></thead><tbody>\n");
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_detail *detail = sgl_comparison_arm(comparison, 0, arm)->detail;
        if (detail == NULL)
            continue;
        sgl_page_print(page, "<tr><th scope=\"row\">");
        sgl_page_arm(page, arm);
        sgl_page_print(page, "</th><td>%u</td>", sgl_detail_pool_size(detail, pool));
        for (int kind = 0; kind < 3; kind++)
            print_number(page, mean_imbalance(detail, pool, (enum imbalance)kind), 3);
        print_number(page, jain_of_requests(detail, pool), 4);
        sgl_page_print(page, "</tr>\n");
    }
    sgl_page_print(page, "</tbody>");
    sgl_page_table_end(page);
}

static void show_pool(struct sgl_page *page, enum sgl_pool pool)
{
    const struct sgl_comparison *comparison = page->comparison;
    const double most = most_loaded(comparison, pool);

    sgl_page_grid_begin(page);
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_detail *detail = sgl_comparison_arm(comparison, 0, arm)->detail;
        if (detail != NULL && sgl_detail_pool_size(detail, pool) > 0)
            draw_loads(page, arm, pool, most);
    }
    for (int kind = 0; kind < 3; kind++)
        draw_imbalance(page, pool, (enum imbalance)kind);
    sgl_page_grid_end(page);
    print_means(page, pool);
}

void sgl_section_workers(struct sgl_page *page)
{
    sgl_page_paragraph(page, "note",
                       "One run of the requests as they were recorded%s, %d bins of time; the same "
                       "scale for all policies.",
                       page->report->resamples ? ", not resampled" : "", BINS);
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++)
        if (has_pool(page->comparison, (enum sgl_pool)pool))
            show_pool(page, (enum sgl_pool)pool);
}
