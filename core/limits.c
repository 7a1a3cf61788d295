#include "limits.h"

#include <string.h>

static const struct sgl_limit table[] = {
#define ROW(name, standard, most, help)                                                            \
    {#name, standard, most, help, offsetof(struct sgl_router_limits, name)},
    SGL_LIMIT_MAP(ROW)
#undef ROW
};

const struct sgl_limit *sgl_limit_at(uint32_t index)
{
    return index < sizeof table / sizeof table[0] ? &table[index] : NULL;
}

uint64_t sgl_limit_value(const struct sgl_router_limits *limits, const struct sgl_limit *limit)
{
    uint64_t value;

    memcpy(&value, (const char *)limits + limit->offset, sizeof value);
    return value;
}

void sgl_limit_set(struct sgl_router_limits *limits, const struct sgl_limit *limit, uint64_t value)
{
    memcpy((char *)limits + limit->offset, &value, sizeof value);
}

struct sgl_router_limits sgl_router_limits_resolved(const struct sgl_router_limits *limits)
{
    struct sgl_router_limits resolved = *limits;
    const struct sgl_limit *limit;

    for (uint32_t i = 0; (limit = sgl_limit_at(i)) != NULL; i++)
        if (sgl_limit_value(&resolved, limit) == 0)
            sgl_limit_set(&resolved, limit, limit->standard);
    return resolved;
}

struct sgl_breaker_options sgl_router_limits_breaker(const struct sgl_router_limits *limits)
{
    return (struct sgl_breaker_options){
        .failure_threshold = (uint32_t)limits->breaker_failures,
        .success_threshold = (uint32_t)limits->breaker_successes,
        .window_ns = (int64_t)limits->breaker_window_ns,
        .open_ns = (int64_t)limits->breaker_open_ns,
    };
}
