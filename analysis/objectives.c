/* Reading service level objectives: `ttft:500ms,tpot:50ms`. */
#include "core/text.h"
#include "summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int read_one(struct sgl_objectives *objectives, const char *text, size_t length,
                    struct sgl_failure *failure)
{
    const char *colon = memchr(text, ':', length);
    const size_t name_length = colon != NULL ? (size_t)(colon - text) : length;
    const int shown = length > 60 ? 60 : (int)length;

    for (int m = 0; m < SGL_METRIC_COUNT; m++) {
        const char *name = sgl_metric_name((enum sgl_metric)m);
        if (strlen(name) != name_length || memcmp(name, text, name_length) != 0)
            continue;
        double *limit_ns = &objectives->limit_ns[m];
        if (!isnan(*limit_ns))
            return sgl_fail(failure, SGL_EINVAL, "--slo: %s has two limits, expected one", name);
        if (colon == NULL || !sgl_duration_read(colon + 1, length - name_length - 1, limit_ns) ||
            *limit_ns <= 0)
            return sgl_fail(failure, SGL_EINVAL,
                            "--slo %.*s, expected METRIC:LIMIT such as %s:500ms (units ns us ms s)",
                            shown, text, name);
        return SGL_OK;
    }
    char wanted[64];
    char hint[128];
    snprintf(wanted, sizeof wanted, "%.*s", name_length > 60 ? 60 : (int)name_length, text);
    struct sgl_nearest nearest = {.wanted = wanted};
    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        sgl_nearest_offer(&nearest, sgl_metric_name((enum sgl_metric)m));
    return sgl_fail(failure, SGL_EINVAL,
                    "--slo: unknown metric '%s'%s, expected queue_time, ttft, tpot, itl or e2e",
                    wanted, sgl_nearest_hint(&nearest, hint, sizeof hint));
}

int sgl_objectives_parse(struct sgl_objectives *objectives, const char *text,
                         struct sgl_failure *failure)
{
    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        objectives->limit_ns[m] = SGL_ABSENT_REAL;
    for (const char *at = text; at != NULL && *at != '\0';) {
        const size_t length = strcspn(at, ",");
        const int status = read_one(objectives, at, length, failure);
        if (status != SGL_OK)
            return status;
        at += length;
        at += *at == ',';
    }
    return SGL_OK;
}

bool sgl_objectives_any(const struct sgl_objectives *objectives)
{
    for (int m = 0; m < SGL_METRIC_COUNT; m++)
        if (!isnan(objectives->limit_ns[m]))
            return true;
    return false;
}
