#include "breaker.h"

#include "absent.h"

struct sgl_breaker_options sgl_breaker_standard(void)
{
    return (struct sgl_breaker_options){
        .failure_threshold = 10,
        .success_threshold = 3,
        .window_ns = 120 * SGL_NANOSECONDS_PER_SECOND,
        .open_ns = 60 * SGL_NANOSECONDS_PER_SECOND,
    };
}

enum sgl_breaker_state sgl_breaker_state(const struct sgl_breaker *breaker, int64_t now_ns)
{
    if (!breaker->is_tripped)
        return SGL_BREAKER_CLOSED;
    return now_ns < breaker->reopens_ns ? SGL_BREAKER_OPEN : SGL_BREAKER_HALF_OPEN;
}

bool sgl_breaker_admits(const struct sgl_breaker *breaker, int64_t now_ns)
{
    return !breaker->is_tripped || (now_ns >= breaker->reopens_ns && !breaker->has_trial);
}

bool sgl_breaker_sent(struct sgl_breaker *breaker, int64_t now_ns)
{
    /* A request that was sent all the same (nobody else was left) is no trial beside another, nor
     * before its time. */
    if (!breaker->is_tripped || !sgl_breaker_admits(breaker, now_ns))
        return false;
    breaker->has_trial = true;
    return true;
}

static void trip(struct sgl_breaker *breaker, const struct sgl_breaker_options *options,
                 int64_t now_ns)
{
    breaker->is_tripped = true;
    breaker->successes = 0;
    breaker->reopens_ns = now_ns + options->open_ns;
}

static bool remember_failure(struct sgl_breaker *breaker, const struct sgl_breaker_options *options,
                             int64_t now_ns)
{
    const uint32_t threshold = options->failure_threshold;

    breaker->failures[breaker->failure_count % threshold] = now_ns;
    breaker->failure_count++;
    /* A ring that wraps its counter would mix old times up: keep the phase, drop the rest. */
    if (breaker->failure_count >= 2 * threshold)
        breaker->failure_count -= threshold;
    if (breaker->failure_count < threshold)
        return false;
    const int64_t oldest_ns = breaker->failures[breaker->failure_count % threshold];
    if (now_ns - oldest_ns >= options->window_ns)
        return false;
    trip(breaker, options, now_ns);
    return true;
}

bool sgl_breaker_answered(struct sgl_breaker *breaker, const struct sgl_breaker_options *options,
                          int64_t now_ns, bool was_trial, enum sgl_breaker_verdict verdict)
{
    if (options->failure_threshold == 0)
        return false;
    if (!breaker->is_tripped)
        return verdict == SGL_BREAKER_FAILURE && remember_failure(breaker, options, now_ns);
    if (!was_trial)
        return false;
    breaker->has_trial = false;
    if (verdict == SGL_BREAKER_FAILURE) {
        trip(breaker, options, now_ns);
        return true;
    }
    if (verdict == SGL_BREAKER_SUCCESS && ++breaker->successes == options->success_threshold) {
        *breaker = (struct sgl_breaker){0};
        return true;
    }
    return false;
}
