/* What stands behind the figures, and what does not: before any of them is shown. */
#include "core/text.h"
#include "page.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define SENTENCE_MAX 1024

static void print_item(struct sgl_page *page, const char *term, const char *text)
{
    sgl_page_print(page, "<dt>%s</dt><dd>", term);
    sgl_page_text(page, text);
    sgl_page_print(page, "</dd>\n");
}

static void print_saturation(struct sgl_page *page)
{
    const struct sgl_comparison *comparison = page->comparison;

    sgl_page_print(page, "<dt>Saturated?</dt><dd>");
    for (uint32_t load = 0; load < comparison->load_count; load++)
        for (uint32_t arm = 0; arm < comparison->arm_count; arm++) {
            uint32_t known;
            const uint32_t saturated =
                sgl_arm_saturated(sgl_comparison_arm(comparison, load, arm), &known);
            if (arm == 0)
                sgl_page_print(page, "%sAt load %g: ", load > 0 ? "<br>" : "",
                               comparison->loads[load]);
            else
                sgl_page_print(page, ", ");
            sgl_page_arm(page, arm);
            sgl_page_print(page, " ");
            if (known == 0)
                sgl_page_print(page, "too few arrivals to tell");
            else
                sgl_page_print(page, "<span class=\"%s\">%s</span> (%u of %u run%s)",
                               saturated > 0 ? "worse" : "equal", saturated > 0 ? "yes" : "no",
                               saturated, known, sgl_plural(known));
        }
    sgl_page_print(page,
                   "<br>In a saturated run waiting grew over the second half of the arrivals: "
                   "its figures grow with the length of the run.</dd>\n");
}

static void print_gates(struct sgl_page *page)
{
    for (uint32_t i = 0; i < page->report->gate_count; i++) {
        const struct sgl_gate *gate = &page->report->gates[i];
        sgl_page_print(page, "<dt>Gate <code>");
        sgl_page_text(page, gate->text);
        sgl_page_print(page, "</code></dt><dd class=\"%s\">%s</dd>\n",
                       gate->outcome == SGL_GATE_FAILED ? "worse" : "equal",
                       sgl_gate_outcome_name(gate->outcome));
    }
}

struct measured {
    const char *world;
    const char *method;
    const char *figure;
    unsigned asked;
    unsigned given;
    double rejected;
    double covered;
    double equal;
    double found_percent;
};

static const struct measured measured[] = {
#define SGL_VALIDITY(world, method, figure, asked, given, rejected, covered, equal, found)         \
    {world, method, figure, asked, given, rejected, covered, equal, found},
#include "analysis/validity.def"
#undef SGL_VALIDITY
};

#define MEASURED_COUNT (sizeof measured / sizeof measured[0])

static bool is_tail(const struct measured *row)
{
    return sgl_text_ends_in(row->figure, "_p99");
}

/* Is there an earlier row of that kind, of p99 or of other figures? */
static bool is_repeated(size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(measured[i].world, measured[index].world) == 0 &&
            strcmp(measured[i].method, measured[index].method) == 0 &&
            is_tail(&measured[i]) == is_tail(&measured[index]))
            return true;
    return false;
}

static void print_range(struct sgl_page *page, double least, double most, int digits)
{
    if (most - least < 0.05)
        sgl_page_print(page, "<td>%.*f %%</td>", digits, most);
    else
        sgl_page_print(page, "<td>%.*f to %.*f %%</td>", digits, least, digits, most);
}

#define GIVEN_LEAST 200 /* intervals that a rate is told of: it is known to 3 points then */

