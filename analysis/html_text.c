#include "html_text.h"

void sgl_html_character(FILE *out, char c)
{
    switch (c) {
    case '<':
        fputs("&lt;", out);
        break;
    case '>':
        fputs("&gt;", out);
        break;
    case '&':
        fputs("&amp;", out);
        break;
    case '"':
        fputs("&quot;", out);
        break;
    default:
        fputc((unsigned char)c < ' ' ? ' ' : c, out);
    }
}

void sgl_html_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        sgl_html_character(out, *text);
}
