#include "accuracy_html.h"

#include "chart.h"
#include "html_text.h"

#include <math.h>

#define MS 1e6 /* ns */

/* A picture of 560 x 260: the plot in it, room for labels around. */
#define LEFT 64.0
#define RIGHT 548.0
#define TOP 16.0
#define BOTTOM 216.0

#define CURVE_POINTS 160

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c1e21;--soft:#6b7280;--line:#d5d9e0;--paper:#fff;"
    "--a:#1f5fbf;--b:#c2410c}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3af;--line:#3a414b;"
    "--paper:#15181c;--a:#7db1ff;--b:#ff9d5c}}"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
    "max-width:1180px;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}"
    "p{margin:.2rem 0}.soft{color:var(--soft)}"
    "table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}"
    "th,td{padding:.15rem .8rem;text-align:right;border-bottom:1px solid var(--line)}"
    "th:first-child,td:first-child{text-align:left}th{font-weight:600}"
    ".pair{display:flex;flex-wrap:wrap;gap:1rem}svg{width:560px;max-width:100%;height:auto}"
    "svg text{font:12px system-ui,sans-serif;fill:var(--soft)}"
    ".axis{stroke:var(--line);fill:none}.a{stroke:var(--a)}.b{stroke:var(--b)}"
    ".curve{fill:none;stroke-width:2}.b.curve{stroke-dasharray:6 4}"
    ".dot{fill:var(--a);fill-opacity:.45;stroke:none}.one{stroke:var(--b);stroke-width:1.5}"
    ".wide{overflow-x:auto}";

static void draw_curve(FILE *out, const struct sgl_samples *samples,
                       const struct sgl_chart_scale *x, const struct sgl_chart_scale *y,
                       const char *class)
{
    fprintf(out, "<path class=\"%s curve\" d=\"", class);
    for (int i = 0; i <= CURVE_POINTS; i++) {
        const double share = (double)i / CURVE_POINTS;
        const double value = fmax(sgl_samples_quantile(samples, share) / MS, x->least);
        fprintf(out, "%s%.1f %.1f", i == 0 ? "M" : "L", sgl_chart_place(x, value),
                sgl_chart_place(y, share));
    }
    fputs("\"/>", out);
}

static void draw_distribution(FILE *out, const struct sgl_accuracy_metric *metric, const char *name)
{
    const struct sgl_samples *recorded = &metric->recorded;
    const struct sgl_samples *simulated = &metric->simulated;
    /* Times below a thousandth of the largest are drawn at the edge. */
    const double most =
        fmax(sgl_samples_quantile(recorded, 1), sgl_samples_quantile(simulated, 1)) / MS;
    const double least =
        fmin(sgl_samples_quantile(recorded, 0), sgl_samples_quantile(simulated, 0)) / MS;
    const double safe_most = most > 0 ? most : 1;
    struct sgl_chart_scale x = {.least = fmax(least, safe_most / 1000),
                                .most = safe_most,
                                .from = LEFT,
                                .to = RIGHT,
                                .is_log = true};
    const struct sgl_chart_scale y = {.least = 0, .most = 1, .from = BOTTOM, .to = TOP};

    if (x.most / x.least < 1.01)
        x.most = x.least * 1.01;
    fprintf(out,
            "<svg viewBox=\"0 0 560 260\" role=\"img\" aria-label=\"distribution of %s, recorded "
            "and simulated\">",
            name);
    sgl_chart_axes(out, &x, &y, "ms", "share of requests");
    draw_curve(out, recorded, &x, &y, "a");
    draw_curve(out, simulated, &x, &y, "b");
    fprintf(
        out,
        "<path class=\"a curve\" d=\"M%.1f 204h24\"/><text x=\"%.1f\" y=\"208\">recorded</text>"
        "<path class=\"b curve\" d=\"M%.1f 188h24\"/><text x=\"%.1f\" y=\"192\">simulated</text>"
        "</svg>",
        RIGHT - 100, RIGHT - 70, RIGHT - 100, RIGHT - 70);
}

/* The ratio of each request, as far as both sides have a time above 0. */
static double ratio_of(const struct sgl_accuracy_page *page, size_t number, enum sgl_metric m)
{
    const struct sgl_recorded_request *request = &page->recording->requests[number];
    const struct sgl_request_times recorded = sgl_recorded_times(request, page->first_token_is);
    const struct sgl_request_times simulated =
        sgl_simulated_times(request, &page->times[number], page->first_token_is);

    if (request->failed || recorded.value_ns[m] <= 0 || simulated.value_ns[m] <= 0)
        return (double)NAN;
    return (double)simulated.value_ns[m] / (double)recorded.value_ns[m];
}

