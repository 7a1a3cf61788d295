/*
 * world.h - a small driver that plays random but reproducible worlds against a router: requests,
 * completions, failures, cancels, load reports, probes, workers that come, go, drain and fall ill.
 * What happens depends on the seed alone, never on the policy, but for which worker has which
 * request.
 */
#ifndef SGL_TESTS_WORLD_H
#define SGL_TESTS_WORLD_H

#include "core/router.h"

struct sgl_world {
    uint64_t seed;
    uint32_t worker_count; /* at the start */
    uint32_t step_count;   /* inputs tried, beside the first add_worker ones */
    bool is_calm;          /* no change of the fleet, no failures */
};

/* What routers of that seed are made with: every second one has breakers that open soon, panics and
 * starts slowly. */
struct sgl_router_limits sgl_world_limits(uint64_t seed);

/* A router with one policy; the spec must outlive it. Aborts on failure: tests have memory. */
struct sgl_router *sgl_world_router(const struct sgl_policy_spec *spec, uint64_t seed,
                                    struct sgl_sink *sink);

/* Plays the world. Every input the router must accept is asserted to be accepted. */
void sgl_world_play(const struct sgl_world *world, struct sgl_router *router);

/* Memory that runs out: the calls_left-th call that asks for some fails, and so do all after it. */
struct sgl_world_memory {
    uint64_t calls_left;
    int64_t blocks; /* not freed yet */
};

struct sgl_allocator sgl_world_allocator(struct sgl_world_memory *memory);

/* A spec that must parse. */
struct sgl_policy_spec sgl_world_policy(const char *text);

#endif
