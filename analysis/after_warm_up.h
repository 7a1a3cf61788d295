/*
 * after_warm_up.h - a sink that lets another hear only of requests after the warm-up.
 *
 * Workers and what is of no request pass; of requests numbered below `first` neither routes nor
 * decisions nor outcomes do. The loads that policies and workers had from them are real. Where a
 * time is given too, requests that arrive before it are warm-up: requests must come in the order of
 * their numbers then, as a simulation feeds them, and `first` moves behind each. Gaps between
 * tokens are of no request: those are left out that a simulation, told of the same warm-up, says
 * are of it.
 */
#ifndef SGL_ANALYSIS_AFTER_WARM_UP_H
#define SGL_ANALYSIS_AFTER_WARM_UP_H

#include "core/sink.h"

struct sgl_after_warm_up {
    struct sgl_sink sink;
    struct sgl_sink *heard; /* borrowed */
    int64_t first;
    int64_t from_ns; /* 0: no time was given */
};

/* The time may be set after it, before the run. */
void sgl_after_warm_up_init(struct sgl_after_warm_up *self, struct sgl_sink *heard, int64_t first);

#endif
