#include "sweep.h"

#include "analysis/stats_mean.h"

#include <math.h>
#include <stdlib.h>

struct sgl_sweep_job sgl_sweep_job_of(const struct sgl_sweep *sweep, uint32_t number)
{
    return (struct sgl_sweep_job){
        .fleet = number / sweep->seed_count / sweep->policy_count / sweep->load_count,
        .load = number / sweep->seed_count / sweep->policy_count % sweep->load_count,
        .policy = number / sweep->seed_count % sweep->policy_count,
        .seed = number % sweep->seed_count,
    };
}

/* On the thread that ran it: what the summary is about to release is copied. */
static int keep(void *context, size_t cell, const struct sgl_summary_result *result,
                const struct sgl_simulation_totals *totals, struct sgl_failure *failure)
{
    struct sgl_sweep_run *run = &((struct sgl_sweep_result *)context)->runs[cell];
    struct sgl_summary_worker *workers = calloc((size_t)result->worker_count + 1, sizeof *workers);

    if (workers == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory for the workers of a run");
    for (uint32_t w = 0; w < result->worker_count; w++) {
        workers[w].requests = result->workers[w].requests;
        workers[w].failed = result->workers[w].failed;
    }
    run->result = *result;
    run->result.workers = workers;
    run->workers = workers;
    run->totals = *totals;
    return SGL_OK;
}

int sgl_sweep_run(const struct sgl_sweep *sweep, struct sgl_sweep_result *result,
                  struct sgl_failure *failure)
{
    const double count = (double)sweep->fleet_count * (double)sweep->load_count *
                         (double)sweep->policy_count * (double)sweep->seed_count;
    struct sgl_simulation_options *simulations;

    *result = (struct sgl_sweep_result){.sweep = sweep};
    if (count > SGL_SWEEP_RUNS_MAX)
        return sgl_fail(failure, SGL_EINVAL, "a sweep of %.0f runs, expected at most %d", count,
                        SGL_SWEEP_RUNS_MAX);
    result->run_count = (uint32_t)count;
    result->runs = calloc((size_t)result->run_count + 1, sizeof *result->runs);
    result->values = calloc((size_t)sweep->seed_count + 1, sizeof *result->values);
    simulations = calloc((size_t)sweep->fleet_count + 1, sizeof *simulations);
    if (result->runs == NULL || result->values == NULL || simulations == NULL) {
        free(simulations);
        sgl_sweep_release(result);
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    }
    for (uint32_t f = 0; f < sweep->fleet_count; f++)
        simulations[f] = sweep->fleets[f].simulation;
    const int status = sgl_experiment_run(
        &(struct sgl_experiment){
            .population = sweep->population,
            .policies = sweep->policies,
            .policy_count = sweep->policy_count,
            .loads = sweep->loads,
            .load_count = sweep->load_count,
            .seed = sweep->seed,
            .seed_count = sweep->seed_count,
            .resamples = sweep->resamples,
            .objectives = sweep->objectives,
            .simulations = simulations,
            .simulation_count = sweep->fleet_count,
            .keep = keep,
            .keep_context = result,
            .thread_count = sweep->thread_count,
            .progress = sweep->progress,
            .progress_context = sweep->progress_context,
        },
        &result->experiment, failure);
    free(simulations);
    if (status != SGL_OK)
        sgl_sweep_release(result);
    return status;
}

void sgl_sweep_release(struct sgl_sweep_result *result)
{
    for (uint32_t i = 0; result->runs != NULL && i < result->run_count; i++)
        free(result->runs[i].workers);
    free(result->runs);
    free(result->values);
    sgl_experiment_release(&result->experiment);
    *result = (struct sgl_sweep_result){0};
}

/* Does `better` lie wholly on the better side of `worse`? */
static bool is_apart(const struct sgl_level *better, const struct sgl_level *worse, int figure)
{
    return sgl_figure_more_is_better(figure) ? better->low > worse->high
                                             : better->high < worse->low;
}

static void mark_best(const struct sgl_sweep_result *result, int figure,
                      struct sgl_sweep_cell *cells)
{
    const uint32_t count = result->sweep->policy_count;
    bool is_sound = count > 1;

    for (uint32_t p = 0; p < count; p++)
        is_sound =
            is_sound && cells[p].cut == 0 && cells[p].level.count == result->sweep->seed_count;
    for (uint32_t p = 0; p < count && is_sound; p++) {
        cells[p].is_best = cells[p].saturated == 0;
        for (uint32_t other = 0; other < count; other++)
            if (other != p && !is_apart(&cells[p].level, &cells[other].level, figure))
                cells[p].is_best = false;
    }
}

static struct sgl_sweep_cell gather(const struct sgl_sweep_result *result, uint32_t first,
                                    int figure)
{
    struct sgl_sweep_cell cell = {0};
    uint32_t count = 0;

    for (uint32_t s = 0; s < result->sweep->seed_count; s++) {
        const struct sgl_sweep_run *run = &result->runs[first + s];
        const double value = result->experiment.runs[first + s].figures[figure];
        if (!isnan(value))
            result->values[count++] = value;
        cell.saturated += run->result.saturation.is_known && run->result.saturation.is_saturated;
        cell.cut += run->totals.cut_in_flight + run->totals.cut_arrivals > 0;
    }
    const struct sgl_mean_test test = sgl_mean_test(result->values, count);
    cell.level = (struct sgl_level){count, test.mean, test.low, test.high};
    return cell;
}

void sgl_sweep_column(const struct sgl_sweep_result *result, uint32_t fleet, uint32_t load,
                      int figure, struct sgl_sweep_cell *cells)
{
    const struct sgl_sweep *sweep = result->sweep;

    for (uint32_t p = 0; p < sweep->policy_count; p++)
        cells[p] = gather(result,
                          ((fleet * sweep->load_count + load) * sweep->policy_count + p) *
                              sweep->seed_count,
                          figure);
    mark_best(result, figure, cells);
}
