#include "accuracy.h"

#include <math.h>
#include <stdlib.h>

static int64_t difference(int64_t later, int64_t earlier)
{
    return later != SGL_ABSENT && earlier != SGL_ABSENT ? later - earlier : SGL_ABSENT;
}

static struct sgl_request_times metrics_of(const struct sgl_recorded_request *request,
                                           int64_t started_ns, int64_t seen_ns, int64_t finish_ns,
                                           int64_t first_token_is)
{
    const int64_t rest = request->row.output_tokens - first_token_is;
    const int64_t arrival_ns = request->row.request.arrival_ns;
    struct sgl_request_times times = {{
        [SGL_METRIC_QUEUE_TIME] = difference(started_ns, request->at_worker_ns),
        [SGL_METRIC_TTFT] = difference(seen_ns, arrival_ns),
        [SGL_METRIC_E2E] = difference(finish_ns, arrival_ns),
        [SGL_METRIC_TPOT] = difference(finish_ns, seen_ns),
    }};

    if (times.value_ns[SGL_METRIC_TPOT] != SGL_ABSENT)
        times.value_ns[SGL_METRIC_TPOT] =
            rest > 0 ? times.value_ns[SGL_METRIC_TPOT] / rest : SGL_ABSENT;
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        if (times.value_ns[m] < 0)
            times.value_ns[m] = SGL_ABSENT; /* clocks that disagree measured nothing */
    return times;
}

struct sgl_request_times sgl_recorded_times(const struct sgl_recorded_request *request,
                                            int64_t first_token_is)
{
    return metrics_of(request, request->started_ns, request->first_token_ns, request->finish_ns,
                      first_token_is);
}

struct sgl_request_times sgl_simulated_times(const struct sgl_recorded_request *request,
                                             const struct sgl_worker_times *times,
                                             int64_t first_token_is)
{
    const int64_t tokens = request->row.output_tokens;
    int64_t seen_ns = times->first_token_ns;

    if (first_token_is > 1 && seen_ns != SGL_ABSENT && times->finish_ns != SGL_ABSENT)
        seen_ns = tokens > first_token_is
                      ? seen_ns + llround((double)(times->finish_ns - seen_ns) *
                                          (double)(first_token_is - 1) / (double)(tokens - 1))
                      : SGL_ABSENT;
    return metrics_of(request, times->started_ns, seen_ns, times->finish_ns, first_token_is);
}

/* Sums over the pairs of a metric, gathered in one pass. */
struct pair_sums {
    struct sgl_samples errors; /* absolute */
    double error_sum;
    double recorded_sum;
    double ratio_sum;
    uint64_t ratio_count;
};

static int add_pair(struct sgl_accuracy_metric *metric, struct pair_sums *sums, double recorded,
                    double simulated)
{
    const double error = fabs(simulated - recorded);

    metric->count++;
    sums->error_sum += error;
    sums->recorded_sum += recorded;
    if (recorded > 0) {
        sums->ratio_sum += error / recorded;
        sums->ratio_count++;
    }
    if (sgl_samples_add(&metric->recorded, recorded) != SGL_OK ||
        sgl_samples_add(&metric->simulated, simulated) != SGL_OK)
        return SGL_ENOMEM;
    return sgl_samples_add(&sums->errors, error);
}

static int finish_metric(struct sgl_accuracy_metric *metric, struct pair_sums *sums)
{
    if (sgl_samples_sort(&metric->recorded) != SGL_OK ||
        sgl_samples_sort(&metric->simulated) != SGL_OK ||
        sgl_samples_sort(&sums->errors) != SGL_OK ||
        sgl_distribution_of(&metric->recorded, &metric->recorded_figures) != SGL_OK ||
        sgl_distribution_of(&metric->simulated, &metric->simulated_figures) != SGL_OK)
        return SGL_ENOMEM;
    metric->median_error_ns = sgl_samples_quantile(&sums->errors, 0.5);
    metric->wape = sums->recorded_sum > 0 ? sums->error_sum / sums->recorded_sum : (double)NAN;
    metric->mape =
        sums->ratio_count > 0 ? sums->ratio_sum / (double)sums->ratio_count : (double)NAN;
    return SGL_OK;
}