/* All figures of the kind of that row as one: from the least to the most. */
static void print_kind(struct sgl_page *page, const struct measured *kind)
{
    struct measured least = {.given = UINT_MAX, .rejected = 100, .covered = 100};
    struct measured most = {0};
    unsigned told = 0;

    for (size_t i = 0; i < MEASURED_COUNT; i++) {
        const struct measured *row = &measured[i];
        if (strcmp(row->world, kind->world) != 0 || strcmp(row->method, kind->method) != 0 ||
            is_tail(row) != is_tail(kind))
            continue;
        least.given = row->given < least.given ? row->given : least.given;
        most.given = row->given > most.given ? row->given : most.given;
        if (row->given < GIVEN_LEAST)
            continue;
        told++;
        least.rejected = fmin(least.rejected, row->rejected);
        least.covered = fmin(least.covered, row->covered);
        most.rejected = fmax(most.rejected, row->rejected);
        most.covered = fmax(most.covered, row->covered);
        most.equal = fmax(most.equal, row->equal);
    }
    if (most.given == 0 && is_tail(kind))
        return; /* the row of the other figures says enough */
    sgl_page_print(page,
                   "<tr><th scope=\"row\">%s</th><td class=\"l\">%s</td><td class=\"l\">%s</td><td>"
                   "%u</td>",
                   kind->world, kind->method,
                   most.given == 0 ? "all"
                   : is_tail(kind) ? "p99"
                                   : "up to p95",
                   kind->asked);
    if (most.given == 0)
        sgl_page_print(page, "<td>none</td>");
    else
        print_range(page, 100.0 * least.given / kind->asked, 100.0 * most.given / kind->asked, 0);
    if (told == 0) {
        sgl_page_print(page, "<td>-</td><td>-</td><td>-</td></tr>\n");
        return;
    }
    print_range(page, least.rejected, most.rejected, 1);
    print_range(page, least.covered, most.covered, 1);
    sgl_page_print(page, "<td>%.1f %%</td></tr>\n", most.equal);
}

/* The same statistics on a policy against itself. */
static void print_measured(struct sgl_page *page)
{
    sgl_page_print(page, "<details><summary>How often these intervals are wrong, as measured on "
                         "policies that do not differ</summary>\n");
    sgl_page_paragraph(
        page, "note",
        "A policy against itself on two workers (./dev validate): M/M/1, and engines that batch. "
        "20 "
        "runs of 1,000 requests each, or one run each of so many requests, with other arrivals "
        "(separate) or the same ones (paired). Least and most of the figures that had at least 200 "
        "intervals; a run that hangs together for too long gets none.");
    sgl_page_table_begin(page, "validity", "A policy against itself");
    sgl_page_print(page, "<thead><tr><th class=\"l\" scope=\"col\">workers</th><th class=\"l\" "
                         "scope=\"col\">runs</th><th class=\"l\" scope=\"col\">figures</th><th "
                         "scope=\"col\">trials</th><th scope=\"col\">with an interval</th><th "
                         "scope=\"col\">false differences<br>(5 %% "
                         "promised)</th><th scope=\"col\">intervals holding<br>the truth (95 "
                         "%%)</th><th scope=\"col\">false equalities<br>(at most 5 "
                         "%%)</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < MEASURED_COUNT; i++)
        if (!is_repeated(i))
            print_kind(page, &measured[i]);
    sgl_page_print(page, "</tbody>");
    sgl_page_table_end(page);
    sgl_page_print(page, "</details>\n");
}

void sgl_section_validity(struct sgl_page *page)
{
    const struct sgl_report *report = page->report;
    const struct sgl_comparison *comparison = page->comparison;
    char text[SENTENCE_MAX];
    char population[512];

    sgl_page_print(page, "<div class=\"box\"><dl>\n");
    snprintf(text, sizeof text, "%s.",
             sgl_report_population(report, population, sizeof population));
    print_item(page, "What the intervals are about", text);
    snprintf(text, sizeof text, "%u of each policy, %s%s.",
             sgl_comparison_arm(comparison, 0, 0)->run_count, sgl_pairing_name(comparison->pairing),
             comparison->pairing == SGL_PAIRED_SEEDS
                 ? ": the same requests and the same luck for every policy of a seed"
                 : "");
    print_item(page, "Runs", text);
    snprintf(text, sizeof text,
             "Intervals are 95 %% and not adjusted. p is adjusted by Holm over %u test%s. Equal "
             "means within %.3g %% either way, shown by two one-sided tests at 5 %%.",
             comparison->tests, sgl_plural(comparison->tests), 100 * comparison->margin);
    print_item(page, "Tests", text);
    print_saturation(page);
    print_gates(page);
    sgl_page_print(page, "</dl>\n");
    if (report->note_count > 0)
        sgl_page_print(page, "<ul>\n");
    for (uint32_t i = 0; i < report->note_count; i++) {
        sgl_page_print(page, "<li>");
        sgl_page_text(page, report->notes[i]);
        sgl_page_print(page, "</li>\n");
    }
    sgl_page_print(page, "%s", report->note_count > 0 ? "</ul>\n" : "");
    print_measured(page);
    sgl_page_print(page, "</div>\n");
}
