#include "simulated_fleet.h"

#include <stdio.h>
#include <stdlib.h>

#define WORKERS_STANDARD 4
#define SERVICE_STANDARD "batching"

static int no_memory(struct sgl_failure *failure)
{
    return sgl_fail(failure, SGL_ENOMEM, "out of memory");
}

int sgl_simulated_fleet_resolve(struct sgl_simulated_fleet *fleet,
                                const struct sgl_simulation_flags *flags,
                                struct sgl_failure *failure)
{
    const char *service = flags->service != NULL ? flags->service : SERVICE_STANDARD;

    fleet->specs = calloc(1, sizeof *fleet->specs);
    if (fleet->specs == NULL)
        return no_memory(failure);
    const int status =
        sgl_worker_model_resolve(&fleet->specs[0], service, flags->profile, flags->worker, failure);
    if (status != SGL_OK)
        return status;
    fleet->spec_count = 1;
    fleet->service_text = sgl_worker_model_format(&fleet->specs[0]);
    return fleet->service_text != NULL ? SGL_OK : no_memory(failure);
}

int sgl_simulated_fleet_make(struct sgl_simulated_fleet *fleet,
                             const struct sgl_simulation_flags *flags,
                             const struct sgl_trace_options *trace, struct sgl_failure *failure)
{
    const int status = sgl_trace_workers(&fleet->urls, &fleet->url_count, trace, failure);

    if (status != SGL_OK)
        return status;
    fleet->worker_count = flags->workers > 0     ? (uint32_t)flags->workers
                          : fleet->url_count > 0 ? fleet->url_count
                                                 : WORKERS_STANDARD;
    fleet->origin = flags->workers > 0     ? "--workers"
                    : fleet->url_count > 0 ? "the trace's"
                                           : "default";
    const bool is_named = fleet->url_count == fleet->worker_count;
    fleet->workers = calloc(fleet->worker_count, sizeof *fleet->workers);
    fleet->names = calloc(fleet->worker_count, sizeof *fleet->names);
    if (fleet->workers == NULL || fleet->names == NULL)
        return no_memory(failure);
    for (uint32_t w = 0; w < fleet->worker_count; w++) {
        snprintf(fleet->names[w], sizeof fleet->names[w], "worker-%u", w);
        fleet->workers[w] = (struct sgl_simulation_worker){
            .url = is_named ? fleet->urls[w] : fleet->names[w],
            .spec = &fleet->specs[0],
        };
    }
    return SGL_OK;
}

void sgl_simulated_fleet_state(const struct sgl_simulated_fleet *fleet, struct sgl_log *log)
{
    sgl_log_fact(log, "service", fleet->service_text);
    sgl_log_fact(log, "profile", fleet->specs[0].profile.name);
}

void sgl_simulated_fleet_release(struct sgl_simulated_fleet *fleet)
{
    for (uint32_t s = 0; s < fleet->spec_count; s++)
        sgl_worker_model_release(&fleet->specs[s]);
    free(fleet->specs);
    free(fleet->workers);
    free(fleet->names);
    free(fleet->urls);
    free(fleet->service_text);
    *fleet = (struct sgl_simulated_fleet){0};
}
