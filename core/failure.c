#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

int sgl_fail(struct sgl_failure *failure, int code, const char *format, ...)
{
    va_list arguments;

    if (failure == NULL)
        return code;
    va_start(arguments, format);
    const int length = vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    if (length < 0)
        failure->text[0] = '\0';
    /* A cell of a hostile file may end up in the text: it must not drive the user's terminal. */
    for (char *c = failure->text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return code;
}
