#include "report.h"

#include "analysis/report_format.h"
#include "core/text.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 1024

/* Paths and names in it are anybody's. */
__attribute__((format(printf, 1, 0))) static char *formatted(const char *format, va_list arguments)
{
    char text[TEXT_MAX];

    vsnprintf(text, sizeof text, format, arguments);
    sgl_text_tame(text);
    return strdup(text);
}

bool sgl_report_fact(struct sgl_report *report, const char *key, const char *format, ...)
{
    va_list arguments;

    assert(report->fact_count < SGL_REPORT_FACTS_MAX);
    va_start(arguments, format);
    char *value = formatted(format, arguments);
    va_end(arguments);
    if (value == NULL)
        return false;
    report->facts[report->fact_count++] = (struct sgl_report_fact){key, value};
    return true;
}

bool sgl_report_note(struct sgl_report *report, const char *format, ...)
{
    va_list arguments;

    assert(report->note_count < SGL_REPORT_NOTES_MAX);
    va_start(arguments, format);
    char *note = formatted(format, arguments);
    va_end(arguments);
    if (note == NULL)
        return false;
    report->notes[report->note_count++] = note;
    return true;
}

void sgl_report_release(struct sgl_report *report)
{
    for (uint32_t i = 0; i < report->fact_count; i++)
        free(report->facts[i].value);
    for (uint32_t i = 0; i < report->note_count; i++)
        free(report->notes[i]);
    report->fact_count = 0;
    report->note_count = 0;
}

const char *sgl_report_population(const struct sgl_report *report, char *out, size_t size)
{
    const struct sgl_comparison *comparison = report->comparison;
    char text[32];

    switch (comparison->pairing) {
    case SGL_PAIRED_SEEDS:
        if (report->resamples)
            snprintf(out, size,
                     "other stretches of time like this trace: each seed draws %u block%s of %s "
                     "from it, with replacement, and the luck of the policies",
                     report->population->blocks, sgl_plural(report->population->blocks),
                     sgl_text_duration(report->population->block_ns, text, sizeof text));
        else
            snprintf(out, size,
                     "this very trace, with other luck of the policies and of random service "
                     "times: nothing is said about other traffic");
        break;
    case SGL_PAIRED_SWITCHBACK:
        snprintf(out, size,
                 "further blocks of time like these, switched between the policies in turn; what "
                 "one block leaves to the next is not taken out");
        break;
    case SGL_PAIRED_REQUESTS:
        snprintf(out, size,
                 "other requests like these, neighbours kept together; one run of each, of the "
                 "same requests");
        break;
    case SGL_UNPAIRED:
        snprintf(out, size,
                 "other requests like these, neighbours kept together; one run of each, of "
                 "different requests: a difference in traffic counts as one of policies");
        break;
    }
    return out;
}

static bool note_resolution(struct sgl_report *report)
{
    const struct sgl_comparison *comparison = report->comparison;
    double most = 0;

    for (uint32_t load = 0; load < comparison->load_count; load++)
        for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
            const struct sgl_arm *own = sgl_comparison_arm(comparison, load, arm);
            for (uint32_t r = 0; r < own->run_count; r++)
                most = fmax(most, own->runs[r].resolution);
        }
    return !(most > 0) || sgl_report_note(report, "of each run: %s", SGL_SAMPLES_CAVEAT);
}

static bool note_few(struct sgl_report *report)
{
    const struct sgl_comparison *comparison = report->comparison;
    bool are_few = false;
    double stretches = (double)INFINITY;

    for (uint32_t arm = 1; arm < comparison->arm_count; arm++)
        for (int f = 0; f <= SGL_FIGURE_BEFORE_RATES; f++) {
            const struct sgl_effect *effect = sgl_comparison_effect(comparison, 0, arm, f);
            const bool is_known = f < SGL_METRIC_ITL * SGL_STATISTIC_COUNT ||
                                  f == sgl_figure_of(SGL_METRIC_ITL, SGL_STATISTIC_MEAN);
            if (!is_known || effect->method != SGL_METHOD_NONE || isnan(effect->change) ||
                sgl_comparison_arm(comparison, 0, arm)->detail == NULL)
                continue;
            if (sgl_effect_lacks_stretches(effect, f))
                stretches = fmin(stretches, effect->stretches);
            else if (f < SGL_METRIC_ITL * SGL_STATISTIC_COUNT)
                are_few = true;
        }
    if (are_few &&
        !sgl_report_note(report, "without interval, of too few requests: means and p50 take 200 "
                                 "of each policy, p90 300, p95 600, p99 3000"))
        return false;
    return isinf(stretches) ||
           sgl_report_note(report,
                           "without interval, too few independent blocks: n_eff = %.*f. Requests "
                           "that share a backlog are alike; means, p50, p90 and p95 take 25 such "
                           "blocks, p99 100: compare several seeds, or longer logs",
                           stretches < 10 ? 1 : 0, stretches);
}

