/*
 * recorded_runs.h - made-up recordings: requests through a worker model whose coefficients are
 * known, with noise on what a recorder would have measured.
 */
#ifndef SGL_TESTS_RECORDED_RUNS_H
#define SGL_TESTS_RECORDED_RUNS_H

#include "analysis/worker_run.h"

struct sgl_made_run {
    size_t request_count;
    uint32_t worker_count; /* requests take turns */
    double rate_per_s;
    size_t burst;         /* that many come at once; 0 is 1 */
    int64_t prompt_least; /* lengths are uniform between */
    int64_t prompt_most;
    int64_t output_least;
    int64_t output_most;
    double prompt_median; /* 0: as above; else lengths are log-normal, cut to most and least */
    double output_median;
    double noise;      /* standard deviation of the log of every measured duration */
    double step_noise; /* of every 10 ms of the worker: how much slower or faster it is */
    uint64_t seed;
};

/* A fresh recording, measured on workers of that spec; released by the caller. Aborts when
 * something fails. */
void sgl_make_recording(struct sgl_recording *recording, const struct sgl_made_run *run,
                        const struct sgl_worker_model_spec *truth);

#endif
