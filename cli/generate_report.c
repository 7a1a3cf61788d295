#include "generate.h"

#include "core/version.h"
#include "core/text.h"
#include "traces/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The quantities of the table, each with what came of it and what was meant. NaN: none. */
struct figure {
    const char *name; /* in JSON */
    const char *label;
    const char *unit;
    double realised;
    double intended;
};

enum { FIGURE_MAX = 16 };

static double rate_of(const struct sgl_generation *generation)
{
    return generation->gap_mean_s > 0 ? 1 / generation->gap_mean_s : NAN;
}

static double cv_of(const struct sgl_generation *generation)
{
    if (generation->gap_count < 2 || !(generation->gap_mean_s > 0))
        return NAN;
    return sqrt(generation->gap_squares / (double)(generation->gap_count - 1)) /
           generation->gap_mean_s;
}

static double shared_of(const struct sgl_generation *generation)
{
    return (double)generation->facts.shared_tokens / generation->prompt_tokens.sum;
}

static size_t make_figures(const struct sgl_generation *generation, struct figure *figures)
{
    const struct sgl_law *arrivals = &generation->arrivals;
    const struct sgl_law *prompt = &generation->prompt;
    const struct sgl_law *output = &generation->output;
    const struct sgl_samples *new_tokens = &generation->new_tokens;
    const struct sgl_samples *prompts = &generation->prompt_tokens;
    const struct sgl_samples *outputs = &generation->output_tokens;
    const bool has_sessions = generation->options.sessions != NULL;
    const bool has_ids = has_sessions || generation->options.prefixes != NULL;
    /* A cut of outputs or of long sessions is not in the laws' formulas. */
    const bool is_cut = generation->options.max_tokens > 0;
    const struct figure rows[] = {
        {"rate", "arrivals", has_sessions ? "sessions/s" : "requests/s", rate_of(generation),
         arrivals->ops->rate != NULL ? arrivals->ops->rate(arrivals) : NAN},
        {"gap_cv", "cv of gaps", "", cv_of(generation),
         arrivals->ops->gap_cv != NULL ? arrivals->ops->gap_cv(arrivals) : NAN},
        {"new_tokens_mean", "prompt, new: mean", "tokens", sgl_samples_mean(new_tokens),
         prompt->ops->mean(prompt)},
        {"new_tokens_p50", "prompt, new: p50", "tokens", sgl_samples_quantile(new_tokens, 0.5),
         prompt->ops->quantile(prompt, 0.5)},
        {"new_tokens_p99", "prompt, new: p99", "tokens", sgl_samples_quantile(new_tokens, 0.99),
         prompt->ops->quantile(prompt, 0.99)},
        {"output_tokens_mean", "output: mean", "tokens", sgl_samples_mean(outputs),
         is_cut ? NAN : output->ops->mean(output)},
        {"output_tokens_p50", "output: p50", "tokens", sgl_samples_quantile(outputs, 0.5),
         is_cut ? NAN : output->ops->quantile(output, 0.5)},
        {"output_tokens_p99", "output: p99", "tokens", sgl_samples_quantile(outputs, 0.99),
         is_cut ? NAN : output->ops->quantile(output, 0.99)},
        {"prompt_tokens_mean", "prompt, whole: mean", "tokens", sgl_samples_mean(prompts), NAN},
        {"prompt_tokens_p99", "prompt, whole: p99", "tokens", sgl_samples_quantile(prompts, 0.99),
         NAN},
        {"shared_prefix_percent", "shared prefix", "% of prompt tokens",
         100 * shared_of(generation), NAN},
    };
    const size_t count = sizeof rows / sizeof rows[0] - (has_ids ? 0 : 3);

    memcpy(figures, rows, count * sizeof rows[0]);
    return count;
}

static void print_number(double value)
{
    if (isnan(value))
        printf(" %12s", "-");
    else
        printf(value < 1000 ? " %12.4g" : " %12.0f", value);
}

