#include "law.h"

#include "core/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SGL_LAW(name) extern const struct sgl_law_ops sgl_arrivals_##name;
#include "arrivals.def"
#undef SGL_LAW
#define SGL_LAW(name) extern const struct sgl_law_ops sgl_lengths_##name;
#include "lengths.def"
#undef SGL_LAW

static const struct sgl_law_ops *const arrivals[] = {
#define SGL_LAW(name) &sgl_arrivals_##name,
#include "arrivals.def"
#undef SGL_LAW
    NULL,
};

static const struct sgl_law_ops *const lengths[] = {
#define SGL_LAW(name) &sgl_lengths_##name,
#include "lengths.def"
#undef SGL_LAW
    NULL,
};

const struct sgl_law_ops *sgl_arrivals_at(uint32_t index)
{
    return index < sizeof arrivals / sizeof arrivals[0] ? arrivals[index] : NULL;
}

const struct sgl_law_ops *sgl_length_at(uint32_t index)
{
    return index < sizeof lengths / sizeof lengths[0] ? lengths[index] : NULL;
}

static const struct sgl_law_ops *find(const struct sgl_law_ops *const *table, const char *text,
                                      const char *option, struct sgl_failure *failure)
{
    char wanted[64];
    char hint[128];
    char names[256] = "";
    struct sgl_nearest nearest = {.wanted = wanted};

    snprintf(wanted, sizeof wanted, "%.*s", strcspn(text, ":") > 60 ? 60 : (int)strcspn(text, ":"),
             text);
    for (size_t i = 0, used = 0; table[i] != NULL; i++) {
        if (strlen(table[i]->name) == strcspn(text, ":") &&
            strncmp(table[i]->name, text, strlen(table[i]->name)) == 0)
            return table[i];
        sgl_nearest_offer(&nearest, table[i]->name);
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                                 table[i]->name);
    }
    sgl_nearest_hint(&nearest, hint, sizeof hint);
    if (hint[0] != '\0')
        sgl_fail(failure, SGL_EINVAL, "%s: unknown law '%s'%s", option, wanted, hint);
    else
        sgl_fail(failure, SGL_EINVAL, "%s: unknown law '%s', expected one of %s", option, wanted,
                 names);
    return NULL;
}

/* Where `file=` begins in key=value,key=value; NULL: nowhere. */
static const char *find_file(const char *text)
{
    for (const char *at = text; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, "file=", 5) == 0)
            return at;
    }
    return NULL;
}

static int parse(struct sgl_law *law, const struct sgl_law_ops *const *table, const char *text,
                 const char *option, struct sgl_failure *failure)
{
    char what[96];

    law->ops = find(table, text, option, failure);
    if (law->ops == NULL)
        return SGL_EINVAL;
    snprintf(what, sizeof what, "%s %s", option, law->ops->name);
    sgl_parameters_init(&law->parameters, law->ops->parameters);
    const char *rest = strchr(text, ':') != NULL ? strchr(text, ':') + 1 : "";
    const char *file = law->ops->takes_file ? find_file(rest) : NULL;
    if (law->ops->takes_file && (file == NULL || file[5] == '\0'))
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: no file, expected file=PATH as the last parameter", what);
    size_t length = strlen(rest);
    if (file != NULL) {
        length = (size_t)(file - rest);
        length -= length > 0; /* the comma */
        law->file = strdup(file + 5);
    }
    char *copy = calloc(length + 1, 1);
    int status = SGL_OK;
    if (copy == NULL || (file != NULL && law->file == NULL)) {
        status = sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", what);
    } else {
        memcpy(copy, rest, length);
        status = sgl_parameters_parse(&law->parameters, copy, what, failure);
    }
    free(copy);
    if (status == SGL_OK && law->ops->prepare != NULL)
        status = law->ops->prepare(law, what, failure);
    return status;
}

static int parse_or_release(struct sgl_law *law, const struct sgl_law_ops *const *table,
                            const char *text, const char *option, struct sgl_failure *failure)
{
    const int status = parse(law, table, text, option, failure);

    if (status != SGL_OK)
        sgl_law_release(law);
    return status;
}

int sgl_arrivals_parse(struct sgl_law *law_out, const char *text, const char *option,
                       struct sgl_failure *failure)
{
    *law_out = (struct sgl_law){0};
    return parse_or_release(law_out, arrivals, text, option, failure);
}

int sgl_length_parse(struct sgl_law *law_out, const char *text, enum sgl_length_part part,
                     const char *option, struct sgl_failure *failure)
{
    *law_out = (struct sgl_law){.part = part};
    return parse_or_release(law_out, lengths, text, option, failure);
}

char *sgl_law_format(const struct sgl_law *law)
{
    const char *name = law->file != NULL ? strrchr(law->file, '/') : NULL;
    char *parameters = sgl_parameters_format(&law->parameters);
    char *text = NULL;

    if (parameters == NULL)
        return NULL;
    name = name != NULL ? name + 1 : law->file;
    const size_t size = strlen(law->ops->name) + strlen(parameters) +
                        (name != NULL ? strlen(name) : 0) + sizeof ":,file=";
    text = malloc(size);
    if (text != NULL)
        snprintf(text, size, "%s%s%s%s%s%s", law->ops->name,
                 parameters[0] != '\0' || name != NULL ? ":" : "", parameters,
                 parameters[0] != '\0' && name != NULL ? "," : "", name != NULL ? "file=" : "",
                 name != NULL ? name : "");
    free(parameters);
    return text;
}

void sgl_law_release(struct sgl_law *law)
{
    if (law == NULL)
        return;
    sgl_parameters_release(&law->parameters);
    free(law->file);
    free(law->state);
    *law = (struct sgl_law){0};
}
