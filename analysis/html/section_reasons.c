/* Why decisions fell as they did, how narrowly, and where two policies agree: trace as recorded. */
#include "analysis/report_format.h"
#include "analysis/samples.h"
#include "page.h"
#include "core/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MATRIX_WORKERS_MAX 16

static double median_margin(struct sgl_page *page, const struct sgl_detail *detail,
                            enum sgl_reason reason)
{
    struct sgl_samples samples = {0};

    for (uint32_t i = 0; i < detail->request_count; i++)
        if (detail->requests[i].reason == reason && detail->requests[i].worker != SGL_NO_WORKER &&
            isfinite(detail->requests[i].margin) &&
            sgl_samples_add(&samples, fabs(detail->requests[i].margin)) != SGL_OK)
            page->is_out_of_memory = true;
    if (sgl_samples_sort(&samples) != SGL_OK)
        page->is_out_of_memory = true;
    const double median =
        page->is_out_of_memory ? (double)NAN : sgl_samples_quantile(&samples, 0.5);
    sgl_samples_release(&samples);
    return median;
}

static void print_reasons(struct sgl_page *page)
{
    const struct sgl_comparison *comparison = page->comparison;

    sgl_page_table_begin(page, "reasons", "Reasons of the decisions");
    sgl_page_print(page, "<thead><tr><th class=\"l\" scope=\"col\">policy</th><th class=\"l\" "
                         "scope=\"col\">reason</th><th scope=\"col\">decisions</th><th class=\"l\" "
                         "scope=\"col\">share</th><th scope=\"col\">median margin</th><th "
                         "class=\"l\" scope=\"col\">meaning</th></tr></thead><tbody>\n");
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_arm *own = sgl_comparison_arm(comparison, 0, arm);
        if (own->recorded == NULL || own->detail == NULL)
            continue;
        bool is_first = true;
        for (int r = 0; r < SGL_REASON_COUNT; r++) {
            const uint64_t count = own->recorded->reasons[r];
            char margin[32];
            if (count == 0)
                continue;
            const double share = 100 * (double)count / (double)own->recorded->decisions;
            sgl_text_number(median_margin(page, own->detail, (enum sgl_reason)r), margin,
                            sizeof margin);
            sgl_page_print(page, "<tr%s><th scope=\"row\">", is_first ? " class=\"first\"" : "");
            sgl_page_arm(page, arm);
            sgl_page_print(page,
                           "</th><td class=\"l\">%s</td><td>%llu</td><td class=\"l\"><svg "
                           "viewBox=\"0 0 100 10\" width=\"100\" height=\"10\" "
                           "aria-hidden=\"true\"><rect class=\"f%u\" width=\"%.1f\" "
                           "height=\"10\"/></svg> %.2f %%</td><td>%s</td><td class=\"l\">%s</td>"
                           "</tr>\n",
                           sgl_reason_name((enum sgl_reason)r), (unsigned long long)count, arm % 6,
                           share, share, margin, sgl_reason_meaning((enum sgl_reason)r));
            is_first = false;
        }
    }
    sgl_page_print(page, "</tbody>");
    sgl_page_table_end(page);
    sgl_page_paragraph(page, "note",
                       "Margin: best score less the second best, in the policy's own unit; - where "
                       "a policy has no scores.");
}

/* The pool that a request's worker is of: of pairs the one that answers. */
static enum sgl_pool answering_pool(const struct sgl_detail *detail)
{
    return sgl_detail_pool_size(detail, SGL_POOL_DECODE) > 0 ? SGL_POOL_DECODE : SGL_POOL_REGULAR;
}

/* Else a worker's number means another thing under each. */
static bool has_same_workers(const struct sgl_detail *left, const struct sgl_detail *right)
{
    return right != NULL && left->worker_count == right->worker_count &&
           memcmp(left->pools, right->pools, left->worker_count * sizeof *left->pools) == 0;
}

/* How often request i went to worker a under A and to worker b under the other. */
static void print_matrix(struct sgl_page *page, uint32_t arm)
{
    const struct sgl_detail *a = sgl_comparison_arm(page->comparison, 0, 0)->detail;
    const struct sgl_detail *b = sgl_comparison_arm(page->comparison, 0, arm)->detail;
    const uint32_t workers = a->worker_count;
    const enum sgl_pool pool = answering_pool(a);
    const uint32_t choices = sgl_detail_pool_size(a, pool);
    uint64_t *counts = calloc((size_t)workers * workers, sizeof *counts);
    uint64_t same = 0;
    uint64_t total = 0;
    char caption[160];

    if (counts == NULL) {
        page->is_out_of_memory = true;
        return;
    }
    for (uint32_t i = 0; i < a->request_count && i < b->request_count; i++) {
        const uint32_t left = a->requests[i].worker;
        const uint32_t right = b->requests[i].worker;
        if (left >= workers || right >= workers)
            continue;
        counts[(size_t)left * workers + right]++;
        same += left == right;
        total++;
    }
    snprintf(caption, sizeof caption,
             "A and %c send %.1f %% of %llu request%s to the same %sworker (by chance: %.1f %%)",
             sgl_report_letter(arm), total > 0 ? 100 * (double)same / (double)total : 0,
             (unsigned long long)total, sgl_plural(total), sgl_detail_pool_prefix(pool),
             100.0 / choices);
    if (choices > MATRIX_WORKERS_MAX) {
        sgl_page_paragraph(page, "", "%s.", caption);
        free(counts);
        return;
    }
    sgl_page_table_begin(page, "matrix", caption);
    sgl_page_print(page, "<thead><tr><th class=\"l\" scope=\"col\">A \\ %c</th>",
                   sgl_report_letter(arm));
    for (uint32_t w = 0; w < workers; w++)
        if (a->pools[w] == pool)
            sgl_page_print(page, "<th scope=\"col\">%u</th>", w);
    sgl_page_print(page, "</tr></thead><tbody>\n");
    for (uint32_t left = 0; left < workers; left++) {
        if (a->pools[left] != pool)
            continue;
        sgl_page_print(page, "<tr><th scope=\"row\">%u</th>", left);
        for (uint32_t right = 0; right < workers; right++) {
            if (a->pools[right] != pool)
                continue;
            const double share =
                total > 0 ? (double)counts[(size_t)left * workers + right] / (double)total : 0;
            sgl_page_print(page,
                           "<td class=\"heat\" style=\"background:color-mix(in srgb,var(--s0) "
                           "%.0f%%,transparent)\">%.1f</td>",
                           fmin(60 * share * choices, 60), 100 * share);
        }
        sgl_page_print(page, "</tr>\n");
    }
    sgl_page_print(page, "</tbody>");
    sgl_page_table_end(page);
    free(counts);
}

void sgl_section_reasons(struct sgl_page *page)
{
    const struct sgl_comparison *comparison = page->comparison;
    const struct sgl_detail *baseline = sgl_comparison_arm(comparison, 0, 0)->detail;

    print_reasons(page);
    if (comparison->pairing != SGL_PAIRED_SEEDS && comparison->pairing != SGL_PAIRED_REQUESTS)
        return;
    for (uint32_t arm = 1; arm < comparison->arm_count && baseline != NULL; arm++)
        if (has_same_workers(baseline, sgl_comparison_arm(comparison, 0, arm)->detail))
            print_matrix(page, arm);
    sgl_page_paragraph(page, "note",
                       "Cells: %% of all requests by worker under A (row) and under the other "
                       "(column). Names of workers do not matter where they are alike.");
}
