#include "page.h"

#include "analysis/html_text.h"
#include "analysis/report_json.h"

#include "traces/json.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 2048

void sgl_page_text(struct sgl_page *page, const char *text)
{
    sgl_html_text(page->out, text);
}

void sgl_page_code(struct sgl_page *page, const char *text)
{
    for (; *text != '\0'; text++) {
        sgl_html_character(page->out, *text);
        if (*text == ',' || *text == ':')
            fputs("<wbr>", page->out);
    }
}

void sgl_page_print(struct sgl_page *page, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(page->out, format, arguments);
    va_end(arguments);
}

void sgl_page_paragraph(struct sgl_page *page, const char *class_name, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(page->out, "<p class=\"%s\">", class_name);
    sgl_page_text(page, text);
    fputs("</p>\n", page->out);
}

void sgl_page_table_begin(struct sgl_page *page, const char *class_name, const char *caption)
{
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"", page->out);
    sgl_page_text(page, caption);
    fprintf(page->out, "\"><table class=\"%s\"><caption>", class_name);
    sgl_page_text(page, caption);
    fputs("</caption>\n", page->out);
}

void sgl_page_table_end(struct sgl_page *page)
{
    fputs("</table></div>\n", page->out);
}

void sgl_page_grid_begin(struct sgl_page *page)
{
    fputs("<div class=\"grid\">\n", page->out);
}

void sgl_page_pairs_begin(struct sgl_page *page)
{
    fputs("<div class=\"grid pairs\">\n", page->out);
}

void sgl_page_grid_end(struct sgl_page *page)
{
    fputs("</div>\n", page->out);
}

void sgl_page_arm(struct sgl_page *page, uint32_t arm)
{
    fprintf(page->out, "<b class=\"arm t%u\">%c</b>", arm % 6, sgl_report_letter(arm));
}

static void print_head(struct sgl_page *page)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n<title>sglsim compare: ",
          page->out);
    for (uint32_t arm = 0; arm < page->comparison->arm_count; arm++) {
        char name[48];
        const char *text = page->report->policies[arm].text;
        snprintf(name, sizeof name, "%s%.*s", arm > 0 ? " and " : "",
                 (int)strcspn(text, ":") < 40 ? (int)strcspn(text, ":") : 40, text);
        sgl_page_text(page, name);
    }
    fputs("</title>\n<style>\n", page->out);
    for (size_t i = 0; sgl_page_style[i] != NULL; i++)
        fputs(sgl_page_style[i], page->out);
    fputs("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#figures\">Skip to the figures</a>\n"
          "<main>\n<h1>sglsim compare</h1>\n",
          page->out);
}

static void print_contents(struct sgl_page *page)
{
    static const char *const names[][2] = {
#define SGL_SECTION(name, title) {#name, title},
#include "analysis/html/sections.def"
#undef SGL_SECTION
    };

    fputs("<nav aria-label=\"Contents\"><ol>", page->out);
    for (size_t i = 1; i < sizeof names / sizeof names[0]; i++)
        fprintf(page->out, "<li><a href=\"#%s\">%s</a></li>", names[i][0], names[i][1]);
    fputs("</ol></nav>\n", page->out);
}

/* The whole report as data, for those who want to draw it themselves. No '<' may be seen in a
 * script element: within a JSON text it can only stand in a string, where it has another spelling.
 */
static void print_data(struct sgl_page *page)
{
    char *text = sgl_json_format(sgl_report_to_json(page->report));

    if (text == NULL) {
        page->is_out_of_memory = true;
        return;
    }
    fputs("<script type=\"application/json\" id=\"data\">\n", page->out);
    for (const char *c = text; *c != '\0'; c++)
        if (*c == '<')
            fputs("\\u003c", page->out);
        else
            fputc(*c, page->out);
    fputs("</script>\n", page->out);
    free(text);
}

int sgl_report_html(FILE *out, const struct sgl_report *report)
{
    static const struct {
        const char *name;
        const char *title;
        void (*print)(struct sgl_page *page);
    } sections[] = {
#define SGL_SECTION(name, title) {#name, title, sgl_section_##name},
#include "analysis/html/sections.def"
#undef SGL_SECTION
    };
    struct sgl_page page = {.out = out, .report = report, .comparison = report->comparison};

    print_head(&page);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        fprintf(out, "<section id=\"%s\" aria-labelledby=\"h-%s\">\n<h2 id=\"h-%s\">%s</h2>\n",
                sections[i].name, sections[i].name, sections[i].name, sections[i].title);
        sections[i].print(&page);
        fputs("</section>\n", out);
        if (i == 0)
            print_contents(&page);
    }
    fputs("</main>\n", out);
    print_data(&page);
    fputs(sgl_page_script, out);
    fputs("</body>\n</html>\n", out);
    if (page.is_out_of_memory)
        return SGL_ENOMEM;
    return ferror(out) == 0 ? SGL_OK : SGL_EIO;
}
