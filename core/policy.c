#include "policy.h"

#include "text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SGL_POLICY(name) extern const struct sgl_policy_ops sgl_policy_##name;
#include "policies.def"
#undef SGL_POLICY

static const struct sgl_policy_ops *const policies[] = {
#define SGL_POLICY(name) &sgl_policy_##name,
#include "policies.def"
#undef SGL_POLICY
};

#define POLICY_COUNT (sizeof policies / sizeof policies[0])

const struct sgl_policy_ops *sgl_policy_at(uint32_t index)
{
    return index < POLICY_COUNT ? policies[index] : NULL;
}

const struct sgl_policy_ops *sgl_policy_named(const char *name, size_t length)
{
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        if (strlen(policies[i]->name) == length && memcmp(policies[i]->name, name, length) == 0)
            return policies[i];
        if (policies[i]->aliases != NULL &&
            sgl_list_has(policies[i]->aliases, ' ', name, length, NULL))
            return policies[i];
    }
    return NULL;
}

static int refuse_unknown(const char *name, size_t length, struct sgl_failure *failure)
{
    char wanted[64];
    char hint[128];
    char list[256] = "";

    snprintf(wanted, sizeof wanted, "%.*s", length > 60 ? 60 : (int)length, name);
    struct sgl_nearest nearest = {.wanted = wanted};
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        const struct sgl_policy_ops *ops = policies[i];
        const size_t used = strlen(list);
        assert(ops != NULL);
        sgl_nearest_offer(&nearest, ops->name);
        snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", ops->name);
    }
    return sgl_fail(failure, SGL_EINVAL, "unknown policy '%s'%s, expected one of %s", wanted,
                    sgl_nearest_hint(&nearest, hint, sizeof hint), list);
}

int sgl_policy_parse(struct sgl_policy_spec *spec, const char *text, struct sgl_failure *failure)
{
    const size_t name_length = strcspn(text, ":");
    char what[96];

    memset(spec, 0, sizeof *spec);
    spec->ops = sgl_policy_named(text, name_length);
    if (spec->ops == NULL)
        return refuse_unknown(text, name_length, failure);
    snprintf(what, sizeof what, "policy %s", spec->ops->name);
    sgl_parameters_init(&spec->parameters, spec->ops->parameters);
    const char *rest = text[name_length] == ':' ? text + name_length + 1 : "";
    int status = sgl_parameters_parse(&spec->parameters, rest, what, failure);
    if (status == SGL_OK && spec->ops->resolve != NULL)
        status = spec->ops->resolve(&spec->parameters, failure);
    if (status != SGL_OK)
        sgl_policy_release(spec);
    return status;
}

char *sgl_policy_format(const struct sgl_policy_spec *spec)
{
    char *parameters = sgl_parameters_format(&spec->parameters);

    if (parameters == NULL)
        return NULL;
    const size_t size = strlen(spec->ops->name) + strlen(parameters) + 2;
    char *text = malloc(size);
    if (text != NULL)
        snprintf(text, size, "%s%s%s", spec->ops->name, parameters[0] != '\0' ? ":" : "",
                 parameters);
    free(parameters);
    return text;
}

void sgl_policy_release(struct sgl_policy_spec *spec)
{
    sgl_parameters_release(&spec->parameters);
    spec->ops = NULL;
}

int sgl_policy_fits(const struct sgl_policy_spec *spec, uint32_t worker_count,
                    struct sgl_failure *failure)
{
    if (spec->parameters.policy != NULL) /* it holds no other: one level */
        spec = spec->parameters.policy;
    const struct sgl_parameters *parameters = &spec->parameters;
    if (parameters->list_count == 0 || parameters->list_count == worker_count)
        return SGL_OK;
    const struct sgl_parameter *row = parameters->table;
    while (row->kind != SGL_PARAMETER_REALS)
        row++;
    return sgl_fail(failure, SGL_EINVAL,
                    "policy %s: %s has %u members, expected %u, one for each worker",
                    spec->ops->name, row->name, parameters->list_count, worker_count);
}

size_t sgl_policy_state_size(const struct sgl_policy_spec *spec, uint32_t worker_max)
{
    const struct sgl_policy_ops *ops = spec->ops;

    return ops->state_size != NULL ? ops->state_size(&spec->parameters, worker_max)
                                   : ops->state_bytes;
}
