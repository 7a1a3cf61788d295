/* Which requests no worker of the fleet can hold. */
#include "sim/simulation_state.h"

int64_t sgl_simulation_capacity(const struct sgl_simulation_worker *worker)
{
    const struct sgl_worker_model_ops *ops = worker->spec->ops;

    return ops->capacity != NULL ? ops->capacity(worker->spec) : INT64_MAX;
}

void sgl_simulation_measure(struct sgl_simulation *self)
{
    for (uint32_t i = 0; i < self->options->worker_count; i++) {
        const struct sgl_simulation_worker *worker = &self->options->workers[i];
        const int64_t capacity = sgl_simulation_capacity(worker);
        if (self->capacity[worker->pool] < capacity)
            self->capacity[worker->pool] = capacity;
    }
}

static int check_pool(const struct sgl_simulation *self, const struct sgl_request *request,
                      enum sgl_pool pool, int64_t output_tokens)
{
    const int64_t prompt_tokens = request->prompt_tokens > 0 ? request->prompt_tokens : 1;
    const int64_t capacity = self->capacity[pool];

    if (prompt_tokens <= capacity && output_tokens <= capacity - prompt_tokens)
        return SGL_OK;
    return sgl_fail(self->failure, SGL_EINVAL,
                    "request %lld has %lld prompt and %lld output tokens, and no %sworker has KV "
                    "memory for more than %lld (raise kv_tokens, or --over-capacity cut)",
                    (long long)request->request, (long long)prompt_tokens, (long long)output_tokens,
                    pool == SGL_POOL_PREFILL  ? "prefill "
                    : pool == SGL_POOL_DECODE ? "decode "
                                              : "",
                    (long long)capacity);
}

int sgl_simulation_check_capacity(const struct sgl_simulation *self,
                                  const struct sgl_request *request)
{
    const int64_t recorded = self->row.output_tokens;
    const int64_t output_tokens = recorded < request->max_tokens ? recorded : request->max_tokens;

    if (self->options->cuts_oversize)
        return SGL_OK;
    if (!self->has_pairs)
        return check_pool(self, request, SGL_POOL_REGULAR, output_tokens);
    const int status =
        check_pool(self, request, SGL_POOL_PREFILL, output_tokens > 0 ? 1 : output_tokens);
    return status == SGL_OK ? check_pool(self, request, SGL_POOL_DECODE, output_tokens) : status;
}
