/* What came of it, in a sentence per policy, and which letter is which policy. */
#include "page.h"

#include <string.h>

#define SENTENCE_MAX 1024

static void print_swatch(struct sgl_page *page, uint32_t arm)
{
    sgl_page_print(page,
                   "<svg class=\"swatch\" viewBox=\"0 0 30 12\" aria-hidden=\"true\"><path "
                   "class=\"line s%u\" d=\"M0 6H30\" style=\"fill:none;stroke-width:3\"/></svg>",
                   arm % 6);
}

void sgl_section_verdict(struct sgl_page *page)
{
    const struct sgl_comparison *comparison = page->comparison;
    static const char *const kinds[][2] = {
        {"simulated", "Figures of a simulation, not of a server."},
        {"live", "Measured on real traffic."},
        {"simulated and live", "A simulation set against measurements."},
    };
    const int kind = strcmp(page->report->kind, "sim") == 0    ? 0
                     : strcmp(page->report->kind, "live") == 0 ? 1
                                                               : 2;
    char text[SENTENCE_MAX];

    for (uint32_t arm = 1; arm < comparison->arm_count; arm++) {
        sgl_page_print(page, "<p class=\"verdict\">");
        sgl_page_arm(page, arm);
        sgl_page_print(page, " against ");
        sgl_page_arm(page, 0);
        sgl_page_print(page, ": ");
        sgl_page_text(page, sgl_report_verdict(page->report, 0, arm, text, sizeof text));
        sgl_page_print(page, ".</p>\n");
    }
    sgl_page_print(page, "<p><span class=\"kind\">%s</span> %s", kinds[kind][0], kinds[kind][1]);
    sgl_page_print(page, "</p>\n<ul class=\"arms\">\n");
    for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
        sgl_page_print(page, "<li>");
        print_swatch(page, arm);
        sgl_page_arm(page, arm);
        sgl_page_print(page, " <code>");
        sgl_page_code(page, page->report->policies[arm].text);
        sgl_page_print(page, "</code>%s</li>\n", arm == 0 ? " (baseline)" : "");
    }
    sgl_page_print(page, "</ul>\n");
}
