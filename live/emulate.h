/*
 * emulate.h - servers that answer as SGLang workers do, without a GPU.
 *
 *     client --HTTP--> http_server.h --> emulate_worker.c --job--> emulator.h (the simulator's
 *            <--SSE---                 <-- tokens, finish ---      worker model, in real time)
 *
 * One process, workers on consecutive ports, one loop, one thread. A worker's clock is the real one
 * times `time_scale`: at 10 a second of the model takes a tenth. What clients see and what answers
 * state (stamps, e2e_latency) is real time.
 *
 *     /generate /v1/completions /v1/chat/completions     streaming or not, one prompt or a batch
 *     /health /health_generate /get_server_info /get_model_info /v1/models /get_load /v1/loads
 *     /flush_cache /abort_request
 *     /emulate/faults                                    what goes wrong (emulate_faults.h)
 *
 * A request gives all the tokens it asks for: nothing here knows when a model would stop. A client
 * that leaves ends its request, as in the engine: at once when it waits, after the step under way
 * when it gives tokens, at the end of its prompt when that is being computed.
 *
 * Workers have a role. Prefill and decode workers have one leg of each request (emulate_legs.h); a
 * prefill worker has a second port, where decode workers fetch what it computed.
 */
#ifndef SGL_LIVE_EMULATE_H
#define SGL_LIVE_EMULATE_H

#include "core/failure.h"

#include <stdint.h>

struct sgl_worker_model_spec;

struct sgl_parameters;

enum sgl_emulate_role { SGL_EMULATE_REGULAR, SGL_EMULATE_PREFILL, SGL_EMULATE_DECODE };
#define SGL_EMULATE_ROLE_COUNT 3

struct sgl_emulate_place {
    enum sgl_emulate_role role;
    uint16_t port;
    uint16_t bootstrap_port; /* of a prefill worker */
};

struct sgl_emulate_options {
    const char *host;
    uint16_t port;                           /* of the first worker; 0: any free one for each */
    uint32_t counts[SGL_EMULATE_ROLE_COUNT]; /* workers of each role, in its order */
    uint16_t bootstrap_port; /* of the first prefill worker, as port; and what a null port means */
    const struct sgl_worker_model_spec *spec;
    const struct sgl_parameters *kv_transfer; /* values of sgl_transfer_parameters */
    double room_timeout_s; /* how long a leg waits for the other one, in real time */
    const char *model;     /* what it calls itself */
    double time_scale;
    uint32_t prefix_block; /* tokens of a block of the prefix cache */

    /* Called when all listen. */
    void (*ready)(void *context, const struct sgl_emulate_place *places, uint32_t count);
    void *context;
};

/* Serves until SIGINT or SIGTERM. */
int sgl_emulate_run(const struct sgl_emulate_options *options, struct sgl_failure *failure);

#endif
