#include "plot.h"

#include "analysis/report_format.h"

#include <math.h>
#include <string.h>

#define WIDTH 340.0
#define HEIGHT 232.0
#define LEFT 46.0
#define RIGHT 318.0
#define TOP 24.0
#define BOTTOM 194.0
#define LABEL_GAP 12.0

void sgl_axis_hold(struct sgl_axis *axis, double value)
{
    if (!isfinite(value) || (axis->is_log && !(value > 0)))
        return;
    axis->least = fmin(axis->least, value);
    axis->most = fmax(axis->most, value);
}

void sgl_axis_settle(struct sgl_axis *axis)
{
    if (!(axis->least <= axis->most)) {
        axis->least = axis->is_log ? 1 : 0;
        axis->most = axis->is_log ? 10 : 1;
    }
    if (!axis->is_log && axis->least > 0 && axis->least < 0.5 * axis->most)
        axis->least = 0;
    if (axis->least == axis->most) {
        axis->least = axis->is_log ? axis->least / 2 : axis->least - fabs(axis->least) / 2 - 0.5;
        axis->most = axis->is_log ? axis->most * 2 : axis->most + fabs(axis->most) / 2 + 0.5;
    }
}

/* Where a value lies along its axis, 0 to 1. */
static double along(const struct sgl_axis *axis, double value)
{
    const double share =
        axis->is_log ? log(fmax(value, axis->least) / axis->least) / log(axis->most / axis->least)
                     : (value - axis->least) / (axis->most - axis->least);

    return fmin(fmax(share, 0), 1);
}

static double x_of(const struct sgl_plot *plot, double value)
{
    return LEFT + along(&plot->x, value) * (RIGHT - LEFT);
}

static double y_of(const struct sgl_plot *plot, double value)
{
    return BOTTOM - along(&plot->y, value) * (BOTTOM - TOP);
}

/* A tick's number, short: 0.02, 5, 300, 2k. */
static void tick_text(const struct sgl_axis *axis, double value, char *out, size_t size)
{
    const double shown = axis->is_percent ? 100 * value : value;

    if (fabs(shown) >= 1e6)
        snprintf(out, size, "%gM", shown / 1e6);
    else if (fabs(shown) >= 1e4)
        snprintf(out, size, "%gk", shown / 1e3);
    else
        snprintf(out, size, "%.6g", shown);
}

#define TICKS_MAX 12

static size_t linear_ticks(const struct sgl_axis *axis, double *ticks)
{
    const double raw = (axis->most - axis->least) / 4;
    const double power = pow(10, floor(log10(raw)));
    const double step = (raw / power < 1.5   ? 1
                         : raw / power < 3.5 ? 2
                         : raw / power < 7.5 ? 5
                                             : 10) *
                        power;
    size_t count = 0;

    const double first = ceil(axis->least / step - 1e-9);
    while (count < TICKS_MAX && (first + (double)count) * step <= axis->most + 1e-9 * step) {
        ticks[count] = (first + (double)count) * step + 0.0;
        count++;
    }
    return count;
}

/* Powers of ten; with 2 and 5 between when there are few; every second or third when there are
 * many. Those of a linear axis when the range holds none of them. */
static size_t log_ticks(const struct sgl_axis *axis, double *ticks)
{
    const double decades = log10(axis->most / axis->least);
    const int stride = decades > 10 ? 3 : decades > 5 ? 2 : 1;
    const double within[] = {1, 2, 5};
    const size_t parts = decades < 2.2 ? 3 : 1;
    size_t count = 0;

    for (int e = (int)floor(log10(axis->least)); e <= (int)ceil(log10(axis->most)); e++)
        for (size_t p = 0; p < parts; p++) {
            const double value = within[p] * pow(10, e);
            if (value >= axis->least * (1 - 1e-9) && value <= axis->most * (1 + 1e-9) &&
                e % stride == 0 && count < TICKS_MAX)
                ticks[count++] = value;
        }
    return count > 1 ? count : linear_ticks(axis, ticks);
}

/* Even ones on a log axis, too, that is too short for two powers. */
static size_t choose_ticks(const struct sgl_axis *axis, double *ticks)
{
    const size_t count = axis->is_log ? log_ticks(axis, ticks) : 0;

    return count >= 2 ? count : linear_ticks(axis, ticks);
}

