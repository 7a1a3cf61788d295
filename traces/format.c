#include "format.h"

#include "open.h"

#include <string.h>

static const struct sgl_format_ops *const formats[] = {
#define SGL_TRACE_FORMAT(name) &sgl_format_##name,
#include "formats.def"
#undef SGL_TRACE_FORMAT
};

#define FORMAT_COUNT (sizeof formats / sizeof formats[0])

/* Behind the first bar. */
static const char bar_words[] =
#define SGL_TRACE_FORMAT(name) "|" #name
#include "formats.def"
#undef SGL_TRACE_FORMAT
    ;

const char *const sgl_trace_format_words = bar_words + 1;

const struct sgl_format_ops *sgl_format_at(uint32_t index)
{
    return index < FORMAT_COUNT ? formats[index] : NULL;
}

const struct sgl_format_ops *sgl_format_find(const char *name, const struct sgl_format_input *input)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        const bool is_it =
            name != NULL ? strcmp(name, formats[i]->name) == 0 : formats[i]->detect(input);
        if (is_it)
            return formats[i];
    }
    return NULL;
}
