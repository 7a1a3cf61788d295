#include "sim/fleet_file.h"

#include "sim/fleet_parse.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)1 << 20)
#define VALUE_SIZE 4096
#define NAME_SIZE 200 /* of a name, a url or a model, its NUL included */
#define SERVICE_STANDARD "batching"

static const char *const worker_keys[] = {"name",    "count", "url", "profile",
                                          "service", "model", "role"};

#define WORKER_KEY_COUNT (sizeof worker_keys / sizeof worker_keys[0])

/* ---- workers ---- */

static bool has_parameter(const struct sgl_parameter *table, struct sgl_span key)
{
    for (size_t i = 0; table != NULL && table[i].name != NULL; i++)
        if (sgl_span_is(key, table[i].name))
            return true;
    return false;
}

/* Service and profile. */
static int resolve_ground(const struct sgl_fleet_parse *parse, struct sgl_worker_model_spec *spec)
{
    const struct sgl_ini_entry *service = sgl_ini_find(&parse->section, "service");
    const struct sgl_ini_entry *profile = sgl_ini_find(&parse->section, "profile");
    char service_text[VALUE_SIZE] = SERVICE_STANDARD;
    char profile_text[VALUE_SIZE];
    struct sgl_failure inner;
    int status = SGL_OK;

    if (service != NULL)
        status = sgl_fleet_copy_value(parse, service, service_text, sizeof service_text);
    if (status == SGL_OK && profile != NULL)
        status = sgl_fleet_copy_value(parse, profile, profile_text, sizeof profile_text);
    if (status != SGL_OK)
        return status;
    status = sgl_worker_model_resolve(spec, service_text, profile != NULL ? profile_text : NULL,
                                      NULL, &inner);
    if (status == SGL_OK)
        return SGL_OK;
    const bool is_known = sgl_worker_model_named(service_text, strcspn(service_text, ":")) != NULL;
    return sgl_ini_fail(parse->file,
                        profile != NULL && is_known ? profile->value_place
                        : service != NULL           ? service->value_place
                                                    : parse->section.place,
                        parse->failure, status == SGL_ENOMEM ? status : SGL_EINVAL, "%s",
                        inner.text);
}

/* A parameter of the service, named by an entry of the section. */
static int set_parameter(const struct sgl_fleet_parse *parse, struct sgl_worker_model_spec *spec,
                         const struct sgl_ini_entry *entry)
{
    char text[VALUE_SIZE];

    if (!has_parameter(spec->ops->parameters, entry->key)) {
        snprintf(text, sizeof text,
                 "name, count, url, model, role, service, profile or a parameter of %s",
                 spec->ops->name);
        return sgl_fleet_refuse_key(parse, entry, worker_keys, WORKER_KEY_COUNT,
                                    spec->ops->parameters, text);
    }
    snprintf(text, sizeof text, "%.3000s:%u:%u", parse->file, entry->value_place.line,
             entry->value_place.column);
    return sgl_worker_model_set(spec, entry->key.text, entry->key.length, entry->value.text,
                                entry->value.length, text, parse->failure);
}

/* Service and profile, then the parameters one by one, each with its place in a message. */
static int resolve(const struct sgl_fleet_parse *parse, struct sgl_worker_model_spec *spec)
{
    struct sgl_failure inner;
    int status = resolve_ground(parse, spec);

    if (status != SGL_OK)
        return status;
    for (uint32_t i = 0; i < parse->section.entry_count && status == SGL_OK; i++)
        if (!sgl_fleet_is_one_of(parse->section.entries[i].key, worker_keys, WORKER_KEY_COUNT))
            status = set_parameter(parse, spec, &parse->section.entries[i]);
    if (status == SGL_OK && (status = sgl_worker_model_check(spec, &inner)) != SGL_OK)
        sgl_ini_fail(parse->file, parse->section.place, parse->failure, status, "%s", inner.text);
    if (status != SGL_OK)
        sgl_worker_model_release(spec);
    return status;
}

/* What a section says of who its workers are; "" where it does not. */
struct identity {
    char name[NAME_SIZE];
    char url[NAME_SIZE];
    char model[NAME_SIZE];
    enum sgl_pool pool;
};

