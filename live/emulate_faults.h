/*
 * emulate_faults.h - what goes wrong at an emulated worker, switched while it runs.
 *
 *     POST /emulate/faults   {"status": 503, "for_ms": 2000}     the whole state: what is not named
 *     GET  /emulate/faults                                       is off; {} is a well worker
 *
 *     slow        factor on the time of its engine steps (from 0.001 to 1000)
 *     hang        new requests are taken and never answered; legs of pairs open and claim no room
 *     status      new requests get this status (400 to 599) at once
 *     cut_after   a stream is cut after that many tokens; an answer is cut after its head
 *     malformed   events and answers are no JSON
 *     unhealthy   /health and /health_generate answer 503
 *     refuse      the process is gone: its ports are closed and all connections are cut, its
 *                 requests, its rooms and its cache are lost (it happens 20 ms after the answer)
 *     for_ms      all of it ends after that time; else when it is switched off
 *     worker      the state of that worker (from 0) instead of the one that was asked: how one that
 *                 refuses is brought back
 *
 * Errors: SGL_EINVAL with a text for the client.
 */
#ifndef SGL_LIVE_EMULATE_FAULTS_H
#define SGL_LIVE_EMULATE_FAULTS_H

#include "core/failure.h"
#include "live/http_buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sgl_emulate_faults {
    double slow; /* 1: not */
    bool hangs;
    int status;        /* 0: none */
    int64_t cut_after; /* negative: never */
    bool is_malformed;
    bool is_unhealthy;
    bool refuses;
};

struct sgl_emulate_faults sgl_emulate_faults_none(void);

/* *worker is left alone when the body names none; *for_ms is 0 then. */
int sgl_emulate_faults_read(struct sgl_emulate_faults *faults, uint64_t *for_ms, uint32_t *worker,
                            const char *body, size_t size, struct sgl_failure *failure);

/* As JSON. */
void sgl_emulate_faults_put(struct sgl_buffer *out, const struct sgl_emulate_faults *faults);

#endif
