#include "sim/worker_model.h"

#include "core/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sgl_worker_model_ops *const models[] = {
#define SGL_WORKER_MODEL(name) &sgl_worker_model_##name,
#include "sim/models.def"
#undef SGL_WORKER_MODEL
};

/* Behind the first bar. */
static const char bar_words[] =
#define SGL_WORKER_MODEL(name) "|" #name
#include "sim/models.def"
#undef SGL_WORKER_MODEL
    ;

const char *const sgl_worker_model_words = bar_words + 1;

#define MODEL_COUNT (sizeof models / sizeof models[0])

#define PROFILE_KEY "profile"
#define WHAT_MAX 64
#define PATH_SIZE 4096

/* One `key=value` of a text that separates them with commas. */
struct piece {
    const char *key;
    size_t key_length;
    const char *value;
    size_t value_length;
};

const struct sgl_worker_model_ops *sgl_worker_model_at(uint32_t index)
{
    return index < MODEL_COUNT ? models[index] : NULL;
}

const struct sgl_worker_model_ops *sgl_worker_model_named(const char *name, size_t length)
{
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        if (strlen(models[i]->name) == length && memcmp(models[i]->name, name, length) == 0)
            return models[i];
        if (models[i]->aliases != NULL && sgl_list_has(models[i]->aliases, ' ', name, length, NULL))
            return models[i];
    }
    return NULL;
}

/* The next piece at *at, which moves behind it. 1, 0 at the end of the text, or a failure. */
static int next_piece(const char **at, struct piece *piece, const char *what,
                      struct sgl_failure *failure)
{
    if (**at == '\0')
        return 0;
    const size_t size = strcspn(*at, ",");
    const char *equals = memchr(*at, '=', size);
    if (equals == NULL)
        return sgl_fail(failure, SGL_EINVAL, "%s: '%.*s', expected key=value", what,
                        size > 40 ? 40 : (int)size, *at);
    piece->key = *at;
    piece->key_length = (size_t)(equals - *at);
    piece->value = equals + 1;
    piece->value_length = size - piece->key_length - 1;
    *at += size;
    if (**at == ',' && *++*at == '\0')
        return sgl_fail(failure, SGL_EINVAL, "%s: nothing after the last ',', expected key=value",
                        what);
    return 1;
}

static bool names_profile(const struct sgl_worker_model_ops *ops, const struct piece *piece)
{
    return ops->takes_profile && piece->key_length == strlen(PROFILE_KEY) &&
           memcmp(piece->key, PROFILE_KEY, piece->key_length) == 0;
}

/* Copies the value of the last `profile` key of the text, if there is one, to `out`. */
static int find_profile(const struct sgl_worker_model_ops *ops, const char *text, const char *what,
                        char out[static PATH_SIZE], struct sgl_failure *failure)
{
    struct piece piece = {0};
    int status;

    while ((status = next_piece(&text, &piece, what, failure)) == 1) {
        if (!names_profile(ops, &piece))
            continue;
        if (piece.value_length >= PATH_SIZE)
            return sgl_fail(failure, SGL_EINVAL, "%s: the name of the profile is too long", what);
        memcpy(out, piece.value, piece.value_length);
        out[piece.value_length] = '\0';
    }
    return status;
}

int sgl_worker_model_set(struct sgl_worker_model_spec *spec, const char *key, size_t key_length,
                         const char *value, size_t value_length, const char *what,
                         struct sgl_failure *failure)
{
    const int status =
        sgl_parameters_set(&spec->parameters, key, key_length, value, value_length, what, failure);

    if (status == SGL_OK && spec->ops->spread != NULL)
        spec->ops->spread(&spec->parameters);
    return status;
}

int sgl_worker_model_check(const struct sgl_worker_model_spec *spec, struct sgl_failure *failure)
{
    return spec->ops->check != NULL ? spec->ops->check(&spec->parameters, failure) : SGL_OK;
}

/* Sets what the text names, but for the profile. */
static int apply(struct sgl_worker_model_spec *spec, const char *text, const char *what,
                 struct sgl_failure *failure)
{
    struct piece piece = {0};
    int status;

    while ((status = next_piece(&text, &piece, what, failure)) == 1) {
        if (names_profile(spec->ops, &piece))
            continue;
        status = sgl_worker_model_set(spec, piece.key, piece.key_length, piece.value,
                                      piece.value_length, what, failure);
        if (status != SGL_OK)
            return status;
    }
    return status;
}

