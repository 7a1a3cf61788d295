/*
 * upstream_call.h - what upstream.c (sockets, handles) and upstream_call.c (one request) share.
 */
#ifndef SGL_LIVE_UPSTREAM_CALL_H
#define SGL_LIVE_UPSTREAM_CALL_H

#include "upstream.h"

#define UPSTREAM_IDLE_MAX 1024 /* easy handles kept */

struct watch;

struct sgl_upstream_worker {
    CURLU *url; /* parsed once; NULL: not yet */
    char *path; /* of the URL, without a trailing slash */
};

struct sgl_upstream {
    uv_loop_t *loop;
    struct sgl_upstream_options options;
    CURLM *multi;
    uv_timer_t timer;
    bool wants_kick;        /* libcurl wants to be called without an event */
    bool has_worked;        /* it was, so calls may be done */
    struct watch **watches; /* by descriptor */
    size_t watch_capacity;
    struct sgl_upstream_worker *workers;
    CURL *idle[UPSTREAM_IDLE_MAX];
    size_t idle_count;
    struct sgl_buffer plain; /* what one read brought, without its chunks */
};

CURL *sgl_upstream_take(struct sgl_upstream *upstream);
void sgl_upstream_give(struct sgl_upstream *upstream, CURL *easy);

/* Points the handle to the call's worker and target. */
int sgl_upstream_aim(struct sgl_upstream *upstream, CURL *easy, const struct sgl_call *call);

/* The transfer is over: takes the handle from libcurl, and sets call->error. */
void sgl_call_finish(struct sgl_call *call, CURLcode code);

int sgl_call_on_send(void *context, char *remote, char *local, int remote_port, int local_port);
size_t sgl_call_on_header(char *bytes, size_t one, size_t size, void *context);
size_t sgl_call_on_body(char *bytes, size_t one, size_t size, void *context);

#endif
