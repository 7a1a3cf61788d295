/*
 * admin_fleet.h - what the router's endpoints say of the fleet as a whole, and read of newcomers.
 *
 * A router of pairs can serve when a prefill worker and a decode worker are healthy, any other when
 * one worker is.
 */
#ifndef SGL_LIVE_ADMIN_FLEET_H
#define SGL_LIVE_ADMIN_FLEET_H

#include "proxy_thread.h"

#include <jansson.h>

/* Removed workers are not counted. */
struct sgl_fleet_counts {
    int total;
    int healthy;
    int pool_total[SGL_POOL_COUNT];
    int pool_healthy[SGL_POOL_COUNT];
    bool can_serve;
};

struct sgl_fleet_counts sgl_fleet_count(struct sgl_gateway *gateway);

/* Why it cannot serve. Static. */
const char *sgl_fleet_why_not(const struct sgl_gateway *gateway,
                              const struct sgl_fleet_counts *counts);

/* What the body of POST /workers says; texts are borrowed from it, the url may be NULL. False: the
 * type or the port of the worker is none. */
bool sgl_newcomer_read(const json_t *root, struct sgl_gateway_newcomer *newcomer);

#endif
