/* A sweep as a SQLite database; every run is told by its own row, whatever else is in the file. */
#include "analysis/sweep.h"

#include "core/version.h"
#include "traces/table_file.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
static const struct sgl_table_file_kind kind = {
    .name = "sweep",
    .application_id = 0x53475357, /* "SGSW" */
    .version = 1,
    .schema =
        "CREATE TABLE sweep (key TEXT, value TEXT);"
        "CREATE TABLE fleet (fleet INTEGER PRIMARY KEY, name TEXT, workers INTEGER,"
        " faults INTEGER, prefill_policy TEXT, decode_policy TEXT, transfer_latency_us REAL,"
        " transfer_bandwidth_gbps REAL, transfer_bytes_per_token REAL);"
        "CREATE TABLE worker (fleet INTEGER, worker INTEGER, url TEXT, role TEXT, model TEXT,"
        " profile TEXT, service TEXT, PRIMARY KEY (fleet, worker)) WITHOUT ROWID;"
        "CREATE TABLE fault (fleet INTEGER, fault INTEGER, worker INTEGER, kind TEXT,"
        " from_ns INTEGER, until_ns INTEGER, factor REAL, period_ns INTEGER, down_ns INTEGER,"
        " PRIMARY KEY (fleet, fault)) WITHOUT ROWID;"
        "CREATE TABLE run (run INTEGER PRIMARY KEY,"
        " policy TEXT, policy_parameters TEXT, fleet INTEGER, workers INTEGER, rate_scale REAL,"
        " seed INTEGER, resample TEXT, block_ns INTEGER, trace_digest TEXT,"
        " max_new_tokens INTEGER, concurrency INTEGER, until_ns INTEGER,"
        " response_delay_ns INTEGER, load_interval_ns INTEGER, load_delay_ns INTEGER,"
        " load_loss REAL, completions_report INTEGER, completions_loss REAL,"
        " health_interval_ns INTEGER, admission_concurrency INTEGER, admission_queue INTEGER,"
        " admission_timeout_ns INTEGER, admission_interval_ns INTEGER,"
        " admission_slack_ns INTEGER, request_timeout_ns INTEGER, client_timeout_ns INTEGER,"
        " n INTEGER, succeeded INTEGER, failed INTEGER, rejected INTEGER, timed_out INTEGER,"
        " abandoned INTEGER, cut_in_flight INTEGER,"
        " cut_arrivals INTEGER, saturated INTEGER, without_max_tokens INTEGER,"
        " cut_to_max_tokens INTEGER, cut_to_memory INTEGER,"
        " duration_s REAL, offered_per_s REAL, requests_per_s REAL,"
        " input_tokens_per_s REAL, output_tokens_per_s REAL, good INTEGER, goodput_per_s REAL,"
        " cache_hit_rate REAL, jain_index REAL);"
        "CREATE TABLE metric (run INTEGER, metric TEXT, n INTEGER, mean_s REAL, p50_s REAL,"
        " p90_s REAL, p95_s REAL, p99_s REAL, max_s REAL, PRIMARY KEY (run, metric))"
        " WITHOUT ROWID;"
        "CREATE TABLE share (run INTEGER, worker INTEGER, requests INTEGER, failed INTEGER,"
        " share REAL, PRIMARY KEY (run, worker)) WITHOUT ROWID;",
};
/* clang-format on */

int sgl_sweep_check(const char *path, struct sgl_failure *failure)
{
    return sgl_table_file_check(path, &kind, failure);
}

/* A count that is 0 where an option is not in use: absent. */
static int64_t if_used(int64_t value)
{
    return value > 0 ? value : SGL_ABSENT;
}

static void put_facts(struct sgl_table_file *file, const struct sgl_sweep *sweep)
{
    sgl_table_file_table(file, "sweep");
    sgl_table_file_text(file, "version");
    sgl_table_file_text(file, SGL_VERSION);
    sgl_table_file_row(file);
    sgl_table_file_text(file, "kind");
    sgl_table_file_text(file, "sim");
    sgl_table_file_row(file);
    for (uint32_t i = 0; i < sweep->fact_count; i++) {
        sgl_table_file_text(file, sweep->facts[i].key);
        sgl_table_file_text(file, sweep->facts[i].value);
        sgl_table_file_row(file);
    }
}

