/*
 * id_guard.h - is a request id used twice? Over the last 65,536 rows, and over the requests in
 * flight when their driver tells which have finished.
 *
 *     recent   ring: request number mod 65,536 -> hash of its id, finished?     the last 65,536
 * rows in use   hash of the id -> position in the file           recent rows and older ones in
 * flight flying   request number -> hash of its id                            the older ones in
 * flight
 *
 * Ids are compared by a 64-bit hash (digest.h). Two different ids of a window of 65,536 collide
 * with a chance of 65,536 / 2^64 a row: one trace in 280 million of a million rows is refused
 * wrongly.
 *
 * Memory: at most 5 MiB, plus 50 bytes for each older request in flight.
 */
#ifndef SGL_TRACES_ID_GUARD_H
#define SGL_TRACES_ID_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct sgl_id_guard;

/* `tracks_flights`: sgl_id_guard_finished will be called for every request. NULL: no memory. */
struct sgl_id_guard *sgl_id_guard_create(bool tracks_flights);
void sgl_id_guard_destroy(struct sgl_id_guard *guard);

/* Request numbers rise by one from call to call, from 0. 0: `id` (NULL: it has none) is new;
 * 1: it is in use by the row at *position_out; SGL_ENOMEM. */
int sgl_id_guard_add(struct sgl_id_guard *guard, int64_t request, const char *id, uint64_t position,
                     uint64_t *position_out);

void sgl_id_guard_finished(struct sgl_id_guard *guard, int64_t request);

#endif
