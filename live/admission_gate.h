/*
 * admission_gate.h - core/admission.h and a bucket per tenant, for several threads: who is let in
 * at once, who waits, who is refused.
 *
 *      thread i              gate (its own mutex)                       thread j
 *      ask  -- tenant's bucket empty -----------------> RATE_LIMITED
 *           -- admission: run, wait, full ------------> the verdict
 *      leave -- a place is free: next of the queue ---> lane of j  --wake(j)-->  woken: RUN
 *      tick -- a token is there, or time is up -------> lane of j  --wake(j)-->  woken: TIMED_OUT
 *
 * A waiter is the caller's, zeroed before its first use, and stays where it is from ask to leave,
 * which is called once for each, whatever became of it. After ask said WAIT, woken hands it out on
 * the thread of its lane, unless leave was called before. The gate reads no clock; when threads
 * bring times that go back, the latest one seen counts.
 *
 * Tenants: a table of SGL_GATE_TENANTS_MAX, by a keyed hash of their names. The one not seen for
 * longest makes room when its bucket is full again, for a full bucket is as good as none; when it
 * is not, newcomers share one bucket: names that are made up faster than buckets fill gain nothing.
 *
 * Threads: any; wake is called under the gate's mutex and must not call it. Memory: at creation.
 */
#ifndef SGL_LIVE_ADMISSION_GATE_H
#define SGL_LIVE_ADMISSION_GATE_H

#include "core/admission.h"
#include "core/failure.h"
#include "prompt.h"

#define SGL_GATE_TENANTS_MAX 4096

struct sgl_gate;

struct sgl_gate_options {
    struct sgl_admission_options admission;
    struct sgl_token_rate tenant_rate; /* zeroed: no limit */
    struct sgl_prompt_key key;         /* of the hash of names */
    uint32_t lane_count;               /* threads */
    void (*wake)(void *context, uint32_t lane);
    void *context;
};

enum sgl_gate_state {
    SGL_GATE_OUTSIDE,
    SGL_GATE_WAITING,
    SGL_GATE_WOKEN, /* in its lane */
    SGL_GATE_INSIDE,
};

struct sgl_gate_waiter {
    enum sgl_gate_state state; /* the gate's; so below */
    enum sgl_admission_verdict verdict;
    uint32_t place;
    uint32_t lane;
    struct sgl_gate_waiter *next;
};

/* What ask says: RUN, WAIT, or that it is refused and why. */
struct sgl_gate_answer {
    enum sgl_admission_verdict verdict;
    const char *error;     /* of FULL: queue_full or rate_limited (core/error_word.h) */
    int64_t retry_after_s; /* of FULL */
};

int sgl_gate_create(struct sgl_gate **gate_out, const struct sgl_gate_options *options,
                    struct sgl_failure *failure);
void sgl_gate_destroy(struct sgl_gate *gate);

/* `tenant` NULL: it has none, and no bucket of its own. */
struct sgl_gate_answer sgl_gate_ask(struct sgl_gate *gate, struct sgl_gate_waiter *waiter,
                                    uint32_t lane, int64_t now_ns, enum sgl_priority priority,
                                    const char *tenant);

/* The next waiter of a lane whose waiting is over; waiter->verdict is RUN or TIMED_OUT. NULL: none.
 */
struct sgl_gate_waiter *sgl_gate_woken(struct sgl_gate *gate, uint32_t lane);

/* It is over, in whatever state it is. */
void sgl_gate_leave(struct sgl_gate *gate, struct sgl_gate_waiter *waiter, int64_t now_ns);

/* Time has passed. Returns when the next call is worth it; SGL_ABSENT: nothing depends on time. */
int64_t sgl_gate_tick(struct sgl_gate *gate, int64_t now_ns);

struct sgl_gate_counts {
    int64_t running;
    uint32_t waiting;
    uint64_t queue_full;
    uint64_t rate_limited;
    uint64_t timed_out;
};

struct sgl_gate_counts sgl_gate_counts(struct sgl_gate *gate);

/* For how long a client whose waiting was in vain had better stay away, in s. */
int64_t sgl_gate_retry_after_s(struct sgl_gate *gate, int64_t now_ns);

#endif
