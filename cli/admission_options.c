#include "admission_options.h"

#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define QUEUE_MOST 1000000
#define NS_PER_S 1e9

void sgl_admission_flags_init(struct sgl_admission_flags *flags)
{
    *flags = (struct sgl_admission_flags){
        .max_concurrent_requests = "-1",
        .queue_size = 100,
        .queue_timeout_s = 60,
        .rate_limit = NAN,
    };
}

struct sgl_token_rate sgl_admission_rate(double per_second)
{
    if (isnan(per_second))
        return (struct sgl_token_rate){0};
    const double burst = ceil(per_second);
    return sgl_token_rate(per_second, burst < 1e9 ? (uint32_t)burst : 1000000000);
}

bool sgl_admission_flags_resolve(const struct sgl_admission_flags *flags,
                                 struct sgl_admission_options *admission)
{
    char *end;
    const long long most = strtoll(flags->max_concurrent_requests, &end, 10);

    if (end == flags->max_concurrent_requests || *end != '\0' || most < -1 || most == 0 ||
        most > INT32_MAX) {
        sgl_complain("--max-concurrent-requests %.60s, expected a number from 1, or -1 for no "
                     "limit",
                     flags->max_concurrent_requests);
        return false;
    }
    if (flags->queue_size > QUEUE_MOST) {
        sgl_complain("--queue-size %llu, expected 0 to 1000000",
                     (unsigned long long)flags->queue_size);
        return false;
    }
    *admission = sgl_admission_standard();
    admission->concurrency_max = most;
    admission->queue_max = (uint32_t)flags->queue_size;
    admission->timeout_ns =
        flags->queue_timeout_s < 1e9 ? (int64_t)(flags->queue_timeout_s * NS_PER_S) : INT64_MAX / 4;
    admission->rate = sgl_admission_rate(flags->rate_limit);
    return true;
}

bool sgl_admission_is_limited(const struct sgl_admission_options *admission)
{
    return admission->concurrency_max >= 0 || admission->rate.interval_ns > 0;
}

const char *sgl_admission_text(const struct sgl_admission_options *admission, char *out,
                               size_t size)
{
    const int64_t interval_ns = admission->rate.interval_ns;
    size_t used = 0;

    if (admission->concurrency_max >= 0)
        used = (size_t)snprintf(out, size, "at most %lld at once, ",
                                (long long)admission->concurrency_max);
    if (interval_ns > 0)
        used += (size_t)snprintf(out + used, size - used, "%.6g requests/s, ",
                                 NS_PER_S / (double)interval_ns);
    if (admission->queue_max == 0)
        snprintf(out + used, size - used, "nobody waits");
    else
        snprintf(out + used, size - used, "%u wait up to %.6g s", admission->queue_max,
                 (double)admission->timeout_ns / NS_PER_S);
    return out;
}
