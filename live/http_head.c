#include "http_head.h"

#include <string.h>
#include <strings.h>

void sgl_http_lines_begin_trailer(struct sgl_http_lines *lines)
{
    /* As behind a request line: an empty line ends them, and a blank would continue something. */
    *lines = (struct sgl_http_lines){.line_count = 1};
}

/* Three parts, one blank between each two, and HTTP is the protocol: the parser knows others. */
static bool is_request_line(struct sgl_http_lines *lines, const char *bytes, size_t size)
{
    static const char name[] = {'H', 'T', 'T', 'P', '/'};

    for (size_t i = 0; i < size; i++) {
        const bool is_blank = bytes[i] == ' ';
        if (is_blank && (lines->is_after_blank || ++lines->blank_count > 2))
            return false;
        lines->is_after_blank = is_blank;
        if (!is_blank && lines->blank_count == 2 && lines->name_size < sizeof name &&
            bytes[i] != name[lines->name_size++])
            return false;
    }
    return true;
}

/* What comes before the next CR. */
static bool take_text(struct sgl_http_lines *lines, const char *bytes, size_t size)
{
    if (memchr(bytes, '\n', size) != NULL)
        return false;
    if (lines->line_count == 0 && !is_request_line(lines, bytes, size))
        return false;
    if (lines->line_count > 0 && lines->line_size == 0 && (*bytes == ' ' || *bytes == '\t'))
        return false;
    lines->line_size += size;
    return true;
}

bool sgl_http_lines_take(struct sgl_http_lines *lines, const char *bytes, size_t size)
{
    const char *end = bytes + size;

    while (bytes < end && !lines->has_ended) {
        if (lines->is_after_cr) {
            if (*bytes != '\n')
                return false;
            lines->has_ended = lines->line_size == 0 && lines->line_count > 0;
            lines->line_count += lines->line_size > 0;
            lines->line_size = 0;
            lines->is_after_cr = false;
            bytes++;
            continue;
        }
        const char *cr = memchr(bytes, '\r', (size_t)(end - bytes));
        const char *stop = cr != NULL ? cr : end;
        if (stop > bytes && !take_text(lines, bytes, (size_t)(stop - bytes)))
            return false;
        lines->is_after_cr = cr != NULL;
        bytes = cr != NULL ? cr + 1 : end;
    }
    return true;
}

/* ---- host and target ---- */

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static size_t span_of(const char *text, size_t size, const char *others)
{
    size_t i = 0;

    while (i < size && (is_alphanumeric(text[i]) || is_one_of(text[i], others)))
        i++;
    return i;
}

bool sgl_http_is_host(const char *text, size_t size)
{
    size_t at;

    if (size > 0 && text[0] == '[') {
        at = 1 + span_of(text + 1, size - 1, ":.");
        if (at == 1 || at == size || text[at] != ']')
            return false;
        at++;
    } else {
        at = span_of(text, size, "-._~%!$&'()*+,;="); /* reg-name, RFC 3986 */
    }
    if (at < size && text[at] == ':')
        for (at++; at < size && text[at] >= '0' && text[at] <= '9';)
            at++;
    return at == size;
}

ptrdiff_t sgl_http_origin_form(char *target, size_t size, bool is_options)
{
    static const char *const schemes[] = {"http://", "https://"};

    if (memchr(target, '#', size) != NULL)
        return -1;
    if (size > 0 && target[0] == '/')
        return 0;
    if (size == 1 && target[0] == '*')
        return is_options ? 0 : -1;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        const size_t start = strlen(schemes[i]);
        if (size <= start || strncasecmp(target, schemes[i], start) != 0)
            continue;
        size_t at = start;
        while (at < size && target[at] != '/' && target[at] != '?')
            at++;
        if (at == start || target[start] == ':' || !sgl_http_is_host(target + start, at - start))
            return -1;
        if (at == size || target[at] == '?')
            target[--at] = '/'; /* no path is the path "/": over the last byte of the authority */
        return (ptrdiff_t)at;
    }
    return -1;
}
