/* Everything needed to make the same report again. */
#include "page.h"

void sgl_section_parameters(struct sgl_page *page)
{
    const struct sgl_report *report = page->report;

    sgl_page_print(page, "<dl class=\"facts\">\n<dt>program</dt><dd>sglsim %s</dd>\n",
                   report->version);
    for (uint32_t i = 0; i < report->fact_count; i++) {
        sgl_page_print(page, "<dt>");
        sgl_page_text(page, report->facts[i].key);
        sgl_page_print(page, "</dt><dd class=\"mono\">");
        sgl_page_code(page, report->facts[i].value);
        sgl_page_print(page, "</dd>\n");
    }
    sgl_page_print(page, "</dl>\n");
    sgl_page_paragraph(page, "note",
                       "The same program, trace, seeds and options give the same bytes, whatever "
                       "the number of threads. All numbers, unrounded, are in this file: the "
                       "script element \"data\" is the JSON that -o report.json writes.");
}
