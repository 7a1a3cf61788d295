#include "sim/transfer.h"

#include <math.h>
#include <stdlib.h>

#define PS_PER_US 1e6
#define PS_PER_NS 1000
#define PS_PER_S_OVER_GIGA 1e3 /* 10^12 ps/s over 10^9 bytes/GB */
#define LATENCY_US_MAX 1e9     /* a thousand seconds, as every coefficient of a worker */
#define TOKEN_PS_MAX 1e9       /* a millisecond: 2^30 tokens of it are 12 days */

enum { LATENCY, BANDWIDTH, BYTES };

/* clang-format off */
const struct sgl_parameter sgl_transfer_parameters[] = {
    [LATENCY] = {"latency_us", SGL_PARAMETER_REAL, 20, 0, LATENCY_US_MAX, NULL,
        "before the first byte arrives"},
    [BANDWIDTH] = {"bandwidth_gbps", SGL_PARAMETER_REAL, 50, 1e-3, 1e6, NULL,
        "gigabytes a second of each worker's wire, each way"},
    [BYTES] = {"bytes_per_token", SGL_PARAMETER_REAL, 131072, 1, 1e9, NULL,
        "of KV memory (Llama 3.1 8B in bf16: 131072)"},
    {0},
};
/* clang-format on */

struct sgl_transfer_options sgl_transfer_options_of(const struct sgl_parameters *parameters)
{
    return (struct sgl_transfer_options){
        .latency_us = parameters->value[LATENCY],
        .bandwidth_gbps = parameters->value[BANDWIDTH],
        .bytes_per_token = parameters->value[BYTES],
    };
}

int sgl_transfers_init(struct sgl_transfers *transfers, const struct sgl_transfer_options *options,
                       uint32_t worker_count, struct sgl_failure *failure)
{
    const double token_ps = options->bytes_per_token / options->bandwidth_gbps * PS_PER_S_OVER_GIGA;

    *transfers = (struct sgl_transfers){.worker_count = worker_count};
    if (!(options->latency_us >= 0 && options->latency_us <= LATENCY_US_MAX))
        return sgl_fail(failure, SGL_EINVAL, "transfer latency %g us, expected 0 to %g",
                        options->latency_us, LATENCY_US_MAX);
    if (!(options->bandwidth_gbps > 0) || !(options->bytes_per_token > 0) ||
        !(token_ps <= TOKEN_PS_MAX))
        return sgl_fail(failure, SGL_EINVAL,
                        "transfer of %g bytes a token at %g GB/s, expected both above 0 and at "
                        "most a millisecond a token",
                        options->bytes_per_token, options->bandwidth_gbps);
    transfers->latency_ps = (int64_t)round(options->latency_us * PS_PER_US);
    transfers->token_ps = (int64_t)round(token_ps);
    transfers->out_free_ns = calloc(worker_count, sizeof *transfers->out_free_ns);
    transfers->in_free_ns = calloc(worker_count, sizeof *transfers->in_free_ns);
    if (transfers->out_free_ns == NULL || transfers->in_free_ns == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "transfers: out of memory");
    return SGL_OK;
}

void sgl_transfers_release(struct sgl_transfers *transfers)
{
    free(transfers->out_free_ns);
    free(transfers->in_free_ns);
    *transfers = (struct sgl_transfers){0};
}

static int64_t later(int64_t left, int64_t right)
{
    return left > right ? left : right;
}

int64_t sgl_transfers_end_ns(struct sgl_transfers *transfers, uint32_t from, uint32_t to,
                             int64_t tokens, int64_t ready_ns)
{
    const int64_t start_ns =
        later(ready_ns, later(transfers->out_free_ns[from], transfers->in_free_ns[to]));
    const int64_t duration_ps = transfers->latency_ps + tokens * transfers->token_ps;
    const int64_t duration_ns = (duration_ps + PS_PER_NS - 1) / PS_PER_NS;
    /* Many long ones in a row add up to more than there is time: they end never. */
    const int64_t end_ns = start_ns > INT64_MAX - duration_ns ? INT64_MAX : start_ns + duration_ns;

    transfers->out_free_ns[from] = end_ns;
    transfers->in_free_ns[to] = end_ns;
    return end_ns;
}
