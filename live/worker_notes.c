#include "worker_notes.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY 50
#define COST 1.0

struct note {
    bool has_priority;
    bool has_cost;
    uint32_t priority;
    double cost;
    json_t *labels; /* NULL: none */
};

struct sgl_worker_notes {
    pthread_mutex_t mutex;
    uint32_t worker_max;
    struct note *of; /* by worker */
};

struct sgl_worker_notes *sgl_worker_notes_create(uint32_t worker_max)
{
    struct sgl_worker_notes *notes = calloc(1, sizeof *notes);

    if (notes == NULL)
        return NULL;
    notes->worker_max = worker_max;
    notes->of = calloc(worker_max, sizeof *notes->of);
    if (notes->of == NULL || pthread_mutex_init(&notes->mutex, NULL) != 0) {
        free(notes->of);
        free(notes);
        return NULL;
    }
    return notes;
}

void sgl_worker_notes_destroy(struct sgl_worker_notes *notes)
{
    if (notes == NULL)
        return;
    for (uint32_t i = 0; i < notes->worker_max; i++)
        json_decref(notes->of[i].labels);
    free(notes->of);
    pthread_mutex_destroy(&notes->mutex);
    free(notes);
}

/* A member that is there, null not counted. */
static json_t *member(const json_t *body, const char *name)
{
    json_t *value = json_object_get(body, name);

    return json_is_null(value) ? NULL : value;
}

int sgl_worker_notes_check(const json_t *body, struct sgl_failure *failure)
{
    const json_t *priority = member(body, "priority");
    const json_t *cost = member(body, "cost");
    json_t *labels = member(body, "labels");
    const char *name;
    json_t *value;
    size_t bytes = 0;

    if (priority != NULL && (!json_is_integer(priority) || json_integer_value(priority) < 0 ||
                             json_integer_value(priority) > UINT32_MAX))
        return sgl_fail(failure, SGL_EINVAL, "priority, expected a whole number from 0");
    if (cost != NULL && !(json_is_number(cost) && json_number_value(cost) >= 0))
        return sgl_fail(failure, SGL_EINVAL, "cost, expected a number from 0");
    if (labels != NULL && !json_is_object(labels))
        return sgl_fail(failure, SGL_EINVAL, "labels, expected an object of texts");
    json_object_foreach(labels, name, value)
    {
        if (!json_is_string(value))
            return sgl_fail(failure, SGL_EINVAL, "label '%.60s', expected a text", name);
        bytes += strlen(name) + json_string_length(value);
    }
    if (bytes > SGL_WORKER_LABEL_BYTES)
        return sgl_fail(failure, SGL_EINVAL, "labels, expected at most %d bytes",
                        SGL_WORKER_LABEL_BYTES);
    return SGL_OK;
}

/* The old labels with the new ones; NULL: no memory. */
static json_t *merged(const json_t *before, const json_t *change)
{
    json_t *labels = before != NULL ? json_deep_copy(before) : json_object();
    json_t *copy = json_deep_copy(change);
    const bool is_merged = labels != NULL && copy != NULL && json_object_update(labels, copy) == 0;

    json_decref(copy);
    if (is_merged)
        return labels;
    json_decref(labels);
    return NULL;
}

int sgl_worker_notes_change(struct sgl_worker_notes *notes, uint32_t worker, const json_t *body,
                            struct sgl_failure *failure)
{
    struct note *note = &notes->of[worker];
    const json_t *priority = member(body, "priority");
    const json_t *cost = member(body, "cost");
    const json_t *change = member(body, "labels");
    int status = SGL_OK;

    pthread_mutex_lock(&notes->mutex);
    if (change != NULL) {
        json_t *labels = merged(note->labels, change);
        if (labels == NULL)
            status = sgl_fail(failure, SGL_ENOMEM, "out of memory");
        else if (json_object_size(labels) > SGL_WORKER_LABELS_MAX)
            status = sgl_fail(failure, SGL_EINVAL, "labels, expected at most %d of a worker",
                              SGL_WORKER_LABELS_MAX);
        json_decref(status == SGL_OK ? note->labels : labels);
        note->labels = status == SGL_OK ? labels : note->labels;
    }
    if (status == SGL_OK && priority != NULL) {
        note->has_priority = true;
        note->priority = (uint32_t)json_integer_value(priority);
    }
    if (status == SGL_OK && cost != NULL) {
        note->has_cost = true;
        note->cost = json_number_value(cost) + 0.0;
    }
    pthread_mutex_unlock(&notes->mutex);
    return status;
}

void sgl_worker_notes_read(struct sgl_worker_notes *notes, uint32_t worker, uint32_t *priority_out,
                           double *cost_out, json_t **labels_out)
{
    const struct note *note = &notes->of[worker];

    pthread_mutex_lock(&notes->mutex);
    *priority_out = note->has_priority ? note->priority : PRIORITY;
    *cost_out = note->has_cost ? note->cost : COST;
    *labels_out = note->labels != NULL ? json_deep_copy(note->labels) : json_object();
    pthread_mutex_unlock(&notes->mutex);
}
