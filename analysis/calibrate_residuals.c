#include "calibrate_state.h"

#include "sort.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Queue times of less than that weigh little: which step a request just missed is luck. */
#define QUEUE_FLOOR_NS 1e7
#define QUEUE_FLOOR_SHARE 0.02 /* of the mean e2e, if that is more */
#define PER_REQUEST 4          /* residuals */
#define SPREAD_MIN 0.005       /* steps are whole: nothing is told more exactly */

static uint32_t row_of(const struct sgl_parameter *table, const char *name)
{
    uint32_t row = 0;

    while (strcmp(table[row].name, name) != 0)
        row++;
    return row;
}

const char *sgl_coefficient_name(enum sgl_coefficient coefficient)
{
    static const char *const names[] = {
#define NAME(upper, lower) #lower,
        SGL_COEFFICIENT_MAP(NAME)
#undef NAME
    };

    return names[coefficient];
}

static double queue_floor(const struct sgl_recording *recording, struct sgl_row_range range)
{
    double sum_ns = 0;
    size_t count = 0;

    for (size_t i = range.from; i < range.to; i++) {
        const struct sgl_recorded_request *request = &recording->requests[i];
        if (request->failed || request->finish_ns == SGL_ABSENT)
            continue;
        sum_ns += (double)(request->finish_ns - request->at_worker_ns);
        count++;
    }
    return count > 0 ? fmax(QUEUE_FLOOR_NS, QUEUE_FLOOR_SHARE * sum_ns / (double)count)
                     : QUEUE_FLOOR_NS;
}

int sgl_calibration_problem_make(struct sgl_calibration_problem *problem,
                                 const struct sgl_recording *recording,
                                 const struct sgl_calibration_options *options,
                                 struct sgl_failure *failure)
{
    *problem = (struct sgl_calibration_problem){.options = options,
                                                .range = options->range,
                                                .block_count = SGL_BLOCKS,
                                                .recording = recording,
                                                .spec = *options->start,
                                                .fits_scale = true};
    const struct sgl_parameter *table = problem->spec.parameters.table;
    const double *values = problem->spec.parameters.value;

    assert(options->start->ops == &sgl_worker_model_batching);
    problem->scale_row = row_of(table, "scale");
    problem->async_row = row_of(table, "async_scheduling");
    problem->free_tokens_row = row_of(table, "free_tokens");
    problem->p_expert_row = row_of(table, "p_expert");
    problem->start_free_tokens = (int64_t)values[problem->free_tokens_row];
    problem->start_p_expert = values[problem->p_expert_row];
    problem->free_tokens = problem->start_free_tokens;
    problem->p_expert = problem->start_p_expert;
    problem->has_mixed_steps =
        values[row_of(table, "scheduler")] != 0 || values[row_of(table, "mixed_chunk")] != 0;
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++) {
        problem->rows[c] = row_of(table, sgl_coefficient_name((enum sgl_coefficient)c));
        problem->start_us[c] = values[problem->rows[c]] * values[problem->scale_row];
        problem->base_us[c] = problem->start_us[c];
    }
    problem->queue_floor_ns = queue_floor(recording, options->range);
    problem->residual_max = PER_REQUEST * (options->range.to - options->range.from);
    int status = sgl_worker_plan_make(&problem->plan, recording, failure);
    if (status != SGL_OK)
        return status;
    problem->specs = malloc(recording->worker_count * sizeof(void *));
    problem->times = malloc(recording->count * sizeof *problem->times);
    problem->residual_request = malloc(problem->residual_max * sizeof *problem->residual_request);
    problem->residual_metric = malloc(problem->residual_max * sizeof *problem->residual_metric);
    if (problem->specs == NULL || problem->times == NULL || problem->residual_request == NULL ||
        problem->residual_metric == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    for (uint32_t w = 0; w < recording->worker_count; w++)
        problem->specs[w] = &problem->spec;
    return SGL_OK;
}

