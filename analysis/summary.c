#include "summary.h"

#include "attempts.h"

#include "core/error_word.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The inputs that hear_input has something to do with. */
#define HEARD                                                                                      \
    (SGL_INPUT_BIT(SGL_INPUT_ADD_WORKER) | SGL_INPUT_BIT(SGL_INPUT_ROUTE) |                        \
     SGL_INPUT_BIT(SGL_INPUT_REJECT))

struct sgl_summary {
    struct sgl_sink sink;
    struct sgl_objectives objectives;
    bool has_objectives;
    bool is_out_of_memory;

    uint64_t requests;
    uint64_t succeeded;
    uint64_t failed;
    uint64_t rejected;
    uint64_t good;
    struct sgl_error_count errors[SGL_ERROR_WORDS_MAX];
    uint32_t error_count;
    int64_t first_arrival_ns;
    int64_t last_arrival_ns;
    int64_t last_finish_ns;
    double input_tokens;
    double output_tokens;
    double cached_tokens;        /* NaN until an outcome says */
    int64_t route_prompt_tokens; /* of the request being routed */
    double predicted_tokens;
    double predicted_of_tokens;
    struct sgl_samples metrics[SGL_REQUEST_METRIC_COUNT];
    struct sgl_gap_distribution gaps; /* of all workers */
    int gap_status;
    struct sgl_summary_worker *workers;
    uint32_t worker_count;
    uint32_t worker_capacity;
    uint64_t decisions;
    uint64_t reasons[SGL_REASON_COUNT];
    double propensity_min;
    double propensity_max;
    struct sgl_saturation saturation;
    struct sgl_attempts attempts;
};

const char *sgl_metric_name(enum sgl_metric metric)
{
    static const char *const names[] = {
#define NAME(upper, lower) #lower,
        SGL_METRIC_MAP(NAME)
#undef NAME
    };

    return names[metric];
}

static void add_worker(struct sgl_summary *summary, const char *url, enum sgl_pool pool)
{
    if (summary->worker_count == summary->worker_capacity) {
        const uint32_t capacity = summary->worker_capacity > 0 ? 2 * summary->worker_capacity : 16;
        struct sgl_summary_worker *workers = realloc(summary->workers, capacity * sizeof *workers);
        if (workers == NULL) {
            summary->is_out_of_memory = true;
            return;
        }
        summary->workers = workers;
        summary->worker_capacity = capacity;
    }
    struct sgl_summary_worker *worker = &summary->workers[summary->worker_count];
    *worker = (struct sgl_summary_worker){.url = strdup(url), .pool = pool};
    if (worker->url == NULL)
        summary->is_out_of_memory = true;
    else
        summary->worker_count++;
}

/* The request's entry, made if needed. NULL: no memory, which is remembered. */
static struct sgl_attempts_entry *entry_of(struct sgl_summary *summary, int64_t request)
{
    struct sgl_attempts_entry *entry = sgl_attempts_find(&summary->attempts, request);

    if (entry == NULL)
        entry = sgl_attempts_add(&summary->attempts, request);
    if (entry == NULL)
        summary->is_out_of_memory = true;
    return entry;
}

/* A request counts as failed by its last attempt: that of the one before is taken back. */
static void take_back_failure(struct sgl_summary *summary, struct sgl_attempts_entry *entry)
{
    if (entry->error == SGL_NO_ERROR)
        return;
    summary->failed--;
    summary->errors[entry->error].count--;
    entry->error = SGL_NO_ERROR;
}

static void hear_retry(struct sgl_summary *summary, const struct sgl_input *input)
{
    struct sgl_attempts_entry *entry = entry_of(summary, input->request);

    if (entry == NULL || input->attempt <= entry->attempt)
        return;
    take_back_failure(summary, entry);
    entry->attempt = input->attempt;
}

static void count_arrival(struct sgl_summary *summary, int64_t arrival_ns)
{
    if (summary->requests == 0 || arrival_ns < summary->first_arrival_ns)
        summary->first_arrival_ns = arrival_ns;
    if (summary->requests == 0 || arrival_ns > summary->last_arrival_ns)
        summary->last_arrival_ns = arrival_ns;
    summary->requests++;
}

/* One that was routed, if in vain, has been counted. When one arrived that waited in vain is not
 * told: it is counted as of now, which is at most its wait too late. */
static void hear_reject(struct sgl_summary *summary, const struct sgl_input *input)
{
    const char *error = input->outcome.error;

    if (input->attempt > 0 || (error != NULL && strcmp(error, "no_worker") == 0))
        return;
    count_arrival(summary, input->now_ns);
    summary->rejected++;
}