static void print_notes(const struct sgl_generation *generation)
{
    const struct sgl_generator_facts *facts = &generation->facts;

    printf("\nn = %" PRIu64 " request%s over %.3f s; intended: the laws' own formulas, with their "
           "bounds\n",
           facts->request_count, sgl_plural(facts->request_count), generation->last_arrival_s);
    if (sgl_samples_resolution(&generation->prompt_tokens) > 0)
        printf("of what was realised: %s\n", SGL_SAMPLES_CAVEAT);
    if (facts->prompts_clamped > 0 || facts->outputs_clamped > 0)
        printf("held at max: %" PRIu64 " draw%s of prompts, %" PRIu64 " of outputs\n",
               facts->prompts_clamped, sgl_plural(facts->prompts_clamped), facts->outputs_clamped);
    if (facts->outputs_cut > 0)
        printf("cut by --max-tokens: %" PRIu64 " output%s\n", facts->outputs_cut,
               sgl_plural(facts->outputs_cut));
    if (generation->options.sessions == NULL)
        return;
    printf("sessions: %" PRIu64 ", of which %" PRIu64
           " were cut by the end of the trace and %" PRIu64 " ended at max_context\n",
           facts->session_count, facts->sessions_cut, facts->sessions_full);
    printf("turns per session: %.4g (intended %.4g, before those cuts)\n",
           (double)facts->request_count / (double)facts->session_count,
           generation->sessions.value[SGL_SESSION_TURNS]);
}

static int print_law(const char *label, const struct sgl_law *law)
{
    char *text = sgl_law_format(law);

    if (text == NULL)
        return SGL_ENOMEM;
    printf("%-12s %s\n", label, text);
    free(text);
    return SGL_OK;
}

static int print_parameters(const char *label, const struct sgl_parameters *parameters,
                            uint32_t block)
{
    if (parameters == NULL)
        return SGL_OK;
    char *text = sgl_parameters_format(parameters);
    if (text == NULL)
        return SGL_ENOMEM;
    printf("%-12s %s", label, text);
    printf(block > 0 ? " (blocks of %u tokens)\n" : "\n", (unsigned)block);
    free(text);
    return SGL_OK;
}

static void format_max_tokens(const struct sgl_generator_options *options, char *out, size_t size)
{
    if (options->max_tokens > 0)
        snprintf(out, size, "%" PRId64, options->max_tokens);
    else if (options->max_factor > 1)
        snprintf(out, size, "x%g", options->max_factor);
    else
        snprintf(out, size, "%s", options->max_factor > 0 ? "exact" : "none");
}

int sgl_generation_print(const struct sgl_generation *generation, struct sgl_failure *failure)
{
    const struct sgl_generator_options *options = &generation->options;
    struct figure figures[FIGURE_MAX];
    char max_tokens[40];
    char word[SGL_SHELL_WORD_MAX];
    const size_t count = make_figures(generation, figures);

    printf("%s: %" PRIu64 " request%s, seed %" PRIu64 ", digest %016" PRIx64 "\n",
           sgl_text_shell_word(generation->path, word, sizeof word),
           generation->facts.request_count, sgl_plural(generation->facts.request_count),
           options->seed, generation->digest);
    if (print_law("arrivals", &generation->arrivals) != SGL_OK ||
        print_law("prompt", &generation->prompt) != SGL_OK ||
        print_law("output", &generation->output) != SGL_OK ||
        print_parameters("prefixes", options->prefixes, options->prefix_block) != SGL_OK ||
        print_parameters("sessions", options->sessions, 0) != SGL_OK)
        return sgl_fail(failure, SGL_ENOMEM, "no memory to print the laws");
    format_max_tokens(options, max_tokens, sizeof max_tokens);
    printf("%-12s %s\n\n%-20s %12s %12s\n", "max_tokens", max_tokens, "", "realised", "intended");
    for (size_t i = 0; i < count; i++) {
        printf("%-20s", figures[i].label);
        print_number(figures[i].realised);
        print_number(figures[i].intended);
        printf("%s%s\n", figures[i].unit[0] != '\0' ? "  " : "", figures[i].unit);
    }
    print_notes(generation);
    return SGL_OK;
}