static void draw_residuals(FILE *out, const struct sgl_accuracy_page *page, enum sgl_metric m)
{
    const struct sgl_recorded_request *requests = page->recording->requests;
    const double first_s = (double)requests[page->range.from].row.request.arrival_ns / 1e9;
    const double last_s = (double)requests[page->range.to - 1].row.request.arrival_ns / 1e9;
    const struct sgl_chart_scale x = {.least = first_s,
                                      .most = last_s > first_s ? last_s : first_s + 1,
                                      .from = LEFT,
                                      .to = RIGHT};
    double span = 1.25; /* at least that much, so that small errors look small */

    for (size_t i = page->range.from; i < page->range.to; i++) {
        const double ratio = ratio_of(page, i, m);
        if (isfinite(ratio))
            span = fmax(span, fmax(ratio, 1 / ratio));
    }
    span = fmin(span, 1000);
    const struct sgl_chart_scale y = {
        .least = 1 / span, .most = span, .from = BOTTOM, .to = TOP, .is_log = true};
    fprintf(out,
            "<svg viewBox=\"0 0 560 260\" role=\"img\" aria-label=\"simulated over recorded %s of "
            "each request\">",
            sgl_metric_name(m));
    sgl_chart_axes(out, &x, &y, "arrival, s", "simulated / recorded");
    fprintf(out, "<path class=\"one\" d=\"M%.1f %.1fH%.1f\"/>", LEFT, sgl_chart_place(&y, 1),
            RIGHT);
    for (size_t i = page->range.from; i < page->range.to; i++) {
        const double ratio = ratio_of(page, i, m);
        if (isfinite(ratio))
            fprintf(out, "<circle class=\"dot\" r=\"2.5\" cx=\"%.1f\" cy=\"%.1f\"/>",
                    sgl_chart_place(&x, (double)requests[i].row.request.arrival_ns / 1e9),
                    sgl_chart_place(&y, ratio));
    }
    fputs("</svg>", out);
}

/* A number, or with `is_error` a signed percentage. */
static void write_cell(FILE *out, double value, bool is_error)
{
    if (!isfinite(value)) {
        fputs("<td>-</td>", out);
        return;
    }
    if (is_error)
        fprintf(out, "<td>%+.2f %%</td>", value + 0.0);
    else
        fprintf(out, "<td>%.*f</td>", fabs(value) >= 100 ? 1 : 3, value + 0.0);
}

static void write_side(FILE *out, const char *name, const struct sgl_distribution *figures)
{
    fprintf(out, "<tr><td>%s</td>", name);
    write_cell(out, figures->mean / MS, false);
    write_cell(out, figures->p50 / MS, false);
    write_cell(out, figures->p90 / MS, false);
    write_cell(out, figures->p99 / MS, false);
    fputs("</tr>", out);
}

static double percent(double simulated, double recorded)
{
    return recorded > 0 ? 100 * (simulated / recorded - 1) : (double)NAN;
}

static void write_metric(FILE *out, const struct sgl_accuracy_page *page, enum sgl_metric m)
{
    const struct sgl_accuracy_metric *metric = &page->accuracy->metrics[m];
    const struct sgl_distribution *r = &metric->recorded_figures;
    const struct sgl_distribution *s = &metric->simulated_figures;

    fprintf(out, "<h2>%s</h2>", sgl_metric_name(m));
    if (metric->count == 0) {
        fputs("<p class=\"soft\">not measured</p>", out);
        return;
    }
    fprintf(out, "<p class=\"soft\">n %llu", (unsigned long long)metric->count);
    if (isfinite(metric->wape))
        fprintf(out, " &middot; WAPE %.2f %%", 100 * metric->wape);
    fprintf(out, " &middot; median absolute error %.3f ms", metric->median_error_ns / MS);
    if (isfinite(metric->mape))
        fprintf(out, " &middot; MAPE %.2f %%", 100 * metric->mape);
    fputs("</p><div class=\"wide\"><table><tr><th>ms</th><th>mean</th><th>p50</th><th>p90</th>"
          "<th>p99</th></tr>",
          out);
    write_side(out, "recorded", r);
    write_side(out, "simulated", s);
    fputs("<tr><td>error</td>", out);
    write_cell(out, percent(s->mean, r->mean), true);
    write_cell(out, percent(s->p50, r->p50), true);
    write_cell(out, percent(s->p90, r->p90), true);
    write_cell(out, percent(s->p99, r->p99), true);
    fputs("</tr></table></div><div class=\"pair\">", out);
    draw_distribution(out, metric, sgl_metric_name(m));
    draw_residuals(out, page, m);
    fputs("</div>\n", out);
}

static void write_workers(FILE *out, const struct sgl_accuracy_page *page)
{
    fputs("<h2>workers</h2><div class=\"wide\"><table><tr><th>worker</th><th>requests recorded</th>"
          "<th>simulated</th><th>mean e2e recorded, ms</th><th>simulated, ms</th></tr>",
          out);
    for (uint32_t w = 0; w < page->accuracy->worker_count; w++) {
        const struct sgl_accuracy_worker *worker = &page->accuracy->workers[w];
        fputs("<tr><td>", out);
        sgl_html_text(out, page->recording->urls[w]);
        fprintf(out, "</td><td>%llu</td><td>%llu</td>", (unsigned long long)worker->recorded_count,
                (unsigned long long)worker->simulated_count);
        write_cell(out, worker->recorded_e2e_ns / MS, false);
        write_cell(out, worker->simulated_e2e_ns / MS, false);
        fputs("</tr>", out);
    }
    fputs("</table></div>", out);
}

void sgl_accuracy_write_html(FILE *out, const struct sgl_accuracy_page *page)
{
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width\"><title>",
          out);
    sgl_html_text(out, page->title);
    fprintf(out, "</title><style>%s</style></head>\n<body><h1>", style);
    sgl_html_text(out, page->title);
    fputs("</h1>\n", out);
    for (size_t i = 0; i < page->line_count; i++) {
        fputs("<p>", out);
        sgl_html_text(out, page->lines[i]);
        fputs("</p>\n", out);
    }
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        write_metric(out, page, (enum sgl_metric)m);
    write_workers(out, page);
    fputs("</body></html>\n", out);
}
