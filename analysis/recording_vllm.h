/*
 * recording_vllm.h - vLLM's event times, one JSON object a line, as a recording (recording.h).
 */
#ifndef SGL_ANALYSIS_RECORDING_VLLM_H
#define SGL_ANALYSIS_RECORDING_VLLM_H

#include "analysis/recording.h"

/* 1: it is such a file and was read; 0: it is something else, and nothing was done; negative:
 * failure. */
int sgl_recording_load_vllm(struct sgl_recording *recording, const char *path,
                            struct sgl_failure *failure);

#endif
