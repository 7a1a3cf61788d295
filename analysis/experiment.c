#include "experiment.h"

#include "analysis/after_warm_up.h"
#include "analysis/crew.h"
#include "analysis/stats_mser.h"

#include <stdlib.h>

/* A sink that keeps e2e by number of request, for MSER-5. */
struct series {
    struct sgl_sink sink;
    double *values;
    size_t count;
};

struct study {
    const struct sgl_experiment *experiment;
    struct sgl_experiment_result *result;
    struct sgl_mser *cuts; /* by cell */
};

static void hear_end(struct sgl_sink *sink, const struct sgl_outcome_record *record)
{
    struct series *self = (struct series *)sink;

    if (record->request >= 0 && (uint64_t)record->request < self->count &&
        record->outcome->e2e_ns != SGL_ABSENT)
        self->values[record->request] = (double)record->outcome->e2e_ns;
}

static const struct sgl_sink_ops series_ops = {.outcome = hear_end};

/* What a task is of; tasks past the cells are the recorded trace, by policy. */
struct task {
    uint32_t simulation;
    uint32_t policy;
    uint32_t seed;
    uint32_t load;
    bool is_recorded;
};

static struct task task_of(const struct sgl_experiment *experiment, uint32_t number)
{
    const uint32_t seeds = experiment->seed_count;
    const uint32_t policies = experiment->policy_count;
    const uint32_t loads = experiment->load_count;
    const uint32_t cells = seeds * policies * loads * experiment->simulation_count;

    if (number >= cells)
        return (struct task){.policy = number - cells, .is_recorded = true};
    return (struct task){
        .simulation = number / seeds / policies / loads,
        .load = number / seeds / policies % loads,
        .policy = number / seeds % policies,
        .seed = number % seeds,
    };
}

static int simulate(const struct sgl_experiment *experiment, const struct task *task,
                    int64_t warm_up, struct sgl_sink *sink, struct sgl_simulation_totals *totals,
                    struct sgl_failure *failure)
{
    const uint64_t seed = experiment->seed + task->seed;
    struct sgl_simulation_options options = experiment->simulations[task->simulation];
    struct sgl_source *source;
    const int status = experiment->resamples && !task->is_recorded
                           ? sgl_population_resample(experiment->population, seed, &source, failure)
                           : sgl_population_replay(experiment->population, &source, failure);

    if (status != SGL_OK)
        return status;
    options.seed = seed;
    options.policy = &experiment->policies[task->policy];
    options.rate_scale = experiment->loads[task->load];
    options.sink = sink;
    options.warm_up_requests = warm_up;
    options.progress = NULL;
    const int simulated = sgl_simulate(&options, source, totals, failure);
    sgl_population_close(source);
    return simulated;
}

/* One run into its place. */
static int gather(const struct study *study, uint32_t number, struct sgl_run *run,
                  struct sgl_detail *detail, struct sgl_failure *failure)
{
    const struct sgl_experiment *experiment = study->experiment;
    const struct task task = task_of(experiment, number);
    struct sgl_simulation_totals totals;
    struct sgl_summary_result result;
    struct sgl_summary *summary;
    struct sgl_after_warm_up after;
    struct sgl_tee tee;
    int status = sgl_summary_create(&summary, &experiment->objectives, failure);

    if (status != SGL_OK)
        return status;
    sgl_after_warm_up_init(&after, sgl_summary_sink(summary), (int64_t)study->result->warm_up);
    struct sgl_sink *const sinks[2] = {&after.sink, detail != NULL ? &detail->sink : NULL};
    sgl_tee_init(&tee, sinks, detail != NULL ? 2 : 1);
    status = simulate(experiment, &task, after.first, detail != NULL ? &tee.sink : sinks[0],
                      &totals, failure);
    if (status == SGL_OK)
        status = sgl_summary_finish(summary, &result, failure);
    if (status == SGL_OK)
        status = sgl_summary_sort(summary, failure);
    if (status == SGL_OK && detail != NULL) {
        detail->first_judged = (uint32_t)after.first;
        status = sgl_detail_finish(detail, failure);
    }
    if (status == SGL_OK) {
        sgl_run_fill(run, summary, &result);
        run->seed = experiment->seed + task.seed;
        run->without_max_tokens = totals.without_max_tokens;
        run->cut_to_max_tokens = totals.cut_to_max_tokens;
        run->cut_to_memory = totals.cut_to_memory;
        run->cut_in_flight = totals.cut_in_flight;
        run->cut_arrivals = totals.cut_arrivals;
        run->rejected = totals.rejected;
    }
    if (status == SGL_OK && experiment->keep != NULL && !task.is_recorded)
        status = experiment->keep(experiment->keep_context, number, &result, &totals, failure);
    sgl_summary_destroy(summary);
    return status;
}

