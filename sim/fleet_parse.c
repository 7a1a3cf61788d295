#include "sim/fleet_parse.h"

#include "core/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sgl_fleet_no_memory(const struct sgl_fleet_parse *parse)
{
    return sgl_fail(parse->failure, SGL_ENOMEM, "%s: out of memory", parse->file);
}

bool sgl_fleet_is_one_of(struct sgl_span key, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sgl_span_is(key, names[i]))
            return true;
    return false;
}

int sgl_fleet_copy_value(const struct sgl_fleet_parse *parse, const struct sgl_ini_entry *entry,
                         char *out, size_t size)
{
    if (entry->value.length >= size)
        return SGL_FLEET_FAIL(parse, entry->value_place, "%.*s has %zu bytes, expected at most %zu",
                              (int)entry->key.length, entry->key.text, entry->value.length,
                              size - 1);
    memcpy(out, entry->value.text, entry->value.length);
    out[entry->value.length] = '\0';
    return SGL_OK;
}

int sgl_fleet_read_real(const struct sgl_fleet_parse *parse, const struct sgl_ini_entry *entry,
                        double *out)
{
    char text[64];
    const int status = sgl_fleet_copy_value(parse, entry, text, sizeof text);

    if (status != SGL_OK)
        return status;
    if (!sgl_real_read(text, strlen(text), out))
        return SGL_FLEET_FAIL(parse, entry->value_place, "%.*s = %s, expected a number",
                              (int)entry->key.length, entry->key.text, text);
    return SGL_OK;
}

int sgl_fleet_read_duration(const struct sgl_fleet_parse *parse, const struct sgl_ini_entry *entry,
                            int64_t *out)
{
    double nanoseconds;

    if (!sgl_duration_read(entry->value.text, entry->value.length, &nanoseconds) ||
        !(nanoseconds < 1e18))
        return SGL_FLEET_FAIL(parse, entry->value_place,
                              "%.*s = %.*s, expected a duration such as 5ms (units ns us ms s)",
                              (int)entry->key.length, entry->key.text,
                              entry->value.length > 40 ? 40 : (int)entry->value.length,
                              entry->value.text);
    *out = (int64_t)llround(nanoseconds);
    return SGL_OK;
}

int sgl_fleet_refuse_key(const struct sgl_fleet_parse *parse, const struct sgl_ini_entry *entry,
                         const char *const *names, size_t count, const struct sgl_parameter *table,
                         const char *expected)
{
    char wanted[64];
    char hint[128];

    snprintf(wanted, sizeof wanted, "%.*s", entry->key.length > 60 ? 60 : (int)entry->key.length,
             entry->key.text);
    struct sgl_nearest nearest = {.wanted = wanted};
    for (size_t i = 0; i < count; i++)
        sgl_nearest_offer(&nearest, names[i]);
    for (size_t i = 0; table != NULL && table[i].name != NULL; i++)
        sgl_nearest_offer(&nearest, table[i].name);
    return SGL_FLEET_FAIL(parse, entry->key_place, "unknown key '%s'%s, expected %s", wanted,
                          sgl_nearest_hint(&nearest, hint, sizeof hint), expected);
}
