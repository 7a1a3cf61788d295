#include "admission_gate.h"

#include "core/absent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX
#define CHAINS (2 * SGL_GATE_TENANTS_MAX) /* a power of two */

/*
 *      chains[hash % CHAINS] --> tenant --later_in_chain--> tenant        the hash table
 *      newest <--> tenant <--> ... <--> oldest                            in order of last use
 */
struct tenant {
    uint64_t hash;
    struct sgl_token_bucket bucket;
    uint32_t later_in_chain;
    uint32_t newer;
    uint32_t older;
};

struct lane {
    struct sgl_gate_waiter *first;
    struct sgl_gate_waiter **end;
};

struct sgl_gate {
    pthread_mutex_t mutex;
    struct sgl_gate_options options;
    struct sgl_admission *admission;
    struct lane *lanes;
    int64_t now_ns; /* the latest seen */
    struct sgl_gate_counts counts;

    struct tenant *tenants;
    uint32_t *chains;
    uint32_t tenant_count;
    uint32_t newest;
    uint32_t oldest;
    struct sgl_token_bucket shared; /* of tenants that there is no room for */
};

int sgl_gate_create(struct sgl_gate **gate_out, const struct sgl_gate_options *options,
                    struct sgl_failure *failure)
{
    struct sgl_gate *gate = calloc(1, sizeof *gate);

    *gate_out = NULL;
    if (gate == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "admission: out of memory");
    pthread_mutex_init(&gate->mutex, NULL);
    gate->options = *options;
    gate->newest = NOBODY;
    gate->oldest = NOBODY;
    gate->lanes = calloc(options->lane_count, sizeof *gate->lanes);
    gate->tenants = calloc(SGL_GATE_TENANTS_MAX, sizeof *gate->tenants);
    gate->chains = malloc(CHAINS * sizeof *gate->chains);
    if (gate->lanes == NULL || gate->tenants == NULL || gate->chains == NULL ||
        sgl_admission_create(&gate->admission, &options->admission, NULL) != SGL_OK) {
        sgl_gate_destroy(gate);
        return sgl_fail(failure, SGL_ENOMEM, "admission: out of memory");
    }
    for (uint32_t i = 0; i < options->lane_count; i++)
        gate->lanes[i].end = &gate->lanes[i].first;
    memset(gate->chains, 0xff, CHAINS * sizeof *gate->chains); /* NOBODY */
    *gate_out = gate;
    return SGL_OK;
}

void sgl_gate_destroy(struct sgl_gate *gate)
{
    if (gate == NULL)
        return;
    sgl_admission_destroy(gate->admission);
    free(gate->lanes);
    free(gate->tenants);
    free(gate->chains);
    pthread_mutex_destroy(&gate->mutex);
    free(gate);
}

/* ---- tenants ---- */

static void unlink_use(struct sgl_gate *gate, uint32_t index)
{
    const struct tenant *tenant = &gate->tenants[index];

    if (tenant->newer != NOBODY)
        gate->tenants[tenant->newer].older = tenant->older;
    else
        gate->newest = tenant->older;
    if (tenant->older != NOBODY)
        gate->tenants[tenant->older].newer = tenant->newer;
    else
        gate->oldest = tenant->newer;
}

static void link_newest(struct sgl_gate *gate, uint32_t index)
{
    struct tenant *tenant = &gate->tenants[index];

    tenant->newer = NOBODY;
    tenant->older = gate->newest;
    if (gate->newest != NOBODY)
        gate->tenants[gate->newest].newer = index;
    else
        gate->oldest = index;
    gate->newest = index;
}

static void unlink_chain(struct sgl_gate *gate, uint32_t index)
{
    uint32_t *at = &gate->chains[gate->tenants[index].hash % CHAINS];

    while (*at != index)
        at = &gate->tenants[*at].later_in_chain;
    *at = gate->tenants[index].later_in_chain;
}