/* The policy of a pool that has one of its own; else NULL, as in the database. */
static int put_pool_policy(struct sgl_table_file *file, const struct sgl_policy_spec *policy,
                           struct sgl_failure *failure)
{
    char *text = policy != NULL ? sgl_policy_format(policy) : NULL;

    if (policy != NULL && text == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    sgl_table_file_text(file, text);
    free(text);
    return SGL_OK;
}

static int put_fleets(struct sgl_table_file *file, const struct sgl_sweep *sweep,
                      struct sgl_failure *failure)
{
    sgl_table_file_table(file, "fleet");
    for (uint32_t f = 0; f < sweep->fleet_count; f++) {
        const struct sgl_simulation_options *options = &sweep->fleets[f].simulation;
        const struct sgl_transfer_options *transfer = &options->transfer;
        const bool has_pairs =
            options->worker_count > 0 && options->workers[0].pool != SGL_POOL_REGULAR;
        sgl_table_file_integer(file, f);
        sgl_table_file_text(file, sweep->fleets[f].name);
        sgl_table_file_integer(file, options->worker_count);
        sgl_table_file_integer(file, options->faults != NULL ? options->faults->count : 0);
        int status = put_pool_policy(file, options->prefill_policy, failure);
        if (status == SGL_OK)
            status = put_pool_policy(file, options->decode_policy, failure);
        if (status != SGL_OK)
            return status;
        sgl_table_file_real(file, has_pairs ? transfer->latency_us : (double)NAN);
        sgl_table_file_real(file, has_pairs ? transfer->bandwidth_gbps : (double)NAN);
        sgl_table_file_real(file, has_pairs ? transfer->bytes_per_token : (double)NAN);
        sgl_table_file_row(file);
    }
    return SGL_OK;
}

/* Workers of a kind follow one another, as a rule: their text is made once. */
static int put_workers(struct sgl_table_file *file, const struct sgl_sweep *sweep,
                       struct sgl_failure *failure)
{
    const struct sgl_worker_model_spec *last = NULL;
    char *service = NULL;