/* Is the name or the url one of a worker before? */
static int check_is_new(const struct sgl_fleet_parse *parse, const char *name, const char *url)
{
    const struct sgl_fleet_file *fleet = parse->fleet;

    for (uint32_t i = 0; i < fleet->worker_count; i++) {
        const struct sgl_fleet_worker *other = &fleet->workers[i];
        const bool is_name = strcmp(other->name, name) == 0;
        if (is_name || strcmp(other->url, url) == 0)
            return SGL_FLEET_FAIL(
                parse, parse->section.place,
                "the worker '%.60s' is there already, expected a name and url of its own",
                is_name ? name : url);
    }
    if (fleet->worker_count == SGL_FLEET_WORKER_MAX)
        return SGL_FLEET_FAIL(parse, parse->section.place, "more than %d workers, expected fewer",
                              SGL_FLEET_WORKER_MAX);
    return SGL_OK;
}

static int add_worker(const struct sgl_fleet_parse *parse, const char *name, const char *group,
                      const struct identity *identity, const struct sgl_worker_model_spec *spec)
{
    struct sgl_fleet_file *fleet = parse->fleet;
    const char *url = identity->url[0] != '\0' ? identity->url : name;
    const char *model = identity->model[0] != '\0' ? identity->model : spec->profile.model;
    const int status = check_is_new(parse, name, url);

    assert(model != NULL);
    if (status != SGL_OK)
        return status;
    struct sgl_fleet_worker *workers =
        realloc(fleet->workers, (fleet->worker_count + (size_t)1) * sizeof *workers);
    if (workers == NULL)
        return sgl_fleet_no_memory(parse);
    fleet->workers = workers;
    struct sgl_fleet_worker *worker = &workers[fleet->worker_count++];
    *worker = (struct sgl_fleet_worker){
        .name = strdup(name),
        .group = strdup(group),
        .url = strdup(url),
        .model = model[0] != '\0' ? strdup(model) : NULL,
        .pool = identity->pool,
        .spec = spec,
    };
    const bool is_complete = worker->name != NULL && worker->group != NULL && worker->url != NULL &&
                             (model[0] == '\0' || worker->model != NULL);
    return is_complete ? SGL_OK : sgl_fleet_no_memory(parse);
}

static int read_count(const struct sgl_fleet_parse *parse, uint32_t *count_out)
{
    const struct sgl_ini_entry *entry = sgl_ini_find(&parse->section, "count");
    double count;

    *count_out = 1;
    if (entry == NULL)
        return SGL_OK;
    const int status = sgl_fleet_read_real(parse, entry, &count);
    if (status != SGL_OK)
        return status;
    if (!(count >= 1 && count <= SGL_FLEET_WORKER_MAX) || count != floor(count))
        return SGL_FLEET_FAIL(parse, entry->value_place,
                              "count = %g, expected a whole number from 1 to %d", count,
                              SGL_FLEET_WORKER_MAX);
    if (count > 1 && sgl_ini_find(&parse->section, "url") != NULL)
        return SGL_FLEET_FAIL(parse, entry->key_place,
                              "a url and count = %g, expected a section per url", count);
    *count_out = (uint32_t)count;
    return SGL_OK;
}

static int read_text(const struct sgl_fleet_parse *parse, const char *key,
                     char out[static NAME_SIZE])
{
    const struct sgl_ini_entry *entry = sgl_ini_find(&parse->section, key);

    return entry != NULL ? sgl_fleet_copy_value(parse, entry, out, NAME_SIZE) : SGL_OK;
}

static int read_role(const struct sgl_fleet_parse *parse, enum sgl_pool *pool_out)
{
    const struct sgl_ini_entry *entry = sgl_ini_find(&parse->section, "role");

    *pool_out = SGL_POOL_REGULAR;
    for (int pool = 0; entry != NULL && pool < SGL_POOL_COUNT; pool++)
        if (sgl_span_is(entry->value, sgl_pool_name((enum sgl_pool)pool))) {
            *pool_out = (enum sgl_pool)pool;
            entry = NULL;
        }
    if (entry == NULL)
        return SGL_OK;
    return SGL_FLEET_FAIL(
        parse, entry->value_place, "role = %.*s, expected regular, prefill or decode",
        entry->value.length > 40 ? 40 : (int)entry->value.length, entry->value.text);
}

