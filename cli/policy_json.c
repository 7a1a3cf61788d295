#include "policy_json.h"

#include "core/parameters.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 2048

/* Names that are not ours. `type` NULL: of every policy; `ours` NULL: none, but `instead`. */
static const struct name {
    const char *type;
    const char *theirs;
    const char *ours;
    const char *instead;
} names[] = {
    {NULL, "eviction_interval_secs", "eviction_interval_s", NULL},
    {NULL, "min_history_for_trend", "min_history", NULL},
    {"power_of_two", "load_check_interval_secs", NULL,
     "give it beside the policy in a --config file, or as --load-interval"},
    {"marginal_utility_recorder", "type", NULL,
     "take marginal_utility and --log: the view `recorder` of the log has those columns"},
};

static int refuse(struct sgl_failure *failure, const char *what, const char *expected)
{
    return sgl_fail(failure, SGL_EINVAL, "policy in JSON: %s, expected %s", what, expected);
}

static int append(char *text, size_t *used, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int append(char *text, size_t *used, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int length = vsnprintf(text + *used, TEXT_SIZE - *used, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= TEXT_SIZE - *used)
        return SGL_EINVAL;
    *used += (size_t)length;
    return SGL_OK;
}

static const struct name *name_of(const char *type, const char *key)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].theirs, key) == 0 &&
            (names[i].type == NULL || strcmp(names[i].type, type) == 0))
            return &names[i];
    return NULL;
}

static int add_value(char *text, size_t *used, const char *key, const json_t *value,
                     struct sgl_failure *failure)
{
    char real[SGL_REAL_TEXT_MAX];
    char what[160];
    int status = SGL_EINVAL;

    if (json_is_boolean(value))
        status = append(text, used, "%s=%s", key, json_is_true(value) ? "on" : "off");
    else if (json_is_integer(value))
        status = append(text, used, "%s=%" JSON_INTEGER_FORMAT, key, json_integer_value(value));
    else if (json_is_real(value))
        status = append(text, used, "%s=%s", key, sgl_real_text(json_real_value(value), real));
    else if (json_is_string(value) && strpbrk(json_string_value(value), ",=:") == NULL)
        status = append(text, used, "%s=%s", key, json_string_value(value));
    if (status == SGL_OK)
        return SGL_OK;
    snprintf(what, sizeof what, "member %.60s", key);
    return refuse(failure, what, "a number, true, false or a word");
}

static int add_member(char *text, size_t *used, const char *type, const char *key,
                      const json_t *value, struct sgl_failure *failure)
{
    const struct name *name = name_of(type, key);
    char what[160];

    if (json_is_null(value))
        return SGL_OK;
    if (name != NULL && name->ours == NULL) {
        snprintf(what, sizeof what, "%.40s with %.60s", type, key);
        return sgl_fail(failure, SGL_EINVAL, "policy in JSON: %s (%s)", what, name->instead);
    }
    /* What shortest_queue does without a report: the fork knows one way, and none at all. */
    if (strcmp(key, "enable_fallback") == 0)
        return json_is_true(value) ? append(text, used, "%cfallback=round_robin",
                                            strchr(text, ':') == NULL ? ':' : ',')
                                   : refuse(failure, "enable_fallback", "true");
    if (append(text, used, "%c", strchr(text, ':') == NULL ? ':' : ',') != SGL_OK)
        return refuse(failure, "a long text", "at most 2,000 bytes");
    return add_value(text, used, name != NULL ? name->ours : key, value, failure);
}

char *sgl_policy_of_json(const json_t *object, struct sgl_failure *failure)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    char text[TEXT_SIZE];
    size_t used = 0;
    const char *key;
    json_t *value;

    if (!json_is_object(object) || type == NULL) {
        refuse(failure, "no member type", "an object such as {\"type\": \"cache_aware\"}");
        return NULL;
    }
    const struct name *refused = name_of(type, "type");
    if (refused != NULL) {
        sgl_fail(failure, SGL_EINVAL, "policy in JSON: type %s (%s)", type, refused->instead);
        return NULL;
    }
    if (sgl_policy_named(type, strlen(type)) == NULL) {
        struct sgl_policy_spec spec;
        sgl_policy_parse(&spec, type, failure); /* for its message */
        return NULL;
    }
    append(text, &used, "%.60s", type);
    /* The public interface walks no constant object; it does not change it either. */
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (strcmp(key, "type") != 0 &&
            add_member(text, &used, type, key, value, failure) != SGL_OK)
            return NULL;
    }
    char *copy = strdup(text);
    if (copy == NULL)
        sgl_fail(failure, SGL_ENOMEM, "out of memory");
    return copy;
}

bool sgl_policy_is_json(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '{';
}

char *sgl_policy_text(const char *given, struct sgl_failure *failure)
{
    json_error_t error;
    char *text;

    if (!sgl_policy_is_json(given)) {
        text = strdup(given);
        if (text == NULL)
            sgl_fail(failure, SGL_ENOMEM, "out of memory");
        return text;
    }
    json_t *object = json_loads(given, JSON_REJECT_DUPLICATES, &error);
    if (object == NULL) {
        sgl_fail(failure, SGL_EINVAL, "policy in JSON: column %d: %s, expected an object",
                 error.column, error.text);
        return NULL;
    }
    text = sgl_policy_of_json(object, failure);
    json_decref(object);
    return text;
}

int sgl_policy_read(struct sgl_policy_spec *spec, const char *given, struct sgl_failure *failure)
{
    *spec = (struct sgl_policy_spec){0};
    if (!sgl_policy_is_json(given))
        return sgl_policy_parse(spec, given, failure);
    char *text = sgl_policy_text(given, failure);
    if (text == NULL)
        return SGL_EINVAL;
    const int status = sgl_policy_parse(spec, text, failure);
    free(text);
    return status;
}