void sgl_calibration_problem_release(struct sgl_calibration_problem *problem)
{
    sgl_worker_plan_release(&problem->plan);
    free(problem->specs);
    free(problem->times);
    free(problem->residual_request);
    free(problem->residual_metric);
}

void sgl_calibration_count_free(struct sgl_calibration_problem *problem)
{
    bool any_tied = false;

    problem->free_count = 0;
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++) {
        if (problem->state[c] == SGL_COEFFICIENT_FITTED)
            problem->free[problem->free_count++] = c;
        any_tied =
            any_tied || (problem->state[c] == SGL_COEFFICIENT_TIED && problem->base_us[c] > 0);
    }
    if (any_tied && problem->fits_scale)
        problem->free[problem->free_count++] = SGL_COEFFICIENT_COUNT;
}

void sgl_calibration_values(const struct sgl_calibration_problem *problem, const double *x,
                            double value_us[SGL_COEFFICIENT_COUNT])
{
    double scale = 1;

    for (size_t i = 0; i < problem->free_count; i++)
        if (problem->free[i] == SGL_COEFFICIENT_COUNT)
            scale = exp(x[i]);
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++)
        value_us[c] = problem->state[c] == SGL_COEFFICIENT_ZERO ? 0 : problem->base_us[c] * scale;
    for (size_t i = 0; i < problem->free_count; i++)
        if (problem->free[i] < SGL_COEFFICIENT_COUNT)
            value_us[problem->free[i]] = problem->base_us[problem->free[i]] * exp(x[i]);
}

static void add(struct sgl_calibration_problem *problem, double *residuals, size_t request,
                enum sgl_metric metric, double simulated, double recorded)
{
    if (!(simulated > 0) || !(recorded > 0))
        return;
    assert(problem->residual_count < problem->residual_max);
    problem->residual_request[problem->residual_count] = (uint32_t)request;
    problem->residual_metric[problem->residual_count] = (uint8_t)metric;
    residuals[problem->residual_count++] = log(simulated / recorded) / problem->spreads[metric];
}

static double known(int64_t value)
{
    return value != SGL_ABSENT ? (double)value : (double)NAN;
}

static void add_request(struct sgl_calibration_problem *problem, double *residuals, size_t number)
{
    const struct sgl_recorded_request *request = &problem->recording->requests[number];
    const int64_t first_token_is = problem->options->first_token_is;
    const struct sgl_request_times recorded = sgl_recorded_times(request, first_token_is);
    const struct sgl_request_times simulated =
        sgl_simulated_times(request, &problem->times[number], first_token_is);
    /* What passed before the worker is recorded on both sides, and tells nothing of it. */
    const double before_ns = (double)(request->at_worker_ns - request->row.request.arrival_ns);

    add(problem, residuals, number, SGL_METRIC_QUEUE_TIME,
        known(simulated.value_ns[SGL_METRIC_QUEUE_TIME]) + problem->queue_floor_ns,
        known(recorded.value_ns[SGL_METRIC_QUEUE_TIME]) + problem->queue_floor_ns);
    add(problem, residuals, number, SGL_METRIC_TTFT,
        known(simulated.value_ns[SGL_METRIC_TTFT]) - before_ns,
        known(recorded.value_ns[SGL_METRIC_TTFT]) - before_ns);
    add(problem, residuals, number, SGL_METRIC_E2E,
        known(simulated.value_ns[SGL_METRIC_E2E]) - before_ns,
        known(recorded.value_ns[SGL_METRIC_E2E]) - before_ns);
    add(problem, residuals, number, SGL_METRIC_TPOT, known(simulated.value_ns[SGL_METRIC_TPOT]),
        known(recorded.value_ns[SGL_METRIC_TPOT]));
}

