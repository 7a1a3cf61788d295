/*
 * fault_plan.h - what goes wrong with which worker, and when: windows on the clock of the run.
 *
 *     worker 0   ......[ down ].............[ slow x3 )......      from <= t < until
 *     worker 1   ...[ flap: |down|  up  |down|  up  |do )....      each period begins down
 *
 * A worker is down or not, and its work takes `factor` times as long: both follow from the plan and
 * the time alone, so nothing moves unless somebody looks. Windows of one worker do not overlap.
 * What a fault does to the requests of a worker is the simulation's (simulation_faults.c).
 *
 * Times in integer nanoseconds from the first arrival. A zeroed struct is an empty plan.
 */
#ifndef SGL_SIM_FAULT_PLAN_H
#define SGL_SIM_FAULT_PLAN_H

#include "core/failure.h"

#include <stdbool.h>
#include <stdint.h>

enum sgl_fault_kind {
    SGL_FAULT_DOWN, /* it answers nothing; what it had is lost */
    SGL_FAULT_SLOW, /* its work takes `factor` times as long */
    SGL_FAULT_FLAP, /* down for the first down_ns of each period */
    SGL_FAULT_KIND_COUNT
};

const char *sgl_fault_kind_name(enum sgl_fault_kind kind);

/* SGL_FAULT_KIND_COUNT when there is none of that name. */
enum sgl_fault_kind sgl_fault_kind_named(const char *name);

/* A period below this is refused: a flap is not an oscillator, and a run must end. */
#define SGL_FAULT_PERIOD_MIN_NS INT64_C(1000000)

struct sgl_fault {
    uint32_t worker;
    enum sgl_fault_kind kind;
    int64_t from_ns;
    int64_t until_ns;  /* INT64_MAX: to the end of the run */
    double factor;     /* slow: more than 0 */
    int64_t period_ns; /* flap */
    int64_t down_ns;   /* flap: more than 0, less than the period */
};

struct sgl_fault_plan {
    struct sgl_fault *faults; /* owned; by (worker, from_ns) */
    uint32_t count;
    uint32_t capacity;
};

/* Adds a fault. SGL_EINVAL, with what is wrong of it, when it is impossible or overlaps another of
 * that worker; SGL_ENOMEM. The plan is then as before. */
int sgl_fault_plan_add(struct sgl_fault_plan *plan, const struct sgl_fault *fault,
                       struct sgl_failure *failure);

/* How a worker is at an instant. */
struct sgl_condition {
    bool is_down;
    double factor;
};

struct sgl_condition sgl_fault_plan_at(const struct sgl_fault_plan *plan, uint32_t worker,
                                       int64_t now_ns);

/* The first instant after `now_ns` at which the worker's condition may change; INT64_MAX: never. */
int64_t sgl_fault_plan_next_ns(const struct sgl_fault_plan *plan, uint32_t worker, int64_t now_ns);

void sgl_fault_plan_release(struct sgl_fault_plan *plan);

#endif
