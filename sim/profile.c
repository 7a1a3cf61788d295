#include "sim/profile.h"

#include "core/text.h"
#include "sim/text_file.h"
#include "sim/worker_model.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)65535) /* bytes of a profile; those here have about a thousand */
#define WHAT_MAX 4200
#define SUFFIX ".profile"

struct built_in {
    const char *name;
    const char *text;
};

/* Written by embed.cmake from sim/profiles/, in alphabetical order. */
static const struct built_in built_ins[] = {
#include "sim/profiles.inc"
};

#define BUILT_IN_COUNT (sizeof built_ins / sizeof built_ins[0])

/* The keys that are text. */
static const struct {
    const char *name;
    size_t offset;
    bool is_required;
} identity_keys[] = {
    {"model", offsetof(struct sgl_profile_identity, model), true},
    {"gpu", offsetof(struct sgl_profile_identity, gpu), true},
    {"tp", offsetof(struct sgl_profile_identity, tp), true},
    {"source", offsetof(struct sgl_profile_identity, source), true},
    {"fit_error", offsetof(struct sgl_profile_identity, fit_error), false},
    {"calibrated", offsetof(struct sgl_profile_identity, calibrated), false},
};

#define IDENTITY_KEY_COUNT (sizeof identity_keys / sizeof identity_keys[0])

/* Text of an identity key; 1 when `key` is one, 0 when not. */
static int set_identity(struct sgl_profile_identity *identity, struct sgl_span key,
                        struct sgl_span value, const char *what, struct sgl_failure *failure)
{
    for (size_t i = 0; i < IDENTITY_KEY_COUNT; i++) {
        char *out = (char *)identity + identity_keys[i].offset;
        if (!sgl_span_is(key, identity_keys[i].name))
            continue;
        if (out[0] != '\0')
            return sgl_fail(failure, SGL_EINVAL, "%s: %s given twice, expected once", what,
                            identity_keys[i].name);
        if (value.length == 0 || value.length >= SGL_PROFILE_TEXT_MAX)
            return sgl_fail(failure, SGL_EINVAL, "%s: %s has %zu bytes, expected 1 to %d", what,
                            identity_keys[i].name, value.length, SGL_PROFILE_TEXT_MAX - 1);
        memcpy(out, value.text, value.length);
        out[value.length] = '\0';
        if (out == identity->tp &&
            (strspn(out, "0123456789") != value.length || out[0] == '0' || value.length > 4))
            return sgl_fail(failure, SGL_EINVAL,
                            "%s: tp=%s, expected a whole number from 1 to 9999", what, out);
        return 1;
    }
    return 0;
}

/* A number: `given` has a bit for each row of the table that the file has named already. */
static int set_value(struct sgl_profile *profile, struct sgl_span key, struct sgl_span value,
                     uint32_t *given, const char *what, struct sgl_failure *failure)
{
    const struct sgl_parameter *table = profile->parameters.table;

    for (size_t i = 0; table[i].name != NULL; i++) {
        if (!sgl_span_is(key, table[i].name))
            continue;
        if ((*given & UINT32_C(1) << i) != 0)
            return sgl_fail(failure, SGL_EINVAL, "%s: %s given twice, expected once", what,
                            table[i].name);
        *given |= UINT32_C(1) << i;
    }
    const int status = sgl_parameters_set(&profile->parameters, key.text, key.length, value.text,
                                          value.length, what, failure);
    if (status == SGL_OK)
        sgl_worker_model_batching.spread(&profile->parameters);
    return status;
}

static int read_line(struct sgl_profile *profile, struct sgl_span line, uint32_t *given,
                     const char *what, struct sgl_failure *failure)
{
    const char *comment = memchr(line.text, '#', line.length);

    if (comment != NULL)
        line = sgl_span_trimmed(line.text, (size_t)(comment - line.text));
    if (line.length == 0)
        return SGL_OK;
    const char *equals = memchr(line.text, '=', line.length);
    if (equals == NULL)
        return sgl_fail(failure, SGL_EINVAL, "%s: '%.*s', expected key = value", what,
                        line.length > 40 ? 40 : (int)line.length, line.text);
    const struct sgl_span key = sgl_span_trimmed(line.text, (size_t)(equals - line.text));
    const struct sgl_span value =
        sgl_span_trimmed(equals + 1, line.length - (size_t)(equals - line.text) - 1);
    const int status = set_identity(&profile->identity, key, value, what, failure);
    if (status != 0)
        return status < 0 ? status : SGL_OK;
    return set_value(profile, key, value, given, what, failure);
}