static int refuse_name(const char *name, size_t length, struct sgl_failure *failure)
{
    char wanted[64];
    char hint[128];

    snprintf(wanted, sizeof wanted, "%.*s", length > 60 ? 60 : (int)length, name);
    struct sgl_nearest nearest = {.wanted = wanted};
    for (size_t i = 0; i < MODEL_COUNT; i++)
        sgl_nearest_offer(&nearest, models[i]->name);
    sgl_nearest_hint(&nearest, hint, sizeof hint);
    if (hint[0] != '\0')
        return sgl_fail(failure, SGL_EINVAL, "unknown worker model '%s'%s", wanted, hint);
    char list[128] = "";
    for (size_t i = 0, used = 0; i < MODEL_COUNT && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "",
                                 models[i]->name);
    return sgl_fail(failure, SGL_EINVAL, "unknown worker model '%s', expected one of %s", wanted,
                    list);
}

/* The values below the texts': of the profile, or the table's own. */
static int set_ground(struct sgl_worker_model_spec *spec, const char *profile_name,
                      const char *what, struct sgl_failure *failure)
{
    struct sgl_profile profile;

    sgl_parameters_init(&spec->parameters, spec->ops->parameters);
    if (!spec->ops->takes_profile) {
        if (profile_name[0] != '\0')
            return sgl_fail(failure, SGL_EINVAL, "%s takes no profile", what);
        return SGL_OK;
    }
    const int status = sgl_profile_find(
        &profile, profile_name[0] != '\0' ? profile_name : SGL_PROFILE_STANDARD, failure);
    if (status != SGL_OK) /* of the world, not of whoever calls: SGL_EINVAL is for what he wrote */
        return status == SGL_EINVAL ? SGL_EIO : status;
    spec->parameters = profile.parameters;
    spec->profile = profile.identity;
    return SGL_OK;
}

int sgl_worker_model_resolve(struct sgl_worker_model_spec *spec, const char *service,
                             const char *profile, const char *overrides,
                             struct sgl_failure *failure)
{
    const size_t length = strcspn(service, ":");
    const char *text = service[length] == ':' ? service + length + 1 : "";
    char profile_name[PATH_SIZE] = "";
    char what[WHAT_MAX];
    int status;

    *spec = (struct sgl_worker_model_spec){.ops = sgl_worker_model_named(service, length)};
    if (spec->ops == NULL)
        return refuse_name(service, length, failure);
    if (overrides == NULL)
        overrides = "";
    snprintf(what, sizeof what, "worker model %s", spec->ops->name);
    if (profile != NULL && profile[0] == '\0')
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: an empty profile, expected a built-in one or a file *.profile", what);
    if (profile != NULL &&
        (size_t)snprintf(profile_name, sizeof profile_name, "%s", profile) >= sizeof profile_name)
        return sgl_fail(failure, SGL_EINVAL, "%s: the name of the profile is too long", what);
    if ((status = find_profile(spec->ops, text, what, profile_name, failure)) != SGL_OK ||
        (status = find_profile(spec->ops, overrides, what, profile_name, failure)) != SGL_OK ||
        (status = set_ground(spec, profile_name, what, failure)) != SGL_OK ||
        (status = apply(spec, text, what, failure)) != SGL_OK ||
        (status = apply(spec, overrides, what, failure)) != SGL_OK ||
        (status = sgl_worker_model_check(spec, failure)) != SGL_OK)
        goto fail;
    return SGL_OK;
fail:
    sgl_worker_model_release(spec);
    return status;
}

int sgl_worker_model_parse(struct sgl_worker_model_spec *spec, const char *text,
                           struct sgl_failure *failure)
{
    return sgl_worker_model_resolve(spec, text, NULL, NULL, failure);
}

char *sgl_worker_model_format(const struct sgl_worker_model_spec *spec)
{
    char *values = sgl_parameters_format(&spec->parameters);

    if (values == NULL)
        return NULL;
    const size_t size = strlen(spec->ops->name) + strlen(values) + 2;
    char *text = malloc(size);
    if (text != NULL)
        snprintf(text, size, "%s%s%s", spec->ops->name, values[0] != '\0' ? ":" : "", values);
    free(values);
    return text;
}

void sgl_worker_model_release(struct sgl_worker_model_spec *spec)
{
    sgl_parameters_release(&spec->parameters);
}

const char *sgl_worker_model_caveat(const struct sgl_worker_model_spec *spec, uint32_t index,
                                    char *out, size_t size)
{
    return spec->ops->caveat != NULL ? spec->ops->caveat(spec, index, out, size) : NULL;
}
