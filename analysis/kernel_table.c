/* Kernel tables: a step is composed of its kernels. */
#include "step_samples.h"

#include "csv_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_MAX_BYTES 4096

/* The kernels of a step and how often each runs; `per_layer` ones once in every layer. */
static const struct {
    const char *name;
    double times;
    bool per_layer;
    bool per_sequence; /* its table counts sequences, not tokens */
} kernels[] = {
    {"embedding", 1, false, false},       {"layernorm", 2, true, false},
    {"qkv_proj", 1, true, false},         {"rotary_emb", 1, true, false},
    {"o_proj", 1, true, false},           {"gate_up_proj", 1, true, false},
    {"act_fn", 1, true, false},           {"down_proj", 1, true, false},
    {"final_layernorm", 1, false, false}, {"lm_head", 1, false, true},
    {"sampler", 1, false, true},
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
    struct sgl_step_samples *samples;
    double layer_count;
    double context_max;
    double kv_tokens; /* 0: unlimited */
    double max_tokens;
    double max_requests;
    bool per_sequence; /* the table being read */
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

enum { CHUNK, PREFIX, DECODE_REQUESTS, DECODE_CONTEXT, TIME };

static int take_attention(void *context, const struct sgl_csv_table_row *row,
                          struct sgl_failure *failure)
{
    struct composition *composition = context;
    const double *n = row->numbers;
    const double tokens = n[CHUNK] + n[DECODE_REQUESTS];
    const double requests = n[DECODE_REQUESTS] + (n[CHUNK] > 0);
    const double kv = n[CHUNK] + n[PREFIX] + n[DECODE_REQUESTS] * n[DECODE_CONTEXT];
    double step_us = composition->layer_count * n[TIME];

    if (tokens == 0 || tokens > composition->max_tokens || requests > composition->max_requests ||
        fmax(n[PREFIX], n[DECODE_CONTEXT]) > composition->context_max ||
        (composition->kv_tokens > 0 && kv > composition->kv_tokens)) {
        composition->samples->skipped_count++;
        return SGL_OK;
    }
    for (size_t k = 0; k < KERNEL_COUNT; k++)
        step_us += kernels[k].times * (kernels[k].per_layer ? composition->layer_count : 1) *
                   read_curve(&composition->curves[k], kernels[k].per_sequence ? requests : tokens);
    const struct sgl_step_sample sample = {
        .phase = n[CHUNK] == 0             ? SGL_STEP_DECODE
                 : n[DECODE_REQUESTS] == 0 ? SGL_STEP_PREFILL
                                           : SGL_STEP_MIXED,
        .requests = requests,
        .decoding = n[DECODE_REQUESTS],
        .prefill_tokens = n[CHUNK],
        .pairs = n[CHUNK] * (n[PREFIX] + n[CHUNK] / 2),
        .context = n[DECODE_REQUESTS] * n[DECODE_CONTEXT],
        .step_us = step_us,
    };
    if (!(step_us > 0))
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

int sgl_step_samples_load_kernels(struct sgl_step_samples *samples, const char *path,
                                  const struct sgl_kernel_scope *scope, struct sgl_failure *failure)
{
    static const char *const names[] = {"prefill_chunk", "kv_prefill", "n_decode",
                                        "kv_decode",     "time_us",    NULL};
    struct composition composition = {
        .samples = samples,
        .layer_count = scope->layer_count,
        .context_max = scope->context_max > 0 ? (double)scope->context_max : (double)INFINITY,
        .kv_tokens = parameter(scope->worker, "kv_tokens"),
        .max_tokens = parameter(scope->worker, "max_batch_tokens"),
        .max_requests = parameter(scope->worker, "max_running_requests"),
    };

    *samples = (struct sgl_step_samples){0};
    int status = read_kernels(&composition, path, "dense", "tokens", failure);
    composition.per_sequence = true;
    if (status == SGL_OK)
        status = read_kernels(&composition, path, "per_sequence", "sequences", failure);
    for (size_t k = 0; k < KERNEL_COUNT && status == SGL_OK; k++)
        if (composition.curves[k].size < 2)
            status = sgl_fail(failure, SGL_EINVAL,
                              "%.300s: the tables beside it have no two rows of layer %s", path,
                              kernels[k].name);
    if (status == SGL_OK)
        status =
            sgl_csv_table_read(path,
                               &(struct sgl_csv_table){
                                   .names = names, .take = take_attention, .context = &composition},
                               failure);
    if (status == SGL_OK && samples->count == 0)
        status = sgl_fail(failure, SGL_EINVAL, "%.300s: no row that the worker can hold", path);
    for (size_t k = 0; k < KERNEL_COUNT; k++) {
        free(composition.curves[k].counts);
        free(composition.curves[k].times_us);
    }
    if (status != SGL_OK)
        sgl_step_samples_release(samples);
    return status;
}
