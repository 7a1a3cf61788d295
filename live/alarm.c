#include "alarm.h"

#include "traces/partial.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS INT64_C(1000000000)

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * NANOSECONDS + now.tv_nsec;
}

int64_t sgl_alarm_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t sgl_alarm_epoch_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

static void heard(uv_poll_t *poll, int status, int events)
{
    struct sgl_alarm *alarm = poll->data;
    uint64_t rings;

    (void)status;
    (void)events;
    /* A ring that was taken back between epoll and here leaves nothing to read. */
    if (read(alarm->descriptor, &rings, sizeof rings) != (ssize_t)sizeof rings)
        return;
    alarm->at_ns = SGL_ALARM_NEVER;
    alarm->ring(alarm, sgl_alarm_now_ns());
}

int sgl_alarm_open(struct sgl_alarm *alarm, uv_loop_t *loop,
                   void (*ring)(struct sgl_alarm *alarm, int64_t now_ns), void *context,
                   struct sgl_failure *failure)
{
    char text[SGL_ERROR_TEXT_SIZE];

    *alarm = (struct sgl_alarm){.ring = ring, .context = context, .at_ns = SGL_ALARM_NEVER};
    alarm->descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (alarm->descriptor < 0)
        return sgl_fail(failure, SGL_EIO, "cannot make a timer: %s", sgl_error_text(errno, text));
    const int status = uv_poll_init(loop, &alarm->poll, alarm->descriptor);
    if (status != 0) {
        close(alarm->descriptor);
        alarm->descriptor = -1;
        return sgl_fail(failure, SGL_EIO, "cannot watch a timer: %s", uv_strerror(status));
    }
    alarm->poll.data = alarm;
    uv_poll_start(&alarm->poll, UV_READABLE, heard);
    return SGL_OK;
}

void sgl_alarm_set(struct sgl_alarm *alarm, int64_t at_ns)
{
    if (alarm->at_ns == at_ns)
        return;
    alarm->at_ns = at_ns;
    struct itimerspec when = {0}; /* all zero is silence, so an alarm for time 0 rings at 1 ns */
    if (at_ns != SGL_ALARM_NEVER) {
        const int64_t at = at_ns > 0 ? at_ns : 1;
        when.it_value.tv_sec = at / NANOSECONDS;
        when.it_value.tv_nsec = at % NANOSECONDS;
    }
    timerfd_settime(alarm->descriptor, TFD_TIMER_ABSTIME, &when, NULL);
}

static void closed(uv_handle_t *handle)
{
    struct sgl_alarm *alarm = handle->data;

    close(alarm->descriptor);
    alarm->descriptor = -1;
}

void sgl_alarm_close(struct sgl_alarm *alarm)
{
    if (alarm->descriptor >= 0 && !uv_is_closing((uv_handle_t *)&alarm->poll))
        uv_close((uv_handle_t *)&alarm->poll, closed);
}