int sgl_calibration_residuals(struct sgl_calibration_problem *problem, const double *x,
                              double *residuals, struct sgl_failure *failure)
{
    const struct sgl_calibration_options *options = problem->options;
    const struct sgl_parameter *table = problem->spec.parameters.table;
    double value_us[SGL_COEFFICIENT_COUNT];

    sgl_calibration_values(problem, x, value_us);
    for (int c = 0; c < SGL_COEFFICIENT_COUNT; c++) {
        const uint32_t row = problem->rows[c];
        problem->spec.parameters.value[row] = sgl_parameter_clamp(&table[row], value_us[c]);
    }
    problem->spec.parameters.value[problem->scale_row] = 1;
    problem->spec.parameters.value[problem->free_tokens_row] = (double)problem->free_tokens;
    problem->spec.parameters.value[problem->p_expert_row] = problem->p_expert;
    problem->evaluations++;
    if (options->progress != NULL)
        options->progress(options->progress_context, problem->evaluations);
    const int status =
        sgl_worker_plan_run(&problem->plan, problem->specs, options->seed, problem->times, failure);
    if (status != SGL_OK)
        return status;
    problem->residual_count = 0;
    for (size_t i = problem->range.from; i < problem->range.to; i++) {
        if (problem->recording->requests[i].failed)
            continue;
        if (problem->times[i].finish_ns == SGL_ABSENT)
            return sgl_fail(failure, SGL_EINVAL,
                            "request %zu was served and the simulated worker refuses it: "
                            "kv_tokens is too small (give the worker's: --worker kv_tokens=N)",
                            i);
        add_request(problem, residuals, i);
    }
    return SGL_OK;
}

void sgl_calibration_set_spreads(struct sgl_calibration_problem *problem, double spread)
{
    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        problem->spreads[m] = spread;
}

static double robust_spread(double *sizes, size_t count, double otherwise)
{
    if (count == 0)
        return otherwise;
    sgl_reals_sort(sizes, count);
    return fmax(1.4826 * sizes[count / 2], SPREAD_MIN);
}

/* How far each residual of a metric is from the one before it, over the root of two: what is luck,
 * for what the coefficients have wrong is about the same for neighbours (Rice, Bandwidth choice for
 * nonparametric regression, 1984). Their number. */
static size_t list_luck(const struct sgl_calibration_problem *problem, const double *residuals,
                        enum sgl_metric metric, double *sizes)
{
    double before = (double)NAN;
    size_t count = 0;

    for (size_t i = 0; i < problem->residual_count; i++) {
        if (problem->residual_metric[i] != metric)
            continue;
        if (!isnan(before))
            sizes[count++] = fabs(residuals[i] - before) * problem->spreads[metric] / sqrt(2);
        before = residuals[i];
    }
    return count;
}

int sgl_calibration_measure_spreads(struct sgl_calibration_problem *problem,
                                    const double *residuals, double *all_out,
                                    struct sgl_failure *failure)
{
    const size_t count = problem->residual_count;
    double *sizes = malloc((count > 0 ? count : 1) * sizeof *sizes);
    double spreads[SGL_METRIC_COUNT];

    if (sizes == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    for (int m = 0; m < SGL_METRIC_COUNT; m++) {
        const size_t own = list_luck(problem, residuals, (enum sgl_metric)m, sizes);
        spreads[m] = robust_spread(sizes, own, problem->spreads[m]);
    }
    for (size_t i = 0; i < count; i++)
        sizes[i] = fabs(residuals[i]) * problem->spreads[problem->residual_metric[i]];
    if (all_out != NULL)
        *all_out = robust_spread(sizes, count, 0);
    for (size_t i = 0; i < count; i++) {
        const int m = problem->residual_metric[i];
        sizes[i] = fabs(residuals[i]) * problem->spreads[m] / spreads[m];
    }
    const double misfit = fmax(robust_spread(sizes, count, 1), 1);
    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        problem->spreads[m] = misfit * spreads[m];
    free(sizes);
    return SGL_OK;
}
