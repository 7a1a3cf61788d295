/*
 * admin_workers.h - the endpoints about workers: who is there, who comes and goes, what is noted of
 * them. Rows of the table in admin.c; part of it.
 */
#ifndef SGL_LIVE_ADMIN_WORKERS_H
#define SGL_LIVE_ADMIN_WORKERS_H

#include "proxy_thread.h"

#include <jansson.h>

/* An array with one member per worker that is there, made by `describe`. NULL: no memory. */
json_t *sgl_admin_each_worker(struct sgl_proxy_thread *thread,
                              json_t *(*describe)(struct sgl_proxy_thread *thread,
                                                  const struct sgl_gateway_worker *worker));

void sgl_admin_get_list(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);
void sgl_admin_get_loads(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);
void sgl_admin_get_workers(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);
void sgl_admin_add_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);
void sgl_admin_remove_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);
void sgl_admin_post_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);

/* GET, PUT and DELETE of /workers/{id}. */
void sgl_admin_one_worker(struct sgl_proxy_thread *thread, struct sgl_http_exchange *exchange);

#endif
