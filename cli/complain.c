#include "cli.h"

#include "core/text.h"
#include "traces/open.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Longer than any complaint but those that repeat a path of the system's greatest length. */
#define COMPLAINT_SIZE 8192

static __attribute__((format(printf, 2, 0))) void say(const char *start, const char *format,
                                                      va_list arguments)
{
    char text[COMPLAINT_SIZE];

    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        text[0] = '\0';
    sgl_text_tame(text);
    fprintf(stderr, "%s%s\n", start, text);
}

void sgl_complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say("sglsim: ", format, arguments);
    va_end(arguments);
}

void sgl_complain_at(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say("", format, arguments);
    va_end(arguments);
}

static bool is_of(const char *path, const char *text)
{
    const size_t length = strlen(path);

    return strncmp(text, path, length) == 0 && text[length] == ':';
}

void sgl_complain_of(const char *path, const char *text)
{
    if (is_of(path, text))
        sgl_complain_at("%s", text);
    else
        sgl_complain("%s", text);
}

void sgl_complain_of_either(const char *path, const char *other, const char *text)
{
    sgl_complain_of(other != NULL && is_of(other, text) ? other : path, text);
}

void sgl_complain_of_rows(const struct sgl_trace_facts *facts)
{
    const size_t most = sizeof facts->warnings / sizeof facts->warnings[0];

    for (size_t i = 0; i < most && facts->warnings[i] != NULL; i++)
        sgl_complain("%s", facts->warnings[i]);
}
