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

    if (flags->fleet != NULL)
        return SGL_OK;
    return sgl_worker_model_resolve(&fleet->spec, service, flags->profile, flags->worker, failure);
}

static int make_from_file(struct sgl_simulated_fleet *fleet, const char *path,
                          struct sgl_failure *failure)
{
    const int status = sgl_fleet_file_load(&fleet->file, path, failure);

    if (status != SGL_OK)
        return status;
    fleet->origin = path;
    fleet->workers = calloc(fleet->file.worker_count, sizeof *fleet->workers);
    if (fleet->workers == NULL)
        return no_memory(failure);
    fleet->worker_count = fleet->file.worker_count;
    for (uint32_t w = 0; w < fleet->worker_count; w++)
        fleet->workers[w] = (struct sgl_simulation_worker){
            .url = fleet->file.workers[w].url,
            .model = fleet->file.workers[w].model,
            .spec = fleet->file.workers[w].spec,
        };
    return SGL_OK;
}

static int make_from_flags(struct sgl_simulated_fleet *fleet,
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
            .spec = &fleet->spec,
        };
    }
    return SGL_OK;
}

static uint32_t group_count(const struct sgl_simulated_fleet *fleet)
{
    return fleet->file.spec_count > 0 ? fleet->file.spec_count : 1;
}

static const struct sgl_worker_model_spec *group_spec(const struct sgl_simulated_fleet *fleet,
                                                      uint32_t index)
{
    return fleet->file.spec_count > 0 ? fleet->file.specs[index] : &fleet->spec;
}

/* Here, so that nothing is left to fail when a run has done its work. */
static int format_services(struct sgl_simulated_fleet *fleet, struct sgl_failure *failure)
{
    fleet->services = calloc(group_count(fleet), sizeof *fleet->services);
    if (fleet->services == NULL)
        return no_memory(failure);
    fleet->service_count = group_count(fleet);
    for (uint32_t g = 0; g < fleet->service_count; g++) {
        fleet->services[g] = sgl_worker_model_format(group_spec(fleet, g));
        if (fleet->services[g] == NULL)
            return no_memory(failure);
    }
    return SGL_OK;
}

int sgl_simulated_fleet_make(struct sgl_simulated_fleet *fleet,
                             const struct sgl_simulation_flags *flags,
                             const struct sgl_trace_options *trace, struct sgl_failure *failure)
{
    const int status = flags->fleet != NULL ? make_from_file(fleet, flags->fleet, failure)
                                            : make_from_flags(fleet, flags, trace, failure);

    return status == SGL_OK ? format_services(fleet, failure) : status;
}

bool sgl_simulated_fleet_group(const struct sgl_simulated_fleet *fleet, uint32_t index,
                               struct sgl_simulated_group *group_out)
{
    const struct sgl_fleet_file *file = &fleet->file;

    if (index >= group_count(fleet))
        return false;
    *group_out = (struct sgl_simulated_group){
        .name = "",
        .worker_count = fleet->worker_count,
        .spec = group_spec(fleet, index),
        .service = fleet->services[index],
    };
    if (file->spec_count == 0)
        return true;
    group_out->worker_count = 0;
    for (uint32_t w = file->worker_count; w-- > 0;)
        if (file->workers[w].spec == group_out->spec) {
            group_out->worker_count++;
            group_out->name =
                file->workers[w].group[0] != '\0' ? file->workers[w].group : file->workers[w].name;
        }
    return true;
}

const struct sgl_fault_plan *sgl_simulated_fleet_faults(const struct sgl_simulated_fleet *fleet)
{
    return fleet->file.faults.count > 0 ? &fleet->file.faults : NULL;
}

const char *sgl_simulated_fleet_caveat(const struct sgl_simulated_fleet *fleet, uint32_t index,
                                       char *out, size_t size)
{
    struct sgl_simulated_group group;
    char text[256];

    for (uint32_t g = 0; sgl_simulated_fleet_group(fleet, g, &group); g++) {
        for (uint32_t i = 0; sgl_worker_model_caveat(group.spec, i, text, sizeof text) != NULL;
             i++) {
            if (index-- > 0)
                continue;
            snprintf(out, size, "%s%s%s", group.name, group.name[0] != '\0' ? ": " : "", text);
            return out;
        }
    }
    if (sgl_simulated_fleet_faults(fleet) == NULL || index > 0)
        return NULL;
    snprintf(out, size,
             "a request that a fault fails is not tried again: retries are not modelled");
    return out;
}

/* `key` or, of a worker of a file, worker.INDEX.key. */
static void state(struct sgl_log *log, const char *prefix, const char *key, const char *value)
{
    char name[64];

    snprintf(name, sizeof name, "%s%s", prefix, key);
    sgl_log_fact(log, name, value);
}

static void state_faults(const struct sgl_fault_plan *plan, struct sgl_log *log)
{
    char key[32];
    char text[256];

    for (uint32_t i = 0; i < plan->count; i++) {
        const struct sgl_fault *fault = &plan->faults[i];
        size_t used =
            (size_t)snprintf(text, sizeof text, "worker=%u,kind=%s,from_ns=%lld", fault->worker,
                             sgl_fault_kind_name(fault->kind), (long long)fault->from_ns);
        if (fault->until_ns != INT64_MAX)
            used += (size_t)snprintf(text + used, sizeof text - used, ",until_ns=%lld",
                                     (long long)fault->until_ns);
        if (fault->kind == SGL_FAULT_SLOW)
            snprintf(text + used, sizeof text - used, ",factor=%.17g", fault->factor);
        else if (fault->kind == SGL_FAULT_FLAP)
            snprintf(text + used, sizeof text - used, ",period_ns=%lld,down_ns=%lld",
                     (long long)fault->period_ns, (long long)fault->down_ns);
        snprintf(key, sizeof key, "fault.%u", i);
        sgl_log_fact(log, key, text);
    }
}

void sgl_simulated_fleet_state(const struct sgl_simulated_fleet *fleet, struct sgl_log *log)
{
    struct sgl_simulated_group group;

    for (uint32_t g = 0; sgl_simulated_fleet_group(fleet, g, &group); g++)
        for (uint32_t w = 0; w < fleet->worker_count; w++) {
            char prefix[32] = "";
            if (fleet->workers[w].spec != group.spec || (fleet->file.spec_count == 0 && w > 0))
                continue;
            if (fleet->file.spec_count > 0) {
                snprintf(prefix, sizeof prefix, "worker.%u.", w);
                state(log, prefix, "name", fleet->file.workers[w].name);
            }
            state(log, prefix, "service", group.service);
            state(log, prefix, "profile", group.spec->profile.name);
        }
    state_faults(&fleet->file.faults, log);
}

void sgl_simulated_fleet_release(struct sgl_simulated_fleet *fleet)
{
    sgl_worker_model_release(&fleet->spec);
    sgl_fleet_file_release(&fleet->file);
    for (uint32_t g = 0; g < fleet->service_count; g++)
        free(fleet->services[g]);
    free(fleet->services);
    free(fleet->workers);
    free(fleet->names);
    free(fleet->urls);
    *fleet = (struct sgl_simulated_fleet){0};
}
