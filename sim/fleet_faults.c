#include "sim/fleet_parse.h"

#include "core/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DUTY_STANDARD 0.5

static const char *const fault_keys[] = {"worker", "kind",   "from", "until",
                                         "factor", "period", "duty"};

#define FAULT_KEY_COUNT (sizeof fault_keys / sizeof fault_keys[0])

/* The entry, or a complaint that it is missing. */
static const struct sgl_ini_entry *require(const struct sgl_fleet_parse *parse, const char *key,
                                           const char *expected)
{
    const struct sgl_ini_entry *entry = sgl_ini_find(&parse->section, key);

    if (entry == NULL)
        SGL_FLEET_FAIL(parse, parse->section.place, "a fault without %s, expected %s", key,
                       expected);
    return entry;
}

/* A key that the kind of fault has no use for. */
static int check_keys(const struct sgl_fleet_parse *parse, enum sgl_fault_kind kind)
{
    for (uint32_t i = 0; i < parse->section.entry_count; i++) {
        const struct sgl_ini_entry *entry = &parse->section.entries[i];
        if (!sgl_fleet_is_one_of(entry->key, fault_keys, FAULT_KEY_COUNT))
            return sgl_fleet_refuse_key(parse, entry, fault_keys, FAULT_KEY_COUNT, NULL,
                                        "worker, kind, from, until, factor, period or duty");
        const bool is_slow = sgl_span_is(entry->key, "factor");
        const bool is_flap = sgl_span_is(entry->key, "period") || sgl_span_is(entry->key, "duty");
        if ((is_slow && kind != SGL_FAULT_SLOW) || (is_flap && kind != SGL_FAULT_FLAP))
            return SGL_FLEET_FAIL(parse, entry->key_place,
                                  "%.*s in a fault of kind %s, expected it in %s",
                                  (int)entry->key.length, entry->key.text,
                                  sgl_fault_kind_name(kind), is_slow ? "slow" : "flap");
    }
    return SGL_OK;
}

static int read_kind(const struct sgl_fleet_parse *parse, enum sgl_fault_kind *kind_out)
{
    const struct sgl_ini_entry *entry = require(parse, "kind", "kind = down, slow or flap");
    char text[32];
    char hint[128];

    if (entry == NULL)
        return SGL_EINVAL;
    const int status = sgl_fleet_copy_value(parse, entry, text, sizeof text);
    if (status != SGL_OK)
        return status;
    *kind_out = sgl_fault_kind_named(text);
    if (*kind_out != SGL_FAULT_KIND_COUNT)
        return SGL_OK;
    struct sgl_nearest nearest = {.wanted = text};
    for (int kind = 0; kind < SGL_FAULT_KIND_COUNT; kind++)
        sgl_nearest_offer(&nearest, sgl_fault_kind_name((enum sgl_fault_kind)kind));
    return SGL_FLEET_FAIL(parse, entry->value_place, "kind = %s%s, expected down, slow or flap",
                          text, sgl_nearest_hint(&nearest, hint, sizeof hint));
}

static int read_slow(const struct sgl_fleet_parse *parse, struct sgl_fault *fault)
{
    const struct sgl_ini_entry *factor = require(parse, "factor", "factor = a number above 0");

    return factor != NULL ? sgl_fleet_read_real(parse, factor, &fault->factor) : SGL_EINVAL;
}

static int read_flap(const struct sgl_fleet_parse *parse, struct sgl_fault *fault)
{
    const struct sgl_ini_entry *period = require(parse, "period", "period = a duration");
    const struct sgl_ini_entry *duty = sgl_ini_find(&parse->section, "duty");
    double share = DUTY_STANDARD;
    int status =
        period != NULL ? sgl_fleet_read_duration(parse, period, &fault->period_ns) : SGL_EINVAL;

    if (status == SGL_OK && duty != NULL)
        status = sgl_fleet_read_real(parse, duty, &share);
    if (status != SGL_OK)
        return status;
    if (duty != NULL && !(share > 0 && share < 1))
        return SGL_FLEET_FAIL(parse, duty->value_place,
                              "duty = %g, expected a share of the period above 0 and below 1",
                              share);
    fault->down_ns = (int64_t)llround(share * (double)fault->period_ns);
    return SGL_OK;
}