static void print_ticks(struct sgl_plot *plot)
{
    FILE *out = plot->page->out;
    double ticks[TICKS_MAX];
    char text[32];
    size_t count = choose_ticks(&plot->y, ticks);

    for (size_t i = 0; i < count; i++) {
        const double y = y_of(plot, ticks[i]);
        tick_text(&plot->y, ticks[i], text, sizeof text);
        fprintf(out,
                "<path class=\"tick\" d=\"M%g %.1fH%g\"/><text x=\"%g\" y=\"%.1f\" "
                "text-anchor=\"end\">%s</text>",
                LEFT, y, RIGHT, LEFT - 5, y + 3.8, text);
    }
    if (plot->x.tick_texts != NULL) {
        for (size_t i = 0; plot->x.tick_texts[i] != NULL; i++)
            fprintf(out,
                    "<path class=\"tick\" d=\"M%.1f %gv4\"/><text x=\"%.1f\" y=\"%g\" "
                    "text-anchor=\"middle\">%s</text>",
                    x_of(plot, plot->x.ticks[i]), BOTTOM, x_of(plot, plot->x.ticks[i]), BOTTOM + 16,
                    plot->x.tick_texts[i]);
        return;
    }
    count = choose_ticks(&plot->x, ticks);
    for (size_t i = 0; i < count; i++) {
        const double x = x_of(plot, ticks[i]);
        tick_text(&plot->x, ticks[i], text, sizeof text);
        fprintf(out,
                "<path class=\"tick\" d=\"M%.1f %gv4\"/><text x=\"%.1f\" y=\"%g\" "
                "text-anchor=\"middle\">%s</text>",
                x, BOTTOM, x, BOTTOM + 16, text);
    }
}

void sgl_plot_begin(struct sgl_plot *plot, struct sgl_page *page, const char *title,
                    const char *description)
{
    FILE *out = page->out;
    const uint32_t id = ++page->pictures;

    plot->page = page;
    plot->label_count = 0;
    fprintf(out,
            "<figure><svg class=\"plot\" viewBox=\"0 0 %g %g\" role=\"img\" "
            "aria-labelledby=\"p%ut p%ud\"><title id=\"p%ut\">",
            WIDTH, HEIGHT, id, id, id);
    sgl_page_text(page, title);
    fprintf(out, "</title><desc id=\"p%ud\">", id);
    sgl_page_text(page, description);
    fprintf(out, "</desc><text class=\"head\" x=\"%g\" y=\"14\">", 2.0);
    sgl_page_text(page, title);
    fputs("</text>", out);
    print_ticks(plot);
    fprintf(out, "<path class=\"frame\" d=\"M%g %gV%gH%g\"/>", LEFT, TOP, BOTTOM, RIGHT);
    fprintf(out, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">", (LEFT + RIGHT) / 2, HEIGHT - 6);
    sgl_page_text(page, plot->x.title);
    fputs("</text>\n", out);
}

void sgl_plot_line(struct sgl_plot *plot, const double *x, const double *y, size_t count,
                   const char *class_name, uint32_t arm)
{
    FILE *out = plot->page->out;
    bool is_down = false;

    fprintf(out, "<path class=\"%s s%u\" d=\"", class_name, arm % 6);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i])) {
            is_down = false;
            continue;
        }
        /* What leaves the frame ends at it: drawn on, it would run along the edge. */
        const bool is_beyond = x[i] > plot->x.most;
        const double share =
            is_beyond && is_down ? (plot->x.most - x[i - 1]) / (x[i] - x[i - 1]) : 1;
        if (!is_beyond || is_down)
            fprintf(out, "%c%.1f %.1f", is_down ? 'L' : 'M', x_of(plot, x[i]),
                    y_of(plot, share < 1 ? y[i - 1] + share * (y[i] - y[i - 1]) : y[i]));
        is_down = !is_beyond;
    }
    fputs("\"/>\n", out);
}

