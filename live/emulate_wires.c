#include "emulate_wires.h"

#include "sim/transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOREIGN_MAX 1024

struct sgl_emulate_wires {
    struct sgl_transfers transfers;
    char (*names)[SGL_EMULATE_WIRE_NAME_SIZE];
    uint32_t count;
    uint32_t capacity;
};

int sgl_emulate_wires_create(struct sgl_emulate_wires **wires_out,
                             const struct sgl_parameters *transfer, uint32_t own_count,
                             uint64_t process, struct sgl_failure *failure)
{
    const struct sgl_transfer_options options = sgl_transfer_options_of(transfer);
    struct sgl_emulate_wires *self = calloc(1, sizeof *self);

    *wires_out = NULL;
    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    self->capacity = own_count + FOREIGN_MAX;
    self->names = calloc(self->capacity, sizeof *self->names);
    int status = sgl_transfers_init(&self->transfers, &options, self->capacity, failure);
    if (status == SGL_OK && self->names == NULL)
        status = sgl_fail(failure, SGL_ENOMEM, "out of memory");
    if (status != SGL_OK) {
        sgl_emulate_wires_destroy(self);
        return status;
    }
    for (; self->count < own_count; self->count++)
        snprintf(self->names[self->count], sizeof self->names[0], "%016" PRIx64 "-%" PRIu32,
                 process, self->count);
    *wires_out = self;
    return SGL_OK;
}

void sgl_emulate_wires_destroy(struct sgl_emulate_wires *wires)
{
    if (wires == NULL)
        return;
    sgl_transfers_release(&wires->transfers);
    free(wires->names);
    free(wires);
}

const char *sgl_emulate_wires_name(const struct sgl_emulate_wires *wires, uint32_t own)
{
    return wires->names[own];
}

uint32_t sgl_emulate_wires_find(struct sgl_emulate_wires *wires, const char *name)
{
    for (uint32_t i = 0; i < wires->count; i++)
        if (strcmp(wires->names[i], name) == 0)
            return i;
    if (wires->count == wires->capacity || strlen(name) >= sizeof wires->names[0])
        return SGL_EMULATE_NO_WIRE;
    memcpy(wires->names[wires->count], name, strlen(name) + 1);
    return wires->count++;
}

int64_t sgl_emulate_wires_send(struct sgl_emulate_wires *wires, uint32_t from, uint32_t to,
                               int64_t tokens, int64_t ready_ns)
{
    return sgl_transfers_end_ns(&wires->transfers, from, to, tokens, ready_ns);
}
