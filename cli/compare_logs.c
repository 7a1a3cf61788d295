/* Finished logs, compared: which belong together, and how far the answer reaches. */
#include "compare.h"

#include "cli.h"
#include "core/version.h"
#include "core/text.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DATE_MAX 32

/* Logs in order of time, those without a date by seed, then as given. */
static int compare_logs(const void *left, const void *right)
{
    const struct sgl_log_run *a = left;
    const struct sgl_log_run *b = right;

    if (a->arm != b->arm)
        return a->arm < b->arm ? -1 : 1;
    if (a->epoch_ns != b->epoch_ns)
        return a->epoch_ns < b->epoch_ns ? -1 : 1;
    if (a->run.seed != b->run.seed)
        return a->run.seed < b->run.seed ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* Logs of one policy; group() saw to it that all have as many. */
static uint32_t runs_each(const struct sgl_compare *compare)
{
    assert(compare->policy_count > 0);
    return compare->log_count / compare->policy_count;
}

static bool is_text_same(const char *left, const char *right)
{
    return left != NULL && right != NULL && strcmp(left, right) == 0;
}

/* Two logs are two arms; of more, those of one policy are one arm. */
static int group(struct sgl_compare *compare, struct sgl_failure *failure)
{
    struct sgl_log_run *logs = compare->logs;
    const uint32_t count = compare->log_count;
    uint32_t arms = 0;
    uint32_t sizes[SGL_OPTION_LIST_MAX] = {0};

    for (uint32_t i = 0; i < count; i++) {
        logs[i].arm = arms;
        for (uint32_t k = 0; k < i && count > 2; k++)
            if (strcmp(logs[k].policy, logs[i].policy) == 0)
                logs[i].arm = logs[k].arm;
        arms += logs[i].arm == arms;
        sizes[logs[i].arm]++;
    }
    if (arms == 1)
        return sgl_fail(failure, SGL_EINVAL,
                        "all %u logs are of one policy, expected two logs, or logs of two policies",
                        count);
    for (uint32_t arm = 1; arm < arms; arm++)
        if (sizes[arm] != sizes[0])
            return sgl_fail(failure, SGL_EINVAL,
                            "the policies have %u and %u log%s, expected one of each, or the same "
                            "number of blocks",
                            sizes[0], sizes[arm], sgl_plural(sizes[arm]));
    compare->policy_count = arms;
    qsort(logs, count, sizeof *logs, compare_logs);
    return SGL_OK;
}

/* Logs of one trace, simulated alike but for the policy. */
static bool is_same_traffic(const struct sgl_log_run *a, const struct sgl_log_run *b)
{
    return is_text_same(a->kind, "sim") && is_text_same(b->kind, "sim") &&
           is_text_same(a->trace_digest, b->trace_digest) && a->rate_scale == b->rate_scale &&
           a->run.requests == b->run.requests;
}

static enum sgl_pairing pairing_of(const struct sgl_compare *compare)
{
    const size_t each = runs_each(compare);
    bool is_same = true;

    for (size_t i = each; i < compare->log_count; i++) {
        const struct sgl_log_run *own = &compare->logs[i];
        const struct sgl_log_run *baseline = &compare->logs[i % each];
        is_same = is_same && is_same_traffic(own, baseline) &&
                  (each == 1 || own->run.seed == baseline->run.seed);
    }
    if (each == 1)
        return is_same ? SGL_PAIRED_REQUESTS : SGL_UNPAIRED;
    return is_same ? SGL_PAIRED_SEEDS : SGL_PAIRED_SWITCHBACK;
}

static const char *kind_of(const struct sgl_compare *compare)
{
    uint32_t simulated = 0;

    for (uint32_t i = 0; i < compare->log_count; i++)
        simulated += is_text_same(compare->logs[i].kind, "sim") ? 1 : 0;
    return simulated == compare->log_count ? "sim" : simulated == 0 ? "live" : "mixed";
}

static int analyse(struct sgl_compare *compare, struct sgl_failure *failure)
{
    struct sgl_comparison *comparison = &compare->comparison;
    const size_t each = runs_each(compare);
    int status = sgl_comparison_init(comparison, compare->policy_count, 1, failure);

    if (status != SGL_OK)
        return status;
    compare->log_runs = calloc(compare->log_count, sizeof *compare->log_runs);
    if (compare->log_runs == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    comparison->pairing = pairing_of(compare);
    comparison->margin = compare->margin;
    comparison->loads = compare->loads;
    for (uint32_t i = 0; i < compare->log_count; i++)
        compare->log_runs[i] = compare->logs[i].run;
    for (uint32_t arm = 0; arm < compare->policy_count; arm++)
        *sgl_comparison_arm(comparison, 0, arm) = (struct sgl_arm){
            .label = compare->logs[arm * each].policy,
            .runs = &compare->log_runs[arm * each],
            .run_count = (uint32_t)each,
            .recorded = &compare->log_runs[arm * each],
            .detail = compare->logs[arm * each].detail,
        };
    status = sgl_comparison_compute(comparison, failure);
    for (uint32_t i = 0; i < compare->options.gates.count && status == SGL_OK; i++)
        sgl_gate_judge(&compare->gates[i], comparison);
    return status;
}

/* What is left out of a log's figures. */
static bool state_warm_up(struct sgl_report *report, const struct sgl_log_run *log)
{
    if (log->is_warm_pass)
        return sgl_report_note(report,
                               "%s: warm caches (replay --warm-cache): every request was sent once "
                               "before, %llu request%s that %s left out of the figures",
                               log->path, (unsigned long long)log->warm_up,
                               sgl_plural(log->warm_up), log->warm_up == 1 ? "is" : "are");
    return sgl_report_note(
        report,
        "%s: the first %llu request%s %s warm-up (replay --warm-up), left out of "
        "the figures",
        log->path, (unsigned long long)log->warm_up, sgl_plural(log->warm_up),
        log->warm_up == 1 ? "is" : "are");
}

/* Was that said of an earlier log too? */
static bool is_caveat_new(const struct sgl_compare *compare, uint32_t log, const char *caveat)
{
    for (uint32_t i = 0; i < log; i++)
        for (uint32_t k = 0; k < SGL_LOG_RUN_CAVEATS_MAX; k++)
            if (is_text_same(compare->logs[i].caveats[k], caveat))
                return false;
    return true;
}

/* What the workers were, and what was said of them when the logs were made; once each. */
static bool state_workers(struct sgl_compare *compare)
{
    struct sgl_report *report = &compare->report;
    bool is_stated = true;

    for (uint32_t i = 0; i < compare->log_count && is_stated; i++) {
        const struct sgl_log_run *log = &compare->logs[i];
        bool is_new = log->workers != NULL && log->workers[0] != '\0';
        for (uint32_t k = 0; k < i; k++)
            is_new = is_new && !is_text_same(compare->logs[k].workers, log->workers);
        if (is_new && report->fact_count + 2 < SGL_REPORT_FACTS_MAX)
            is_stated = sgl_report_fact(report, "workers", "%s", log->workers);
        for (uint32_t c = 0; c < SGL_LOG_RUN_CAVEATS_MAX && is_stated; c++)
            if (log->caveats[c] != NULL && report->note_count + 9 < SGL_REPORT_NOTES_MAX &&
                is_caveat_new(compare, i, log->caveats[c]))
                is_stated = sgl_report_note(report, "%s", log->caveats[c]);
    }
    return is_stated;
}

static bool is_warmed_alike(const struct sgl_compare *compare)
{
    for (uint32_t i = 1; i < compare->log_count; i++)
        if (compare->logs[i].warm_up != compare->logs[0].warm_up ||
            compare->logs[i].is_warm_pass != compare->logs[0].is_warm_pass)
            return false;
    return true;
}

static bool state(struct sgl_compare *compare)
{
    struct sgl_report *report = &compare->report;
    const size_t each = runs_each(compare);
    bool is_stated = true;

    for (uint32_t i = 0; i < compare->log_count && is_stated; i++) {
        const struct sgl_log_run *log = &compare->logs[i];
        char date[DATE_MAX] = "no date";
        if (log->epoch_ns != SGL_ABSENT)
            snprintf(date, sizeof date, "epoch %.3f s", (double)log->epoch_ns / 1e9);
        if (report->fact_count + 2 < SGL_REPORT_FACTS_MAX)
            is_stated = sgl_report_fact(
                report, "log", "%c%u %s: %s, sglsim %s, seed %llu, %llu request%s, %s, trace %s",
                sgl_report_letter(log->arm), (unsigned)(i % each) + 1, log->path,
                log->kind != NULL ? log->kind : "live", log->version != NULL ? log->version : "?",
                (unsigned long long)log->run.seed, (unsigned long long)log->run.requests,
                sgl_plural(log->run.requests), date,
                log->trace_digest != NULL ? log->trace_digest : "none");
        if (!is_stated || report->note_count + 10 >= SGL_REPORT_NOTES_MAX)
            continue;
        if (log->warm_up > 0)
            is_stated = state_warm_up(report, log);
        if (is_stated && !log->is_complete)
            is_stated = sgl_report_note(report, "%s was cut off: its figures are of what is there",
                                        log->path);
        if (is_stated && log->run.unfinished > 0)
            is_stated = sgl_report_note(
                report,
                "%s: %llu of %llu request%s had no answer when it ended: latencies are of "
                "those answered, so of short ones more than of long ones",
                log->path, (unsigned long long)log->run.unfinished,
                (unsigned long long)log->run.requests, sgl_plural(log->run.requests));
        if (is_stated && log->gaps > 0)
            is_stated =
                sgl_report_note(report, "%s has %llu gap%s, where inputs were dropped", log->path,
                                (unsigned long long)log->gaps, sgl_plural(log->gaps));
    }
    if (is_stated && !is_warmed_alike(compare))
        is_stated = sgl_report_note(report, "the logs have unlike warm-up: a difference may be its "
                                            "doing, not a policy's");
    is_stated = is_stated && state_workers(compare);
    for (uint32_t i = 1; i < compare->log_count && is_stated; i++)
        if (!is_text_same(compare->logs[0].service, compare->logs[i].service) &&
            strcmp(report->kind, "sim") == 0) {
            is_stated = sgl_report_note(report, "the logs were simulated with unlike workers: a "
                                                "difference may be theirs");
            break;
        }
    for (uint32_t i = 0; i < compare->log_count && is_stated; i++)
        if (strncmp(compare->logs[i].policy, "prefill ", strlen("prefill ")) == 0) {
            is_stated = sgl_report_note(report, "of pairs a request is measured by its decode leg, "
                                                "queue_time and cached tokens by its prefill leg; "
                                                "the Jain index is of the less even pool");
            break;
        }
    for (uint32_t i = 1; i < compare->log_count && is_stated; i++)
        if (strcmp(report->kind, "sim") == 0 &&
            !is_text_same(compare->logs[0].trace_digest, compare->logs[i].trace_digest)) {
            is_stated = sgl_report_note(report, "the logs are of different traces: a difference "
                                                "may be the traffic's, not a policy's doing");
            break;
        }
    if (is_stated && strcmp(report->kind, "mixed") == 0)
        is_stated = sgl_report_note(report, "simulated and live logs: a difference may be the "
                                            "simulator's error, not a policy's doing");
    return is_stated && sgl_report_note_limits(report);
}

int sgl_compare_logs(struct sgl_compare *compare, struct sgl_failure *failure)
{
    const uint32_t count = compare->operand_count;
    int status = SGL_OK;

    compare->logs = calloc(count, sizeof *compare->logs);
    if (compare->logs == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < count && status == SGL_OK; i++) {
        status = sgl_log_run_read(&compare->logs[i], compare->operands[i], &compare->objectives,
                                  failure);
        compare->logs[i].place = i;
        compare->log_count += status == SGL_OK;
    }
    if (status == SGL_OK) {
        status = group(compare, failure);
        compare->is_misused = status != SGL_OK;
    }
    if (status == SGL_OK)
        status = analyse(compare, failure);
    if (status != SGL_OK)
        return status;
    const size_t each = runs_each(compare);
    for (uint32_t arm = 0; arm < compare->policy_count; arm++) {
        struct sgl_policy_spec policy;
        compare->arms[arm].text = strdup(compare->logs[arm * each].policy);
        compare->arms[arm].balance_abs_threshold = (double)NAN;
        compare->arms[arm].balance_rel_threshold = (double)NAN;
        if (compare->arms[arm].text == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "out of memory");
        /* A log of another version may name what this one does not know: then nothing is drawn. */
        if (sgl_policy_parse(&policy, compare->arms[arm].text, NULL) == SGL_OK) {
            sgl_compare_thresholds(&compare->arms[arm], &policy);
            sgl_policy_release(&policy);
        }
    }
    compare->report = (struct sgl_report){
        .kind = kind_of(compare),
        .version = SGL_VERSION,
        .comparison = &compare->comparison,
        .objectives = compare->objectives,
        .policies = compare->arms,
        .gates = compare->gates,
        .gate_count = compare->options.gates.count,
    };
    return state(compare) ? SGL_OK : sgl_fail(failure, SGL_ENOMEM, "out of memory");
}

int sgl_compare_check_logs(const struct sgl_compare *compare)
{
    if (compare->operand_count < 2) {
        sgl_complain("no --policy, expected at least two (sglsim policies lists them), or two "
                     "finished logs");
        return SGL_EXIT_USAGE;
    }
    for (uint32_t i = 0; i < compare->operand_count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (sgl_is_same_file(compare->operands[k], compare->operands[i])) {
                sgl_complain(
                    "'%.200s' is given twice, expected different logs (a run and itself do "
                    "not differ; run the policy again with another --seed)",
                    compare->operands[i]);
                return SGL_EXIT_USAGE;
            }
    return SGL_OPTIONS_RUN;
}
