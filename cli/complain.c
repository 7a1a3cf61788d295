#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sgl_complain(const char *format, ...)
{
    va_list arguments;

    fputs("sglsim: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void sgl_complain_at(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void sgl_complain_of(const char *path, const char *text)
{
    const size_t length = strlen(path);

    if (strncmp(text, path, length) == 0 && text[length] == ':')
        sgl_complain_at("%s", text);
    else
        sgl_complain("%s", text);
}
