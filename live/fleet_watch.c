#include "fleet_watch.h"

#include <stdlib.h>

struct sgl_fleet_watch {
    struct sgl_gateway *gateway;
    struct sgl_event_log *events;
    uint32_t count;
    struct sgl_gateway_state *before; /* of the first `count` workers */
    struct sgl_gateway_state *now;
};

struct sgl_fleet_watch *sgl_fleet_watch_create(struct sgl_gateway *gateway,
                                               struct sgl_event_log *events, uint32_t worker_max)
{
    struct sgl_fleet_watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        return NULL;
    watch->gateway = gateway;
    watch->events = events;
    watch->before = calloc(worker_max, sizeof *watch->before);
    watch->now = calloc(worker_max, sizeof *watch->now);
    if (watch->before == NULL || watch->now == NULL) {
        sgl_fleet_watch_destroy(watch);
        return NULL;
    }
    watch->count = sgl_gateway_states(gateway, watch->before);
    return watch;
}

void sgl_fleet_watch_destroy(struct sgl_fleet_watch *watch)
{
    if (watch == NULL)
        return;
    free(watch->before);
    free(watch->now);
    free(watch);
}

static void say(const struct sgl_fleet_watch *watch, enum sgl_event_kind kind, uint32_t worker)
{
    const struct sgl_event_field field = {.name = "worker",
                                          .text = sgl_gateway_url(watch->gateway, worker)};

    sgl_event_say(watch->events, kind, NULL, &field, 1);
}

static void compare(const struct sgl_fleet_watch *watch, uint32_t worker,
                    const struct sgl_gateway_state *before, const struct sgl_gateway_state *now)
{
    static const enum sgl_event_kind breakers[] = {
        [SGL_BREAKER_CLOSED] = SGL_EVENT_KIND_breaker_closed,
        [SGL_BREAKER_OPEN] = SGL_EVENT_KIND_breaker_open,
        [SGL_BREAKER_HALF_OPEN] = SGL_EVENT_KIND_breaker_half_open,
    };

    if (before->is_removed)
        return;
    if (now->is_removed) {
        say(watch, SGL_EVENT_KIND_worker_removed, worker);
        return;
    }
    if (before->is_healthy != now->is_healthy)
        say(watch, now->is_healthy ? SGL_EVENT_KIND_worker_up : SGL_EVENT_KIND_worker_down, worker);
    if (before->breaker != now->breaker)
        say(watch, breakers[now->breaker], worker);
}

void sgl_fleet_watch_look(struct sgl_fleet_watch *watch)
{
    const struct sgl_gateway_state fresh = {.is_healthy = true, .breaker = SGL_BREAKER_CLOSED};
    const uint32_t count = sgl_gateway_states(watch->gateway, watch->now);

    for (uint32_t i = 0; i < count; i++) {
        if (i >= watch->count)
            say(watch, SGL_EVENT_KIND_worker_added, i);
        compare(watch, i, i < watch->count ? &watch->before[i] : &fresh, &watch->now[i]);
    }
    struct sgl_gateway_state *before = watch->before;
    watch->before = watch->now;
    watch->now = before;
    watch->count = count;
}
