#include "config_json.h"

#include "core/parameters.h"
#include "policy_json.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 96

struct lines {
    char *text;
    size_t size;
    size_t used;
    struct sgl_failure *failure;
};

/* How the options are called that an object's members stand for. */
static const struct {
    const char *object;
    const char *prefix;
} prefixes[] = {
    {"mode", ""},
    {"retry", "retry-"},
    {"circuit_breaker", "cb-"},
    {"metrics", "prometheus-"},
    {"health_check", "health-"},
};

#define PREFIX_COUNT (sizeof prefixes / sizeof prefixes[0])

/* Members whose options have another name. */
static const struct {
    const char *theirs;
    const char *ours;
} renamed[] = {
    {"health-timeout-secs", "health-check-timeout-secs"},
    {"health-endpoint", "health-check-endpoint"},
    {"worker-startup-check-interval-secs", "worker-startup-check-interval"},
};

static int add(struct lines *lines, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int add(struct lines *lines, const char *format, ...)
{
    const size_t room = lines->size - lines->used;
    va_list arguments;

    va_start(arguments, format);
    const int length = vsnprintf(lines->text + lines->used, room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= room)
        return sgl_fail(lines->failure, SGL_EINVAL, "more than %zu bytes of options", lines->size);
    lines->used += (size_t)length;
    return SGL_OK;
}

static int refuse(struct lines *lines, const char *name, const char *expected)
{
    return sgl_fail(lines->failure, SGL_EINVAL, "%.60s, expected %s", name, expected);
}

/* A scalar, without the name before it and the end of line behind it. */
static int add_scalar(struct lines *lines, const char *name, const json_t *value)
{
    char real[SGL_REAL_TEXT_MAX];

    if (json_is_boolean(value))
        return add(lines, "%s", json_is_true(value) ? "on" : "off");
    if (json_is_integer(value))
        return add(lines, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    if (json_is_real(value))
        return add(lines, "%s", sgl_real_text(json_real_value(value), real));
    if (!json_is_string(value))
        return refuse(lines, name, "a text, a number, true or false");
    /* A '#' behind a blank would begin a comment. */
    const char *text = json_string_value(value);
    if (strpbrk(text, "\r\n") != NULL || strstr(text, " #") != NULL || text[0] == '#')
        return refuse(lines, name, "one line without '#'");
    return add(lines, "%s", text);
}

/* [["http://a:1", 8998], ["http://b:1", null], "http://c:1"] on one line. */
static int add_list(struct lines *lines, const char *name, const json_t *list)
{
    size_t i;
    json_t *value;
    int status = SGL_OK;

    json_array_foreach(list, i, value)
    {
        const bool is_inner = json_is_array(value);
        const size_t count = is_inner ? json_array_size(value) : 1;
        for (size_t j = 0; j < count && status == SGL_OK; j++) {
            const json_t *item = is_inner ? json_array_get(value, j) : value;
            if (json_is_null(item))
                continue;
            if (i + j > 0)
                status = add(lines, " ");
            if (status == SGL_OK)
                status = add_scalar(lines, name, item);
        }
        if (status != SGL_OK)
            return status;
    }
    return SGL_OK;
}

/* The name of an option from that of a member and what stands before it. */
static const char *option_name(const char *prefix, const char *key, char out[static NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "%s%.70s", prefix, key);
    for (char *c = out; *c != '\0'; c++)
        if (*c == '_' || (unsigned char)*c <= ' ' || *c == '=')
            *c = '-';
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++)
        if (strcmp(out, renamed[i].theirs) == 0)
            return renamed[i].ours;
    return out;
}

/* SGLang's power_of_two says how often loads are asked for; here that is the router's option. */
static int add_load_interval(struct lines *lines, json_t *policy)
{
    const json_t *type = json_object_get(policy, "type");
    const json_t *seconds = json_object_get(policy, "load_check_interval_secs");

    if (seconds == NULL || !json_is_string(type) ||
        strcmp(json_string_value(type), "power_of_two") != 0)
        return SGL_OK;
    if (!json_is_integer(seconds))
        return refuse(lines, "load_check_interval_secs", "a whole number of seconds");
    const int status =
        add(lines, "load-interval = %" JSON_INTEGER_FORMAT "s\n", json_integer_value(seconds));
    json_object_del(policy, "load_check_interval_secs");
    return status;
}

static int add_policy(struct lines *lines, const char *name, json_t *policy)
{
    int status = add_load_interval(lines, policy);

    if (status != SGL_OK)
        return status;
    char *text = sgl_policy_of_json(policy, lines->failure);
    if (text == NULL)
        return SGL_EINVAL;
    status = add(lines, "%s = %s\n", name, text);
    free(text);
    return status;
}

static bool is_empty(const json_t *value)
{
    return json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

static int add_value(struct lines *lines, const char *name, json_t *value)
{
    int status = add(lines, "%s = ", name);

    if (status == SGL_OK)
        status =
            json_is_array(value) ? add_list(lines, name, value) : add_scalar(lines, name, value);
    return status == SGL_OK ? add(lines, "\n") : status;
}

static bool is_policy_name(const char *name)
{
    const size_t length = strlen(name);

    return length >= 6 && strcmp(name + length - 6, "policy") == 0;
}

static int add_mode_type(struct lines *lines, const json_t *type)
{
    const char *text = json_string_value(type);

    if (text != NULL && strcmp(text, "regular") == 0)
        return add(lines, "mode = regular\n");
    if (text != NULL && strcmp(text, "prefill_decode") == 0)
        return add(lines, "mode = pd\n");
    return refuse(lines, "type of mode", "regular or prefill_decode");
}

static int add_member(struct lines *lines, const char *prefix, const char *key, json_t *value)
{
    char buffer[NAME_SIZE];
    const char *name = option_name(prefix, key, buffer);

    if (is_empty(value))
        return SGL_OK;
    return json_is_object(value) && is_policy_name(name) ? add_policy(lines, name, value)
                                                         : add_value(lines, name, value);
}

/* The members of an object within the configuration. */
static int add_group(struct lines *lines, const char *object_name, json_t *object)
{
    const bool is_mode = strcmp(object_name, "mode") == 0;
    size_t i = 0;
    const char *key;
    json_t *value;
    int status = SGL_OK;

    while (i < PREFIX_COUNT && strcmp(prefixes[i].object, object_name) != 0)
        i++;
    if (i == PREFIX_COUNT)
        return refuse(lines, object_name, "a value: no options are grouped under it");
    json_object_foreach(object, key, value)
    {
        status = is_mode && strcmp(key, "type") == 0
                     ? add_mode_type(lines, value)
                     : add_member(lines, prefixes[i].prefix, key, value);
        if (status != SGL_OK)
            return status;
    }
    return SGL_OK;
}

static int add_members(struct lines *lines, json_t *root)
{
    const char *key;
    json_t *value;
    int status = SGL_OK;

    json_object_foreach(root, key, value)
    {
        status = json_is_object(value) && !is_empty(value) && !is_policy_name(key)
                     ? add_group(lines, key, value)
                     : add_member(lines, "", key, value);
        if (status != SGL_OK)
            return status;
    }
    return SGL_OK;
}

bool sgl_config_is_json(const char *text)
{
    return sgl_policy_is_json(text);
}

int sgl_config_of_json(const char *text, char *out, size_t size, struct sgl_failure *failure)
{
    struct lines lines = {.text = out, .size = size, .failure = failure};
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (root == NULL)
        return sgl_fail(failure, SGL_EINVAL, "%d:%d: %s, expected a JSON object", error.line,
                        error.column, error.text);
    out[0] = '\0';
    const bool is_policy =
        json_object_get(root, "type") != NULL && json_object_get(root, "policy") == NULL;
    const int status = is_policy ? add_policy(&lines, "policy", root) : add_members(&lines, root);
    json_decref(root);
    return status;
}
