#include "crew.h"

#include <pthread.h>
#include <stdbool.h>

struct crew {
    const struct sgl_crew_plan *plan;
    pthread_mutex_t mutex; /* of all below */
    uint32_t next;
    uint32_t done;
    uint32_t failed_task;
    int status;
    struct sgl_failure failure;
};

/* The next task, or false when there is none to begin. */
static bool take(struct crew *crew, uint32_t *task_out)
{
    pthread_mutex_lock(&crew->mutex);
    const bool is_taken = crew->status == SGL_OK && crew->next < crew->plan->task_count;
    if (is_taken)
        *task_out = crew->next++;
    pthread_mutex_unlock(&crew->mutex);
    return is_taken;
}

static uint32_t hand_in(struct crew *crew, uint32_t task, int status,
                        const struct sgl_failure *failure)
{
    pthread_mutex_lock(&crew->mutex);
    if (status != SGL_OK && (crew->status == SGL_OK || task < crew->failed_task)) {
        crew->status = status;
        crew->failed_task = task;
        crew->failure = *failure;
    }
    const uint32_t done = ++crew->done;
    pthread_mutex_unlock(&crew->mutex);
    return done;
}

static void work(struct crew *crew, bool reports)
{
    const struct sgl_crew_plan *plan = crew->plan;
    struct sgl_failure failure = {.text = ""};
    uint32_t task;

    while (take(crew, &task)) {
        const int status = plan->work(plan->context, task, &failure);
        const uint32_t done = hand_in(crew, task, status, &failure);
        if (reports && plan->progress != NULL)
            plan->progress(plan->context, done, plan->task_count);
    }
}

static void *work_along(void *context)
{
    work(context, false);
    return NULL;
}

int sgl_crew_run(const struct sgl_crew_plan *plan, struct sgl_failure *failure)
{
    struct crew crew = {.plan = plan, .mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[SGL_CREW_THREADS_MAX];
    uint32_t started = 0;

    while (started + 1 < plan->thread_count && started + 1 < plan->task_count &&
           started < SGL_CREW_THREADS_MAX &&
           pthread_create(&threads[started], NULL, work_along, &crew) == 0)
        started++;
    work(&crew, true);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&crew.mutex);
    if (crew.status != SGL_OK && failure != NULL)
        *failure = crew.failure;
    return crew.status;
}
