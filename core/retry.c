#include "retry.h"

#include "absent.h"
#include "error_word.h"
#include "rng.h"

#define NS_PER_MS INT64_C(1000000)
#define ONE_RETRY 100

struct sgl_retry_options sgl_retry_standard(void)
{
    return (struct sgl_retry_options){
        .total_max = 6,
        .worker_max = 3,
        .first_delay_ns = 50 * NS_PER_MS,
        .most_delay_ns = 30 * SGL_NANOSECONDS_PER_SECOND,
        .growth = 1.5,
        .jitter = 0.2,
        .budget_percent = 20,
        .budget_reserve = 10,
    };
}

static int64_t cap(const struct sgl_retry_options *options)
{
    return (int64_t)options->budget_reserve * ONE_RETRY;
}

struct sgl_retry_budget sgl_retry_budget_full(const struct sgl_retry_options *options)
{
    return (struct sgl_retry_budget){.balance = cap(options)};
}

void sgl_retry_budget_earn(struct sgl_retry_budget *budget, const struct sgl_retry_options *options)
{
    budget->balance += options->budget_percent;
    if (budget->balance > cap(options))
        budget->balance = cap(options);
}

static int64_t delay_ns(const struct sgl_retry_options *options,
                        const struct sgl_retry_question *question)
{
    const double most = (double)options->most_delay_ns;
    double delay = (double)options->first_delay_ns;
    struct sgl_rng stream = sgl_rng_stream(question->seed, SGL_PURPOSE_BACKOFF, 0,
                                           question->request, question->attempt);

    for (uint32_t k = 0; k < question->attempt && delay < most; k++)
        delay *= options->growth;
    if (delay > most)
        delay = most;
    delay *= 1 + options->jitter * (2 * sgl_rng_uniform(&stream) - 1);
    return (int64_t)delay;
}

struct sgl_retry_answer sgl_retry_ask(struct sgl_retry_budget *budget,
                                      const struct sgl_retry_options *options,
                                      const struct sgl_retry_question *question)
{
    const struct sgl_retry_answer answer = {
        .is_retry = true,
        .may_be_same_worker = question->worker_tries <= options->worker_max,
        .delay_ns = delay_ns(options, question),
    };

    if (question->attempt >= options->total_max || !sgl_error_is_retryable(question->error) ||
        answer.delay_ns >= question->deadline_ns - question->now_ns || budget->balance < ONE_RETRY)
        return (struct sgl_retry_answer){.is_retry = false};
    budget->balance -= ONE_RETRY;
    return answer;
}
