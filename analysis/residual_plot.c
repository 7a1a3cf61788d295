#include "residual_plot.h"

#include "chart.h"
#include "html_text.h"
#include "sort.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>

#define NS_PER_MS 1e6
#define NS_PER_S 1e9

/* Panels of 330 x 236 below a title. */
#define WIDTH 1010.0
#define PANEL_WIDTH 330.0
#define PANEL_HEIGHT 236.0
#define HEAD 44.0
#define LEFT 68.0 /* within a panel, as the next */
#define RIGHT 318.0
#define TOP 30.0
#define BOTTOM 188.0

#define SPAN_LEAST 1.1 /* of a ratio: so that small errors look small */
#define SPAN_MOST 100.0

static const char style[] =
    "svg{color-scheme:light dark;--ink:#1c1e21;--soft:#5c636b;--line:#d5d9e0;--paper:#fff;"
    "--a:#1f5fbf;--b:#c2410c;font-family:system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){svg{--ink:#e6e8eb;--soft:#a3abb3;--line:#3a414b;"
    "--paper:#15181c;--a:#7db1ff;--b:#ff9d5c}}"
    ".paper{fill:var(--paper)}text{font-size:12px;fill:var(--soft)}"
    ".head{font-size:15px;font-weight:600;fill:var(--ink)}.row{font-size:13px;font-weight:600;"
    "fill:var(--ink)}.axis{stroke:var(--line);fill:none}"
    ".dot{fill:var(--a);fill-opacity:.5;stroke:none}.one{stroke:var(--soft);stroke-width:1.2}"
    ".normal{stroke:var(--b);stroke-width:1.5;stroke-dasharray:6 4;fill:none}";

/* A request that both sides know. */
struct residual {
    double simulated_ms;
    double arrival_s;
    double ratio;
};

static size_t gather(const struct sgl_residual_plot *plot, enum sgl_metric metric,
                     struct residual *residuals)
{
    size_t count = 0;

    for (size_t i = plot->range.from; i < plot->range.to; i++) {
        const struct sgl_recorded_request *request = &plot->recording->requests[i];
        const double recorded =
            (double)sgl_recorded_times(request, plot->first_token_is).value_ns[metric];
        const double simulated =
            (double)sgl_simulated_times(request, &plot->times[i], plot->first_token_is)
                .value_ns[metric];
        if (request->failed || !(recorded > 0) || !(simulated > 0))
            continue;
        residuals[count++] = (struct residual){
            .simulated_ms = simulated / NS_PER_MS,
            .arrival_s = (double)request->row.request.arrival_ns / NS_PER_S,
            .ratio = simulated / recorded,
        };
    }
    return count;
}

/* The panel of that column, with its y scale; text on top. */
static void begin_panel(FILE *out, int column, double top, const char *label)
{
    fprintf(out, "<g transform=\"translate(%.0f %.0f)\" role=\"img\" aria-label=\"%s\">",
            column * PANEL_WIDTH, top, label);
}

static void end_panel(FILE *out, const struct sgl_chart_scale *x, const struct sgl_chart_scale *y)
{
    fprintf(out, "<path class=\"one\" d=\"M%.1f %.1fH%.1f\"/></g>\n", x->from,
            sgl_chart_place(y, 1), x->to);
}

static void draw_dot(FILE *out, const struct sgl_chart_scale *x, const struct sgl_chart_scale *y,
                     double at, double ratio)
{
    fprintf(out, "<circle class=\"dot\" r=\"2.2\" cx=\"%.1f\" cy=\"%.1f\"/>",
            sgl_chart_place(x, at), sgl_chart_place(y, ratio));
}

static void draw_against(FILE *out, const struct residual *residuals, size_t count,
                         const struct sgl_chart_scale *y, bool is_time)
{
    struct sgl_chart_scale x = {
        .least = INFINITY, .most = -INFINITY, .from = LEFT, .to = RIGHT, .is_log = !is_time};

    for (size_t i = 0; i < count; i++) {
        const double at = is_time ? residuals[i].arrival_s : residuals[i].simulated_ms;
        x.least = fmin(x.least, at);
        x.most = fmax(x.most, at);
    }
    if (is_time && x.most < x.least + 1)
        x.most = x.least + 1;
    if (!is_time && x.most < 1.05 * x.least)
        x.most = 1.05 * x.least;
    sgl_chart_axes(out, &x, y, is_time ? "arrival, s" : "simulated, ms", "simulated / recorded");
    for (size_t i = 0; i < count; i++)
        draw_dot(out, &x, y, is_time ? residuals[i].arrival_s : residuals[i].simulated_ms,
                 residuals[i].ratio);
    end_panel(out, &x, y);
}

static double quantile_of(size_t i, size_t count)
{
    return gsl_cdf_ugaussian_Pinv(((double)i + 0.5) / (double)count);
}

