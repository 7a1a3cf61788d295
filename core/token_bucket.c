#include "token_bucket.h"

#include <math.h>

#define NS_PER_S 1e9
/* An interval of a year and a burst of ten years: within these nothing overflows. */
#define INTERVAL_MAX_NS 3.1536e16
#define SLACK_MAX_NS 3.1536e17

struct sgl_token_rate sgl_token_rate(double per_second, uint32_t burst)
{
    const double interval = fmin(fmax(round(NS_PER_S / per_second), 1), INTERVAL_MAX_NS);
    const double slack = fmin(interval * ((double)burst - 1), SLACK_MAX_NS);

    return (struct sgl_token_rate){.interval_ns = (int64_t)interval, .slack_ns = (int64_t)slack};
}

int64_t sgl_token_bucket_ready_ns(const struct sgl_token_bucket *bucket,
                                  const struct sgl_token_rate *rate, int64_t now_ns)
{
    const int64_t ready_ns = bucket->due_ns - rate->slack_ns;

    return rate->interval_ns == 0 || ready_ns <= now_ns ? now_ns : ready_ns;
}

void sgl_token_bucket_take(struct sgl_token_bucket *bucket, const struct sgl_token_rate *rate,
                           int64_t now_ns)
{
    const int64_t from_ns = bucket->due_ns > now_ns ? bucket->due_ns : now_ns;

    bucket->due_ns = from_ns + rate->interval_ns;
}
