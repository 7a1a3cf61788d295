#include "model_config.h"

#include "traces/json.h"

#include <stddef.h>

#define NUMBER_MAX 1000000

/* The first of the names that is there; 0 when none is. */
static int read_number(const json_t *root, const char *const *names, const char *path,
                       uint32_t *out, struct sgl_failure *failure)
{
    *out = 0;
    for (size_t i = 0; names[i] != NULL; i++) {
        const json_t *value = json_object_get(root, names[i]);
        if (value == NULL || json_is_null(value))
            continue;
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) > NUMBER_MAX)
            return sgl_fail(failure, SGL_EINVAL, "%.300s: %s, expected a whole number from 0 to %d",
                            path, names[i], NUMBER_MAX);
        *out = (uint32_t)json_integer_value(value);
        return SGL_OK;
    }
    return SGL_OK;
}

static int read_shape(struct sgl_model_shape *shape, const json_t *root, const char *path,
                      struct sgl_failure *failure)
{
    static const char *const layers[] = {"num_hidden_layers", NULL};
    static const char *const hidden[] = {"hidden_size", NULL};
    static const char *const experts[] = {"num_experts", "num_local_experts", "n_routed_experts",
                                          NULL};
    static const char *const per_token[] = {"num_experts_per_tok", NULL};
    int status = read_number(root, layers, path, &shape->layer_count, failure);

    if (status == SGL_OK)
        status = read_number(root, hidden, path, &shape->hidden_size, failure);
    if (status == SGL_OK)
        status = read_number(root, experts, path, &shape->expert_count, failure);
    if (status == SGL_OK)
        status = read_number(root, per_token, path, &shape->experts_per_token, failure);
    if (status != SGL_OK)
        return status;
    if (shape->layer_count == 0)
        return sgl_fail(failure, SGL_EINVAL,
                        "%.300s: no num_hidden_layers, expected a model's "
                        "config.json",
                        path);
    if (shape->expert_count > 0 &&
        (shape->experts_per_token == 0 || shape->experts_per_token > shape->expert_count))
        return sgl_fail(failure, SGL_EINVAL,
                        "%.300s: num_experts_per_tok is %u, expected 1 to the %u experts", path,
                        shape->experts_per_token, shape->expert_count);
    if (shape->expert_count == 0)
        shape->experts_per_token = 0;
    return SGL_OK;
}

int sgl_model_shape_load(struct sgl_model_shape *shape, const char *path,
                         struct sgl_failure *failure)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

    *shape = (struct sgl_model_shape){0};
    if (root == NULL && error.line > 0)
        return sgl_fail(failure, SGL_EINVAL, "%.300s:%d:%d: %s, expected a model's config.json",
                        path, error.line, error.column, error.text);
    if (root == NULL)
        return sgl_fail(failure, SGL_EINVAL, "%.500s", error.text);
    const json_t *text = json_object_get(root, "text_config");
    const int status = read_shape(shape, json_is_object(text) ? text : root, path, failure);
    json_decref(root);
    return status;
}
