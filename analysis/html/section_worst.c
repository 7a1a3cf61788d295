/* The requests that lost most against the baseline, with what was known when they were sent. */
#include "page.h"

#include <math.h>

#define SHOWN 8

struct loss {
    uint32_t request;
    double ms;
};

/* The largest losses, by insertion. */
static uint32_t find(const struct sgl_detail *a, const struct sgl_detail *b, struct loss *losses)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < a->request_count && i < b->request_count; i++) {
        const double ms =
            b->requests[i].values[SGL_METRIC_E2E] - a->requests[i].values[SGL_METRIC_E2E];
        if (!(ms > 0) || (count == SHOWN && ms <= losses[SHOWN - 1].ms))
            continue;
        uint32_t place = count < SHOWN ? count++ : SHOWN - 1;
        for (; place > 0 && losses[place - 1].ms < ms; place--)
            losses[place] = losses[place - 1];
        losses[place] = (struct loss){i, ms};
    }
    return count;
}

static void print_side(struct sgl_page *page, const struct sgl_request_detail *request)
{
    sgl_page_print(page, "<td>%u</td><td class=\"l\">%s</td>", request->worker,
                   sgl_reason_name(request->reason));
    if (request->outstanding == SGL_ABSENT)
        sgl_page_print(page, "<td>-</td>");
    else
        sgl_page_print(page, "<td>%lld / %lld</td>", (long long)request->outstanding,
                       (long long)request->outstanding_least);
    sgl_page_print(page, "<td>%.1f</td>", request->values[SGL_METRIC_E2E]);
}

static void print_table(struct sgl_page *page, uint32_t arm)
{
    const struct sgl_detail *a = sgl_comparison_arm(page->comparison, 0, 0)->detail;
    const struct sgl_detail *b = sgl_comparison_arm(page->comparison, 0, arm)->detail;
    struct loss losses[SHOWN];
    const uint32_t count = find(a, b, losses);
    const char letter = sgl_report_letter(arm);
    char caption[96];

    if (count == 0) {
        sgl_page_paragraph(page, "note", "No request took longer under %c than under A.", letter);
        return;
    }
    snprintf(caption, sizeof caption, "Requests that took longest in %c beyond A", letter);
    sgl_page_table_begin(page, "worst", caption);
    sgl_page_print(page, "<thead><tr><th scope=\"col\">request</th><th scope=\"col\">at s</th><th "
                         "scope=\"col\">prompt</th><th scope=\"col\">lost ms</th>");
    for (int side = 0; side < 2; side++)
        sgl_page_print(page,
                       "<th scope=\"col\" class=\"t%u\">%c: worker</th><th class=\"l\" "
                       "scope=\"col\">reason</th><th scope=\"col\">load / least</th><th "
                       "scope=\"col\">e2e ms</th>",
                       side == 0 ? 0 : arm % 6, side == 0 ? 'A' : letter);
    sgl_page_print(page, "</tr></thead><tbody>\n");
    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_request_detail *left = &a->requests[losses[i].request];
        sgl_page_print(page, "<tr><th scope=\"row\">%u</th><td>%.3f</td>", losses[i].request,
                       (double)left->arrival_ns / 1e9);
        if (left->prompt_tokens == SGL_ABSENT)
            sgl_page_print(page, "<td>-</td>");
        else
            sgl_page_print(page, "<td>%lld</td>", (long long)left->prompt_tokens);
        sgl_page_print(page, "<td>%.1f</td>", losses[i].ms);
        print_side(page, left);
        print_side(page, &b->requests[losses[i].request]);
        sgl_page_print(page, "</tr>\n");
    }
    sgl_page_print(page, "</tbody>");
    sgl_page_table_end(page);
}

void sgl_section_worst(struct sgl_page *page)
{
    const struct sgl_comparison *comparison = page->comparison;

    if (comparison->pairing != SGL_PAIRED_SEEDS && comparison->pairing != SGL_PAIRED_REQUESTS) {
        sgl_page_paragraph(page, "note",
                           "The policies did not see the same requests: no request can be set "
                           "against itself.");
        return;
    }
    sgl_page_paragraph(page, "note",
                       "The same request under both policies, trace as recorded. Not all of a loss "
                       "is the decision's: what was sent before it differs too. load / least: "
                       "outstanding at the chosen worker, and at the least loaded one, before.");
    for (uint32_t arm = 1; arm < comparison->arm_count; arm++)
        if (sgl_comparison_arm(comparison, 0, 0)->detail != NULL &&
            sgl_comparison_arm(comparison, 0, arm)->detail != NULL)
            print_table(page, arm);
}