static void hear_input(struct sgl_sink *self, uint64_t sequence, const struct sgl_input *input)
{
    struct sgl_summary *summary = (struct sgl_summary *)self;

    (void)sequence;
    if (input->kind == SGL_INPUT_ADD_WORKER)
        add_worker(summary, input->added.url, input->pool);
    if (input->kind == SGL_INPUT_ROUTE)
        summary->route_prompt_tokens = input->route.request->prompt_tokens;
    if (input->kind == SGL_INPUT_ROUTE && input->attempt > 0)
        hear_retry(summary, input);
    if (input->kind == SGL_INPUT_REJECT)
        hear_reject(summary, input);
    if (input->kind != SGL_INPUT_ROUTE || input->attempt > 0 || input->pool == SGL_POOL_DECODE)
        return;
    count_arrival(summary, input->route.request->arrival_ns);
}

/* What the policy expected the chosen worker to have of the prompt. */
static void count_prediction(struct sgl_summary *summary, uint32_t worker,
                             const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    for (uint32_t i = 0; i < candidate_count; i++) {
        if (candidates[i].worker != worker || isnan(candidates[i].matched_fraction) ||
            summary->route_prompt_tokens == SGL_ABSENT)
            continue;
        const double tokens = (double)summary->route_prompt_tokens;
        summary->predicted_tokens += candidates[i].matched_fraction * tokens;
        summary->predicted_of_tokens += tokens;
    }
}

static void hear_decision(struct sgl_sink *self, const struct sgl_decision *decision,
                          const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    struct sgl_summary *summary = (struct sgl_summary *)self;

    summary->decisions++;
    summary->reasons[decision->reason]++;
    if (decision->worker == SGL_NO_WORKER || decision->worker >= summary->worker_count)
        return;
    summary->workers[decision->worker].requests++;
    count_prediction(summary, decision->worker, candidates, candidate_count);
    /* fmin and fmax take the other value when one is NaN, as both are at the start. */
    summary->propensity_min = fmin(summary->propensity_min, decision->propensity);
    summary->propensity_max = fmax(summary->propensity_max, decision->propensity);
}

/* Returns the number under which it was counted. */
static uint32_t count_error(struct sgl_summary *summary, const char *word)
{
    const char *text = word != NULL ? word : "unknown";
    uint32_t i = 0;

    while (i < summary->error_count &&
           strncmp(summary->errors[i].word, text, sizeof summary->errors[i].word - 1) != 0)
        i++;
    if (i == summary->error_count) {
        if (i == SGL_ERROR_WORDS_MAX - 1)
            text = "other";
        if (i < SGL_ERROR_WORDS_MAX) {
            memcpy(summary->errors[i].word, text,
                   strnlen(text, sizeof summary->errors[i].word - 1));
            summary->error_count++;
        } else {
            i = SGL_ERROR_WORDS_MAX - 1;
        }
    }
    summary->errors[i].count++;
    return i;
}

double sgl_metric_value(enum sgl_metric metric, const struct sgl_outcome *outcome)
{
    int64_t value = SGL_ABSENT;

    switch (metric) {
    case SGL_METRIC_QUEUE_TIME:
        value = outcome->queue_time_ns;
        break;
    case SGL_METRIC_TTFT:
        value = outcome->ttft_ns;
        break;
    case SGL_METRIC_E2E:
        value = outcome->e2e_ns;
        break;
    case SGL_METRIC_TPOT:
        if (outcome->ttft_ns == SGL_ABSENT || outcome->e2e_ns == SGL_ABSENT ||
            outcome->output_tokens == SGL_ABSENT || outcome->output_tokens < 2 ||
            outcome->ttft_ns > outcome->e2e_ns)
            return SGL_ABSENT_REAL;
        return (double)(outcome->e2e_ns - outcome->ttft_ns) / (double)(outcome->output_tokens - 1);
    case SGL_METRIC_ITL:
    case SGL_METRIC_COUNT:
        break;
    }
    return value != SGL_ABSENT ? (double)value : SGL_ABSENT_REAL;
}

static void add_sample(struct sgl_summary *summary, enum sgl_metric metric, double value)
{
    if (!isnan(value) && sgl_samples_add(&summary->metrics[metric], value) != SGL_OK)
        summary->is_out_of_memory = true;
}

static void count_cached(struct sgl_summary *summary, const struct sgl_outcome *outcome)
{
    if (outcome->cached_tokens != SGL_ABSENT)
        summary->cached_tokens = (isnan(summary->cached_tokens) ? 0 : summary->cached_tokens) +
                                 (double)outcome->cached_tokens;
}

