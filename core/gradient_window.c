#include "gradient_window.h"

#include "absent.h"

#include <assert.h>

static double seconds(int64_t nanoseconds)
{
    return (double)nanoseconds / 1e9;
}

/* A stretch of the ring, oldest first. */
struct stretch {
    const struct sgl_completion *ring;
    uint32_t capacity;
    uint32_t first;
    uint32_t count;
};

static const struct sgl_completion *sample_at(const struct stretch *stretch, uint32_t i)
{
    uint32_t at = stretch->first + i;

    if (at >= stretch->capacity)
        at -= stretch->capacity;
    return &stretch->ring[at];
}

static double throughput_of(const struct stretch *stretch, enum sgl_throughput_kind kind)
{
    double sum = 0;

    assert(stretch->count > 0);

    if (kind == SGL_THROUGHPUT_PER_REQUEST) {
        for (uint32_t i = 0; i < stretch->count; i++) {
            const struct sgl_completion *sample = sample_at(stretch, i);
            if (sample->latency_ns > 0)
                sum += (double)sample->output_tokens / seconds(sample->latency_ns);
        }
        return sum / stretch->count;
    }
    for (uint32_t i = 0; i < stretch->count; i++)
        sum += (double)sample_at(stretch, i)->output_tokens;
    const double span = seconds(sample_at(stretch, stretch->count - 1)->finish_ns -
                                sample_at(stretch, 0)->finish_ns);
    return span > 0 ? sum / span : 0;
}

static double latency_of(const struct stretch *stretch)
{
    double sum = 0;

    for (uint32_t i = 0; i < stretch->count; i++)
        sum += seconds(sample_at(stretch, i)->latency_ns);
    return sum / stretch->count;
}

void sgl_gradient_window_init(struct sgl_gradient_window *window)
{
    *window = (struct sgl_gradient_window){
        .trend = {.throughput_gradient = SGL_ABSENT_REAL,
                  .latency_gradient = SGL_ABSENT_REAL,
                  .throughput_level = SGL_ABSENT_REAL,
                  .latency_level = SGL_ABSENT_REAL,
                  .throughput_average = SGL_ABSENT_REAL,
                  .latency_average = SGL_ABSENT_REAL},
    };
}

void sgl_gradient_window_add(struct sgl_gradient_window *window, struct sgl_completion *ring,
                             uint32_t capacity, uint32_t history_min, enum sgl_throughput_kind kind,
                             const struct sgl_completion *sample)
{
    struct sgl_trend *trend = &window->trend;

    ring[window->next] = *sample;
    window->next = window->next + 1 < capacity ? window->next + 1 : 0;
    if (window->count < capacity)
        window->count++;

    const struct stretch whole = {ring, capacity, window->count < capacity ? 0 : window->next,
                                  window->count};
    trend->latency_average = latency_of(&whole);
    trend->throughput_average = whole.count > 1 || kind == SGL_THROUGHPUT_PER_REQUEST
                                    ? throughput_of(&whole, kind)
                                    : SGL_ABSENT_REAL;
    if (window->count < history_min)
        return;

    assert(capacity > 0);
    struct stretch older = whole;
    older.count = whole.count / 2;
    struct stretch newer = whole;
    newer.first = (whole.first + older.count) % capacity;
    newer.count = whole.count - older.count;
    double elapsed = seconds(sample_at(&newer, newer.count - 1)->finish_ns -
                             sample_at(&older, older.count - 1)->finish_ns);
    if (elapsed <= 0)
        elapsed = 1;
    trend->throughput_level = throughput_of(&newer, kind);
    trend->latency_level = latency_of(&newer);
    trend->throughput_gradient =
        (trend->throughput_level - throughput_of(&older, kind)) / elapsed + 0.0;
    trend->latency_gradient = (trend->latency_level - latency_of(&older)) / elapsed + 0.0;
    trend->has_gradient = true;
}
