/*
 * transfer.h - how long KV memory takes from the worker that prefilled a prompt to the one that
 * will decode it, when others want the same wires.
 *
 *      prefill workers            decode workers        each worker has one wire out and one in;
 *          [0] ---out---\    /---in--- [2]              a transfer has both of its wires for itself
 *                        >--<
 *          [1] ---out---/    \---in--- [3]
 *
 *      out of 0   |==a==|====b====|      |==d==|
 *      in of 2    |==a==|   |=====c=====|==d==|        d waits for c, then takes both
 *                        time ->
 *
 *      start = the latest of: the prompt is ready, the wire out is free, the wire in is free
 *      end   = start + latency + tokens * bytes per token / bandwidth
 *
 * Transfers are served in the order they are asked for, which must be that of readiness: a prompt
 * never overtakes another between the same two workers. Serving them one after the other takes in
 * all as long as sharing the wire would; the first are done sooner, none later.
 *
 * Bytes per token is a fact of the model (layers, KV heads, head size, bytes of a number, twice);
 * latency and bandwidth are facts of the machines. Everything is integer picoseconds per token,
 * folded once, so that nothing is rounded twice. Memory: two times for each worker.
 */
#ifndef SGL_SIM_TRANSFER_H
#define SGL_SIM_TRANSFER_H

#include "core/parameters.h"

#include <stdint.h>

struct sgl_transfer_options {
    double latency_us;      /* at least 0 */
    double bandwidth_gbps;  /* gigabytes (10^9) a second of each wire; above 0 */
    double bytes_per_token; /* of KV memory; above 0 */
};

/*
 * The same as parameters: latency_us, bandwidth_gbps, bytes_per_token. What stands there when
 * nobody says: 20 us and 50 GB/s (a network card of 400 Gbit/s), and the 131,072 bytes of a token
 * of Llama 3.1 8B in bf16 (2 x 32 layers x 8 KV heads x 128 x 2 bytes).
 */
extern const struct sgl_parameter sgl_transfer_parameters[];

struct sgl_transfer_options sgl_transfer_options_of(const struct sgl_parameters *parameters);

struct sgl_transfers {
    int64_t latency_ps;
    int64_t token_ps;
    int64_t *out_free_ns; /* by worker: when its wire is free */
    int64_t *in_free_ns;
    uint32_t worker_count;
};

/* SGL_OK, SGL_EINVAL (a number out of its range) or SGL_ENOMEM. Released also after a failure. */
int sgl_transfers_init(struct sgl_transfers *transfers, const struct sgl_transfer_options *options,
                       uint32_t worker_count, struct sgl_failure *failure);
void sgl_transfers_release(struct sgl_transfers *transfers);

/* Puts a transfer on the wires and says when it ends, in whole nanoseconds, rounded up; INT64_MAX
 * when that is past all time. */
int64_t sgl_transfers_end_ns(struct sgl_transfers *transfers, uint32_t from, uint32_t to,
                             int64_t tokens, int64_t ready_ns);

#endif