    sgl_table_file_table(file, "worker");
    for (uint32_t f = 0; f < sweep->fleet_count; f++) {
        const struct sgl_simulation_options *options = &sweep->fleets[f].simulation;
        for (uint32_t w = 0; w < options->worker_count; w++) {
            const struct sgl_simulation_worker *worker = &options->workers[w];
            assert(worker->spec != NULL);
            const char *profile = worker->spec->profile.name;
            if (worker->spec != last) {
                free(service);
                service = sgl_worker_model_format(worker->spec);
                if (service == NULL)
                    return sgl_fail(failure, SGL_ENOMEM, "out of memory");
                last = worker->spec;
            }
            sgl_table_file_integer(file, f);
            sgl_table_file_integer(file, w);
            sgl_table_file_text(file, worker->url);
            sgl_table_file_text(file, sgl_pool_name(worker->pool));
            sgl_table_file_text(file, worker->model);
            sgl_table_file_text(file, profile[0] != '\0' ? profile : NULL);
            sgl_table_file_text(file, service);
            sgl_table_file_row(file);
        }
    }
    free(service);
    return SGL_OK;
}

static void put_faults(struct sgl_table_file *file, const struct sgl_sweep *sweep)
{
    sgl_table_file_table(file, "fault");
    for (uint32_t f = 0; f < sweep->fleet_count; f++) {
        const struct sgl_fault_plan *plan = sweep->fleets[f].simulation.faults;
        for (uint32_t i = 0; plan != NULL && i < plan->count; i++) {
            const struct sgl_fault *fault = &plan->faults[i];
            const bool is_flap = fault->kind == SGL_FAULT_FLAP;
            sgl_table_file_integer(file, f);
            sgl_table_file_integer(file, i);
            sgl_table_file_integer(file, fault->worker);
            sgl_table_file_text(file, sgl_fault_kind_name(fault->kind));
            sgl_table_file_integer(file, fault->from_ns);
            sgl_table_file_integer(file,
                                   fault->until_ns != INT64_MAX ? fault->until_ns : SGL_ABSENT);
            sgl_table_file_real(file, fault->kind == SGL_FAULT_SLOW ? fault->factor : (double)NAN);
            sgl_table_file_integer(file, is_flap ? fault->period_ns : SGL_ABSENT);
            sgl_table_file_integer(file, is_flap ? fault->down_ns : SGL_ABSENT);
            sgl_table_file_row(file);
        }
    }
}

/* All absent when everybody is let in; of limits there are not, each. */
static void put_admission(struct sgl_table_file *file,
                          const struct sgl_admission_options *admission)
{
    const struct sgl_admission_options none = {.concurrency_max = -1};
    const struct sgl_admission_options *it = admission != NULL ? admission : &none;

    sgl_table_file_integer(file, if_used(it->concurrency_max));
    sgl_table_file_integer(file, admission != NULL ? it->queue_max : SGL_ABSENT);
    sgl_table_file_integer(file, if_used(it->timeout_ns));
    sgl_table_file_integer(file, if_used(it->rate.interval_ns));
    sgl_table_file_integer(file, it->rate.interval_ns > 0 ? it->rate.slack_ns : SGL_ABSENT);
}

/* What the run was asked to be. */
static void put_run_options(struct sgl_table_file *file, const struct sgl_sweep *sweep,
                            const struct sgl_sweep_job *job, const char *policy)
{
    const struct sgl_simulation_options *options = &sweep->fleets[job->fleet].simulation;
    char digest[24];

    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)sweep->trace_digest);
    sgl_table_file_text(file, sweep->policy_names[job->policy]);
    sgl_table_file_text(file, policy);
    sgl_table_file_integer(file, job->fleet);
    sgl_table_file_integer(file, options->worker_count);
    sgl_table_file_real(file, sweep->loads[job->load]);
    sgl_table_file_integer(file, (int64_t)(sweep->seed + job->seed));
    sgl_table_file_text(file, sweep->resamples ? "blocks" : "none");
    sgl_table_file_integer(
        file, sweep->resamples ? sgl_population_facts(sweep->population)->block_ns : SGL_ABSENT);
    sgl_table_file_text(file, digest);
    sgl_table_file_integer(file, options->max_new_tokens);
    sgl_table_file_integer(file, if_used(options->concurrency));
    sgl_table_file_integer(file, if_used(options->until_ns));
    sgl_table_file_integer(file, options->response_delay_ns);
    sgl_table_file_integer(file, if_used(options->load_interval_ns));
    sgl_table_file_integer(file, options->load_delay_ns);
    sgl_table_file_real(file, options->load_loss);
    sgl_table_file_integer(file, options->completions_report);
    sgl_table_file_real(file, options->completions_loss);
    sgl_table_file_integer(file, options->faults != NULL ? if_used(options->health_interval_ns)
                                                         : SGL_ABSENT);
    put_admission(file, options->admission);
    sgl_table_file_integer(file, if_used(options->request_timeout_ns));
    sgl_table_file_integer(file, if_used(options->client_timeout_ns));
}

/* What came of it. */
static void put_run_result(struct sgl_table_file *file, const struct sgl_sweep_run *run,
                           const struct sgl_run *figures)
{
    const struct sgl_summary_result *result = &run->result;
    const struct sgl_simulation_totals *totals = &run->totals;
    const struct sgl_saturation_verdict *verdict = &result->saturation;
    const bool has_goal = sgl_objectives_any(&result->objectives);

    sgl_table_file_integer(file, (int64_t)result->requests);
    sgl_table_file_integer(file, (int64_t)result->succeeded);
    sgl_table_file_integer(file, (int64_t)result->failed);
    sgl_table_file_integer(file, (int64_t)totals->rejected);
    sgl_table_file_integer(file, (int64_t)totals->timed_out);
    sgl_table_file_integer(file, (int64_t)totals->abandoned);
    sgl_table_file_integer(file, (int64_t)totals->cut_in_flight);
    sgl_table_file_integer(file, (int64_t)totals->cut_arrivals);
    sgl_table_file_integer(file, verdict->is_known ? verdict->is_saturated : SGL_ABSENT);
    sgl_table_file_integer(file, (int64_t)totals->without_max_tokens);
    sgl_table_file_integer(file, (int64_t)totals->cut_to_max_tokens);
    sgl_table_file_integer(file, (int64_t)totals->cut_to_memory);
    sgl_table_file_real(file, result->duration_s);
    sgl_table_file_real(file, figures->offered_per_s);
    sgl_table_file_real(file, result->requests_per_s);
    sgl_table_file_real(file, result->input_tokens_per_s);
    sgl_table_file_real(file, result->output_tokens_per_s);
    sgl_table_file_integer(file, has_goal && !isnan(result->goodput_per_s) ? (int64_t)result->good
                                                                           : SGL_ABSENT);
    sgl_table_file_real(file, has_goal ? result->goodput_per_s : (double)NAN);
    sgl_table_file_real(file, result->cache_hit_rate);
    sgl_table_file_real(file, result->jain_index);
}

