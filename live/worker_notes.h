/*
 * worker_notes.h - what owners of a fleet note at its workers: priority, cost and labels.
 *
 * They are told again (/workers), and that is all: no policy looks at them. Fields, names and
 * defaults are those of SGLang's WorkerConfigRequest (POST /workers) and WorkerUpdateRequest (PUT
 * /workers/{id}): priority 0 to 2^32 - 1, default 50; cost a number from 0, default 1; labels texts
 * by name, told as "metadata". What a change does not name stays as it is, label by label.
 *
 * Threads: any; notes have a mutex of their own, which no request to a worker ever takes.
 */
#ifndef SGL_LIVE_WORKER_NOTES_H
#define SGL_LIVE_WORKER_NOTES_H

#include "core/failure.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SGL_WORKER_LABELS_MAX 64     /* of a worker */
#define SGL_WORKER_LABEL_BYTES 16384 /* of a change, names and values */

struct sgl_worker_notes;

/* NULL: no memory. */
struct sgl_worker_notes *sgl_worker_notes_create(uint32_t worker_max);
void sgl_worker_notes_destroy(struct sgl_worker_notes *notes);

/* Are the members of that body that are notes of the right kind? SGL_EINVAL when not. */
int sgl_worker_notes_check(const json_t *body, struct sgl_failure *failure);

/* Notes what a checked body says. SGL_EINVAL: too many labels; SGL_ENOMEM; then nothing changed. */
int sgl_worker_notes_change(struct sgl_worker_notes *notes, uint32_t worker, const json_t *body,
                            struct sgl_failure *failure);

/* What is noted; *labels_out is an object of the caller's own, NULL without memory. */
void sgl_worker_notes_read(struct sgl_worker_notes *notes, uint32_t worker, uint32_t *priority_out,
                           double *cost_out, json_t **labels_out);

#endif
