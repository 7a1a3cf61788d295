/*
 * admission.h - how many requests are under way at once, and who waits for a place.
 *
 *      ask  ---- place and token free ------------------------------>  RUN   ---- done --->
 *       |                                                               ^
 *       |---- else, room in the queue --->  high    [ ]-[ ]-[ ]  -------+  next: the first of the
 *       |                                   normal  [ ]-[ ]             |  highest priority
 *       |                                   low     [ ]  ---------------+
 *       |                                    |
 *       +---- else ---> FULL                 +---- timeout_ns passed ---> TIMED_OUT
 *
 * Nobody overtakes within a priority, and no newcomer overtakes one that waits with the same or a
 * higher priority. A full queue refuses newcomers, whatever their priority: who waits has been
 * promised a place or a timeout.
 *
 * A deterministic state machine: time is an argument and never goes back. Nothing happens by
 * itself: after every done, and at sgl_admission_wake_ns, the driver calls next until it says
 * false. Memory: all of it at creation. Defaults (no limit on concurrency, 100 waiting, 60 s) are
 * those of SGLang's router (--max-concurrent-requests, --queue-size, --queue-timeout-secs).
 */
#ifndef SGL_CORE_ADMISSION_H
#define SGL_CORE_ADMISSION_H

#include "allocator.h"
#include "request.h"
#include "token_bucket.h"

struct sgl_admission_options {
    int64_t concurrency_max; /* under way at once; negative: no limit */
    uint32_t queue_max;      /* waiting; 0: nobody waits */
    int64_t timeout_ns;      /* of waiting */
    struct sgl_token_rate rate;
};

struct sgl_admission_options sgl_admission_standard(void);

enum sgl_admission_verdict {
    SGL_ADMISSION_RUN,
    SGL_ADMISSION_WAIT,
    SGL_ADMISSION_FULL,
    SGL_ADMISSION_TIMED_OUT,
};

struct sgl_admission;

/* SGL_OK or SGL_ENOMEM. The options are copied. */
int sgl_admission_create(struct sgl_admission **admission_out,
                         const struct sgl_admission_options *options,
                         const struct sgl_allocator *allocator);
void sgl_admission_destroy(struct sgl_admission *admission);

/* A request comes: RUN, WAIT or FULL. `ticket` is the caller's, given back by next. With WAIT,
 * *place_out is what withdraw takes. */
enum sgl_admission_verdict sgl_admission_ask(struct sgl_admission *admission, int64_t now_ns,
                                             enum sgl_priority priority, uint64_t ticket,
                                             uint32_t *place_out);

/* One that ran has ended, however. */
void sgl_admission_done(struct sgl_admission *admission);

/* One that waits has left. */
void sgl_admission_withdraw(struct sgl_admission *admission, uint32_t place);

/* The next one that no longer waits, and why: RUN or TIMED_OUT. False: there is none now. */
bool sgl_admission_next(struct sgl_admission *admission, int64_t now_ns, uint64_t *ticket_out,
                        enum sgl_admission_verdict *verdict_out);

/* When next is worth a call though nobody is done before; SGL_ABSENT: never. */
int64_t sgl_admission_wake_ns(const struct sgl_admission *admission, int64_t now_ns);

/* Why the queue is full, when it is (error_word.h): rate_limited when there would be a place,
 * queue_full when those under way take them all. */
const char *sgl_admission_full_word(const struct sgl_admission *admission);

/* How long a refused client had better stay away: a whole number of seconds, at least 1. */
int64_t sgl_admission_retry_after_s(const struct sgl_admission *admission, int64_t now_ns);

int64_t sgl_admission_running(const struct sgl_admission *admission);
uint32_t sgl_admission_waiting(const struct sgl_admission *admission);

#endif
