/* Kernel tables: a step is composed of its kernels. */
#include "step_samples.h"

#include "csv_table.h"
#include "expert_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_MAX_BYTES 4096

#define BYTES_PER_NUMBER 2.0     /* between layers: bfloat16 */
#define REDUCTIONS_PER_LAYER 2.0 /* after attention and after the feed-forward part */

enum part {
    EVERY_MODEL,
    FEED_FORWARD, /* in whose place a table of experts stands */
    SOME_MODELS,  /* what a table does not name does not run */
};

/* The kernels of a step and how often each runs; `per_layer` ones once in every layer. */
static const struct {
    const char *name;
    double times;
    bool per_layer;
    bool per_sequence; /* its table counts sequences, not tokens */
    enum part part;
} kernels[] = {
    {"embedding", 1, false, false, EVERY_MODEL},
    {"layernorm", 2, true, false, EVERY_MODEL},
    {"qkv_proj", 1, true, false, EVERY_MODEL},
    {"qk_norm", 1, true, false, SOME_MODELS},
    {"rotary_emb", 1, true, false, EVERY_MODEL},
    {"o_proj", 1, true, false, EVERY_MODEL},
    {"gate_up_proj", 1, true, false, FEED_FORWARD},
    {"act_fn", 1, true, false, FEED_FORWARD},
    {"down_proj", 1, true, false, FEED_FORWARD},
    {"final_layernorm", 1, false, false, EVERY_MODEL},
    {"lm_head", 1, false, true, EVERY_MODEL},
    {"sampler", 1, false, true, EVERY_MODEL},
};

#define KERNEL_COUNT (sizeof kernels / sizeof kernels[0])

/* Time by count, rising. */
struct curve {
    double *counts;
    double *times_us;
    size_t size;
    size_t capacity;
};

struct composition {
    struct curve curves[KERNEL_COUNT];
    struct curve experts; /* of a layer; empty without */
    struct sgl_step_samples *samples;
    const struct sgl_kernel_scope *scope;
    double context_max;
    double kv_tokens; /* 0: unlimited */
    double max_tokens;
    double max_requests;
    double reduction_us;       /* of a step's all-reduces, */
    double reduction_token_us; /* and for each of its tokens */
    bool per_sequence;         /* the table being read */
};