/* A place for a newcomer; NOBODY: every bucket still means something. */
static uint32_t make_room(struct sgl_gate *gate)
{
    const uint32_t oldest = gate->oldest;

    if (gate->tenant_count < SGL_GATE_TENANTS_MAX)
        return gate->tenant_count++;
    if (gate->tenants[oldest].bucket.due_ns > gate->now_ns)
        return NOBODY;
    unlink_use(gate, oldest);
    unlink_chain(gate, oldest);
    return oldest;
}

static struct sgl_token_bucket *bucket_of(struct sgl_gate *gate, const char *name)
{
    const uint64_t hash = sgl_siphash(&gate->options.key, name, strlen(name));
    uint32_t *chain = &gate->chains[hash % CHAINS];
    uint32_t index = *chain;

    while (index != NOBODY && gate->tenants[index].hash != hash)
        index = gate->tenants[index].later_in_chain;
    if (index != NOBODY) {
        unlink_use(gate, index);
    } else {
        index = make_room(gate);
        if (index == NOBODY)
            return &gate->shared;
        gate->tenants[index] = (struct tenant){.hash = hash, .later_in_chain = *chain};
        *chain = index;
    }
    link_newest(gate, index);
    return &gate->tenants[index].bucket;
}

/* ---- admission ---- */

static void pass_time(struct sgl_gate *gate, int64_t now_ns)
{
    if (now_ns > gate->now_ns)
        gate->now_ns = now_ns;
}

/* Everybody whose waiting is over goes to the lane it came from. */
static void advance(struct sgl_gate *gate)
{
    enum sgl_admission_verdict verdict;
    uint64_t ticket;

    while (sgl_admission_next(gate->admission, gate->now_ns, &ticket, &verdict)) {
        struct sgl_gate_waiter *waiter = (struct sgl_gate_waiter *)(uintptr_t)ticket;
        struct lane *lane = &gate->lanes[waiter->lane];
        waiter->state = SGL_GATE_WOKEN;
        waiter->verdict = verdict;
        waiter->next = NULL;
        *lane->end = waiter;
        lane->end = &waiter->next;
        gate->counts.timed_out += verdict == SGL_ADMISSION_TIMED_OUT;
        gate->options.wake(gate->options.context, waiter->lane);
    }
}

static int64_t whole_seconds(int64_t ns)
{
    const int64_t seconds = ns / SGL_NANOSECONDS_PER_SECOND + (ns % SGL_NANOSECONDS_PER_SECOND > 0);

    return seconds > 1 ? seconds : 1;
}

static struct sgl_gate_answer ask(struct sgl_gate *gate, struct sgl_gate_waiter *waiter,
                                  enum sgl_priority priority, struct sgl_token_bucket *bucket)
{
    const struct sgl_token_rate *rate = &gate->options.tenant_rate;
    const int64_t now_ns = gate->now_ns;
    const int64_t ready_ns =
        bucket != NULL ? sgl_token_bucket_ready_ns(bucket, rate, now_ns) : now_ns;

    if (ready_ns > now_ns) {
        gate->counts.rate_limited++;
        return (struct sgl_gate_answer){.verdict = SGL_ADMISSION_FULL,
                                        .error = "rate_limited",
                                        .retry_after_s = whole_seconds(ready_ns - now_ns)};
    }
    advance(gate); /* who waits comes first */
    const enum sgl_admission_verdict verdict = sgl_admission_ask(
        gate->admission, now_ns, priority, (uint64_t)(uintptr_t)waiter, &waiter->place);
    if (verdict == SGL_ADMISSION_FULL) {
        const char *word = sgl_admission_full_word(gate->admission);
        gate->counts.queue_full += strcmp(word, "queue_full") == 0;
        gate->counts.rate_limited += strcmp(word, "rate_limited") == 0;
        return (struct sgl_gate_answer){.verdict = verdict,
                                        .error = word,
                                        .retry_after_s =
                                            sgl_admission_retry_after_s(gate->admission, now_ns)};
    }
    if (bucket != NULL)
        sgl_token_bucket_take(bucket, rate, now_ns);
    waiter->state = verdict == SGL_ADMISSION_RUN ? SGL_GATE_INSIDE : SGL_GATE_WAITING;
    return (struct sgl_gate_answer){.verdict = verdict};
}

