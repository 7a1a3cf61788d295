#include "parameters.h"

#include "policy.h"
#include "text.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sgl_parameters_init(struct sgl_parameters *parameters, const struct sgl_parameter *table)
{
    memset(parameters, 0, sizeof *parameters);
    parameters->table = table;
    for (size_t i = 0; table != NULL && table[i].name != NULL; i++)
        parameters->value[i] = table[i].standard;
}

/* How a value that does not fit is refused: what it is, then what would do. */
static int refuse(const struct sgl_parameter *row, const char *value, size_t length,
                  const char *what, struct sgl_failure *failure)
{
    const int shown = length > 40 ? 40 : (int)length;

    if (row->kind == SGL_PARAMETER_CHOICE)
        return sgl_fail(failure, SGL_EINVAL, "%s: %s=%.*s, expected one of %s", what, row->name,
                        shown, value, row->choices);
    char least[SGL_REAL_TEXT_MAX];
    char most[SGL_REAL_TEXT_MAX];
    sgl_real_text(row->least, least);
    if (isinf(row->most))
        return sgl_fail(failure, SGL_EINVAL, "%s: %s=%.*s, expected %s of at least %s", what,
                        row->name, shown, value,
                        row->kind == SGL_PARAMETER_INTEGER ? "a whole number" : "a number", least);
    return sgl_fail(failure, SGL_EINVAL, "%s: %s=%.*s, expected %s from %s to %s", what, row->name,
                    shown, value,
                    row->kind == SGL_PARAMETER_INTEGER ? "a whole number"
                    : row->kind == SGL_PARAMETER_REALS ? "numbers separated by '/', each"
                                                       : "a number",
                    least, sgl_real_text(row->most, most));
}

/* A decimal number that fills all `length` bytes and lies in the row's range. */
static bool read_number(const struct sgl_parameter *row, const char *text, size_t length,
                        double *value_out)
{
    return sgl_real_read(text, length, value_out) && *value_out >= row->least &&
           *value_out <= row->most &&
           (row->kind != SGL_PARAMETER_INTEGER || *value_out == floor(*value_out));
}

