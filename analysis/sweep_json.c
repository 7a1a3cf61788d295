/* The table of a sweep as JSON: facts, and a cell for each fleet, load and policy. */
#include "traces/json.h"
#include "analysis/sweep.h"

#include "core/version.h"

#include <stdlib.h>

#define SCHEMA_VERSION 1

static json_t *facts_json(const struct sgl_sweep *sweep)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < sweep->fact_count; i++)
        if (!sgl_json_append(array,
                             json_pack("{s:o, s:o}", "key", sgl_json_text(sweep->facts[i].key),
                                       "value", sgl_json_text(sweep->facts[i].value))))
            return NULL;
    return array;
}

static json_t *cell_json(const struct sgl_sweep *sweep, uint32_t fleet, uint32_t load,
                         uint32_t policy, const struct sgl_sweep_cell *cell)
{
    const struct sgl_level *level = &cell->level;

    return json_pack("{s:o, s:f, s:o, s:I, s:o, s:o, s:o, s:I, s:I, s:b}", "fleet",
                     sgl_json_text(sweep->fleets[fleet].name), "rate_scale", sweep->loads[load],
                     "policy", sgl_json_text(sweep->policy_names[policy]), "n",
                     (json_int_t)level->count, "mean", sgl_json_real(level->mean), "low",
                     sgl_json_real(level->low), "high", sgl_json_real(level->high),
                     "saturated_runs", (json_int_t)cell->saturated, "cut_runs",
                     (json_int_t)cell->cut, "best", (int)cell->is_best);
}

static json_t *cells_json(const struct sgl_sweep_result *result, int figure,
                          struct sgl_sweep_cell *column)
{
    const struct sgl_sweep *sweep = result->sweep;
    json_t *array = json_array();

    for (uint32_t fleet = 0; fleet < sweep->fleet_count; fleet++)
        for (uint32_t load = 0; load < sweep->load_count; load++) {
            sgl_sweep_column(result, fleet, load, figure, column);
            for (uint32_t p = 0; p < sweep->policy_count; p++)
                if (!sgl_json_append(array, cell_json(sweep, fleet, load, p, &column[p])))
                    return NULL;
        }
    return array;
}

int sgl_sweep_print_json(FILE *out, const struct sgl_sweep_result *result, int figure)
{
    const struct sgl_sweep *sweep = result->sweep;
    struct sgl_sweep_cell *column = calloc((size_t)sweep->policy_count + 1, sizeof *column);
    char name[SGL_FIGURE_NAME_MAX];
    bool is_printed = false;

    if (column != NULL)
        is_printed = sgl_json_print(
            out, json_pack("{s:i, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:o, s:{s:s, s:s, s:b}, s:o}",
                           "schema_version", SCHEMA_VERSION, "version", SGL_VERSION, "command",
                           "sweep", "kind", "sim", "runs", (json_int_t)result->run_count, "seed",
                           (json_int_t)sweep->seed, "seeds", (json_int_t)sweep->seed_count,
                           "resampled", (int)sweep->resamples, "facts", facts_json(sweep), "metric",
                           "name", sgl_figure_name(figure, name), "unit", sgl_figure_unit(figure),
                           "more_is_better", (int)sgl_figure_more_is_better(figure), "cells",
                           cells_json(result, figure, column)));
    free(column);
    return is_printed ? SGL_OK : SGL_ENOMEM;
}
