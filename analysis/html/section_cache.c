/*
 * Where prompt tokens went: could be known somewhere -> known where it was sent -> really cached.
 * The first two are what the policy believed; the last is what the worker said.
 */
#include "page.h"

#include <math.h>

struct ledger {
    double prompt;
    double best; /* NaN: the policy looks at no prefixes */
    double chosen;
    double cached; /* NaN: no outcome says */
};

static struct ledger ledger_of(const struct sgl_detail *detail)
{
    struct ledger ledger = {0, detail->has_matches ? 0 : (double)NAN,
                            detail->has_matches ? 0 : (double)NAN, (double)NAN};

    for (uint32_t i = 0; i < detail->request_count; i++) {
        const struct sgl_request_detail *request = &detail->requests[i];
        if (request->prompt_tokens == SGL_ABSENT || !request->success)
            continue;
        const double tokens = (double)request->prompt_tokens;
        ledger.prompt += tokens;
        if (!isnan(request->matched_best))
            ledger.best += tokens * request->matched_best;
        if (!isnan(request->matched_chosen))
            ledger.chosen += tokens * request->matched_chosen;
        if (request->cached_tokens != SGL_ABSENT)
            ledger.cached =
                (isnan(ledger.cached) ? 0 : ledger.cached) + (double)request->cached_tokens;
    }
    return ledger;
}

static void print_share(struct sgl_page *page, double tokens, double of, uint32_t arm)
{
    if (isnan(tokens) || !(of > 0)) {
        sgl_page_print(page, "<td class=\"l\">not known</td>");
        return;
    }
    sgl_page_print(page,
                   "<td class=\"l\"><svg viewBox=\"0 0 100 10\" width=\"100\" height=\"10\" "
                   "aria-hidden=\"true\"><rect width=\"100\" height=\"10\" "
                   "style=\"fill:var(--rule)\"/><rect class=\"f%u\" width=\"%.1f\" "
                   "height=\"10\"/></svg> %.2f %%</td>",
                   arm % 6, 100 * tokens / of, 100 * tokens / of);
}

void sgl_section_cache(struct sgl_page *page)
{
    const struct sgl_comparison *comparison = page->comparison;
    bool is_any = false;

    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_detail *detail = sgl_comparison_arm(comparison, 0, arm)->detail;
        if (detail == NULL)
            continue;
        const struct ledger ledger = ledger_of(detail);
        is_any = is_any || ledger.cached > 0 || ledger.best > 0;
    }
    if (!is_any) {
        sgl_page_paragraph(page, "note",
                           "Nothing was cached and nothing was expected to be: the trace has no "
                           "prefix ids, or no two prompts begin alike.");
        return;
    }
    sgl_page_table_begin(page, "cache",
                         "Share of the prompt tokens of served requests, trace as recorded");
    sgl_page_print(page, "<thead><tr><th class=\"l\" scope=\"col\">policy</th><th "
                         "scope=\"col\">prompt tokens</th><th class=\"l\" scope=\"col\">best match "
                         "of any worker</th><th class=\"l\" scope=\"col\">match of the chosen "
                         "worker</th><th class=\"l\" scope=\"col\">really cached "
                         "there</th></tr></thead><tbody>\n");
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        const struct sgl_detail *detail = sgl_comparison_arm(comparison, 0, arm)->detail;
        if (detail == NULL)
            continue;
        const struct ledger ledger = ledger_of(detail);
        sgl_page_print(page, "<tr><th scope=\"row\">");
        sgl_page_arm(page, arm);
        sgl_page_print(page, "</th><td>%.0f</td>", ledger.prompt);
        print_share(page, ledger.best, ledger.prompt, arm);
        print_share(page, ledger.chosen, ledger.prompt, arm);
        print_share(page, ledger.cached, ledger.prompt, arm);
        sgl_page_print(page, "</tr>\n");
    }
    sgl_page_print(page, "</tbody>");
    sgl_page_table_end(page);
    sgl_page_paragraph(page, "note",
                       "Matches are what a policy believed from the prompts it had sent; policies "
                       "that look at no prefixes believe nothing. Really cached is less where a "
                       "worker evicted what the policy still counts on, or was sent the first "
                       "such prompt and has not finished it.");
}
