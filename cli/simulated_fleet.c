#include "simulated_fleet.h"
#include "policy_json.h"
#include "core/text.h"

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
    const char *const policies[SGL_POOL_COUNT] = {
        [SGL_POOL_PREFILL] = flags->prefill_policy,
        [SGL_POOL_DECODE] = flags->decode_policy,
    };
    int status;

    for (int pool = 0; pool < SGL_POOL_COUNT; pool++) {
        if (policies[pool] == NULL)
            continue;
        if ((status = sgl_policy_read(&fleet->policies[pool], policies[pool], failure)) != SGL_OK)
            return status;
        fleet->has_policy[pool] = true;
    }
    sgl_parameters_init(&fleet->transfer, sgl_transfer_parameters);
    status = sgl_parameters_parse(&fleet->transfer, flags->kv_transfer, "--kv-transfer", failure);
    if (status != SGL_OK || flags->fleet != NULL)
        return status;
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
            .pool = fleet->file.workers[w].pool,
            .model = fleet->file.workers[w].model,
            .spec = fleet->file.workers[w].spec,
        };
    return SGL_OK;
}

static int make_from_flags(struct sgl_simulated_fleet *fleet,
                           const struct sgl_simulation_flags *flags,
                           const struct sgl_trace_options *trace, struct sgl_failure *failure)
{
    const uint32_t prefill_count = flags->prefill_count;
    const bool is_paired = flags->pairs != NULL;
    const bool is_read_once = sgl_trace_is_read_once(trace);

    if (is_read_once && !is_paired && flags->workers == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "%.200s: can be read only once, so its workers cannot be counted first "
                        "(give --workers, --pairs or --fleet)",
                        trace->path);
    const int status =
        is_read_once ? SGL_OK : sgl_trace_workers(&fleet->urls, &fleet->url_count, trace, failure);
    if (status != SGL_OK)
        return status;
    fleet->worker_count = is_paired              ? prefill_count + flags->decode_count
                          : flags->workers > 0   ? (uint32_t)flags->workers
                          : fleet->url_count > 0 ? fleet->url_count
                                                 : WORKERS_STANDARD;
    fleet->origin = is_paired              ? "--pairs"
                    : flags->workers > 0   ? "--workers"
                    : fleet->url_count > 0 ? "the trace's"
                                           : "default";
    const bool is_named = fleet->url_count == fleet->worker_count;
    fleet->workers = calloc(fleet->worker_count, sizeof *fleet->workers);
    fleet->names = calloc(fleet->worker_count, sizeof *fleet->names);
    if (fleet->workers == NULL || fleet->names == NULL)
        return no_memory(failure);
    for (uint32_t w = 0; w < fleet->worker_count; w++) {
        if (is_paired && w < prefill_count)
            snprintf(fleet->names[w], sizeof fleet->names[w], "prefill-%u", w);
        else if (is_paired)
            snprintf(fleet->names[w], sizeof fleet->names[w], "decode-%u", w - prefill_count);
        else
            snprintf(fleet->names[w], sizeof fleet->names[w], "worker-%u", w);
        fleet->workers[w] = (struct sgl_simulation_worker){
            .url = is_named && !is_paired ? fleet->urls[w] : fleet->names[w],
            .pool = !is_paired          ? SGL_POOL_REGULAR
                    : w < prefill_count ? SGL_POOL_PREFILL
                                        : SGL_POOL_DECODE,
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

    if (status != SGL_OK)
        return status;
    for (uint32_t w = 0; w < fleet->worker_count; w++)
        fleet->has_pairs = fleet->has_pairs || fleet->workers[w].pool != SGL_POOL_REGULAR;
    if (!fleet->has_pairs && (flags->prefill_policy != NULL || flags->decode_policy != NULL ||
                              flags->kv_transfer != NULL))
        return sgl_fail(failure, SGL_EINVAL,
                        "--prefill-policy, --decode-policy and --kv-transfer are of pairs, and the "
                        "fleet has none (see --pairs)");
    if (fleet->has_pairs) {
        fleet->transfer_text = sgl_parameters_format(&fleet->transfer);
        if (fleet->transfer_text == NULL)
            return no_memory(failure);
        for (int pool = 0; pool < SGL_POOL_COUNT; pool++) {
            if (!fleet->has_policy[pool])
                continue;
            fleet->policy_texts[pool] = sgl_policy_format(&fleet->policies[pool]);
            if (fleet->policy_texts[pool] == NULL)
                return no_memory(failure);
        }
    }
    return format_services(fleet, failure);
}

void sgl_simulated_fleet_policies(const struct sgl_simulated_fleet *fleet,
                                  const struct sgl_policy_spec *policy,
                                  const struct sgl_policy_spec *policies[SGL_POOL_COUNT])
{
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++) {
        policies[pool] = NULL;
        if (fleet->has_pairs == (pool != SGL_POOL_REGULAR))
            policies[pool] = fleet->has_policy[pool] ? &fleet->policies[pool] : policy;
    }
}

int sgl_simulated_fleet_fits(const struct sgl_simulated_fleet *fleet,
                             const struct sgl_policy_spec *policy, struct sgl_failure *failure)
{
    const struct sgl_policy_spec *policies[SGL_POOL_COUNT];
    uint32_t counts[SGL_POOL_COUNT] = {0};
    int status = SGL_OK;

    sgl_simulated_fleet_policies(fleet, policy, policies);
    for (uint32_t w = 0; w < fleet->worker_count; w++)
        counts[fleet->workers[w].pool]++;
    for (int pool = 0; pool < SGL_POOL_COUNT && status == SGL_OK; pool++)
        if (policies[pool] != NULL)
            status = sgl_policy_fits(policies[pool], counts[pool], failure);
    return status;
}

void sgl_simulated_fleet_apply(const struct sgl_simulated_fleet *fleet,
                               const struct sgl_policy_spec *policy,
                               struct sgl_simulation_options *options)
{
    const struct sgl_policy_spec *policies[SGL_POOL_COUNT];

    sgl_simulated_fleet_policies(fleet, policy, policies);
    options->policy = policy;
    options->prefill_policy = policies[SGL_POOL_PREFILL];
    options->decode_policy = policies[SGL_POOL_DECODE];
    options->transfer = sgl_transfer_options_of(&fleet->transfer);
    options->workers = fleet->workers;
    options->worker_count = fleet->worker_count;
    options->faults = sgl_simulated_fleet_faults(fleet);
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

/* What the router does about faults. */
static const char *describe_reliability(const struct sgl_simulated_fleet *fleet,
                                        const struct sgl_simulation_flags *flags, char *out,
                                        size_t size)
{
    size_t used;

    if (fleet->has_pairs)
        used = (size_t)snprintf(out, size, "requests of pairs that fail are not tried again");
    else if (flags->retry.total_max == 0)
        used = (size_t)snprintf(out, size, "requests that fail are not tried again");
    else
        used = (size_t)snprintf(out, size,
                                "requests that fail before their first token are tried again, at "
                                "most %u time%s",
                                flags->retry.total_max, sgl_plural(flags->retry.total_max));
    if (flags->limits.breaker_failures == 0)
        snprintf(out + used, size - used, "; there are no circuit breakers");
    else
        snprintf(out + used, size - used,
                 "; a worker with %llu failure%s within %g s is left alone for %g s (circuit "
                 "breaker)",
                 (unsigned long long)flags->limits.breaker_failures,
                 sgl_plural(flags->limits.breaker_failures),
                 (double)flags->limits.breaker_window_ns / 1e9,
                 (double)flags->limits.breaker_open_ns / 1e9);
    return out;
}

const char *sgl_simulated_fleet_caveat(const struct sgl_simulated_fleet *fleet,
                                       const struct sgl_simulation_flags *flags, uint32_t index,
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
    if (fleet->has_pairs && index-- == 0) {
        snprintf(out, size,
                 "the transfer of KV memory is not measured: %.100s (--kv-transfer; the defaults "
                 "are a card of 400 Gbit/s and Llama 3.1 8B)",
                 fleet->transfer_text);
        return out;
    }
    if (index > 0)
        return NULL;
    if (sgl_simulated_fleet_faults(fleet) != NULL)
        return describe_reliability(fleet, flags, out, size);
    if (sgl_simulation_flags_idle(flags, text, sizeof text)[0] == '\0')
        return NULL;
    snprintf(out, size, "no worker has a fault, so these change nothing: %s", text);
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

void sgl_simulated_fleet_state(const struct sgl_simulated_fleet *fleet,
                               const struct sgl_simulation_flags *flags, struct sgl_log *log)
{
    struct sgl_simulated_group group;
    char text[512];

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
    if (fleet->has_pairs)
        sgl_log_fact(log, "kv_transfer", fleet->transfer_text);
    state_faults(&fleet->file.faults, log);
    for (uint32_t i = 0; sgl_simulated_fleet_caveat(fleet, flags, i, text, sizeof text) != NULL;
         i++) {
        char key[32];
        snprintf(key, sizeof key, "caveat.%u", i);
        sgl_log_fact(log, key, text);
    }
}

void sgl_simulated_fleet_release(struct sgl_simulated_fleet *fleet)
{
    for (int pool = 0; pool < SGL_POOL_COUNT; pool++) {
        if (fleet->has_policy[pool])
            sgl_policy_release(&fleet->policies[pool]);
        free(fleet->policy_texts[pool]);
    }
    sgl_parameters_release(&fleet->transfer);
    free(fleet->transfer_text);
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
