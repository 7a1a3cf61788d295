/*
 * emulate_wires.h - KV memory on its way from prefill to decode workers: the simulator's transfers
 * (sim/transfer.h) between named workers.
 *
 *     0 ... own - 1         the workers of this process, named by sgl_emulate_wires_name
 *     own ... own + 1023    decode workers of other processes, in the order they are first heard of
 *
 * A worker of another process has its wire in here as far as transfers from here are concerned:
 * what a third process sends it is not seen.
 */
#ifndef SGL_LIVE_EMULATE_WIRES_H
#define SGL_LIVE_EMULATE_WIRES_H

#include "core/failure.h"
#include "core/parameters.h"

#include <stdint.h>

#define SGL_EMULATE_WIRE_NAME_SIZE 40
#define SGL_EMULATE_NO_WIRE UINT32_MAX

struct sgl_emulate_wires;

/* `transfer`: values of sgl_transfer_parameters. `process` tells this one from others. */
int sgl_emulate_wires_create(struct sgl_emulate_wires **wires_out,
                             const struct sgl_parameters *transfer, uint32_t own_count,
                             uint64_t process, struct sgl_failure *failure);
void sgl_emulate_wires_destroy(struct sgl_emulate_wires *wires);

/* What one of our own is called; valid as long as the wires. */
const char *sgl_emulate_wires_name(const struct sgl_emulate_wires *wires, uint32_t own);

/* By name, new ones included; SGL_EMULATE_NO_WIRE when there are too many. */
uint32_t sgl_emulate_wires_find(struct sgl_emulate_wires *wires, const char *name);

/* When a transfer that is ready at `ready_ns` ends; INT64_MAX: never. */
int64_t sgl_emulate_wires_send(struct sgl_emulate_wires *wires, uint32_t from, uint32_t to,
                               int64_t tokens, int64_t ready_ns);

#endif
