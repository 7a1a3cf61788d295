#include "emulate_faults.h"

#include "core/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define SLOW_LEAST 0.001
#define SLOW_MOST 1000.0
#define FOR_MS_MOST (INT64_C(24) * 3600 * 1000)
#define TOKENS_MOST (INT64_C(1) << 31)

static const char *const names[] = {"slow",      "hang",   "status", "cut_after", "malformed",
                                    "unhealthy", "refuse", "for_ms", "worker"};

struct sgl_emulate_faults sgl_emulate_faults_none(void)
{
    return (struct sgl_emulate_faults){.slow = 1, .cut_after = -1};
}

static int check_names(const json_t *root, struct sgl_failure *failure)
{
    for (void *at = json_object_iter((json_t *)(uintptr_t)root); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)root, at)) {
        const char *key = json_object_iter_key(at);
        struct sgl_nearest nearest = {.wanted = key};
        char hint[128];
        size_t i = 0;
        while (i < sizeof names / sizeof names[0] && strcmp(names[i], key) != 0)
            sgl_nearest_offer(&nearest, names[i++]);
        if (i == sizeof names / sizeof names[0])
            return sgl_fail(failure, SGL_EINVAL, "unknown fault '%.40s'%s", key,
                            sgl_nearest_hint(&nearest, hint, sizeof hint));
    }
    return SGL_OK;
}

static int read_flag(const json_t *root, const char *name, bool *flag, struct sgl_failure *failure)
{
    const json_t *value = json_object_get(root, name);

    if (value == NULL)
        return SGL_OK;
    *flag = json_is_true(value);
    if (json_is_boolean(value))
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL, "%s is neither true nor false", name);
}

static int read_number(const json_t *root, const char *name, int64_t least, int64_t most,
                       int64_t *number, struct sgl_failure *failure)
{
    const json_t *value = json_object_get(root, name);

    if (value == NULL)
        return SGL_OK;
    *number = json_integer_value(value);
    if (json_is_integer(value) && *number >= least && *number <= most)
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL,
                    "%s is out of range, expected a whole number from %" PRId64 " to %" PRId64,
                    name, least, most);
}

static int read_slow(const json_t *root, double *slow, struct sgl_failure *failure)
{
    const json_t *value = json_object_get(root, "slow");

    if (value == NULL)
        return SGL_OK;
    *slow = json_number_value(value);
    if (json_is_number(value) && *slow >= SLOW_LEAST && *slow <= SLOW_MOST)
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL, "slow is out of range, expected a factor from %g to %g",
                    SLOW_LEAST, SLOW_MOST);
}

int sgl_emulate_faults_read(struct sgl_emulate_faults *faults, uint64_t *for_ms, uint32_t *worker,
                            const char *body, size_t size, struct sgl_failure *failure)
{
    json_t *root = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
    int64_t lasting = 0;
    int64_t status = 0;
    int64_t index = *worker;

    *faults = sgl_emulate_faults_none();
    if (!json_is_object(root)) {
        json_decref(root);
        return sgl_fail(failure, SGL_EINVAL, "the body is no JSON object");
    }
    int code = check_names(root, failure);
    if (code == SGL_OK)
        code = read_slow(root, &faults->slow, failure);
    if (code == SGL_OK)
        code = read_flag(root, "hang", &faults->hangs, failure);
    if (code == SGL_OK)
        code = read_flag(root, "malformed", &faults->is_malformed, failure);
    if (code == SGL_OK)
        code = read_flag(root, "unhealthy", &faults->is_unhealthy, failure);
    if (code == SGL_OK)
        code = read_flag(root, "refuse", &faults->refuses, failure);
    if (code == SGL_OK)
        code = read_number(root, "status", 400, 599, &status, failure);
    if (code == SGL_OK)
        code = read_number(root, "cut_after", 0, TOKENS_MOST, &faults->cut_after, failure);
    if (code == SGL_OK)
        code = read_number(root, "for_ms", 1, FOR_MS_MOST, &lasting, failure);
    if (code == SGL_OK)
        code = read_number(root, "worker", 0, UINT32_MAX, &index, failure);
    json_decref(root);
    faults->status = (int)status;
    *for_ms = (uint64_t)lasting;
    *worker = (uint32_t)index;
    return code;
}

static const char *word(bool flag)
{
    return flag ? "true" : "false";
}

void sgl_emulate_faults_put(struct sgl_buffer *out, const struct sgl_emulate_faults *faults)
{
    sgl_buffer_format(out,
                      "{\"slow\":%.17g,\"hang\":%s,\"malformed\":%s,\"unhealthy\":%s,"
                      "\"refuse\":%s,\"status\":",
                      faults->slow, word(faults->hangs), word(faults->is_malformed),
                      word(faults->is_unhealthy), word(faults->refuses));
    if (faults->status > 0)
        sgl_buffer_format(out, "%d", faults->status);
    else
        sgl_buffer_append_text(out, "null");
    if (faults->cut_after >= 0)
        sgl_buffer_format(out, ",\"cut_after\":%" PRId64 "}", faults->cut_after);
    else
        sgl_buffer_append_text(out, ",\"cut_after\":null}");
}