int sgl_fleet_read_fault(struct sgl_fleet_parse *parse)
{
    const struct sgl_ini_entry *worker = require(parse, "worker", "worker = a name, url or index");
    const struct sgl_ini_entry *from = sgl_ini_find(&parse->section, "from");
    const struct sgl_ini_entry *until = sgl_ini_find(&parse->section, "until");
    struct sgl_fault fault = {.until_ns = INT64_MAX};

    if (worker == NULL)
        return SGL_EINVAL;
    int status = read_kind(parse, &fault.kind);
    if (status == SGL_OK)
        status = check_keys(parse, fault.kind);
    if (status == SGL_OK && from != NULL)
        status = sgl_fleet_read_duration(parse, from, &fault.from_ns);
    if (status == SGL_OK && until != NULL)
        status = sgl_fleet_read_duration(parse, until, &fault.until_ns);
    if (status == SGL_OK && fault.kind == SGL_FAULT_SLOW)
        status = read_slow(parse, &fault);
    if (status == SGL_OK && fault.kind == SGL_FAULT_FLAP)
        status = read_flap(parse, &fault);
    if (status != SGL_OK)
        return status;
    struct sgl_fleet_pending *faults =
        realloc(parse->faults, (parse->fault_count + (size_t)1) * sizeof *faults);
    if (faults == NULL)
        return sgl_fleet_no_memory(parse);
    parse->faults = faults;
    faults[parse->fault_count++] = (struct sgl_fleet_pending){
        .fault = fault,
        .worker = worker->value,
        .worker_place = worker->value_place,
        .section_place = parse->section.place,
    };
    return SGL_OK;
}

/* The worker's index when the text is one, else SGL_FLEET_WORKER_MAX. */
static uint32_t index_of(struct sgl_span text)
{
    uint32_t index = 0;

    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] < '0' || text.text[i] > '9' || index >= SGL_FLEET_WORKER_MAX)
            return SGL_FLEET_WORKER_MAX;
        index = 10 * index + (uint32_t)(text.text[i] - '0');
    }
    return index;
}

static int add_fault(const struct sgl_fleet_parse *parse, const struct sgl_fleet_pending *pending,
                     uint32_t worker)
{
    struct sgl_fault fault = pending->fault;
    struct sgl_failure inner;

    fault.worker = worker;
    const int status = sgl_fault_plan_add(&parse->fleet->faults, &fault, &inner);
    if (status == SGL_OK)
        return SGL_OK;
    return sgl_ini_fail(parse->file, pending->section_place, parse->failure, status,
                        "worker %.60s: %s", parse->fleet->workers[worker].name, inner.text);
}

int sgl_fleet_place_fault(const struct sgl_fleet_parse *parse,
                          const struct sgl_fleet_pending *pending)
{
    const struct sgl_fleet_file *fleet = parse->fleet;
    const uint32_t index = index_of(pending->worker);
    char wanted[64];
    char hint[128];
    uint32_t found = 0;
    int status = SGL_OK;

    snprintf(wanted, sizeof wanted, "%.*s",
             pending->worker.length > 60 ? 60 : (int)pending->worker.length, pending->worker.text);
    struct sgl_nearest nearest = {.wanted = wanted};
    for (uint32_t i = 0; i < fleet->worker_count && status == SGL_OK; i++) {
        const struct sgl_fleet_worker *worker = &fleet->workers[i];
        sgl_nearest_offer(&nearest, worker->name);
        if (!sgl_span_is(pending->worker, worker->name) &&
            !sgl_span_is(pending->worker, worker->group) &&
            !sgl_span_is(pending->worker, worker->url))
            continue;
        found++;
        status = add_fault(parse, pending, i);
    }
    if (status != SGL_OK || found > 0)
        return status;
    if (index < fleet->worker_count)
        return add_fault(parse, pending, index);
    return SGL_FLEET_FAIL(parse, pending->worker_place,
                          "unknown worker '%s'%s, expected a name, a url or an index below %u",
                          wanted, sgl_nearest_hint(&nearest, hint, sizeof hint),
                          fleet->worker_count);
}
