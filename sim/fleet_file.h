/*
 * fleet_file.h - a fleet of unlike workers, and what goes wrong with them, from a file of text.
 *
 *     [worker]                            a worker, or `count` equal ones
 *     name = big                          its name: big; with a count big-0, big-1, ...
 *     count = 2                               (without: worker-INDEX)
 *     profile = llama31-70b-tp4-h200      of a service that takes one
 *     scheduler = vllm                    any parameter of its service, by its name
 *
 *     [worker]
 *     url = http://10.0.0.7:30000         the router's name for it (without: the name)
 *     model = meta-llama/...              what it serves (without: the profile's model)
 *     role = prefill                      of pairs: prefill or decode (without: regular)
 *     service = exponential:mean_s=0.2    how it serves (without: batching)
 *
 *     [fault]
 *     worker = big-1                      a name, a url, an index from 0, or the name that a
 *     kind = down                             section gave to several: then all of these
 *     from = 10s                          without: 0
 *     until = 25s                         without: for good
 *
 *     [fault]
 *     worker = 2
 *     kind = slow                         its work takes `factor` times as long
 *     factor = 2.5
 *
 *     [fault]
 *     worker = big-0
 *     kind = flap                         down for `duty` of each period (0.5), then up
 *     period = 4s
 *     duty = 0.25
 *
 * Workers have their indices in the order of the file. `#` starts a comment. Every mistake is
 * "file:line:column: what, expected what". Durations are as on the command line, on the clock of
 * the run: from the first arrival, not scaled with the arrivals.
 */
#ifndef SGL_SIM_FLEET_FILE_H
#define SGL_SIM_FLEET_FILE_H

#include "sim/fault_plan.h"
#include "sim/worker_model.h"

#define SGL_FLEET_WORKER_MAX 1024

struct sgl_fleet_worker {
    char *name;
    char *group; /* the name its section gave, to one or to several; "": none */
    char *url;   /* never NULL: the name where none is given */
    char *model; /* NULL: nobody knows */
    enum sgl_pool pool;
    const struct sgl_worker_model_spec *spec; /* one of the fleet's */
};

/* Everything is its own. A zeroed struct is empty. */
struct sgl_fleet_file {
    struct sgl_fleet_worker *workers;
    uint32_t worker_count;
    struct sgl_worker_model_spec **specs; /* one per section */
    uint32_t spec_count;
    struct sgl_fault_plan faults;
};

/* On failure there is nothing to release. */
int sgl_fleet_file_load(struct sgl_fleet_file *fleet, const char *path,
                        struct sgl_failure *failure);

/* The same from a text; `file` is its name in messages. */
int sgl_fleet_file_parse(struct sgl_fleet_file *fleet, const char *file, const char *text,
                         struct sgl_failure *failure);

void sgl_fleet_file_release(struct sgl_fleet_file *fleet);

#endif