static int work_cell(void *context, uint32_t number, struct sgl_failure *failure)
{
    const struct study *study = context;
    struct sgl_experiment_result *result = study->result;
    const struct task task = task_of(study->experiment, number);

    if (task.is_recorded)
        return gather(study, number, &result->recorded[task.policy], result->details[task.policy],
                      failure);
    return gather(study, number, &result->runs[number], NULL, failure);
}

static int work_warm_up(void *context, uint32_t number, struct sgl_failure *failure)
{
    const struct study *study = context;
    const struct task task = task_of(study->experiment, number);
    /* A seed may draw fuller blocks than the trace has on average; what is past the end is late. */
    const size_t count = sgl_population_facts(study->experiment->population)->requests;
    struct series series = {{.ops = &series_ops}, calloc(count, sizeof(double)), count};
    struct sgl_simulation_totals totals;

    if (series.values == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory for the warm-up of a run");
    const int status = simulate(study->experiment, &task, 0, &series.sink, &totals, failure);
    if (status == SGL_OK) {
        const size_t seen = totals.arrived < count ? totals.arrived : count;
        study->cuts[number] = sgl_mser_cut(series.values, seen);
    }
    free(series.values);
    return status;
}

static void report(void *context, uint32_t done, uint32_t count)
{
    const struct study *study = context;

    if (study->experiment->progress != NULL)
        study->experiment->progress(study->experiment->progress_context, done, count);
}

static int find_warm_up(struct study *study, uint32_t cells, struct sgl_failure *failure)
{
    struct sgl_experiment_result *result = study->result;

    study->cuts = calloc(cells, sizeof *study->cuts);
    if (study->cuts == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    const int status = sgl_crew_run(&(struct sgl_crew_plan){cells, study->experiment->thread_count,
                                                            work_warm_up, report, study},
                                    failure);
    result->is_stationary = status == SGL_OK;
    for (uint32_t cell = 0; cell < cells && status == SGL_OK; cell++) {
        result->is_stationary = result->is_stationary && study->cuts[cell].is_stationary;
        if (study->cuts[cell].cut > result->warm_up)
            result->warm_up = study->cuts[cell].cut;
    }
    if (!result->is_stationary)
        result->warm_up = 0;
    free(study->cuts);
    return status;
}

int sgl_experiment_run(const struct sgl_experiment *experiment,
                       struct sgl_experiment_result *result, struct sgl_failure *failure)
{
    const uint32_t policies = experiment->policy_count;
    const uint32_t cells =
        experiment->simulation_count * experiment->load_count * policies * experiment->seed_count;
    const uint32_t recorded = experiment->has_details ? policies : 0;
    const int64_t span_ns = sgl_population_facts(experiment->population)->span_ns;
    struct study study = {.experiment = experiment, .result = result};
    int status = SGL_OK;

    *result = (struct sgl_experiment_result){
        .runs = calloc(cells, sizeof *result->runs),
        .details = recorded > 0 ? calloc(recorded, sizeof(struct sgl_detail *)) : NULL,
        .recorded = recorded > 0 ? calloc(recorded, sizeof *result->recorded) : NULL,
        .policy_count = policies,
        .seed_count = experiment->seed_count,
        .load_count = experiment->load_count,
    };
    if (result->runs == NULL ||
        (recorded > 0 && (result->details == NULL || result->recorded == NULL)))
        status = sgl_fail(failure, SGL_ENOMEM, "out of memory");
    for (uint32_t p = 0; p < recorded && status == SGL_OK; p++)
        status = sgl_detail_create(&result->details[p],
                                   (int64_t)((double)span_ns / experiment->loads[0]), failure);
    if (status == SGL_OK && experiment->cuts_warm_up)
        status = find_warm_up(&study, cells, failure);
    if (status == SGL_OK)
        status = sgl_crew_run(&(struct sgl_crew_plan){cells + recorded, experiment->thread_count,
                                                      work_cell, report, &study},
                              failure);
    if (status != SGL_OK)
        sgl_experiment_release(result);
    return status;
}

void sgl_experiment_release(struct sgl_experiment_result *result)
{
    for (uint32_t p = 0; result->details != NULL && p < result->policy_count; p++)
        sgl_detail_destroy(result->details[p]);
    free(result->details);
    free(result->runs);
    free(result->recorded);
    *result = (struct sgl_experiment_result){0};
}