/* The first half of a request: what only it knows. */
static void count_prefill(struct sgl_summary *summary, const struct sgl_outcome *outcome)
{
    add_sample(summary, SGL_METRIC_QUEUE_TIME, sgl_metric_value(SGL_METRIC_QUEUE_TIME, outcome));
    count_cached(summary, outcome);
}

/* What an objective is held against: of a request's gaps, their mean. */
static double objective_value(enum sgl_metric metric, const struct sgl_outcome *outcome)
{
    return sgl_metric_value(metric == SGL_METRIC_ITL ? SGL_METRIC_TPOT : metric, outcome);
}

/* Answers of fewer than two tokens have no gap that could be too long. */
static bool may_be_absent(enum sgl_metric metric)
{
    return metric == SGL_METRIC_TPOT || metric == SGL_METRIC_ITL;
}

static bool meets_objectives(const struct sgl_summary *summary, const struct sgl_outcome *outcome)
{
    for (int m = 0; m < SGL_METRIC_COUNT; m++) {
        const double limit = summary->objectives.limit_ns[m];
        if (isnan(limit))
            continue;
        const double value = objective_value((enum sgl_metric)m, outcome);
        if (!(value <= limit) && !(may_be_absent((enum sgl_metric)m) && isnan(value)))
            return false;
    }
    return true;
}

static void count_success(struct sgl_summary *summary, const struct sgl_outcome_record *record)
{
    const struct sgl_outcome *outcome = record->outcome;

    summary->succeeded++;
    if (outcome->prompt_tokens != SGL_ABSENT)
        summary->input_tokens += (double)outcome->prompt_tokens;
    if (outcome->output_tokens != SGL_ABSENT)
        summary->output_tokens += (double)outcome->output_tokens;
    count_cached(summary, outcome);
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        if (m != SGL_METRIC_QUEUE_TIME || record->pool != SGL_POOL_DECODE)
            add_sample(summary, (enum sgl_metric)m, sgl_metric_value((enum sgl_metric)m, outcome));
    summary->good += !summary->has_objectives || meets_objectives(summary, outcome);
}

/* Can nothing more be heard of the request? Its first attempt ended with a word that is never tried
 * again. (Of a pair whose legs were sent, the other may fail by itself; words that are not listed
 * are somebody else's, who knows what follows.) */
static bool is_last_word(const struct sgl_outcome_record *record)
{
    const char *error = record->outcome->error;

    return record->attempt == 0 && sgl_error_meaning(error) != NULL &&
           !sgl_error_is_retryable(error) &&
           (record->pool == SGL_POOL_REGULAR || record->sent_ns == SGL_ABSENT);
}

static void count_failure(struct sgl_summary *summary, const struct sgl_outcome_record *record)
{
    struct sgl_attempts_entry *entry = sgl_attempts_find(&summary->attempts, record->request);

    /* A later attempt is under way, or the other half of a pair failed first. */
    if (entry != NULL && (record->attempt < entry->attempt || entry->error != SGL_NO_ERROR))
        return;
    if (entry == NULL && is_last_word(record)) {
        summary->failed++;
        count_error(summary, record->outcome->error);
        return;
    }
    entry = entry_of(summary, record->request);
    if (entry == NULL)
        return;
    summary->failed++;
    entry->attempt = record->attempt;
    entry->error = count_error(summary, record->outcome->error);
}

/* From its arrival, for it may have waited at the router, until it was started. A worker's clock
 * may run fast: nobody waited beyond the answer. */
static void count_wait(struct sgl_summary *summary, const struct sgl_outcome_record *record)
{
    const struct sgl_outcome *outcome = record->outcome;
    const int64_t most_ns = record->now_ns - record->sent_ns;
    const int64_t waited_ns = outcome->queue_time_ns < most_ns ? outcome->queue_time_ns : most_ns;
    int64_t begin_ns = record->sent_ns;

    if (record->attempt == 0 && outcome->e2e_ns != SGL_ABSENT &&
        record->now_ns - outcome->e2e_ns < begin_ns)
        begin_ns = record->now_ns - outcome->e2e_ns;
    sgl_saturation_add(&summary->saturation, begin_ns, record->sent_ns + waited_ns);
}

