/*
 * emulate_rooms.h - the rooms of an emulated prefill worker, by number: where a prompt's memory
 * waits for the decode worker, or a decode worker for the memory, whoever comes first.
 *
 *     room 73   flight: the prefill leg         claim: the decode worker's question, unanswered
 *     room 99   flight: none yet                claim: ...
 *     room 12   flight: ..., being sent         claim: none, it was answered
 *
 * A room is open as long as it has one of the two.
 */
#ifndef SGL_LIVE_EMULATE_ROOMS_H
#define SGL_LIVE_EMULATE_ROOMS_H

#include <stdbool.h>
#include <stdint.h>

#define SGL_EMULATE_ROOM_BUCKETS 1024
#define SGL_EMULATE_ROOMS_MAX 65536

struct sgl_emulate_flight;
struct sgl_http_exchange;

struct sgl_emulate_room {
    int64_t number;
    struct sgl_emulate_room *next;     /* of its bucket */
    struct sgl_emulate_flight *flight; /* ? */
    struct sgl_http_exchange *claim;   /* ? */
    uint32_t wire;                     /* of who claims */
};

/* Zeroed: empty. */
struct sgl_emulate_rooms {
    struct sgl_emulate_room *buckets[SGL_EMULATE_ROOM_BUCKETS];
    uint32_t count;
};

/* The room of that number, opened if need be. NULL: no memory, or too many. */
struct sgl_emulate_room *sgl_emulate_rooms_open(struct sgl_emulate_rooms *rooms, int64_t number);

/* Closes it when nobody is in it any more. */
void sgl_emulate_rooms_close(struct sgl_emulate_rooms *rooms, struct sgl_emulate_room *room);

/* Frees all that are left. */
void sgl_emulate_rooms_release(struct sgl_emulate_rooms *rooms);

#endif
