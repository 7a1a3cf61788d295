#include "accuracy_text.h"

#include "traces/json.h"
#include "core/text.h"

#include <math.h>

#define MS 1e6 /* ns */

enum { FIGURE_COUNT = 4 };

static const char *const figure_names[FIGURE_COUNT] = {"mean", "p50", "p90", "p99"};

static double figure(const struct sgl_distribution *figures, int index)
{
    const double values[FIGURE_COUNT] = {figures->mean, figures->p50, figures->p90, figures->p99};

    return values[index];
}

static double error_of(double simulated, double recorded)
{
    return recorded > 0 ? simulated / recorded - 1 : (double)NAN;
}

/* A number in so many columns; "-" when nobody knows it. */
static void print_number(FILE *file, int width, int decimals, double value)
{
    if (isfinite(value))
        fprintf(file, " %*.*f", width, decimals, value + 0.0);
    else
        fprintf(file, " %*s", width, "-");
}

static int decimals_for(double ms)
{
    return ms >= 100 ? 1 : ms >= 1 ? 2 : 4;
}

static void print_side(FILE *file, const char *name, const char *side, uint64_t count,
                       const struct sgl_distribution *figures)
{
    fprintf(file, "%-11s %-10s", name, side);
    if (count > 0)
        fprintf(file, " %7llu", (unsigned long long)count);
    else
        fprintf(file, " %7s", "");
    for (int f = 0; f < FIGURE_COUNT; f++) {
        const double ms = figure(figures, f) / MS;
        print_number(file, 11, decimals_for(ms), ms);
    }
    fputc('\n', file);
}

static void print_metric(FILE *file, enum sgl_metric m, const struct sgl_accuracy_metric *metric)
{
    if (metric->count == 0) {
        fprintf(file, "%-11s not measured\n", sgl_metric_name(m));
        return;
    }
    print_side(file, sgl_metric_name(m), "recorded", metric->count, &metric->recorded_figures);
    print_side(file, "", "simulated", 0, &metric->simulated_figures);
    fprintf(file, "%-11s %-10s %7s", "", "error", "%");
    for (int f = 0; f < FIGURE_COUNT; f++)
        print_number(file, 11, 2,
                     100 * error_of(figure(&metric->simulated_figures, f),
                                    figure(&metric->recorded_figures, f)));
    fputc('\n', file);
}

void sgl_accuracy_print(FILE *file, const struct sgl_accuracy *accuracy,
                        const struct sgl_recording *recording)
{
    fprintf(file, "%-11s %-10s %7s", "ms", "", "n");
    for (int f = 0; f < FIGURE_COUNT; f++)
        fprintf(file, " %11s", figure_names[f]);
    fputc('\n', file);
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        print_metric(file, (enum sgl_metric)m, &accuracy->metrics[m]);

    fprintf(file, "\n%-22s %7s %11s %11s %11s\n", "per request", "n", "WAPE %", "median ms",
            "MAPE %");
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++) {
        const struct sgl_accuracy_metric *metric = &accuracy->metrics[m];
        if (metric->count == 0)
            continue;
        fprintf(file, "%-22s %7llu", sgl_metric_name((enum sgl_metric)m),
                (unsigned long long)metric->count);
        print_number(file, 11, 2, 100 * metric->wape);
        print_number(file, 11, decimals_for(metric->median_error_ns / MS),
                     metric->median_error_ns / MS);
        print_number(file, 11, 2, 100 * metric->mape);
        fputc('\n', file);
    }

    fprintf(file, "\n%-30s %9s %9s %11s %11s %8s\n", "worker", "recorded", "simulated",
            "mean e2e ms", "simulated", "error %");
    for (uint32_t w = 0; w < accuracy->worker_count; w++) {
        const struct sgl_accuracy_worker *worker = &accuracy->workers[w];
        fprintf(file, "%-30.30s %9llu %9llu", recording->urls[w],
                (unsigned long long)worker->recorded_count,
                (unsigned long long)worker->simulated_count);
        print_number(file, 11, 1, worker->recorded_e2e_ns / MS);
        print_number(file, 11, 1, worker->simulated_e2e_ns / MS);
        print_number(file, 8, 2, 100 * error_of(worker->simulated_e2e_ns, worker->recorded_e2e_ns));
        fputc('\n', file);
    }
    if (accuracy->failed > 0)
        fprintf(file, "\nnot scored, for they failed when recorded: %llu request%s\n",
                (unsigned long long)accuracy->failed, sgl_plural(accuracy->failed));
    if (accuracy->unserved > 0)
        fprintf(file,
                "\nnot scored, for the simulated worker refuses what was served when recorded: "
                "%llu request%s\n",
                (unsigned long long)accuracy->unserved, sgl_plural(accuracy->unserved));
}

static json_t *figures_json(const struct sgl_distribution *figures)
{
    json_t *object = json_object();

    for (int f = 0; f < FIGURE_COUNT; f++)
        if (!sgl_json_set(object, figure_names[f], sgl_json_real(figure(figures, f) / MS)))
            return NULL;
    return object;
}

static json_t *errors_json(const struct sgl_accuracy_metric *metric)
{
    json_t *object = json_object();

    for (int f = 0; f < FIGURE_COUNT; f++)
        if (!sgl_json_set(object, figure_names[f],
                          sgl_json_real(error_of(figure(&metric->simulated_figures, f),
                                                 figure(&metric->recorded_figures, f)))))
            return NULL;
    return object;
}

static json_t *metric_json(const struct sgl_accuracy_metric *metric)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)metric->count,
                     "recorded_ms", figures_json(&metric->recorded_figures), "simulated_ms",
                     figures_json(&metric->simulated_figures), "error", errors_json(metric), "wape",
                     sgl_json_real(metric->wape), "median_error_ms",
                     sgl_json_real(metric->median_error_ns / MS), "mape",
                     sgl_json_real(metric->mape));
}

static json_t *metrics_json(const struct sgl_accuracy *accuracy)
{
    json_t *metrics = json_object();

    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        if (!sgl_json_set(metrics, sgl_metric_name((enum sgl_metric)m),
                          metric_json(&accuracy->metrics[m])))
            return NULL;
    return metrics;
}

static json_t *workers_json(const struct sgl_accuracy *accuracy,
                            const struct sgl_recording *recording)
{
    json_t *workers = json_array();

    for (uint32_t w = 0; w < accuracy->worker_count; w++) {
        const struct sgl_accuracy_worker *worker = &accuracy->workers[w];
        json_t *object = json_pack(
            "{s:o, s:I, s:I, s:o, s:o}", "url", sgl_json_text(recording->urls[w]), "recorded",
            (json_int_t)worker->recorded_count, "simulated", (json_int_t)worker->simulated_count,
            "recorded_e2e_ms", sgl_json_real(worker->recorded_e2e_ns / MS), "simulated_e2e_ms",
            sgl_json_real(worker->simulated_e2e_ns / MS));
        if (!sgl_json_append(workers, object))
            return NULL;
    }
    return workers;
}

json_t *sgl_accuracy_json(const struct sgl_accuracy *accuracy,
                          const struct sgl_recording *recording)
{
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "scored", (json_int_t)accuracy->scored, "failed",
                     (json_int_t)accuracy->failed, "unserved", (json_int_t)accuracy->unserved,
                     "metrics", metrics_json(accuracy), "workers",
                     workers_json(accuracy, recording));
}
