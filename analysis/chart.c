#include "chart.h"

#include <math.h>
#include <stddef.h>

#define TICKS_MAX 12
#define NARROW 8 /* a logarithmic scale over less than that is marked evenly */

double sgl_chart_place(const struct sgl_chart_scale *scale, double value)
{
    const double share = scale->is_log ? log(value / scale->least) / log(scale->most / scale->least)
                                       : (value - scale->least) / (scale->most - scale->least);

    return scale->from + fmin(fmax(share, 0), 1) * (scale->to - scale->from);
}

/* Round numbers within the scale: 1, 2, 5, 10 ... or even steps. */
static size_t ticks(const struct sgl_chart_scale *scale, double out[TICKS_MAX])
{
    static const double digits[] = {1, 2, 5};
    const bool is_wide = scale->is_log && scale->most / scale->least > 1000;
    size_t count = 0;

    if (!scale->is_log || scale->most / scale->least < NARROW) {
        const double rough = (scale->most - scale->least) / 6;
        const double power = pow(10, floor(log10(rough)));
        const double step = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : 2);
        const double first = ceil(scale->least / step);
        for (int i = 0; i < TICKS_MAX && (first + i) * step <= scale->most * (1 + 1e-9); i++)
            out[count++] = (first + i) * step + 0.0;
        return count;
    }
    const int first = (int)floor(log10(scale->least));
    const int last = (int)floor(log10(scale->most));
    for (int power = first; power <= last; power++)
        for (int d = 0; d < (is_wide ? 1 : 3); d++) {
            const double at = pow(10, power) * digits[d];
            if (at >= scale->least && at <= scale->most && count < TICKS_MAX)
                out[count++] = at;
        }
    return count;
}

void sgl_chart_axes(FILE *out, const struct sgl_chart_scale *x, const struct sgl_chart_scale *y,
                    const char *x_label, const char *y_label)
{
    const double side = x->from - SGL_CHART_SIDE;
    const double middle = (y->from + y->to) / 2;
    double at[TICKS_MAX];
    size_t count = ticks(x, at);

    for (size_t i = 0; i < count; i++) {
        const double left = sgl_chart_place(x, at[i]);
        fprintf(out,
                "<path class=\"axis\" d=\"M%.1f %.1fV%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"middle\">%g</text>",
                left, y->to, y->from, left, y->from + 16, at[i]);
    }
    count = ticks(y, at);
    for (size_t i = 0; i < count; i++) {
        const double top = sgl_chart_place(y, at[i]);
        fprintf(out,
                "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"end\">%g</text>",
                x->from, top, x->to, x->from - 6, top + 4, at[i]);
    }
    fprintf(out,
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>"
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" transform=\"rotate(-90 %.1f "
            "%.1f)\">%s</text>",
            (x->from + x->to) / 2, y->from + 36, x_label, side, middle, side, middle, y_label);
}
