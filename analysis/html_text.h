/*
 * html_text.h - text in HTML: what would be markup is escaped, and control characters are blanks.
 */
#ifndef SGL_ANALYSIS_HTML_TEXT_H
#define SGL_ANALYSIS_HTML_TEXT_H

#include <stdio.h>

void sgl_html_character(FILE *out, char c);
void sgl_html_text(FILE *out, const char *text);

#endif