static int set_list(struct sgl_parameters *parameters, const struct sgl_parameter *row,
                    const char *text, size_t length, const char *what, struct sgl_failure *failure)
{
    double *list = malloc(SGL_PARAMETER_LIST_MAX * sizeof *list);
    uint32_t count = 0;
    int status = SGL_OK;

    if (list == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", what);
    for (size_t at = 0; status == SGL_OK;) {
        const char *slash = memchr(text + at, '/', length - at);
        const size_t size = slash != NULL ? (size_t)(slash - text) - at : length - at;
        if (count == SGL_PARAMETER_LIST_MAX)
            status = sgl_fail(failure, SGL_EINVAL, "%s: %s has more than %d members", what,
                              row->name, SGL_PARAMETER_LIST_MAX);
        else if (!read_number(row, text + at, size, &list[count++]))
            status = refuse(row, text, length, what, failure);
        if (slash == NULL)
            break;
        at += size + 1;
    }
    if (status != SGL_OK) {
        free(list);
        return status;
    }
    free(parameters->list);
    parameters->list = list;
    parameters->list_count = count;
    return SGL_OK;
}

static bool has_policy(const struct sgl_parameter *table)
{
    for (size_t i = 0; table != NULL && table[i].name != NULL; i++)
        if (table[i].kind == SGL_PARAMETER_POLICY)
            return true;
    return false;
}

static int set_policy(struct sgl_parameters *parameters, const struct sgl_parameter *row,
                      const char *text, size_t length, const char *what,
                      struct sgl_failure *failure)
{
    const struct sgl_policy_ops *ops =
        sgl_policy_named(text, strcspn(text, ":") < length ? strcspn(text, ":") : length);

    if (ops != NULL && has_policy(ops->parameters))
        return sgl_fail(failure, SGL_EINVAL, "%s: %s=%s, expected a policy that holds no other",
                        what, row->name, ops->name);
    struct sgl_policy_spec *policy = malloc(sizeof *policy);
    char *copy = malloc(length + 1);
    int status = SGL_ENOMEM;
    if (policy == NULL || copy == NULL) {
        sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", what);
    } else {
        memcpy(copy, text, length);
        copy[length] = '\0';
        status = sgl_policy_parse(policy, copy, failure);
    }
    free(copy);
    if (status != SGL_OK) {
        free(policy);
        return status;
    }
    if (parameters->policy != NULL)
        sgl_policy_release(parameters->policy);
    free(parameters->policy);
    parameters->policy = policy;
    return SGL_OK;
}

static int refuse_unknown(const struct sgl_parameter *table, const char *key, size_t key_length,
                          const char *what, struct sgl_failure *failure)
{
    char wanted[64];
    char hint[128];

    snprintf(wanted, sizeof wanted, "%.*s", key_length > 60 ? 60 : (int)key_length, key);
    struct sgl_nearest nearest = {.wanted = wanted};
    for (size_t i = 0; table != NULL && table[i].name != NULL; i++)
        sgl_nearest_offer(&nearest, table[i].name);
    sgl_nearest_hint(&nearest, hint, sizeof hint);
    if (hint[0] != '\0')
        return sgl_fail(failure, SGL_EINVAL, "%s: unknown parameter '%s'%s", what, wanted, hint);
    char list[320] = "none";
    size_t used = 0;
    for (size_t i = 0; table != NULL && table[i].name != NULL; i++) {
        const char *separator = i > 0 ? ", " : "";
        const size_t length = strlen(separator) + strlen(table[i].name);
        if (used + length + sizeof ", ..." > sizeof list) {
            snprintf(list + used, sizeof list - used, ", ...");
            break;
        }
        snprintf(list + used, sizeof list - used, "%s%s", separator, table[i].name);
        used += length;
    }
    return sgl_fail(failure, SGL_EINVAL, "%s: unknown parameter '%s', expected %s%s", what, wanted,
                    nearest.name != NULL && table[1].name != NULL ? "one of " : "", list);
}

int sgl_parameters_set(struct sgl_parameters *parameters, const char *key, size_t key_length,
                       const char *value, size_t value_length, const char *what,
                       struct sgl_failure *failure)
{
    const struct sgl_parameter *table = parameters->table;
    size_t i = 0;
    size_t index = 0;

    while (table != NULL && table[i].name != NULL &&
           (strlen(table[i].name) != key_length || memcmp(table[i].name, key, key_length) != 0))
        i++;
    if (table == NULL || table[i].name == NULL)
        return refuse_unknown(table, key, key_length, what, failure);

    const struct sgl_parameter *row = &table[i];
    if (row->kind == SGL_PARAMETER_REALS)
        return set_list(parameters, row, value, value_length, what, failure);
    if (row->kind == SGL_PARAMETER_POLICY)
        return set_policy(parameters, row, value, value_length, what, failure);
    if (row->kind != SGL_PARAMETER_CHOICE)
        return read_number(row, value, value_length, &parameters->value[i])
                   ? SGL_OK
                   : refuse(row, value, value_length, what, failure);
    if (!sgl_list_has(row->choices, '|', value, value_length, &index))
        return refuse(row, value, value_length, what, failure);
    parameters->value[i] = (double)index;
    return SGL_OK;
}

static bool takes_rest(const struct sgl_parameter *table, const char *key, size_t key_length)
{
    for (size_t i = 0; table != NULL && table[i].name != NULL; i++)
        if (table[i].kind == SGL_PARAMETER_POLICY && strlen(table[i].name) == key_length &&
            memcmp(table[i].name, key, key_length) == 0)
            return true;
    return false;
}

int sgl_parameters_parse(struct sgl_parameters *parameters, const char *text, const char *what,
                         struct sgl_failure *failure)
{
    const char *at = text != NULL ? text : "";

    while (*at != '\0') {
        size_t size = strcspn(at, ",");
        const char *equals = memchr(at, '=', size);
        if (equals == NULL)
            return sgl_fail(failure, SGL_EINVAL, "%s: '%.*s', expected key=value", what,
                            size > 40 ? 40 : (int)size, at);
        const size_t key_length = (size_t)(equals - at);
        if (takes_rest(parameters->table, at, key_length))
            size = strlen(at);
        const int status = sgl_parameters_set(parameters, at, key_length, equals + 1,
                                              size - key_length - 1, what, failure);
        if (status != SGL_OK)
            return status;
        at += size;
        if (*at == ',' && *++at == '\0')
            return sgl_fail(failure, SGL_EINVAL,
                            "%s: nothing after the last ',', expected key=value", what);
    }
    return SGL_OK;
}

const char *sgl_real_text(double value, char out[static SGL_REAL_TEXT_MAX])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, SGL_REAL_TEXT_MAX, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    return out;
}

