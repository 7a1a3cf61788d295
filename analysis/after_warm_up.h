/*
 * after_warm_up.h - a sink that lets another hear only of requests after the warm-up.
 *
 * Workers and what is of no request pass; of requests numbered below `first` neither routes nor
 * decisions nor outcomes do. The loads that policies and workers had from them are real.
 */
#ifndef SGL_ANALYSIS_AFTER_WARM_UP_H
#define SGL_ANALYSIS_AFTER_WARM_UP_H

#include "core/sink.h"

struct sgl_after_warm_up {
    struct sgl_sink sink;
    struct sgl_sink *heard; /* borrowed */
    int64_t first;
};

void sgl_after_warm_up_init(struct sgl_after_warm_up *self, struct sgl_sink *heard, int64_t first);

#endif
