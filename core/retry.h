/*
 * retry.h - whether a failed attempt is tried again, and when.
 *
 *      delay after attempt k  =  first_delay 1.5^k, at most most_delay, times 1 +- jitter
 *
 *      budget   each new request pays in budget_percent hundredths of a retry, each retry takes one
 *               out; the balance starts at, and never passes, `budget_reserve` retries:
 *
 *               retries so far  <=  budget_reserve + budget_percent / 100 * requests so far
 *
 * So failures of a few are retried freely, and when half of all attempts fail the retries add no
 * more than a fifth to the load, too little for the storm to feed itself. The balance is capped, so
 * quiet hours cannot be saved up.
 *
 * Numbers (3 at one worker, 6 in all, 50 ms, 1.5, 30 s, 20 %) are those of SGLang's router:
 * --max-worker-retries, --max-total-retries, --retry-initial-backoff-ms,
 * --retry-backoff-multiplier, --retry-max-backoff-ms, --retry-jitter-factor. The jitter is
 * drawn from the request's own stream: the same retry of the same run waits the same time. Plain
 * values, no allocation.
 */
#ifndef SGL_CORE_RETRY_H
#define SGL_CORE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct sgl_retry_options {
    uint32_t total_max;  /* retries of one request; 0: none */
    uint32_t worker_max; /* of these, at one worker */
    int64_t first_delay_ns;
    int64_t most_delay_ns;
    double growth; /* at least 1 */
    double jitter; /* 0 to 1 */
    uint32_t budget_percent;
    uint32_t budget_reserve;
};

struct sgl_retry_options sgl_retry_standard(void);

/* In hundredths of a retry. */
struct sgl_retry_budget {
    int64_t balance;
};

struct sgl_retry_budget sgl_retry_budget_full(const struct sgl_retry_options *options);

/* A new request, no retry. */
void sgl_retry_budget_earn(struct sgl_retry_budget *budget,
                           const struct sgl_retry_options *options);

/* A failed attempt of a request of which no byte has gone to its client. */
struct sgl_retry_question {
    uint64_t seed;
    int64_t request;
    uint32_t attempt;      /* the one that failed, from 0 */
    uint32_t worker_tries; /* attempts at that worker so far, this one included */
    const char *error;     /* error_word.h */
    int64_t now_ns;
    int64_t deadline_ns; /* of the request, all attempts together */
};

struct sgl_retry_answer {
    bool is_retry;           /* false: give up; the rest says nothing */
    bool may_be_same_worker; /* else the worker is out of the question for this request */
    int64_t delay_ns;
};

/* Takes from the budget when the answer is a retry. */
struct sgl_retry_answer sgl_retry_ask(struct sgl_retry_budget *budget,
                                      const struct sgl_retry_options *options,
                                      const struct sgl_retry_question *question);

#endif