static int add_spec(const struct sgl_fleet_parse *parse, struct sgl_worker_model_spec **spec_out)
{
    struct sgl_fleet_file *fleet = parse->fleet;
    struct sgl_worker_model_spec **specs =
        realloc(fleet->specs, (fleet->spec_count + (size_t)1) * sizeof(*specs));

    if (specs == NULL)
        return sgl_fleet_no_memory(parse);
    fleet->specs = specs;
    struct sgl_worker_model_spec *spec = calloc(1, sizeof *spec);
    if (spec == NULL)
        return sgl_fleet_no_memory(parse);
    const int status = resolve(parse, spec);
    if (status != SGL_OK) {
        free(spec);
        return status;
    }
    specs[fleet->spec_count++] = spec;
    *spec_out = spec;
    return SGL_OK;
}

static int read_worker(const struct sgl_fleet_parse *parse)
{
    struct identity identity = {.name = ""};
    struct sgl_worker_model_spec *spec = NULL;
    uint32_t count = 0;
    int status = read_count(parse, &count);

    if (status == SGL_OK)
        status = read_text(parse, "name", identity.name);
    if (status == SGL_OK)
        status = read_text(parse, "url", identity.url);
    if (status == SGL_OK)
        status = read_text(parse, "model", identity.model);
    if (status == SGL_OK)
        status = read_role(parse, &identity.pool);
    if (status == SGL_OK)
        status = add_spec(parse, &spec);
    for (uint32_t i = 0; i < count && status == SGL_OK; i++) {
        char name[NAME_SIZE + 16];
        if (identity.name[0] == '\0')
            snprintf(name, sizeof name, "worker-%u", parse->fleet->worker_count);
        else if (count == 1)
            snprintf(name, sizeof name, "%s", identity.name);
        else
            snprintf(name, sizeof name, "%s-%u", identity.name, i);
        status = add_worker(parse, name, identity.name, &identity, spec);
    }
    return status;
}

/* ---- the file ---- */

static int read_sections(struct sgl_fleet_parse *parse, const char *text)
{
    struct sgl_ini_reader reader = {.file = parse->file, .at = text};
    int got;

    while ((got = sgl_ini_next(&reader, &parse->section, parse->failure)) == 1) {
        int status;
        if (sgl_span_is(parse->section.name, "worker"))
            status = read_worker(parse);
        else if (sgl_span_is(parse->section.name, "fault"))
            status = sgl_fleet_read_fault(parse);
        else
            status = SGL_FLEET_FAIL(
                parse, parse->section.place, "section [%.*s], expected [worker] or [fault]",
                parse->section.name.length > 40 ? 40 : (int)parse->section.name.length,
                parse->section.name.text);
        if (status != SGL_OK)
            return status;
    }
    if (got == 0 && parse->fleet->worker_count == 0)
        return sgl_fail(parse->failure, SGL_EINVAL, "%s: no worker, expected a section [worker]",
                        parse->file);
    return got;
}

int sgl_fleet_file_parse(struct sgl_fleet_file *fleet, const char *file, const char *text,
                         struct sgl_failure *failure)
{
    struct sgl_fleet_parse parse = {.file = file, .fleet = fleet, .failure = failure};

    *fleet = (struct sgl_fleet_file){0};
    int status = read_sections(&parse, text);
    for (uint32_t i = 0; i < parse.fault_count && status == SGL_OK; i++)
        status = sgl_fleet_place_fault(&parse, &parse.faults[i]);
    free(parse.faults);
    if (status != SGL_OK)
        sgl_fleet_file_release(fleet);
    return status;
}

int sgl_fleet_file_load(struct sgl_fleet_file *fleet, const char *path, struct sgl_failure *failure)
{
    char *text;
    int status = sgl_text_file_read(&text, path, FILE_MAX, failure);

    *fleet = (struct sgl_fleet_file){0};
    if (status != SGL_OK)
        return status;
    status = sgl_fleet_file_parse(fleet, path, text, failure);
    free(text);
    return status;
}

void sgl_fleet_file_release(struct sgl_fleet_file *fleet)
{
    for (uint32_t i = 0; i < fleet->worker_count; i++) {
        free(fleet->workers[i].name);
        free(fleet->workers[i].group);
        free(fleet->workers[i].url);
        free(fleet->workers[i].model);
    }
    for (uint32_t i = 0; i < fleet->spec_count; i++) {
        sgl_worker_model_release(fleet->specs[i]);
        free(fleet->specs[i]);
    }
    free(fleet->workers);
    free(fleet->specs);
    sgl_fault_plan_release(&fleet->faults);
    *fleet = (struct sgl_fleet_file){0};
}
