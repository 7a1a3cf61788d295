#include "sim/fault_plan.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 8
#define FACTOR_LEAST 1e-3
#define FACTOR_MOST 1e6

static const char *const kind_names[] = {
    [SGL_FAULT_DOWN] = "down",
    [SGL_FAULT_SLOW] = "slow",
    [SGL_FAULT_FLAP] = "flap",
};

const char *sgl_fault_kind_name(enum sgl_fault_kind kind)
{
    return kind_names[kind];
}

enum sgl_fault_kind sgl_fault_kind_named(const char *name)
{
    int kind = 0;

    while (kind < SGL_FAULT_KIND_COUNT && strcmp(kind_names[kind], name) != 0)
        kind++;
    return (enum sgl_fault_kind)kind;
}

static int check(const struct sgl_fault *fault, struct sgl_failure *failure)
{
    if (fault->from_ns < 0 || fault->until_ns <= fault->from_ns)
        return sgl_fail(failure, SGL_EINVAL,
                        "the fault ends before it begins, expected until after from");
    if (fault->kind == SGL_FAULT_SLOW &&
        !(fault->factor >= FACTOR_LEAST && fault->factor <= FACTOR_MOST))
        return sgl_fail(failure, SGL_EINVAL, "factor %g, expected %g to %g", fault->factor,
                        FACTOR_LEAST, FACTOR_MOST);
    if (fault->kind == SGL_FAULT_FLAP && fault->period_ns < SGL_FAULT_PERIOD_MIN_NS)
        return sgl_fail(failure, SGL_EINVAL, "a period of %lld ns, expected at least 1ms",
                        (long long)fault->period_ns);
    if (fault->kind == SGL_FAULT_FLAP &&
        (fault->down_ns <= 0 || fault->down_ns >= fault->period_ns))
        return sgl_fail(failure, SGL_EINVAL,
                        "down for %lld of %lld ns, expected a part of the period",
                        (long long)fault->down_ns, (long long)fault->period_ns);
    return SGL_OK;
}

/* Where the first fault is that comes after (worker, now_ns): begins later, or is of a later
 * worker. The one before it is the last that began by now. */
static uint32_t place_after(const struct sgl_fault_plan *plan, uint32_t worker, int64_t now_ns)
{
    uint32_t low = 0;
    uint32_t high = plan->count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct sgl_fault *fault = &plan->faults[middle];
        if (fault->worker < worker || (fault->worker == worker && fault->from_ns <= now_ns))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int sgl_fault_plan_add(struct sgl_fault_plan *plan, const struct sgl_fault *fault,
                       struct sgl_failure *failure)
{
    const uint32_t place = place_after(plan, fault->worker, fault->from_ns);
    const struct sgl_fault *before = place > 0 ? &plan->faults[place - 1] : NULL;
    const struct sgl_fault *after = place < plan->count ? &plan->faults[place] : NULL;
    const int status = check(fault, failure);

    if (status != SGL_OK)
        return status;
    if ((before != NULL && before->worker == fault->worker && before->until_ns > fault->from_ns) ||
        (after != NULL && after->worker == fault->worker && after->from_ns < fault->until_ns))
        return sgl_fail(failure, SGL_EINVAL,
                        "the fault overlaps another of that worker, expected one at a time");
    if (plan->count == plan->capacity) {
        const uint32_t capacity = plan->capacity > 0 ? 2 * plan->capacity : CAPACITY_FIRST;
        struct sgl_fault *faults = realloc(plan->faults, capacity * sizeof *faults);
        if (faults == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "out of memory");
        plan->faults = faults;
        plan->capacity = capacity;
    }
    assert(plan->faults != NULL);
    memmove(plan->faults + place + 1, plan->faults + place,
            (plan->count - place) * sizeof *plan->faults);
    plan->faults[place] = *fault;
    plan->count++;
    return SGL_OK;
}

/* The window the worker is in, or NULL. */
static const struct sgl_fault *current(const struct sgl_fault_plan *plan, uint32_t worker,
                                       int64_t now_ns)
{
    const uint32_t place = place_after(plan, worker, now_ns);
    const struct sgl_fault *fault = place > 0 ? &plan->faults[place - 1] : NULL;

    return fault != NULL && fault->worker == worker && now_ns < fault->until_ns ? fault : NULL;
}

struct sgl_condition sgl_fault_plan_at(const struct sgl_fault_plan *plan, uint32_t worker,
                                       int64_t now_ns)
{
    const struct sgl_fault *fault = current(plan, worker, now_ns);
    struct sgl_condition condition = {.factor = 1};

    if (fault == NULL)
        return condition;
    if (fault->kind == SGL_FAULT_SLOW)
        condition.factor = fault->factor;
    else
        condition.is_down = fault->kind == SGL_FAULT_DOWN ||
                            (now_ns - fault->from_ns) % fault->period_ns < fault->down_ns;
    return condition;
}

int64_t sgl_fault_plan_next_ns(const struct sgl_fault_plan *plan, uint32_t worker, int64_t now_ns)
{
    const struct sgl_fault *fault = current(plan, worker, now_ns);

    if (fault == NULL) {
        const uint32_t place = place_after(plan, worker, now_ns);
        return place < plan->count && plan->faults[place].worker == worker
                   ? plan->faults[place].from_ns
                   : INT64_MAX;
    }
    if (fault->kind != SGL_FAULT_FLAP)
        return fault->until_ns;
    const int64_t phase_ns = (now_ns - fault->from_ns) % fault->period_ns;
    const int64_t left_ns =
        (phase_ns < fault->down_ns ? fault->down_ns : fault->period_ns) - phase_ns;
    return left_ns < fault->until_ns - now_ns ? now_ns + left_ns : fault->until_ns;
}

void sgl_fault_plan_release(struct sgl_fault_plan *plan)
{
    free(plan->faults);
    *plan = (struct sgl_fault_plan){0};
}