struct sgl_gate_answer sgl_gate_ask(struct sgl_gate *gate, struct sgl_gate_waiter *waiter,
                                    uint32_t lane, int64_t now_ns, enum sgl_priority priority,
                                    const char *tenant)
{
    pthread_mutex_lock(&gate->mutex);
    pass_time(gate, now_ns);
    *waiter = (struct sgl_gate_waiter){.lane = lane};
    const bool has_bucket = tenant != NULL && gate->options.tenant_rate.interval_ns > 0;
    const struct sgl_gate_answer answer =
        ask(gate, waiter, priority, has_bucket ? bucket_of(gate, tenant) : NULL);
    pthread_mutex_unlock(&gate->mutex);
    return answer;
}

struct sgl_gate_waiter *sgl_gate_woken(struct sgl_gate *gate, uint32_t lane_index)
{
    struct lane *lane = &gate->lanes[lane_index];

    pthread_mutex_lock(&gate->mutex);
    struct sgl_gate_waiter *waiter = lane->first;
    if (waiter != NULL) {
        lane->first = waiter->next;
        if (lane->first == NULL)
            lane->end = &lane->first;
        waiter->next = NULL;
        waiter->state = waiter->verdict == SGL_ADMISSION_RUN ? SGL_GATE_INSIDE : SGL_GATE_OUTSIDE;
    }
    pthread_mutex_unlock(&gate->mutex);
    return waiter;
}

static void leave_lane(struct lane *lane, const struct sgl_gate_waiter *waiter)
{
    struct sgl_gate_waiter **at = &lane->first;

    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    if (*at == NULL)
        lane->end = at;
}

void sgl_gate_leave(struct sgl_gate *gate, struct sgl_gate_waiter *waiter, int64_t now_ns)
{
    pthread_mutex_lock(&gate->mutex);
    pass_time(gate, now_ns);
    const bool has_run = waiter->state == SGL_GATE_INSIDE ||
                         (waiter->state == SGL_GATE_WOKEN && waiter->verdict == SGL_ADMISSION_RUN);
    if (waiter->state == SGL_GATE_WAITING)
        sgl_admission_withdraw(gate->admission, waiter->place);
    if (waiter->state == SGL_GATE_WOKEN)
        leave_lane(&gate->lanes[waiter->lane], waiter);
    waiter->state = SGL_GATE_OUTSIDE;
    if (has_run)
        sgl_admission_done(gate->admission);
    advance(gate);
    pthread_mutex_unlock(&gate->mutex);
}

int64_t sgl_gate_tick(struct sgl_gate *gate, int64_t now_ns)
{
    pthread_mutex_lock(&gate->mutex);
    pass_time(gate, now_ns);
    advance(gate);
    const int64_t wake_ns = sgl_admission_wake_ns(gate->admission, gate->now_ns);
    pthread_mutex_unlock(&gate->mutex);
    return wake_ns;
}

struct sgl_gate_counts sgl_gate_counts(struct sgl_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    struct sgl_gate_counts counts = gate->counts;
    counts.running = sgl_admission_running(gate->admission);
    counts.waiting = sgl_admission_waiting(gate->admission);
    pthread_mutex_unlock(&gate->mutex);
    return counts;
}

int64_t sgl_gate_retry_after_s(struct sgl_gate *gate, int64_t now_ns)
{
    pthread_mutex_lock(&gate->mutex);
    pass_time(gate, now_ns);
    const int64_t seconds = sgl_admission_retry_after_s(gate->admission, gate->now_ns);
    pthread_mutex_unlock(&gate->mutex);
    return seconds;
}
