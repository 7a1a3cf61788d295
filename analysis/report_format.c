#include "report_format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 100
#define INDENT 13

const char *sgl_text_number(double value, char *out, size_t size)
{
    const double magnitude = fabs(value);

    if (!isfinite(value))
        snprintf(out, size, "-");
    else if (magnitude >= 1e7 || (magnitude < 1e-4 && magnitude > 0))
        snprintf(out, size, "%.3g", value);
    else if (magnitude >= 1000 || magnitude == 0)
        snprintf(out, size, "%.0f", value);
    else if (magnitude >= 100)
        snprintf(out, size, "%.1f", value);
    else if (magnitude >= 10)
        snprintf(out, size, "%.2f", value);
    else if (magnitude >= 1)
        snprintf(out, size, "%.3f", value);
    else
        snprintf(out, size, "%.4f", value);
    return out;
}

/* A share in percent with a sign; tenths below 100 %, hundredths below 1 %. A change that rounds to
 * nothing has no sign. */
static void print_percent(double share, char *out, size_t size)
{
    const double percent = 100 * share;

    if (fabs(percent) < 0.005)
        snprintf(out, size, "0.00");
    else
        snprintf(out, size, "%+.*f", fabs(percent) < 1 ? 2 : fabs(percent) < 100 ? 1 : 0, percent);
}

static void print_signed(double value, char *out, size_t size)
{
    char text[32];

    sgl_text_number(value, text, sizeof text);
    snprintf(out, size, "%s%s", value > 0 ? "+" : "", text);
}

const char *sgl_text_change(const struct sgl_effect *effect, int figure, char *out, size_t size)
{
    char text[40];

    if (isnan(effect->change)) {
        snprintf(out, size, "-");
    } else if (effect->is_ratio) {
        print_percent(effect->change, text, sizeof text);
        snprintf(out, size, "%s %%", text);
    } else {
        print_signed(effect->change, text, sizeof text);
        snprintf(out, size, "%s %s", text, sgl_figure_unit(figure));
    }
    return out;
}

const char *sgl_text_interval(const struct sgl_effect *effect, int figure, char *out, size_t size)
{
    char low[40];
    char high[40];

    if (isnan(effect->low) || effect->method == SGL_METHOD_NONE) {
        snprintf(out, size, "-");
    } else if (effect->method == SGL_METHOD_EXACT) {
        snprintf(out, size, "exact");
    } else if (effect->is_ratio) {
        print_percent(effect->low, low, sizeof low);
        print_percent(effect->high, high, sizeof high);
        snprintf(out, size, "%s to %s %%", low, high);
    } else {
        print_signed(effect->low, low, sizeof low);
        print_signed(effect->high, high, sizeof high);
        snprintf(out, size, "%s to %s %s", low, high, sgl_figure_unit(figure));
    }
    return out;
}

const char *sgl_text_p(double p_value, char *out, size_t size)
{
    if (isnan(p_value))
        snprintf(out, size, "-");
    else if (p_value < 0.001)
        snprintf(out, size, "<0.001");
    else
        snprintf(out, size, "%.3f", p_value);
    return out;
}

const char *sgl_text_duration(int64_t duration_ns, char *out, size_t size)
{
    const double seconds = (double)duration_ns / 1e9;

    if (seconds >= 1)
        snprintf(out, size, "%.3g s", seconds);
    else if (seconds >= 1e-3)
        snprintf(out, size, "%.3g ms", 1e3 * seconds);
    else
        snprintf(out, size, "%.3g us", 1e6 * seconds);
    return out;
}

const char *sgl_text_level(const struct sgl_level *level, bool is_saturated, char *out, size_t size)
{
    const double half = (level->high - level->low) / 2;
    const char *mark = is_saturated ? "!" : "";
    char mean[32];
    char around[32];

    sgl_text_number(level->mean, mean, sizeof mean);
    if (isnan(level->mean) || !(half > 0)) {
        snprintf(out, size, "%s%s", mean, isnan(level->mean) ? "" : mark);
        return out;
    }
    /* The half width to two digits, at the precision of the mean or finer. */
    const int decimals = half >= 10 ? 0 : half >= 1 ? 1 : half >= 0.1 ? 2 : half >= 0.01 ? 3 : 4;
    snprintf(around, sizeof around, "%.*f", decimals, half);
    snprintf(out, size, "%s%s ±%s", mean, mark, around);
    return out;
}

const char *sgl_text_verdict(const struct sgl_effect *effect, double margin, char *out, size_t size)
{
    switch (effect->verdict) {
    case SGL_VERDICT_BETTER:
    case SGL_VERDICT_WORSE:
        snprintf(out, size, "%s", effect->verdict == SGL_VERDICT_BETTER ? "better" : "worse");
        break;
    case SGL_VERDICT_EQUAL:
        if (effect->change == 0)
            snprintf(out, size, "= identical");
        else
            snprintf(out, size, "= within %.3g %%", 100 * margin);
        break;
    case SGL_VERDICT_NOT_SHOWN:
        if (effect->runs_needed > effect->count)
            snprintf(out, size, "~ (needs %u)", effect->runs_needed);
        else
            snprintf(out, size, "~");
        break;
    case SGL_VERDICT_UNKNOWN:
        snprintf(out, size, "-");
        break;
    }
    return out;
}

void sgl_text_wrap(FILE *out, size_t column, const char *text)
{
    while (*text != '\0') {
        const size_t stop = strcspn(text, ", ");
        const size_t word = stop + (text[stop] == ',');
        const size_t blanks = strspn(text + word, " ");
        fprintf(out, "%.*s", (int)word, text);
        column += word;
        text += word + blanks;
        const size_t next = strcspn(text, ", ") + 1;
        if (*text != '\0' && column + blanks + next > WIDTH) {
            fprintf(out, "\n%*s", INDENT, "");
            column = INDENT;
        } else if (*text != '\0') {
            fprintf(out, "%*s", (int)blanks, "");
            column += blanks;
        }
    }
    fputc('\n', out);
}

void sgl_text_print_wrapped(FILE *out, const char *label, const char *text)
{
    fprintf(out, "%-*s", INDENT, label);
    if (strlen(label) >= INDENT)
        fprintf(out, "\n%*s", INDENT, "");
    sgl_text_wrap(out, INDENT, text);
}
