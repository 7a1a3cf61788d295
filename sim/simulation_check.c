/* Can a simulation be run with these options? */
#include "sim/simulation_state.h"

#include <math.h>

const struct sgl_policy_spec *sgl_simulation_policy(const struct sgl_simulation_options *options,
                                                    enum sgl_pool pool)
{
    const struct sgl_policy_spec *own = pool == SGL_POOL_PREFILL  ? options->prefill_policy
                                        : pool == SGL_POOL_DECODE ? options->decode_policy
                                                                  : NULL;

    return own != NULL ? own : options->policy;
}

bool sgl_simulation_has_pairs(const struct sgl_simulation_options *options)
{
    for (uint32_t i = 0; i < options->worker_count; i++)
        if (options->workers[i].pool != SGL_POOL_REGULAR)
            return true;
    return false;
}

/* Either all are regular, or there are some of both kinds, which can be one of a pair. */
static int check_pools(const struct sgl_simulation_options *options, struct sgl_failure *failure)
{
    uint32_t counts[SGL_POOL_COUNT] = {0};

    for (uint32_t i = 0; i < options->worker_count; i++) {
        const struct sgl_simulation_worker *worker = &options->workers[i];
        counts[worker->pool]++;
        if (worker->pool != SGL_POOL_REGULAR && !worker->spec->ops->has_legs)
            return sgl_fail(failure, SGL_EINVAL,
                            "worker %s: the service %s cannot be one of a pair, expected batching",
                            worker->url, worker->spec->ops->name);
    }
    if (!sgl_simulation_has_pairs(options))
        return sgl_policy_fits(options->policy, options->worker_count, failure);
    if (counts[SGL_POOL_REGULAR] > 0 || counts[SGL_POOL_PREFILL] == 0 ||
        counts[SGL_POOL_DECODE] == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "a fleet of %u regular, %u prefill and %u decode workers, expected only "
                        "regular ones or both of the others",
                        counts[SGL_POOL_REGULAR], counts[SGL_POOL_PREFILL],
                        counts[SGL_POOL_DECODE]);
    for (int pool = SGL_POOL_PREFILL; pool <= SGL_POOL_DECODE; pool++) {
        const int status = sgl_policy_fits(sgl_simulation_policy(options, (enum sgl_pool)pool),
                                           counts[pool], failure);
        if (status != SGL_OK)
            return status;
    }
    return SGL_OK;
}

int sgl_simulation_check(const struct sgl_simulation_options *options, struct sgl_failure *failure)
{
    const int64_t times[] = {options->response_delay_ns, options->load_interval_ns,
                             options->load_delay_ns,     options->health_interval_ns,
                             options->until_ns,          options->request_timeout_ns,
                             options->client_timeout_ns};

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (times[i] < 0 || times[i] >= SGL_SIMULATION_NS_MAX / 2)
            return sgl_fail(failure, SGL_EINVAL,
                            "simulation: a delay or interval of %lld ns, expected 0 to 73 years",
                            (long long)times[i]);
    if (!(options->rate_scale > 0) || isinf(options->rate_scale))
        return sgl_fail(failure, SGL_EINVAL, "simulation: rate scale %g, expected more than 0",
                        options->rate_scale);
    if (!(options->load_loss >= 0 && options->load_loss <= 1) ||
        !(options->completions_loss >= 0 && options->completions_loss <= 1))
        return sgl_fail(failure, SGL_EINVAL, "simulation: a loss of %g, expected 0 to 1",
                        options->load_loss >= 0 && options->load_loss <= 1
                            ? options->completions_loss
                            : options->load_loss);
    if (options->max_new_tokens < 1)
        return sgl_fail(failure, SGL_EINVAL, "simulation: max_new_tokens %lld, expected at least 1",
                        (long long)options->max_new_tokens);
    return check_pools(options, failure);
}
