#include "figures.h"

#include "core/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct rate {
    const char *name;
    const char *unit;
    bool more_is_better;
    const char *what;
};

static const struct rate rates[] = {
#define RATE(upper, lower, unit, more, what) {#lower, unit, more, what},
    SGL_RATE_MAP(RATE)
#undef RATE
};

static const struct rate *rate_of(int figure)
{
    return &rates[figure - SGL_FIGURE_BEFORE_RATES - 1];
}

const char *sgl_statistic_name(enum sgl_statistic statistic)
{
    static const char *const names[] = {
#define NAME(upper, lower) #lower,
        SGL_STATISTIC_MAP(NAME)
#undef NAME
    };

    return names[statistic];
}

const char *sgl_figure_name(int figure, char out[static SGL_FIGURE_NAME_MAX])
{
    if (sgl_figure_is_latency(figure))
        snprintf(out, SGL_FIGURE_NAME_MAX, "%s_%s",
                 sgl_metric_name((enum sgl_metric)(figure / SGL_STATISTIC_COUNT)),
                 sgl_statistic_name((enum sgl_statistic)(figure % SGL_STATISTIC_COUNT)));
    else
        snprintf(out, SGL_FIGURE_NAME_MAX, "%s", rate_of(figure)->name);
    return out;
}

const char *sgl_figure_unit(int figure)
{
    return sgl_figure_is_latency(figure) ? "ms" : rate_of(figure)->unit;
}

const char *sgl_figure_what(int figure)
{
    return sgl_figure_is_latency(figure) ? "" : rate_of(figure)->what;
}

bool sgl_figure_more_is_better(int figure)
{
    return !sgl_figure_is_latency(figure) && rate_of(figure)->more_is_better;
}

int sgl_figure_named(const char *name, size_t length, char *out, size_t size)
{
    char wanted[64];
    char own[SGL_FIGURE_NAME_MAX];
    char nearest_name[SGL_FIGURE_NAME_MAX] = "";
    struct sgl_nearest nearest = {.wanted = wanted};

    snprintf(wanted, sizeof wanted, "%.*s", length < 60 ? (int)length : 60, name);
    for (int figure = 0; figure < SGL_FIGURE_COUNT; figure++) {
        sgl_figure_name(figure, own);
        if (strcmp(own, wanted) == 0)
            return figure;
        sgl_nearest_offer(&nearest, own);
        /* The offer is borrowed, and `own` is about to change. */
        if (nearest.name == own) {
            memcpy(nearest_name, own, sizeof own);
            nearest.name = nearest_name;
        }
    }
    sgl_nearest_hint(&nearest, out, size);
    return SGL_FIGURE_COUNT;
}

void sgl_figures_fill(double *figures, const struct sgl_summary_result *result)
{
    const uint64_t ended = result->succeeded + result->failed;

    for (size_t m = 0; m < SGL_METRIC_COUNT; m++) {
        const struct sgl_distribution *metric = &result->metrics[m];
        double *own = &figures[m * SGL_STATISTIC_COUNT];
        own[SGL_STATISTIC_MEAN] = metric->count > 0 ? metric->mean / 1e6 : (double)NAN;
        own[SGL_STATISTIC_P50] = metric->p50 / 1e6;
        own[SGL_STATISTIC_P90] = metric->p90 / 1e6;
        own[SGL_STATISTIC_P95] = metric->p95 / 1e6;
        own[SGL_STATISTIC_P99] = metric->p99 / 1e6;
    }
    figures[SGL_FIGURE_GOODPUT] =
        sgl_objectives_any(&result->objectives) ? result->goodput_per_s : (double)NAN;
    figures[SGL_FIGURE_REQUESTS] = result->requests_per_s;
    figures[SGL_FIGURE_OUTPUT_TOKENS] = result->output_tokens_per_s;
    figures[SGL_FIGURE_FAILED_SHARE] =
        ended > 0 ? (double)result->failed / (double)ended : (double)NAN;
    figures[SGL_FIGURE_CACHE_HIT_RATE] = result->cache_hit_rate;
    figures[SGL_FIGURE_JAIN_INDEX] = result->jain_index;
}
