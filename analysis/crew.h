/*
 * crew.h - numbered tasks, done by several threads.
 *
 *     tasks   0 1 2 3 4 5 6 7 ...        each thread takes the next number until none is left
 *
 * A task writes only what belongs to its number, so that the result does not depend on who did what
 * when. After the first failure no new task is begun; of several failures the one with the lowest
 * number is told. The calling thread works too, and alone calls `progress`, between its own tasks.
 */
#ifndef SGL_ANALYSIS_CREW_H
#define SGL_ANALYSIS_CREW_H

#include "core/failure.h"

#include <stdint.h>

#define SGL_CREW_THREADS_MAX 256

struct sgl_crew_plan {
    uint32_t task_count;
    uint32_t thread_count; /* from 1 */
    int (*work)(void *context, uint32_t task, struct sgl_failure *failure);
    void (*progress)(void *context, uint32_t done, uint32_t task_count); /* ? */
    void *context;
};

/* The first failure's code, or SGL_OK when all tasks are done. Threads that cannot be had are done
 * without. */
int sgl_crew_run(const struct sgl_crew_plan *plan, struct sgl_failure *failure);

#endif
