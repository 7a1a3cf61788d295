/*
 * fleet_watch.h - tells the event log how the fleet changes, by looking at it now and then.
 *
 *      before   healthy, closed      now   unhealthy, closed     -> worker_down
 *
 * One look takes the router's mutex once, for all workers: what routes requests pays nothing. What
 * changes and changes back between two looks (100 ms) is not told.
 *
 * Threads: one.
 */
#ifndef SGL_LIVE_FLEET_WATCH_H
#define SGL_LIVE_FLEET_WATCH_H

#include "event_log.h"
#include "gateway.h"

struct sgl_fleet_watch;

/* The workers that are there are not told. NULL: no memory. Both are borrowed. */
struct sgl_fleet_watch *sgl_fleet_watch_create(struct sgl_gateway *gateway,
                                               struct sgl_event_log *events, uint32_t worker_max);
void sgl_fleet_watch_destroy(struct sgl_fleet_watch *watch);

void sgl_fleet_watch_look(struct sgl_fleet_watch *watch);

#endif