static int put_runs(struct sgl_table_file *file, const struct sgl_sweep_result *result,
                    struct sgl_failure *failure)
{
    const struct sgl_sweep *sweep = result->sweep;
    char **policies = calloc((size_t)sweep->policy_count + 1, sizeof *policies);
    int status = policies != NULL ? SGL_OK : SGL_ENOMEM;

    for (uint32_t p = 0; p < sweep->policy_count && status == SGL_OK; p++) {
        policies[p] = sgl_policy_format(&sweep->policies[p]);
        status = policies[p] != NULL ? SGL_OK : SGL_ENOMEM;
    }
    sgl_table_file_table(file, "run");
    for (uint32_t i = 0; i < result->run_count && status == SGL_OK; i++) {
        const struct sgl_sweep_job job = sgl_sweep_job_of(sweep, i);
        sgl_table_file_integer(file, i);
        put_run_options(file, sweep, &job, policies[job.policy]);
        put_run_result(file, &result->runs[i], &result->experiment.runs[i]);
        sgl_table_file_row(file);
    }
    for (uint32_t p = 0; policies != NULL && p < sweep->policy_count; p++)
        free(policies[p]);
    free(policies);
    return status == SGL_OK ? SGL_OK : sgl_fail(failure, status, "out of memory");
}

static void put_metrics(struct sgl_table_file *file, const struct sgl_sweep_result *result)
{
    sgl_table_file_table(file, "metric");
    for (uint32_t i = 0; i < result->run_count; i++)
        for (int m = 0; m < SGL_METRIC_COUNT; m++) {
            const struct sgl_distribution *metric = &result->runs[i].result.metrics[m];
            const double values[] = {metric->mean, metric->p50, metric->p90,
                                     metric->p95,  metric->p99, metric->max};
            sgl_table_file_integer(file, i);
            sgl_table_file_text(file, sgl_metric_name((enum sgl_metric)m));
            sgl_table_file_integer(file, (int64_t)metric->count);
            for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
                sgl_table_file_real(file, metric->count > 0 ? values[v] / 1e9 : (double)NAN);
            sgl_table_file_row(file);
        }
}

static void put_shares(struct sgl_table_file *file, const struct sgl_sweep_result *result)
{
    sgl_table_file_table(file, "share");
    for (uint32_t i = 0; i < result->run_count; i++) {
        const struct sgl_summary_result *run = &result->runs[i].result;
        uint64_t assigned = 0;
        for (uint32_t w = 0; w < run->worker_count; w++)
            assigned += run->workers[w].requests;
        for (uint32_t w = 0; w < run->worker_count; w++) {
            const double requests = (double)run->workers[w].requests;
            sgl_table_file_integer(file, i);
            sgl_table_file_integer(file, w);
            sgl_table_file_integer(file, (int64_t)run->workers[w].requests);
            sgl_table_file_integer(file, (int64_t)run->workers[w].failed);
            sgl_table_file_real(file, assigned > 0 ? requests / (double)assigned : (double)NAN);
            sgl_table_file_row(file);
        }
    }
}

int sgl_sweep_store(const struct sgl_sweep_result *result, const char *path,
                    struct sgl_failure *failure)
{
    struct sgl_table_file *file;
    int status = sgl_table_file_open(&file, path, &kind, failure);

    if (status != SGL_OK)
        return status;
    put_facts(file, result->sweep);
    put_faults(file, result->sweep);
    status = put_fleets(file, result->sweep, failure);
    if (status == SGL_OK)
        status = put_workers(file, result->sweep, failure);
    if (status == SGL_OK)
        status = put_runs(file, result, failure);
    if (status != SGL_OK) {
        sgl_table_file_discard(file);
        return status;
    }
    put_metrics(file, result);
    put_shares(file, result);
    return sgl_table_file_publish(file, failure);
}
