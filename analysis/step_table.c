/* Step tables: a row is a step. */
#include "step_samples.h"

#include "csv_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 256

int sgl_step_samples_add(struct sgl_step_samples *samples, const struct sgl_step_sample *sample)
{
    if (samples->count == samples->capacity) {
        const size_t capacity =
            samples->capacity > 0 ? 2 * samples->capacity : (size_t)CAPACITY_FIRST;
        struct sgl_step_sample *grown = realloc(samples->samples, capacity * sizeof *grown);
        if (grown == NULL)
            return SGL_ENOMEM;
        samples->samples = grown;
        samples->capacity = capacity;
    }
    samples->samples[samples->count++] = *sample;
    return SGL_OK;
}

void sgl_step_samples_release(struct sgl_step_samples *samples)
{
    free(samples->samples);
    *samples = (struct sgl_step_samples){0};
}

enum { MODEL, TP, SYSTEM, PHASE, BATCH, NEW_TOKENS, CONTEXT, DECODE_REQUESTS, STEP };

static const char *const names[] = {
    "model",       "tp",      "system", "phase", "batch", "new_tokens_per_req", "context_or_prefix",
    "decode_reqs", "step_ms", NULL};

/* All rows must be of one engine, or their fit would be of none. */
static int same_engine(char *known, size_t size, const struct sgl_csv_table_row *row, int column,
                       struct sgl_failure *failure)
{
    if (known[0] == '\0')
        snprintf(known, size, "%.*s", (int)size - 1, row->texts[column]);
    if (strncmp(known, row->texts[column], size - 1) == 0)
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL,
                    "%s: %s %.60s after %s %.60s, expected one engine (choose it: --where "
                    "model=...,tp=...,system=...)",
                    row->place, names[column], row->texts[column], names[column], known);
}

static int take_step(void *context, const struct sgl_csv_table_row *row,
                     struct sgl_failure *failure)
{
    struct sgl_step_samples *samples = context;
    const double batch = row->numbers[BATCH];
    const double chunk = row->numbers[NEW_TOKENS];
    const double before = row->numbers[CONTEXT];
    struct sgl_step_sample sample = {.requests = batch, .step_us = 1000 * row->numbers[STEP]};
    int status = same_engine(samples->model, sizeof samples->model, row, MODEL, failure);

    if (status == SGL_OK)
        status = same_engine(samples->system, sizeof samples->system, row, SYSTEM, failure);
    if (status == SGL_OK)
        status = same_engine(samples->tp, sizeof samples->tp, row, TP, failure);
    if (status != SGL_OK)
        return status;
    if (!(sample.step_us > 0))
        return sgl_fail(failure, SGL_EINVAL, "%s: step_ms is 0, expected a time", row->place);
    if (strcmp(row->texts[PHASE], "prefill") == 0) {
        sample.phase = SGL_STEP_PREFILL;
        sample.prefill_tokens = batch * chunk;
        sample.pairs = batch * chunk * (before + chunk / 2);
    } else if (strcmp(row->texts[PHASE], "decode") == 0) {
        sample.phase = SGL_STEP_DECODE;
        sample.requests = row->numbers[DECODE_REQUESTS];
        sample.decoding = row->numbers[DECODE_REQUESTS];
        sample.context = row->numbers[DECODE_REQUESTS] * before;
    } else { /* mixes whose parts the row does not tell */
        samples->skipped_count++;
        return SGL_OK;
    }
    return sgl_step_samples_add(samples, &sample) == SGL_OK
               ? SGL_OK
               : sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", row->place);
}

int sgl_step_samples_load_table(struct sgl_step_samples *samples, const char *path,
                                const char *where, struct sgl_failure *failure)
{
    *samples = (struct sgl_step_samples){0};
    int status = sgl_csv_table_read(path,
                                    &(struct sgl_csv_table){.where = where,
                                                            .names = names,
                                                            .number_first = BATCH,
                                                            .take = take_step,
                                                            .context = samples},
                                    failure);
    if (status == SGL_OK && samples->count == 0)
        status = sgl_fail(failure, SGL_EINVAL, "%s: no step of phase prefill or decode%s", path,
                          where != NULL ? " in the rows wanted" : "");
    if (status != SGL_OK)
        sgl_step_samples_release(samples);
    return status;
}