static void hear_outcome(struct sgl_sink *self, const struct sgl_outcome_record *record)
{
    struct sgl_summary *summary = (struct sgl_summary *)self;
    const struct sgl_outcome *outcome = record->outcome;

    if (record->now_ns > summary->last_finish_ns)
        summary->last_finish_ns = record->now_ns;
    if (record->sent_ns != SGL_ABSENT && outcome->queue_time_ns != SGL_ABSENT)
        count_wait(summary, record);
    if (outcome->success && record->pool == SGL_POOL_PREFILL) {
        count_prefill(summary, outcome);
    } else if (outcome->success) {
        struct sgl_attempts_entry *entry = sgl_attempts_find(&summary->attempts, record->request);
        if (entry != NULL)
            take_back_failure(summary, entry);
        count_success(summary, record);
    } else if (outcome->error == NULL || strcmp(outcome->error, SGL_ERROR_PAIR_LOST) != 0) {
        if (record->worker < summary->worker_count)
            summary->workers[record->worker].failed++;
        count_failure(summary, record);
    }
}

static void hear_gaps(struct sgl_sink *self, const struct sgl_gaps *gaps)
{
    struct sgl_summary *summary = (struct sgl_summary *)self;
    int status = sgl_gap_distribution_add(&summary->gaps, gaps->classes, gaps->class_count);

    if (status == SGL_OK && gaps->worker < summary->worker_count)
        status = sgl_gap_distribution_add(&summary->workers[gaps->worker].gaps, gaps->classes,
                                          gaps->class_count);
    if (status != SGL_OK)
        summary->gap_status = status;
}

static const struct sgl_sink_ops summary_ops = {
    .input = hear_input,
    .decision = hear_decision,
    .outcome = hear_outcome,
    .gaps = hear_gaps,
};

int sgl_summary_create(struct sgl_summary **summary_out, const struct sgl_objectives *objectives,
                       struct sgl_failure *failure)
{
    struct sgl_summary *summary = calloc(1, sizeof *summary);

    *summary_out = summary;
    if (summary == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "summary: out of memory");
    summary->sink = (struct sgl_sink){.ops = &summary_ops, .wants_gaps = true, .ignores = ~HEARD};
    summary->objectives = *objectives;
    summary->has_objectives = sgl_objectives_any(objectives);
    summary->cached_tokens = SGL_ABSENT_REAL;
    summary->propensity_min = SGL_ABSENT_REAL;
    summary->propensity_max = SGL_ABSENT_REAL;
    sgl_saturation_init(&summary->saturation);
    return SGL_OK;
}

struct sgl_sink *sgl_summary_sink(struct sgl_summary *summary)
{
    return &summary->sink;
}

int sgl_summary_describe(struct sgl_summary *summary, uint32_t worker, const char *kind,
                         struct sgl_failure *failure)
{
    char *copy = strdup(kind);

    if (copy == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "summary: out of memory");
    free(summary->workers[worker].kind);
    summary->workers[worker].kind = copy;
    return SGL_OK;
}

static double jain_index_of(const struct sgl_summary *summary, enum sgl_pool pool)
{
    double sum = 0;
    double squares = 0;
    uint32_t count = 0;

    for (uint32_t w = 0; w < summary->worker_count; w++) {
        if (summary->workers[w].pool != pool)
            continue;
        const double requests = (double)summary->workers[w].requests;
        sum += requests;
        squares += requests * requests;
        count++;
    }
    return squares > 0 ? sum * sum / (count * squares) : SGL_ABSENT_REAL;
}

static double jain_index(const struct sgl_summary *summary)
{
    double least = SGL_ABSENT_REAL;

    /* fmin takes the other value when one is NaN. */
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++)
        least = fmin(least, jain_index_of(summary, (enum sgl_pool)pool));
    return least;
}

static bool has_pairs(const struct sgl_summary *summary)
{
    for (uint32_t w = 0; w < summary->worker_count; w++)
        if (summary->workers[w].pool != SGL_POOL_REGULAR)
            return true;
    return false;
}

/* An objective on what nothing in the run measures, or SGL_METRIC_COUNT. A tpot that does not exist
 * meets its objective, but without any ttft nobody knows whether it exists. */
static enum sgl_metric unmeasured_objective(const struct sgl_summary_result *result)
{
    int m = 0;

    for (; m < SGL_METRIC_COUNT; m++) {
        const enum sgl_metric needed =
            may_be_absent((enum sgl_metric)m) ? SGL_METRIC_TTFT : (enum sgl_metric)m;
        if (!isnan(result->objectives.limit_ns[m]) && result->succeeded > 0 &&
            result->metrics[needed].count == 0)
            break;
    }
    return (enum sgl_metric)m;
}

int sgl_summary_finish(struct sgl_summary *summary, struct sgl_summary_result *result,
                       struct sgl_failure *failure)
{
    const double span_ns = (double)summary->last_finish_ns - (double)summary->first_arrival_ns;
    const double duration_s =
        summary->succeeded > 0 && span_ns > 0 ? span_ns / 1e9 : SGL_ABSENT_REAL;