/* A text that grows into memory known to be enough; a cut would be a miscounted size. */
struct writer {
    char *text;
    size_t size;
    size_t length;
};

static void append(struct writer *writer, const char *text, size_t length)
{
    assert(writer->text != NULL && writer->length + length < writer->size);
    memcpy(writer->text + writer->length, text, length);
    writer->length += length;
    writer->text[writer->length] = '\0';
}

/* `policy` is the text of parameters->policy. */
static void append_value(struct writer *writer, const struct sgl_parameters *parameters, size_t i,
                         const char *policy)
{
    const struct sgl_parameter *row = &parameters->table[i];
    char number[SGL_REAL_TEXT_MAX];

    if (row->kind == SGL_PARAMETER_CHOICE) {
        const char *word = row->choices;
        assert(word != NULL);
        for (size_t skip = (size_t)parameters->value[i]; skip > 0; skip--)
            word = strchr(word, '|') + 1;
        append(writer, word, strcspn(word, "|"));
    } else if (row->kind == SGL_PARAMETER_REALS) {
        for (uint32_t m = 0; m < parameters->list_count; m++) {
            append(writer, "/", m > 0);
            sgl_real_text(parameters->list[m], number);
            append(writer, number, strlen(number));
        }
    } else if (row->kind == SGL_PARAMETER_POLICY) {
        assert(policy != NULL);
        append(writer, policy, strlen(policy));
    } else {
        sgl_real_text(parameters->value[i], number);
        append(writer, number, strlen(number));
    }
}

static bool is_absent(const struct sgl_parameters *parameters, size_t i)
{
    if (parameters->table[i].kind == SGL_PARAMETER_REALS)
        return parameters->list_count == 0;
    if (parameters->table[i].kind == SGL_PARAMETER_POLICY)
        return parameters->policy == NULL;
    return isnan(parameters->value[i]);
}

char *sgl_parameters_format(const struct sgl_parameters *parameters)
{
    const struct sgl_parameter *table = parameters->table;
    struct writer writer = {.size = 1 + (size_t)parameters->list_count * SGL_REAL_TEXT_MAX};

    for (size_t i = 0; table != NULL && table[i].name != NULL; i++)
        writer.size += strlen(table[i].name) + SGL_REAL_TEXT_MAX + 2 +
                       (table[i].choices != NULL ? strlen(table[i].choices) : 0);
    char *policy = NULL;
    if (parameters->policy != NULL) {
        policy = sgl_policy_format(parameters->policy);
        if (policy == NULL)
            return NULL;
        writer.size += strlen(policy);
    }
    writer.text = calloc(writer.size, 1);
    if (writer.text == NULL) {
        free(policy);
        return NULL;
    }
    for (size_t i = 0; table != NULL && table[i].name != NULL; i++) {
        if (is_absent(parameters, i))
            continue;
        append(&writer, ",", writer.length > 0);
        append(&writer, table[i].name, strlen(table[i].name));
        append(&writer, "=", 1);
        append_value(&writer, parameters, i, policy);
    }
    free(policy);
    return writer.text;
}

void sgl_parameters_release(struct sgl_parameters *parameters)
{
    free(parameters->list);
    parameters->list = NULL;
    parameters->list_count = 0;
    if (parameters->policy != NULL)
        sgl_policy_release(parameters->policy);
    free(parameters->policy);
    parameters->policy = NULL;
}