bool sgl_report_note_limits(struct sgl_report *report)
{
    return note_resolution(report) && note_few(report);
}

/* "ttft p99 12.3 % lower (10.1 to 14.2 %)" */
static size_t say(char *out, size_t size, const struct sgl_effect *effect, int figure)
{
    char name[SGL_FIGURE_NAME_MAX];
    char change[32];
    char range[64];

    sgl_figure_name(figure, name);
    for (char *c = name; *c != '\0'; c++)
        if (*c == '_')
            *c = ' ';
    if (effect->verdict == SGL_VERDICT_EQUAL && effect->change == 0)
        return (size_t)snprintf(out, size, "%s identical", name);
    if (effect->verdict == SGL_VERDICT_EQUAL)
        return (size_t)snprintf(out, size, "%s equal within the margin (%s)", name,
                                sgl_text_change(effect, figure, change, sizeof change));
    if (effect->verdict == SGL_VERDICT_NOT_SHOWN)
        return (size_t)snprintf(out, size, "%s not shown to differ (%s)", name,
                                sgl_text_interval(effect, figure, range, sizeof range));
    if (effect->verdict == SGL_VERDICT_UNKNOWN)
        return (size_t)snprintf(out, size, "%s without interval (%s)", name,
                                sgl_text_change(effect, figure, change, sizeof change));
    return (size_t)snprintf(out, size, "%s %s (%s), %s", name,
                            sgl_text_change(effect, figure, change, sizeof change),
                            sgl_text_interval(effect, figure, range, sizeof range),
                            effect->verdict == SGL_VERDICT_BETTER ? "better" : "worse");
}

/* Why there is nothing to say. */
static void say_nothing(char *out, size_t size, const struct sgl_comparison *comparison,
                        uint32_t load, uint32_t arm)
{
    const double a = sgl_comparison_level(comparison, load, 0, SGL_FIGURE_FAILED_SHARE)->mean;
    const double b = sgl_comparison_level(comparison, load, arm, SGL_FIGURE_FAILED_SHARE)->mean;

    if (a == 1 && b == 1)
        snprintf(out, size, "no request succeeded under either: nothing can be compared");
    else if (a == 1 || b == 1)
        snprintf(out, size, "no request succeeded under %c: its latencies cannot be compared",
                 sgl_report_letter(a == 1 ? 0 : arm));
    else
        snprintf(out, size, "nothing was measured that could be compared");
}

const char *sgl_report_verdict(const struct sgl_report *report, uint32_t load, uint32_t arm,
                               char *out, size_t size)
{
    static const int headline[] = {
        SGL_METRIC_TTFT * SGL_STATISTIC_COUNT + SGL_STATISTIC_MEAN,
        SGL_METRIC_TTFT * SGL_STATISTIC_COUNT + SGL_STATISTIC_P99,
        SGL_METRIC_E2E * SGL_STATISTIC_COUNT + SGL_STATISTIC_MEAN,
        SGL_METRIC_E2E * SGL_STATISTIC_COUNT + SGL_STATISTIC_P99,
        SGL_FIGURE_GOODPUT,
    };
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < sizeof headline / sizeof headline[0]; i++) {
        const struct sgl_effect *effect =
            sgl_comparison_effect(report->comparison, load, arm, headline[i]);
        if (isnan(effect->change) || used >= size)
            continue;
        if (used > 0)
            used += (size_t)snprintf(out + used, size - used, "; ");
        if (used < size)
            used += say(out + used, size - used, effect, headline[i]);
    }
    if (used == 0)
        say_nothing(out, size, report->comparison, load, arm);
    return out;
}

sgl_report_writer *sgl_report_writer_of(const char *path)
{
    static const struct {
        const char *suffix;
        sgl_report_writer *writer;
    } kinds[] = {
        {".html", sgl_report_html},   {".json", sgl_report_json}, {".csv", sgl_report_csv},
        {".md", sgl_report_markdown}, {".txt", sgl_report_text},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (sgl_text_ends_in(path, kinds[i].suffix))
            return kinds[i].writer;
    return NULL;
}