static int extend(struct curve *curve, double count, double time_us,
                  const struct sgl_csv_table_row *row, struct sgl_failure *failure)
{
    if (curve->size > 0 && count <= curve->counts[curve->size - 1])
        return sgl_fail(failure, SGL_EINVAL, "%s: counts of a layer must rise", row->place);
    if (curve->size == curve->capacity) {
        const size_t capacity = curve->capacity > 0 ? 2 * curve->capacity : 256;
        double *counts = realloc(curve->counts, capacity * sizeof *counts);
        if (counts != NULL)
            curve->counts = counts;
        double *times_us = realloc(curve->times_us, capacity * sizeof *times_us);
        if (times_us != NULL)
            curve->times_us = times_us;
        if (counts == NULL || times_us == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", row->place);
        curve->capacity = capacity;
    }
    curve->counts[curve->size] = count;
    curve->times_us[curve->size++] = time_us;
    return SGL_OK;
}

static int take_kernel(void *context, const struct sgl_csv_table_row *row,
                       struct sgl_failure *failure)
{
    struct composition *composition = context;

    for (size_t k = 0; k < KERNEL_COUNT; k++)
        if (kernels[k].per_sequence == composition->per_sequence &&
            strcmp(kernels[k].name, row->texts[0]) == 0)
            return extend(&composition->curves[k], row->numbers[1], row->numbers[2], row, failure);
    return sgl_fail(failure, SGL_EINVAL, "%s: unknown layer '%.40s'", row->place, row->texts[0]);
}

/* On the straight line between the neighbours; beyond the last, through the last two. */
static double read_curve(const struct curve *curve, double count)
{
    size_t right = 1;

    while (right + 1 < curve->size && curve->counts[right] < count)
        right++;
    const double step = curve->counts[right] - curve->counts[right - 1];
    const double slope = (curve->times_us[right] - curve->times_us[right - 1]) / step;
    if (count < curve->counts[0])
        return curve->times_us[0];
    return curve->times_us[right - 1] + slope * (count - curve->counts[right - 1]);
}

/* All kernels but attention. */
static double read_others(const struct composition *composition, double tokens, double requests)
{
    const double layers = composition->scope->shape.layer_count;
    double sum_us = composition->reduction_us + composition->reduction_token_us * tokens;

    for (size_t k = 0; k < KERNEL_COUNT; k++) {
        const struct curve *curve = &composition->curves[k];
        if (curve->size == 0 || (kernels[k].part == FEED_FORWARD && composition->experts.size > 0))
            continue;
        sum_us += kernels[k].times * (kernels[k].per_layer ? layers : 1) *
                  read_curve(curve, kernels[k].per_sequence ? requests : tokens);
    }
    if (composition->experts.size > 0)
        sum_us += layers * read_curve(&composition->experts, tokens);
    return sum_us;
}

enum { LAYER, CHUNK, DECODE_REQUESTS, DECODE_CONTEXT, TIME, PREFIX, KEY, QUERIES };

/* What the prefill of a row is: the tokens before the chunk, or the mean reach of its tokens,
 * prefix + chunk / 2, which is shorter than half the chunk when several prompts share it: as few as
 * make that possible. */
static void read_prefill(const double *n, double *sequences, double *prefix, double *pairs)
{
    const double chunk = n[CHUNK];

    *sequences = chunk > 0;
    *prefix = isnan(n[PREFIX]) ? 0 : n[PREFIX];
    if (!isnan(n[KEY]) && chunk > 0) {
        *sequences = fmax(1, ceil(chunk / (2 * fmax(n[KEY], 0.5))));
        *prefix = fmax(0, n[KEY] - chunk / *sequences / 2);
    }
    *pairs = chunk * (*prefix + chunk / fmax(*sequences, 1) / 2);
}

static int take_attention(void *context, const struct sgl_csv_table_row *row,
                          struct sgl_failure *failure)
{
    struct composition *composition = context;
    const double *n = row->numbers;
    const double tokens = n[CHUNK] + n[DECODE_REQUESTS];
    double sequences;
    double prefix;
    double pairs;

    if (isnan(n[PREFIX]) && isnan(n[KEY]))
        return sgl_fail(failure, SGL_EINVAL, "%s: no column 'kv_prefill' nor 'prefill_key'",
                        row->place);
    if (row->texts[LAYER][0] != '\0' && strcmp(row->texts[LAYER], "attention") != 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: layer '%.40s', expected attention: other kinds are not modelled",
                        row->place, row->texts[LAYER]);
    read_prefill(n, &sequences, &prefix, &pairs);
    const double requests = n[DECODE_REQUESTS] + sequences;
    const double kv = n[CHUNK] + sequences * prefix + n[DECODE_REQUESTS] * n[DECODE_CONTEXT];
    if (tokens == 0 || tokens > composition->max_tokens || requests > composition->max_requests ||
        fmax(prefix, n[DECODE_CONTEXT]) > composition->context_max || n[QUERIES] > 1 ||
        (composition->kv_tokens > 0 && kv > composition->kv_tokens)) {
        composition->samples->skipped_count++;
        return SGL_OK;
    }
    const struct sgl_step_sample sample = {
        .phase = n[CHUNK] == 0             ? SGL_STEP_DECODE
                 : n[DECODE_REQUESTS] == 0 ? SGL_STEP_PREFILL
                                           : SGL_STEP_MIXED,
        .requests = requests,
        .decoding = n[DECODE_REQUESTS],
        .prefill_tokens = n[CHUNK],
        .pairs = pairs,
        .context = n[DECODE_REQUESTS] * n[DECODE_CONTEXT],
        .step_us = composition->scope->shape.layer_count * n[TIME] +
                   read_others(composition, tokens, requests),
    };
    if (!(sample.step_us > 0))
        return sgl_fail(failure, SGL_EINVAL, "%s: the step takes no time", row->place);
    return sgl_step_samples_add(composition->samples, &sample) == SGL_OK
               ? SGL_OK
               : sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", row->place);
}

/* X_attention.csv.gz -> X_dense.csv.gz, or without .gz, whichever is there. */
static int sibling(char out[PATH_MAX_BYTES], const char *path, const char *word,
                   struct sgl_failure *failure)
{
    static const char tail[] = "attention.csv";
    const char *found = NULL;

    for (const char *at = strstr(path, tail); at != NULL; at = strstr(at + 1, tail))
        found = at;
    if (found == NULL || strlen(path) + 16 >= PATH_MAX_BYTES)
        return sgl_fail(failure, SGL_EINVAL,
                        "%.300s: kernel tables are found by X_attention.csv, expected such a name",
                        path);
    snprintf(out, PATH_MAX_BYTES, "%.*s%s.csv", (int)(found - path), path, word);
    if (access(out, R_OK) != 0)
        snprintf(out, PATH_MAX_BYTES, "%.*s%s.csv.gz", (int)(found - path), path, word);
    return SGL_OK;
}

static int read_kernels(struct composition *composition, const char *path, const char *word,
                        const char *count_name, struct sgl_failure *failure)
{
    const char *const names[] = {"layer", count_name, "time_us", NULL};
    char name[PATH_MAX_BYTES];
    const int status = sibling(name, path, word, failure);

    return status == SGL_OK ? sgl_csv_table_read(name,
                                                 &(struct sgl_csv_table){.names = names,
                                                                         .number_first = 1,
                                                                         .take = take_kernel,
                                                                         .context = composition},
                                                 failure)
                            : status;
}

static double parameter(const struct sgl_worker_model_spec *spec, const char *name)
{
    const struct sgl_parameter *table = spec->parameters.table;
    size_t row = 0;

    while (strcmp(table[row].name, name) != 0)
        row++;
    return spec->parameters.value[row];
}

/* The experts' curve, when there is such a table. */
static int read_experts(struct composition *composition, const char *path,
                        struct sgl_failure *failure)
{
    const struct sgl_model_shape *shape = &composition->scope->shape;
    struct sgl_step_samples *samples = composition->samples;
    struct sgl_expert_table table = {.expert_count = shape->expert_count,
                                     .experts_per_token = shape->experts_per_token};
    char name[PATH_MAX_BYTES];
    int status = sibling(name, path, "moe", failure);

    if (status != SGL_OK || access(name, R_OK) != 0)
        return status;
    status = sgl_expert_table_load(&table, name, failure);
    if (status != SGL_OK)
        return status;
    composition->experts = (struct curve){table.tokens, table.times_us, table.count, table.count};
    samples->expert_count = table.expert_count;
    samples->experts_per_token = table.experts_per_token;
    return SGL_OK;
}

/* What every model has must be there, and its feed-forward part in one form or the other. */
static int check_kernels(const struct composition *composition, const char *path,
                         struct sgl_failure *failure)
{
    for (size_t k = 0; k < KERNEL_COUNT; k++) {
        const size_t size = composition->curves[k].size;
        const bool is_needed = kernels[k].part == EVERY_MODEL ||
                               (kernels[k].part == FEED_FORWARD && composition->experts.size == 0);
        if (size >= 2 || (size == 0 && !is_needed))
            continue;
        return sgl_fail(failure, SGL_EINVAL,
                        "%.300s: the tables beside it have no two rows of layer %s%s", path,
                        kernels[k].name,
                        kernels[k].part == FEED_FORWARD ? ", and there is none of experts" : "");
    }
    return SGL_OK;
}

/* A ring moves 2 (n - 1) / n of the bytes over each link (Patarasuk and Yuan, Bandwidth optimal
 * all-reduce algorithms for clusters of workstations, 2009). */
static void set_reductions(struct composition *composition)
{
    const struct sgl_kernel_scope *scope = composition->scope;
    const double count = REDUCTIONS_PER_LAYER * scope->shape.layer_count;
    const double tp = scope->tp > 0 ? scope->tp : strtod(composition->samples->tp, NULL);
    const double share = tp > 1 ? 2 * (tp - 1) / tp : 0;

    if (share == 0 || !(scope->link_gb_per_s > 0))
        return;
    composition->reduction_us = count * scope->link_us;
    composition->reduction_token_us =
        count * share * BYTES_PER_NUMBER * scope->shape.hidden_size / (1e3 * scope->link_gb_per_s);
}

static int read_tables(struct composition *composition, const char *path,
                       struct sgl_failure *failure)
{
    static const char *const names[] = {"?layer",       "prefill_chunk", "n_decode",
                                        "kv_decode",    "time_us",       "?kv_prefill",
                                        "?prefill_key", "?decode_q_len", NULL};
    int status = read_kernels(composition, path, "dense", "tokens", failure);

    composition->per_sequence = true;
    if (status == SGL_OK)
        status = read_kernels(composition, path, "per_sequence", "sequences", failure);
    if (status == SGL_OK)
        status = read_experts(composition, path, failure);
    if (status == SGL_OK)
        status = check_kernels(composition, path, failure);
    if (status == SGL_OK)
        status = sgl_csv_table_read(
            path,
            &(struct sgl_csv_table){
                .names = names, .number_first = 1, .take = take_attention, .context = composition},
            failure);
    return status;
}

/* .../tp2/attention.csv, X_tp2_attention.csv: the digits. */
static void name_tp(struct sgl_step_samples *samples, const char *path)
{
    const char *found = NULL;

    for (const char *at = strstr(path, "tp"); at != NULL; at = strstr(at + 1, "tp")) {
        const size_t digits = strspn(at + 2, "0123456789");
        if (digits > 0 && digits < 4 && (at[2 + digits] == '/' || at[2 + digits] == '_') &&
            (at == path || at[-1] == '/' || at[-1] == '_'))
            found = at;
    }
    if (found != NULL)
        snprintf(samples->tp, sizeof samples->tp, "%.*s", (int)strspn(found + 2, "0123456789"),
                 found + 2);
}

int sgl_step_samples_load_kernels(struct sgl_step_samples *samples, const char *path,
                                  const struct sgl_kernel_scope *scope, struct sgl_failure *failure)
{
    struct composition composition = {
        .samples = samples,
        .scope = scope,
        .context_max = scope->context_max > 0 ? (double)scope->context_max : (double)INFINITY,
        .kv_tokens = parameter(scope->worker, "kv_tokens"),
        .max_tokens = parameter(scope->worker, "max_batch_tokens"),
        .max_requests = parameter(scope->worker, "max_running_requests"),
    };

    *samples = (struct sgl_step_samples){0};
    name_tp(samples, path);
    set_reductions(&composition);
    int status = read_tables(&composition, path, failure);
    if (status == SGL_OK && samples->count == 0)
        status = sgl_fail(failure, SGL_EINVAL, "%.300s: no row that the worker can hold", path);
    for (size_t k = 0; k < KERNEL_COUNT; k++) {
        free(composition.curves[k].counts);
        free(composition.curves[k].times_us);
    }
    free(composition.experts.counts);
    free(composition.experts.times_us);
    if (status != SGL_OK)
        sgl_step_samples_release(samples);
    return status;
}
