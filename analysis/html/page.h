/*
 * page.h - the HTML report: one file, no network, readable without scripts.
 *
 *     page.c      the frame: head, style, sections in the order of sections.def, the data as JSON
 *     plot.h      pictures: inline SVG
 *     section_*.c one section each
 *
 * To add one, write section_NAME.c with `void sgl_section_NAME(struct sgl_page *page)` and add
 * a line to sections.def. A section that has nothing to show says why in a sentence.
 *
 * Output errors are the stream's (ferror); memory a section asks for and does not get sets
 * is_out_of_memory.
 */
#ifndef SGL_ANALYSIS_HTML_PAGE_H
#define SGL_ANALYSIS_HTML_PAGE_H

#include "analysis/report.h"

struct sgl_page {
    FILE *out;
    const struct sgl_report *report;
    const struct sgl_comparison *comparison;
    uint32_t pictures; /* drawn so far: their ids */
    bool is_out_of_memory;
};

#define SGL_SECTION(name, title) void sgl_section_##name(struct sgl_page *page);
#include "analysis/html/sections.def"
#undef SGL_SECTION

/* Text with what HTML would read otherwise escaped; control bytes become blanks. */
void sgl_page_text(struct sgl_page *page, const char *text);

/* Options and other long words: the same, with places to break after commas. */
void sgl_page_code(struct sgl_page *page, const char *text);

/* printf of numbers and of texts that are known to be plain. */
void sgl_page_print(struct sgl_page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A paragraph of escaped text. */
void sgl_page_paragraph(struct sgl_page *page, const char *class_name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A table that scrolls sideways on a narrow screen; `caption` names it. */
void sgl_page_table_begin(struct sgl_page *page, const char *class_name, const char *caption);
void sgl_page_table_end(struct sgl_page *page);

/* A grid of pictures. */
void sgl_page_grid_begin(struct sgl_page *page);
/* The same for pictures that belong together two by two. */
void sgl_page_pairs_begin(struct sgl_page *page);
void sgl_page_grid_end(struct sgl_page *page);

/* The arm's letter in its colour. */
void sgl_page_arm(struct sgl_page *page, uint32_t arm);

/* style.c */
extern const char *const sgl_page_style[];
extern const char sgl_page_script[];

#endif