/* Sums of e2e go to means when all is counted. */
static void count_worker(struct sgl_accuracy_worker *worker, double e2e_ns, bool is_recorded)
{
    uint64_t *count = is_recorded ? &worker->recorded_count : &worker->simulated_count;
    double *sum = is_recorded ? &worker->recorded_e2e_ns : &worker->simulated_e2e_ns;

    (*count)++;
    *sum += e2e_ns;
}

static int add_request(struct sgl_accuracy *accuracy, struct pair_sums *sums,
                       const struct sgl_recorded_request *request,
                       const struct sgl_worker_times *times, uint32_t worker,
                       int64_t first_token_is)
{
    const struct sgl_request_times recorded = sgl_recorded_times(request, first_token_is);
    const struct sgl_request_times simulated = sgl_simulated_times(request, times, first_token_is);
    int status = SGL_OK;

    if (times->finish_ns == SGL_ABSENT) {
        accuracy->unserved++;
        return SGL_OK;
    }
    accuracy->scored++;
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT && status == SGL_OK; m++)
        if (recorded.value_ns[m] != SGL_ABSENT && simulated.value_ns[m] != SGL_ABSENT)
            status = add_pair(&accuracy->metrics[m], &sums[m], (double)recorded.value_ns[m],
                              (double)simulated.value_ns[m]);
    if (recorded.value_ns[SGL_METRIC_E2E] != SGL_ABSENT)
        count_worker(&accuracy->workers[request->worker], (double)recorded.value_ns[SGL_METRIC_E2E],
                     true);
    count_worker(&accuracy->workers[worker], (double)simulated.value_ns[SGL_METRIC_E2E], false);
    return status;
}

int sgl_accuracy_compute(struct sgl_accuracy *accuracy, const struct sgl_recording *recording,
                         const struct sgl_worker_times *times,
                         const struct sgl_accuracy_scope *scope, struct sgl_failure *failure)
{
    struct pair_sums sums[SGL_REQUEST_METRIC_COUNT] = {0};
    int status = SGL_OK;

    *accuracy = (struct sgl_accuracy){.worker_count = recording->worker_count};
    accuracy->workers = calloc(recording->worker_count, sizeof *accuracy->workers);
    if (accuracy->workers == NULL)
        status = SGL_ENOMEM;
    for (size_t i = scope->range.from; i < scope->range.to && status == SGL_OK; i++) {
        const struct sgl_recorded_request *request = &recording->requests[i];
        if (request->failed)
            accuracy->failed++;
        else
            status = add_request(accuracy, sums, request, &times[i],
                                 scope->workers != NULL ? scope->workers[i] : request->worker,
                                 scope->first_token_is);
    }
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT && status == SGL_OK; m++)
        status = finish_metric(&accuracy->metrics[m], &sums[m]);
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        sgl_samples_release(&sums[m].errors);
    for (uint32_t w = 0; status == SGL_OK && w < accuracy->worker_count; w++) {
        struct sgl_accuracy_worker *worker = &accuracy->workers[w];
        worker->recorded_e2e_ns /= (double)worker->recorded_count; /* 0/0: NaN, nobody knows */
        worker->simulated_e2e_ns /= (double)worker->simulated_count;
    }
    if (status == SGL_OK)
        return SGL_OK;
    sgl_accuracy_release(accuracy);
    return sgl_fail(failure, SGL_ENOMEM, "out of memory");
}

double sgl_accuracy_resolution(const struct sgl_accuracy *accuracy)
{
    double most = 0;

    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        most = fmax(most, accuracy->metrics[m].recorded_figures.resolution);
    return most;
}

void sgl_accuracy_release(struct sgl_accuracy *accuracy)
{
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++) {
        sgl_samples_release(&accuracy->metrics[m].recorded);
        sgl_samples_release(&accuracy->metrics[m].simulated);
    }
    free(accuracy->workers);
    *accuracy = (struct sgl_accuracy){0};
}
