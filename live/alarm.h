/*
 * alarm.h - the clock of a loop, and one alarm on it that rings to the microsecond.
 *
 * uv timers count whole milliseconds, which is a sixth of a token. An alarm is a timerfd on the
 * same clock as sgl_alarm_now_ns(), watched by the loop:
 *
 *     sgl_alarm_set(at_ns)   rings once, at at_ns or as soon after it as the loop is free
 *     sgl_alarm_set again    moves it; SGL_ALARM_NEVER silences it
 *
 * Times are nanoseconds of the monotonic clock. One thread: the loop's.
 */
#ifndef SGL_LIVE_ALARM_H
#define SGL_LIVE_ALARM_H

#include "core/failure.h"

#include <stdint.h>
#include <uv.h>

#define SGL_ALARM_NEVER INT64_MAX

struct sgl_alarm {
    uv_poll_t poll;
    int descriptor; /* of the timerfd; -1: closed */
    int64_t at_ns;  /* what it is set to */
    void (*ring)(struct sgl_alarm *alarm, int64_t now_ns);
    void *context; /* the owner's */
};

/* The monotonic clock. */
int64_t sgl_alarm_now_ns(void);

/* Nanoseconds since 1970, by the system's clock. */
int64_t sgl_alarm_epoch_ns(void);

/* On failure there is nothing to close. */
int sgl_alarm_open(struct sgl_alarm *alarm, uv_loop_t *loop,
                   void (*ring)(struct sgl_alarm *alarm, int64_t now_ns), void *context,
                   struct sgl_failure *failure);

void sgl_alarm_set(struct sgl_alarm *alarm, int64_t at_ns);

/* The struct must live until the loop has run once more. */
void sgl_alarm_close(struct sgl_alarm *alarm);

#endif
