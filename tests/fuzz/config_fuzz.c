/*
 * Any text as a --config file of a command with an option of every kind: it is taken, and every
 * value is of its kind, or it is refused with exactly one complaint that names the file.
 */
#include "fuzz.h"
#include "text_file.h"

#include "cli/cli.h"
#include "cli/options.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char complaint[1024];
static int complaint_count;

static __attribute__((format(printf, 1, 0))) void hear(const char *format, va_list arguments)
{
    complaint_count++;
    assert(vsnprintf(complaint, sizeof complaint, format, arguments) >= 0);
}

/* In the place of cli/complain.c. */
void sgl_complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    hear(format, arguments);
    va_end(arguments);
}

void sgl_complain_at(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    hear(format, arguments);
    va_end(arguments);
}

struct values {
    bool flag;
    const char *text;
    const char *choice;
    uint64_t natural;
    double positive;
    int64_t duration;
    struct sgl_option_list list;
};

static void check(const struct values *values)
{
    assert(values->text == NULL || strchr(values->text, '\n') == NULL);
    assert(strcmp(values->choice, "some") == 0 || strcmp(values->choice, "all") == 0);
    assert(values->natural >= 3);
    assert(isfinite(values->positive) && values->positive > 0);
    assert(values->duration >= 0);
    assert(values->list.count <= SGL_OPTION_LIST_MAX);
    for (uint32_t i = 0; i < values->list.count; i++)
        assert(strchr(values->list.items[i], '\n') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct values values = {.choice = "all", .natural = 3, .positive = 1};
    const struct sgl_option table[] = {
        {"flag", 'f', SGL_OPTION_FLAG, NULL, &values.flag, "a flag", 0},
        {"text", 0, SGL_OPTION_TEXT, "TEXT", &values.text, "a text", 0},
        {"choice", 0, SGL_OPTION_CHOICE, "some|all", &values.choice, "a choice", 0},
        {"natural", 'n', SGL_OPTION_NATURAL, "N", &values.natural, "a number", 3},
        {"positive", 0, SGL_OPTION_POSITIVE, "X", &values.positive, "a factor", 0},
        {"duration", 0, SGL_OPTION_DURATION, "TIME", &values.duration, "a time", 0},
        {"list", 'l', SGL_OPTION_LIST, "ITEM", &values.list, "an item, and again", 0},
        {0}};
    const struct sgl_usage usage = {"sglsim x", "", "", table, 0, 0};
    char path[FUZZ_PATH_SIZE];
    char *arguments[] = {"x", "--config", path, NULL};
    size_t operand_count = 0;
    const int descriptor = fuzz_text_file(bytes, size, path);

    if (descriptor < 0)
        return 0;
    complaint_count = 0;
    const int code = sgl_options_parse(&usage, 3, arguments, &operand_count);
    fuzz_text_file_close(descriptor);
    if (code == SGL_OPTIONS_RUN) {
        assert(complaint_count == 0 && operand_count == 0);
        check(&values);
        return 0;
    }
    assert(code == SGL_EXIT_USAGE || code == SGL_EXIT_FAILED);
    assert(complaint_count == 1);
    assert(strncmp(complaint, path, strlen(path)) == 0);
    return 0;
}
