#include "emulate_rooms.h"

#include "core/rng.h"

#include <assert.h>
#include <stdlib.h>

static struct sgl_emulate_room **bucket_of(struct sgl_emulate_rooms *rooms, int64_t number)
{
    return &rooms->buckets[sgl_rng_finalize((uint64_t)number) % SGL_EMULATE_ROOM_BUCKETS];
}

struct sgl_emulate_room *sgl_emulate_rooms_open(struct sgl_emulate_rooms *rooms, int64_t number)
{
    struct sgl_emulate_room **bucket = bucket_of(rooms, number);

    for (struct sgl_emulate_room *room = *bucket; room != NULL; room = room->next)
        if (room->number == number)
            return room;
    if (rooms->count == SGL_EMULATE_ROOMS_MAX)
        return NULL;
    struct sgl_emulate_room *room = calloc(1, sizeof *room);
    if (room == NULL)
        return NULL;
    room->number = number;
    room->next = *bucket;
    *bucket = room;
    rooms->count++;
    return room;
}

void sgl_emulate_rooms_close(struct sgl_emulate_rooms *rooms, struct sgl_emulate_room *room)
{
    struct sgl_emulate_room **link = bucket_of(rooms, room->number);

    if (room->flight != NULL || room->claim != NULL)
        return;
    while (*link != room) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = room->next;
    free(room);
    rooms->count--;
}

void sgl_emulate_rooms_release(struct sgl_emulate_rooms *rooms)
{
    for (size_t i = 0; i < SGL_EMULATE_ROOM_BUCKETS; i++) {
        while (rooms->buckets[i] != NULL) {
            struct sgl_emulate_room *room = rooms->buckets[i];
            rooms->buckets[i] = room->next;
            free(room);
        }
    }
    rooms->count = 0;
}
