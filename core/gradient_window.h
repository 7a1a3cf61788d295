/*
 * gradient_window.h - the last completions of one worker, and how they trend.
 *
 *     oldest                                       newest          n = samples remembered
 *     [ s0  s1  ...  s(m-1) | s(m)  ...  s(n-1) ]                  m = floor(n / 2)
 *       \---- first half --/ \---- second half --/
 *
 * For each half:  latency    = mean(latency) in s
 *                 throughput = sum(output tokens) / (finish of its last - finish of its first) in
 *                              tokens/s, 0 when that span is not positive         (SPAN)
 *                            = mean(output tokens / latency)                      (PER_REQUEST)
 *                 dt         = finish(last of second half) - finish(last of first half) in s,
 *                              1 s when not positive
 * gradient = (second - first) / dt.
 *
 * This is the rule of the public fork of SGLang's router that introduced the marginal utility
 * policy (Luoxiaogan/sglang_CUSTOM). Everything is computed anew from the window at each
 * completion, so nothing drifts; reading a gradient is reading a field. The ring is the caller's
 * memory.
 */
#ifndef SGL_CORE_GRADIENT_WINDOW_H
#define SGL_CORE_GRADIENT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum sgl_throughput_kind { SGL_THROUGHPUT_SPAN, SGL_THROUGHPUT_PER_REQUEST };

struct sgl_completion {
    int64_t finish_ns;
    int64_t latency_ns;
    int64_t output_tokens;
};

struct sgl_trend {
    bool has_gradient;
    double throughput_gradient; /* tokens/s per s */
    double latency_gradient;    /* s per s */
    double throughput_level;    /* of the second half, tokens/s */
    double latency_level;       /* of the second half, s */
    double throughput_average;  /* over the whole window; NaN below two samples with SPAN */
    double latency_average;     /* over the whole window; NaN without a sample */
};

struct sgl_gradient_window {
    uint32_t next; /* where the next sample goes */
    uint32_t count;
    struct sgl_trend trend;
};

/* A window without samples. */
void sgl_gradient_window_init(struct sgl_gradient_window *window);

/* Adds a completion to a ring of `capacity` samples and works out the trend, which has gradients
 * from `history_min` samples on. */
void sgl_gradient_window_add(struct sgl_gradient_window *window, struct sgl_completion *ring,
                             uint32_t capacity, uint32_t history_min, enum sgl_throughput_kind kind,
                             const struct sgl_completion *sample);

#endif