    *result = (struct sgl_summary_result){
        .requests = summary->requests,
        .succeeded = summary->succeeded,
        .failed = summary->failed,
        .rejected = summary->rejected,
        .unfinished = summary->requests > summary->succeeded + summary->failed
                          ? summary->requests - summary->succeeded - summary->failed
                          : 0,
        .duration_s = duration_s,
        .requests_per_s = (double)summary->succeeded / duration_s,
        .input_tokens_per_s = summary->input_tokens / duration_s,
        .output_tokens_per_s = summary->output_tokens / duration_s,
        .objectives = summary->objectives,
        .good = summary->good,
        .itl_within = isnan(summary->objectives.limit_ns[SGL_METRIC_ITL])
                          ? SGL_ABSENT_REAL
                          : sgl_gap_distribution_within(
                                &summary->gaps, summary->objectives.limit_ns[SGL_METRIC_ITL]),
        .goodput_per_s = (double)summary->good / duration_s,
        .workers = summary->workers,
        .worker_count = summary->worker_count,
        .cache_hit_rate = summary->input_tokens > 0 ? summary->cached_tokens / summary->input_tokens
                                                    : SGL_ABSENT_REAL,
        .cache_hit_rate_predicted = summary->predicted_of_tokens > 0
                                        ? summary->predicted_tokens / summary->predicted_of_tokens
                                        : SGL_ABSENT_REAL,
        .has_pairs = has_pairs(summary),
        .jain_index = jain_index(summary),
        .decisions = summary->decisions,
        .propensity_min = summary->propensity_min,
        .propensity_max = summary->propensity_max,
        .saturation = sgl_saturation_test(&summary->saturation, summary->first_arrival_ns,
                                          summary->last_arrival_ns, summary->requests),
    };
    for (uint32_t i = 0; i < summary->error_count; i++)
        if (summary->errors[i].count > 0)
            result->errors[result->error_count++] = summary->errors[i];
    memcpy(result->reasons, summary->reasons, sizeof result->reasons);
    result->metrics[SGL_METRIC_ITL] = sgl_distribution_of_gaps(&summary->gaps);
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        if (sgl_distribution_of(&summary->metrics[m], &result->metrics[m]) != SGL_OK)
            summary->is_out_of_memory = true;
    result->unmeasured = unmeasured_objective(result);
    if (result->unmeasured != SGL_METRIC_COUNT)
        result->goodput_per_s = SGL_ABSENT_REAL;
    if (summary->is_out_of_memory || summary->gap_status == SGL_ENOMEM)
        return sgl_fail(failure, SGL_ENOMEM, "summary: out of memory");
    if (summary->gap_status != SGL_OK)
        return sgl_fail(failure, summary->gap_status,
                        "summary: gaps between tokens of more than %d classes", SGL_GAP_CLASS_MAX);
    return SGL_OK;
}

double sgl_summary_resolution(const struct sgl_summary_result *result)
{
    double most = 0;

    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        most = fmax(most, result->metrics[m].resolution);
    return most;
}

int sgl_summary_sort(struct sgl_summary *summary, struct sgl_failure *failure)
{
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        if (sgl_samples_sort(&summary->metrics[m]) != SGL_OK)
            return sgl_fail(failure, SGL_ENOMEM, "summary: out of memory");
    return SGL_OK;
}

double sgl_summary_quantile(const struct sgl_summary *summary, enum sgl_metric metric, double q)
{
    return metric == SGL_METRIC_ITL ? sgl_gap_distribution_quantile(&summary->gaps, q)
                                    : sgl_samples_quantile(&summary->metrics[metric], q);
}

double sgl_summary_offered_per_s(const struct sgl_summary *summary)
{
    const double span_ns = (double)summary->last_arrival_ns - (double)summary->first_arrival_ns;

    return summary->requests > 1 && span_ns > 0 ? (double)(summary->requests - 1) / span_ns * 1e9
                                                : SGL_ABSENT_REAL;
}

void sgl_summary_destroy(struct sgl_summary *summary)
{
    if (summary == NULL)
        return;
    for (int m = 0; m < SGL_REQUEST_METRIC_COUNT; m++)
        sgl_samples_release(&summary->metrics[m]);
    sgl_gap_distribution_release(&summary->gaps);
    for (uint32_t w = 0; w < summary->worker_count; w++) {
        free(summary->workers[w].url);
        free(summary->workers[w].kind);
        sgl_gap_distribution_release(&summary->workers[w].gaps);
    }
    free(summary->workers);
    sgl_attempts_release(&summary->attempts);
    free(summary);
}