void sgl_plot_band(struct sgl_plot *plot, const double *x, const double *low, const double *high,
                   size_t count, uint32_t arm)
{
    FILE *out = plot->page->out;
    bool is_down = false;

    fprintf(out, "<path class=\"band f%u\" d=\"", arm % 6);
    for (size_t i = 0; i < count; i++)
        if (isfinite(x[i]) && isfinite(low[i]) && isfinite(high[i])) {
            fprintf(out, "%c%.1f %.1f", is_down ? 'L' : 'M', x_of(plot, x[i]), y_of(plot, low[i]));
            is_down = true;
        }
    for (size_t i = count; i-- > 0;)
        if (isfinite(x[i]) && isfinite(low[i]) && isfinite(high[i]))
            fprintf(out, "L%.1f %.1f", x_of(plot, x[i]), y_of(plot, high[i]));
    fputs(is_down ? "Z\"/>\n" : "\"/>\n", out);
}

void sgl_plot_label(struct sgl_plot *plot, double y, uint32_t arm)
{
    if (plot->label_count == SGL_PLOT_LABELS_MAX || !isfinite(y))
        return;
    plot->labels[plot->label_count].y = y_of(plot, y);
    plot->labels[plot->label_count++].arm = arm;
}

void sgl_plot_dot(struct sgl_plot *plot, double x, double y, uint32_t arm)
{
    if (isfinite(x) && isfinite(y))
        fprintf(plot->page->out, "<circle class=\"f%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"/>",
                arm % 6, x_of(plot, x), y_of(plot, y));
}

void sgl_plot_level(struct sgl_plot *plot, double y, const char *class_name, uint32_t arm,
                    const char *text)
{
    FILE *out = plot->page->out;
    char series[16] = "";

    if (arm != SGL_PLOT_NEUTRAL)
        snprintf(series, sizeof series, "%u", arm % 6);
    fprintf(out, "<path class=\"%s%s%s\" d=\"M%g %.1fH%g\"/>", class_name,
            series[0] != '\0' ? " s" : "", series, LEFT, y_of(plot, y), RIGHT);
    if (text[0] == '\0')
        return;
    fprintf(out, "<text class=\"%s%s\" x=\"%g\" y=\"%.1f\">", series[0] != '\0' ? "f" : "", series,
            LEFT + 4, y_of(plot, y) + (y_of(plot, y) > TOP + 12 ? -3 : 12));
    sgl_page_text(plot->page, text);
    fputs("</text>", out);
}

void sgl_plot_columns(struct sgl_plot *plot, double from, double to, const char *class_name)
{
    const double left = x_of(plot, from);

    fprintf(plot->page->out,
            "<rect class=\"%s\" x=\"%.1f\" y=\"%g\" width=\"%.1f\" height=\"%g\"/>", class_name,
            left, TOP, x_of(plot, to) - left, BOTTOM - TOP);
}

void sgl_plot_rows(struct sgl_plot *plot, double from, double to, const char *class_name)
{
    const double top = y_of(plot, to);

    fprintf(plot->page->out,
            "<rect class=\"%s\" x=\"%g\" y=\"%.1f\" width=\"%g\" height=\"%.1f\"/>", class_name,
            LEFT, top, RIGHT - LEFT, y_of(plot, from) - top);
}

/* Labels from top to bottom, at least a gap apart. */
static void print_labels(struct sgl_plot *plot)
{
    for (uint32_t i = 1; i < plot->label_count; i++)
        for (uint32_t k = i; k > 0 && plot->labels[k].y < plot->labels[k - 1].y; k--) {
            const double y = plot->labels[k].y;
            const uint32_t arm = plot->labels[k].arm;
            plot->labels[k] = plot->labels[k - 1];
            plot->labels[k - 1].y = y;
            plot->labels[k - 1].arm = arm;
        }
    for (uint32_t i = 1; i < plot->label_count; i++)
        plot->labels[i].y = fmax(plot->labels[i].y, plot->labels[i - 1].y + LABEL_GAP);
    /* What was pushed out below is pushed back up. */
    double most = BOTTOM;
    for (uint32_t i = plot->label_count; i-- > 0;) {
        plot->labels[i].y = fmin(plot->labels[i].y, most);
        most = plot->labels[i].y - LABEL_GAP;
    }
    for (uint32_t i = 0; i < plot->label_count; i++)
        fprintf(plot->page->out, "<text class=\"label f%u\" x=\"%g\" y=\"%.1f\">%c</text>",
                plot->labels[i].arm % 6, RIGHT + 5, plot->labels[i].y + 4,
                sgl_report_letter(plot->labels[i].arm));
}

void sgl_plot_end(struct sgl_plot *plot)
{
    print_labels(plot);
    fputs("</svg></figure>\n", plot->page->out);
}
