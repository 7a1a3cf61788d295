/* sglsim verify LOG: the verdict in words, and as exit status. */
#include "traces/json.h"
#include "analysis/verify.h"

#include "cli.h"
#include "core/absent.h"
#include "core/text.h"
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_SCHEMA_VERSION 1

static const char *const status_names[] = {
    [SGL_VERIFY_IDENTICAL] = "identical",
    [SGL_VERIFY_DIFFERENT] = "different",
    [SGL_VERIFY_INCOMPLETE] = "incomplete",
};

static const int exit_codes[] = {
    [SGL_VERIFY_IDENTICAL] = SGL_EXIT_DONE,
    [SGL_VERIFY_DIFFERENT] = SGL_EXIT_DIFFERENT,
    [SGL_VERIFY_INCOMPLETE] = SGL_EXIT_NOT_IDENTIFIABLE,
};

static void print_report(const struct sgl_verify_report *report)
{
    printf("%s\n", report->text);
    if (report->status == SGL_VERIFY_IDENTICAL)
        return; /* the text has the counts */
    printf(
        "identical before that: %llu input%s, %llu decision%s, %llu candidate%s, %llu outcome%s\n",
        (unsigned long long)report->input_count, sgl_plural(report->input_count),
        (unsigned long long)report->decision_count, sgl_plural(report->decision_count),
        (unsigned long long)report->candidate_count, sgl_plural(report->candidate_count),
        (unsigned long long)report->outcome_count, sgl_plural(report->outcome_count));
}

static json_t *integer_or_null(int64_t value)
{
    return value != SGL_ABSENT ? json_integer(value) : json_null();
}

static json_t *difference_json(const struct sgl_verify_report *report)
{
    const struct sgl_verify_difference *difference = &report->difference;

    if (report->status != SGL_VERIFY_DIFFERENT)
        return json_null();
    return json_pack("{s:s?, s:s?, s:o, s:o, s:o, s:o, s:o}", "table", difference->table, "column",
                     difference->column, "sequence", integer_or_null(difference->sequence),
                     "request", integer_or_null(difference->request), "worker",
                     integer_or_null(difference->worker), "logged",
                     sgl_json_text(difference->logged), "again", sgl_json_text(difference->again));
}

static int print_json(const struct sgl_verify_report *report)
{
    json_t *root = json_pack(
        "{s:i, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "schema_version",
        JSON_SCHEMA_VERSION, "command", "verify", "status", status_names[report->status], "text",
        sgl_json_text(report->text), "sequence", (json_int_t)report->sequence, "inputs",
        (json_int_t)report->input_count, "decisions", (json_int_t)report->decision_count,
        "candidates", (json_int_t)report->candidate_count, "outcomes",
        (json_int_t)report->outcome_count, "is_same_build", (int)report->is_same_build,
        "first_difference", difference_json(report));

    if (sgl_json_print(stdout, root))
        return SGL_EXIT_DONE;
    sgl_complain("out of memory");
    return SGL_EXIT_FAILED;
}

int sgl_command_verify(int argument_count, char **arguments)
{
    bool json = false;
    const struct sgl_option table[] = {
        {"json", 'j', SGL_OPTION_FLAG, NULL, &json, "print the verdict as JSON", 0},
        {0},
    };
    const struct sgl_usage usage = {
        .synopsis = "sglsim verify LOG [options]",
        .text = "Feeds the logged inputs to a fresh router of the same policy, parameters and "
                "seed, and\n"
                "compares every decision, reason, propensity, score and gradient bit for bit, then "
                "the counts\n"
                "and digests of every table.\n"
                "\n"
                "exit status: 0 identical, 3 different (the first difference is shown), 4 "
                "incomplete: identical\n"
                "up to a gap or to where the log was cut off, 1 the log cannot be read\n",
        .examples = "  sglsim verify sglsim-run.db\n",
        .options = table,
        .operands_least = 1,
        .operands_most = 1,
    };
    struct sgl_verify_report report;
    struct sgl_failure failure = {.text = ""};
    size_t operand_count;
    const int exit_code = sgl_options_parse(&usage, argument_count, arguments, &operand_count);

    if (exit_code != SGL_OPTIONS_RUN)
        return exit_code;
    if (sgl_verify(arguments[1], &report, &failure) != SGL_OK) {
        sgl_complain_of(arguments[1], failure.text);
        return SGL_EXIT_FAILED;
    }
    if (!json)
        print_report(&report);
    else if (print_json(&report) != SGL_EXIT_DONE)
        return SGL_EXIT_FAILED;
    return exit_codes[report.status];
}
