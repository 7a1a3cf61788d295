/*
 * token_bucket.h - so many requests a second, with bursts up to a size.
 *
 * The bucket is kept as one time instead of a level: the generic cell rate algorithm (ITU-T I.371),
 * which admits exactly what a bucket of `burst` tokens, filled at a steady rate, would:
 *
 *      due_ns      when the bucket would be full again, were nobody to come
 *      a request may go when   now >= due - (burst - 1) interval;   then  due = max(due, now) +
 *      interval
 *
 *       now                due                      each request pushes due one interval to the
 *      --|------------------|-----> time            right; the distance to now is what is taken out
 *        |<- taken out, ns ->|
 *
 * Integers only: no drift, whatever the number of requests. A plain value; zeroed: full.
 */
#ifndef SGL_CORE_TOKEN_BUCKET_H
#define SGL_CORE_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct sgl_token_rate {
    int64_t interval_ns; /* between requests at the steady rate; 0: no limit */
    int64_t slack_ns;    /* (burst - 1) intervals */
};

struct sgl_token_bucket {
    int64_t due_ns;
};

/* `per_second` > 0, burst of at least 1; the interval is rounded to whole nanoseconds, at least 1.
 */
struct sgl_token_rate sgl_token_rate(double per_second, uint32_t burst);

/* When the next request may go: now_ns itself when at once. */
int64_t sgl_token_bucket_ready_ns(const struct sgl_token_bucket *bucket,
                                  const struct sgl_token_rate *rate, int64_t now_ns);

/* A request goes. Only when it is ready. */
void sgl_token_bucket_take(struct sgl_token_bucket *bucket, const struct sgl_token_rate *rate,
                           int64_t now_ns);

#endif
