#include "failure.h"

#include "text.h"

#include <stdarg.h>
#include <stdio.h>

#undef sgl_fail /* what static analysis sees instead: failure.h */

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
    sgl_text_tame(failure->text);
    return code;
}
