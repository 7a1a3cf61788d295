/*
 * calibration_worlds.h - runs nobody has measured: engines whose coefficients are known, of unlike
 * models, batches, prompts and loads, and starts that know less than they should.
 *
 *     truth --> 300 requests, every 10 ms of the engine off by 1 to 3 % --> recording
 *     start --> calibrate on the first 100 --> simulation --> held against the other 200
 *
 * What may be off is what is asked of real runs: mean and p99 of e2e and of tpot by 2 %, mean of
 * ttft by 4 %. tests/unit/calibrate_worlds_test.c holds some of them to it,
 * tests/validity/calibrate_worlds.c counts the misses of all.
 */
#ifndef SGL_TESTS_CALIBRATION_WORLDS_H
#define SGL_TESTS_CALIBRATION_WORLDS_H

#include "analysis/calibrate.h"
#include "recorded_runs.h"

#define SGL_WORLD_E2E_MAX 0.02 /* mean, p99; of tpot too */
#define SGL_WORLD_TTFT_MAX 0.04

enum sgl_world_traffic {
    SGL_TRAFFIC_CHAT,   /* as ../shared/data/llmservingsim_vllm_*: 10/s, long answers */
    SGL_TRAFFIC_LIGHT,  /* the same, 1/s */
    SGL_TRAFFIC_PROMPT, /* prompts of 2,000 to 8,000 tokens, short answers */
    SGL_TRAFFIC_BURST,  /* 20 at once, every 4 s */
    SGL_TRAFFIC_SHORT   /* short prompts, short answers, 20/s */
};

struct sgl_calibration_world {
    const char *name;
    const char *truth; /* worker models */
    const char *start;
    const char *fit;
    enum sgl_world_traffic traffic;
    double noise;    /* of the engine, each 10 ms */
    size_t requests; /* 0 is 300; a third is fitted */
};

extern const struct sgl_calibration_world sgl_calibration_worlds[];
extern const size_t sgl_calibration_world_count;

struct sgl_world_result {
    struct sgl_calibration calibration; /* released by the caller */
    bool is_async;                      /* the truth's */
    double mean[SGL_METRIC_COUNT];      /* errors on the rows not fitted, parts of one */
    double p99[SGL_METRIC_COUNT];
    double wape; /* of e2e */
    double truth_us[SGL_COEFFICIENT_COUNT];
    bool is_missed;
};

/* One world, drawn from a seed. Aborts when something fails that should not; what calibrate says
 * is returned. */
int sgl_calibration_world_run(struct sgl_world_result *result,
                              const struct sgl_calibration_world *world, uint64_t seed,
                              uint32_t starts, struct sgl_failure *failure);

#endif