int sgl_generation_describe(const struct sgl_generation *generation,
                            struct sgl_trace_note notes[static SGL_GENERATION_NOTES],
                            struct sgl_failure *failure)
{
    const struct sgl_generator_options *options = &generation->options;
    char max_tokens[40];
    char seed[24];
    char block[16];
    const bool has_ids = options->prefixes != NULL || options->sessions != NULL;

    format_max_tokens(options, max_tokens, sizeof max_tokens);
    snprintf(seed, sizeof seed, "%" PRIu64, options->seed);
    snprintf(block, sizeof block, "%" PRIu32, options->prefix_block);
    const struct {
        const char *key;
        char *value;
        bool is_given;
    } rows[SGL_GENERATION_NOTES] = {
        {"arrivals", sgl_law_format(&generation->arrivals), true},
        {"prompt", sgl_law_format(&generation->prompt), true},
        {"output", sgl_law_format(&generation->output), true},
        {"prefixes", sgl_parameters_format(&generation->prefixes), options->prefixes != NULL},
        {"sessions", sgl_parameters_format(&generation->sessions), options->sessions != NULL},
        {"prefix_block", strdup(block), has_ids},
        {"max_tokens", strdup(max_tokens), true},
        {"seed", strdup(seed), true},
        {"version", strdup("sglsim " SGL_VERSION), true},
    };
    bool has_all = true;
    for (size_t i = 0; i < SGL_GENERATION_NOTES; i++) {
        has_all = has_all && rows[i].value != NULL;
        if (!rows[i].is_given)
            free(rows[i].value);
        notes[i].key = rows[i].key;
        notes[i].value = rows[i].is_given ? rows[i].value : NULL;
    }
    return has_all ? SGL_OK : sgl_fail(failure, SGL_ENOMEM, "no memory to name the laws");
}

void sgl_generation_notes_release(struct sgl_trace_note notes[static SGL_GENERATION_NOTES])
{
    for (size_t i = 0; i < SGL_GENERATION_NOTES; i++)
        free(notes[i].value);
}

static int add_laws(json_t *root, const struct sgl_generation *generation,
                    struct sgl_failure *failure)
{
    struct sgl_trace_note notes[SGL_GENERATION_NOTES];
    int failed = sgl_generation_describe(generation, notes, failure) != SGL_OK;

    for (size_t i = 0; i < SGL_GENERATION_NOTES && !failed; i++)
        failed = json_object_set_new(root, notes[i].key,
                                     notes[i].value != NULL ? json_string(notes[i].value)
                                                            : json_null()) != 0;
    sgl_generation_notes_release(notes);
    return failed;
}

int sgl_generation_print_json(const struct sgl_generation *generation, struct sgl_failure *failure)
{
    const struct sgl_generator_facts *facts = &generation->facts;
    struct figure figures[FIGURE_MAX];
    char digest[17];
    const size_t count = make_figures(generation, figures);

    snprintf(digest, sizeof digest, "%016" PRIx64, generation->digest);
    json_t *root = json_pack(
        "{s:i, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I}", "schema_version", 1, "digest", digest,
        "span_s", generation->last_arrival_s, "requests", (json_int_t)facts->request_count,
        "sessions_count", (json_int_t)facts->session_count, "sessions_cut",
        (json_int_t)facts->sessions_cut, "sessions_full", (json_int_t)facts->sessions_full,
        "draws_at_max", (json_int_t)facts->prompts_clamped + (json_int_t)facts->outputs_clamped,
        "outputs_cut", (json_int_t)facts->outputs_cut);
    const double resolution = sgl_samples_resolution(&generation->prompt_tokens);
    int failed = root == NULL || add_laws(root, generation, failure) != 0;
    if (!failed && resolution > 0)
        failed = json_object_set_new(root, "resolution", json_real(resolution)) != 0;
    for (size_t i = 0; i < count && !failed; i++)
        failed = json_object_set_new(root, figures[i].name,
                                     json_pack("{s:o, s:o}", "realised",
                                               sgl_json_real(figures[i].realised), "intended",
                                               sgl_json_real(figures[i].intended))) != 0;
    if (!failed)
        failed = !sgl_json_print(stdout, json_incref(root));
    json_decref(root);
    return failed ? sgl_fail(failure, SGL_ENOMEM, "no memory to print the figures") : SGL_OK;
}
