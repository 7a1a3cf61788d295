/*
 * event_lines.h - how many events of a stream have come, in pieces of any size.
 *
 *      data: {"text":"a"}\n\n data: {"te | xt":"ab"}\n\n : ping\n\n data: [DONE]\n\n
 *                         1                           1                             not counted
 *
 * An event has come when its line `data:` has ended. Nothing is kept but the beginning of a line.
 * Zeroed: at the beginning of a line.
 */
#ifndef SGL_LIVE_EVENT_LINES_H
#define SGL_LIVE_EVENT_LINES_H

#include <stddef.h>
#include <stdint.h>

#define SGL_EVENT_LINE_HEAD 22

struct sgl_event_lines {
    char head[SGL_EVENT_LINE_HEAD]; /* of the line that has not ended */
    uint8_t head_size;
    uint8_t is_longer; /* than its head */
};

/* Events, without [DONE], that ended in these bytes. */
uint32_t sgl_event_lines_take(struct sgl_event_lines *lines, const char *bytes, size_t size);

#endif
