/* A sweep as aligned tables, one for each fleet: policies down, loads across. */
#include "analysis/sweep.h"

#include "analysis/report_format.h"
#include "core/version.h"
#include "core/text.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH 100
#define COLUMN 20
#define LABEL_MAX 40

/* Columns that a UTF-8 text takes: every byte but the later ones of a character. */
static int columns_of(const char *text)
{
    int columns = 0;

    for (; *text != '\0'; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

static int label_width(const struct sgl_sweep *sweep)
{
    int width = 6;

    for (uint32_t p = 0; p < sweep->policy_count; p++) {
        const size_t length = strlen(sweep->policy_names[p]);
        const int own = length < LABEL_MAX ? (int)length : LABEL_MAX;
        width = own > width ? own : width;
    }
    return width;
}

static void print_label(FILE *out, const char *name, int width)
{
    const bool is_long = strlen(name) > (size_t)width;

    fprintf(out, "%-*.*s%s", is_long ? width - 3 : width, is_long ? width - 3 : width, name,
            is_long ? "..." : "");
}

static void print_cell(FILE *out, const struct sgl_sweep_cell *cell)
{
    char level[64];
    char text[80];

    sgl_text_level(&cell->level, cell->saturated > 0, level, sizeof level);
    snprintf(text, sizeof text, "%s%s%s", cell->is_best ? "*" : "", level,
             cell->cut > 0 ? " cut" : "");
    fprintf(out, "%*s%s", COLUMN > columns_of(text) ? COLUMN - columns_of(text) : 0, "", text);
}

/* The loads from `first` on, as many as there is room for. */
static void print_loads(FILE *out, const struct sgl_sweep_result *result, uint32_t fleet,
                        uint32_t first, uint32_t last, const struct sgl_sweep_cell *cells)
{
    const struct sgl_sweep *sweep = result->sweep;
    const int width = label_width(sweep);
    char text[32];

    fprintf(out, "\n%.*s\n%*s", WIDTH, sweep->fleets[fleet].name, width, "");
    for (uint32_t load = first; load < last; load++) {
        snprintf(text, sizeof text, "load %.6g", sweep->loads[load]);
        fprintf(out, "%*s", COLUMN, text);
    }
    fputc('\n', out);
    for (uint32_t p = 0; p < sweep->policy_count; p++) {
        print_label(out, sweep->policy_names[p], width);
        for (uint32_t load = first; load < last; load++)
            print_cell(out, &cells[load * sweep->policy_count + p]);
        fputc('\n', out);
    }
}

struct marks {
    uint32_t saturated;
    uint32_t cut;
    bool has_best;
};

static void print_method(FILE *out, const struct sgl_sweep *sweep, const struct marks *marks)
{
    char text[400];

    if (sweep->seed_count > 1)
        snprintf(text, sizeof text,
                 "mean over %u seeds ± half of the 95 %% Student interval; * best of its column: "
                 "its interval overlaps no other's, it is not saturated%s",
                 sweep->seed_count,
                 marks->has_best || sweep->policy_count == 1 ? "" : " (here: none)");
    else
        snprintf(text, sizeof text,
                 "one seed: no intervals, so nothing is marked as best (--seeds 5)");
    fputc('\n', out);
    sgl_text_print_wrapped(out, "method", text);
    sgl_text_print_wrapped(out, "intervals",
                           sweep->resamples
                               ? "other stretches of time like this trace, and the luck of policies"
                               : "the luck of policies alone: the trace stays as it is");
    if (marks->saturated > 0) {
        snprintf(text, sizeof text,
                 "! : saturated in some of its runs (%u run%s in all): the queue kept growing, "
                 "figures hang on the length of the run",
                 marks->saturated, sgl_plural(marks->saturated));
        sgl_text_print_wrapped(out, "saturated", text);
    }
    if (marks->cut > 0) {
        snprintf(text, sizeof text,
                 "by --until with work left: %u run%s, with figures of what was "
                 "answered by then",
                 marks->cut, sgl_plural(marks->cut));
        sgl_text_print_wrapped(out, "cut", text);
    }
}

int sgl_sweep_print(FILE *out, const struct sgl_sweep_result *result, int figure)
{
    const struct sgl_sweep *sweep = result->sweep;
    const uint32_t fitting = (uint32_t)((WIDTH - label_width(sweep)) / COLUMN);
    char name[SGL_FIGURE_NAME_MAX];
    struct marks marks = {0};
    struct sgl_sweep_cell *cells =
        calloc((size_t)sweep->load_count * sweep->policy_count + 1, sizeof *cells);

    if (cells == NULL)
        return SGL_ENOMEM;
    fprintf(out, "sglsim " SGL_VERSION " sweep: simulated\n\n");
    for (uint32_t i = 0; i < sweep->fact_count; i++)
        sgl_text_print_wrapped(out, sweep->facts[i].key, sweep->facts[i].value);
    fprintf(out, "\n%s, in %s: %s is better\n", sgl_figure_name(figure, name),
            sgl_figure_unit(figure), sgl_figure_more_is_better(figure) ? "more" : "less");
    for (uint32_t fleet = 0; fleet < sweep->fleet_count; fleet++) {
        for (uint32_t load = 0; load < sweep->load_count; load++) {
            struct sgl_sweep_cell *column = &cells[load * sweep->policy_count];
            sgl_sweep_column(result, fleet, load, figure, column);
            for (uint32_t p = 0; p < sweep->policy_count; p++) {
                marks.saturated += column[p].saturated;
                marks.cut += column[p].cut;
                marks.has_best = marks.has_best || column[p].is_best;
            }
        }
        for (uint32_t first = 0; first < sweep->load_count; first += fitting)
            print_loads(out, result, fleet, first,
                        first + fitting < sweep->load_count ? first + fitting : sweep->load_count,
                        cells);
    }
    print_method(out, sweep, &marks);
    free(cells);
    return SGL_OK;
}
