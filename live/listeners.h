/*
 * listeners.h - what is answered at which port of the proxy.
 *
 *      --port             clients: /generate, /v1/... to workers; the router's own endpoints
 *      --admin-port       control: the router's own endpoints, nothing for workers
 *      --prometheus-port  metrics: GET /metrics, nothing else
 *
 * All three ask for the keys of access.h. The context of each is a thread of the proxy.
 */
#ifndef SGL_LIVE_LISTENERS_H
#define SGL_LIVE_LISTENERS_H

#include "http_server.h"

extern const struct sgl_http_handler sgl_listener_clients;
extern const struct sgl_http_handler sgl_listener_control;
extern const struct sgl_http_handler sgl_listener_metrics;

#endif
