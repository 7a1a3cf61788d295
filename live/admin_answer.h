/*
 * admin_answer.h - how the router's own endpoints answer.
 */
#ifndef SGL_LIVE_ADMIN_ANSWER_H
#define SGL_LIVE_ADMIN_ANSWER_H

#include "http_server.h"

#include <jansson.h>

/* Releases `root`; NULL: there was no memory for it, which is answered. `location` may be NULL. */
void sgl_admin_respond_json(struct sgl_http_exchange *exchange, int status, json_t *root,
                            const char *location);

void sgl_admin_respond_text(struct sgl_http_exchange *exchange, int status, const char *text);

/* An error as all of ours; a 503 says when to come again. */
/* 405, with the methods that the path takes: "GET, HEAD". */
void sgl_admin_refuse_method(struct sgl_http_exchange *exchange, const char *methods);

void sgl_admin_respond_error(struct sgl_http_exchange *exchange, int status, const char *type,
                             const char *message);

#endif