/* What has no default must have been given, and the values must fit together. */
static int check_complete(const struct sgl_profile *profile, const char *file,
                          struct sgl_failure *failure)
{
    for (size_t i = 0; i < IDENTITY_KEY_COUNT; i++) {
        const char *text = (const char *)&profile->identity + identity_keys[i].offset;
        if (identity_keys[i].is_required && text[0] == '\0')
            return sgl_fail(failure, SGL_EINVAL, "%s: %s is missing, expected a line '%s = ...'",
                            file, identity_keys[i].name, identity_keys[i].name);
    }
    struct sgl_failure inner;
    const int status = sgl_worker_model_batching.check(&profile->parameters, &inner);
    if (status != SGL_OK)
        return sgl_fail(failure, status, "%s: %s", file, inner.text);
    return SGL_OK;
}

static int read_text(struct sgl_profile *profile, const char *file, const char *text,
                     struct sgl_failure *failure)
{
    uint32_t given = 0;
    unsigned line = 0;
    char what[WHAT_MAX];

    while (*text != '\0') {
        const size_t length = strcspn(text, "\n");
        snprintf(what, sizeof what, "%s:%u", file, ++line);
        const int status =
            read_line(profile, sgl_span_trimmed(text, length), &given, what, failure);
        if (status != SGL_OK)
            return status;
        text += length + (text[length] == '\n');
    }
    return check_complete(profile, file, failure);
}

static void start(struct sgl_profile *profile, const char *name, size_t length)
{
    *profile = (struct sgl_profile){0};
    snprintf(profile->identity.name, sizeof profile->identity.name, "%.*s",
             length >= SGL_PROFILE_TEXT_MAX ? SGL_PROFILE_TEXT_MAX - 1 : (int)length, name);
    sgl_parameters_init(&profile->parameters, sgl_worker_model_batching.parameters);
}

const char *sgl_profile_at(uint32_t index)
{
    return index < BUILT_IN_COUNT ? built_ins[index].name : NULL;
}

int sgl_profile_named(struct sgl_profile *profile, const char *name, struct sgl_failure *failure)
{
    struct sgl_nearest nearest = {.wanted = name};
    char hint[128];

    for (size_t i = 0; i < BUILT_IN_COUNT; i++) {
        sgl_nearest_offer(&nearest, built_ins[i].name);
        if (strcmp(built_ins[i].name, name) != 0)
            continue;
        start(profile, name, strlen(name));
        return read_text(profile, name, built_ins[i].text, failure);
    }
    return sgl_fail(failure, SGL_EINVAL,
                    "unknown profile '%.60s'%s, expected a built-in profile or a file *" SUFFIX,
                    name, sgl_nearest_hint(&nearest, hint, sizeof hint));
}

int sgl_profile_load(struct sgl_profile *profile, const char *path, struct sgl_failure *failure)
{
    char *text;
    int status = sgl_text_file_read(&text, path, FILE_MAX, failure);

    if (status != SGL_OK)
        return status;
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const size_t suffix = sgl_text_ends_in(name, SUFFIX) ? strlen(SUFFIX) : 0;
    start(profile, name, strlen(name) - suffix);
    status = read_text(profile, path, text, failure);
    free(text);
    return status;
}

int sgl_profile_find(struct sgl_profile *profile, const char *name_or_path,
                     struct sgl_failure *failure)
{
    if (strchr(name_or_path, '/') != NULL || sgl_text_ends_in(name_or_path, SUFFIX))
        return sgl_profile_load(profile, name_or_path, failure);
    return sgl_profile_named(profile, name_or_path, failure);
}