/* `ratios` are sorted. */
static void draw_quantiles(FILE *out, const double *ratios, size_t count, double spread,
                           const struct sgl_chart_scale *y)
{
    const double most = fmax(1, ceil(2 * quantile_of(count - 1, count)) / 2);
    const struct sgl_chart_scale x = {.least = -most, .most = most, .from = LEFT, .to = RIGHT};
    const double middle = log(ratios[count / 2]);
    double reach = most; /* of the line, within the panel */

    if (spread > 0)
        reach = fmin(most, (log(y->most) - fabs(middle)) / spread);
    sgl_chart_axes(out, &x, y, "normal quantile", "simulated / recorded");
    for (size_t i = 0; i < count; i++)
        draw_dot(out, &x, y, quantile_of(i, count), ratios[i]);
    if (reach > 0)
        fprintf(out, "<path class=\"normal\" d=\"M%.1f %.1fL%.1f %.1f\"/>",
                sgl_chart_place(&x, -reach), sgl_chart_place(y, exp(middle - reach * spread)),
                sgl_chart_place(&x, reach), sgl_chart_place(y, exp(middle + reach * spread)));
    end_panel(out, &x, y);
}

/* 1.4826 times the median distance from the median, of the logarithms; `ratios` are sorted. */
static double spread_of(const double *ratios, double *distances, size_t count)
{
    const double middle = log(ratios[count / 2]);

    for (size_t i = 0; i < count; i++)
        distances[i] = fabs(log(ratios[i]) - middle);
    sgl_reals_sort(distances, count);
    return 1.4826 * distances[count / 2];
}

static void draw_row(FILE *out, enum sgl_metric metric, const struct residual *residuals,
                     double *ratios, double *distances, size_t count, double top)
{
    const char *name = sgl_metric_name(metric);
    char label[160];
    double span = SPAN_LEAST;

    for (size_t i = 0; i < count; i++) {
        ratios[i] = residuals[i].ratio;
        span = fmax(span, fmax(ratios[i], 1 / ratios[i]));
    }
    sgl_reals_sort(ratios, count);
    const double spread = spread_of(ratios, distances, count);
    span = fmin(span, SPAN_MOST);
    const struct sgl_chart_scale y = {
        .least = 1 / span, .most = span, .from = BOTTOM, .to = TOP, .is_log = true};
    fprintf(out,
            "<text class=\"row\" x=\"%.0f\" y=\"%.0f\">%s: n %zu, median %+.2f %%, robust spread "
            "%.2f %%</text>\n",
            LEFT, top + 18, name, count, 100 * (ratios[count / 2] - 1) + 0.0, 100 * spread);
    snprintf(label, sizeof label, "%s, simulated over recorded, against the simulated time", name);
    begin_panel(out, 0, top, label);
    draw_against(out, residuals, count, &y, false);
    snprintf(label, sizeof label, "%s, simulated over recorded, against the arrival", name);
    begin_panel(out, 1, top, label);
    draw_against(out, residuals, count, &y, true);
    snprintf(label, sizeof label, "%s, simulated over recorded, sorted, against normal quantiles",
             name);
    begin_panel(out, 2, top, label);
    draw_quantiles(out, ratios, count, spread, &y);
}

int sgl_residual_plot_write(FILE *out, const void *context)
{
    const struct sgl_residual_plot *plot = context;
    static const enum sgl_metric metrics[] = {SGL_METRIC_E2E, SGL_METRIC_TTFT, SGL_METRIC_TPOT,
                                              SGL_METRIC_QUEUE_TIME};
    const size_t rows = plot->range.to - plot->range.from;
    struct residual *residuals = malloc((rows + 1) * sizeof *residuals);
    double *ratios = malloc((rows + 1) * sizeof *ratios);
    double *distances = malloc((rows + 1) * sizeof *distances);
    const bool is_whole = residuals != NULL && ratios != NULL && distances != NULL;
    int panels = 0;

    for (size_t m = 0; is_whole && m < sizeof metrics / sizeof metrics[0]; m++)
        panels += gather(plot, metrics[m], residuals) > 0;
    const double height = HEAD + panels * PANEL_HEIGHT;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
            "height=\"%.0f\" role=\"group\" aria-labelledby=\"title about\">\n<title "
            "id=\"title\">",
            WIDTH, height, WIDTH, height);
    sgl_html_text(out, plot->title);
    fputs("</title>\n<desc id=\"about\">Simulated over recorded times of the requests of a fit: "
          "against the simulated time, against the arrival, and sorted against normal quantiles. 1 "
          "is no residual.</desc>\n",
          out);
    fprintf(out,
            "<style>%s</style>\n<rect class=\"paper\" width=\"100%%\" height=\"100%%\"/>\n"
            "<text class=\"head\" x=\"18\" y=\"26\">",
            style);
    sgl_html_text(out, plot->title);
    fputs("</text>\n", out);
    double top = HEAD;
    for (size_t m = 0; is_whole && m < sizeof metrics / sizeof metrics[0]; m++) {
        const size_t count = gather(plot, metrics[m], residuals);
        if (count == 0)
            continue;
        draw_row(out, metrics[m], residuals, ratios, distances, count, top);
        top += PANEL_HEIGHT;
    }
    fputs("</svg>\n", out);
    free(residuals);
    free(ratios);
    free(distances);
    return is_whole ? SGL_OK : SGL_ENOMEM;
}
