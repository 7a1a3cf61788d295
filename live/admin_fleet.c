#include "admin_fleet.h"

struct sgl_fleet_counts sgl_fleet_count(struct sgl_gateway *gateway)
{
    const uint32_t count = sgl_gateway_worker_count(gateway);
    struct sgl_fleet_counts counts = {0};

    for (uint32_t i = 0; i < count; i++) {
        const struct sgl_gateway_worker worker = sgl_gateway_worker(gateway, i);
        const bool is_healthy = !worker.is_removed && worker.is_healthy;
        counts.total += !worker.is_removed;
        counts.healthy += is_healthy;
        counts.pool_total[worker.pool] += !worker.is_removed;
        counts.pool_healthy[worker.pool] += is_healthy;
    }
    counts.can_serve = sgl_gateway_is_paired(gateway) ? counts.pool_healthy[SGL_POOL_PREFILL] > 0 &&
                                                            counts.pool_healthy[SGL_POOL_DECODE] > 0
                                                      : counts.healthy > 0;
    return counts;
}

const char *sgl_fleet_why_not(const struct sgl_gateway *gateway,
                              const struct sgl_fleet_counts *counts)
{
    if (counts->total == 0)
        return "there is no worker";
    if (sgl_gateway_is_paired(gateway) && counts->healthy > 0)
        return counts->pool_healthy[SGL_POOL_PREFILL] == 0 ? "no prefill worker is healthy"
                                                           : "no decode worker is healthy";
    return "no worker is healthy";
}

bool sgl_newcomer_read(const json_t *root, struct sgl_gateway_newcomer *newcomer)
{
    const json_t *type = json_object_get(root, "worker_type");
    const json_t *port = json_object_get(root, "bootstrap_port");

    *newcomer = (struct sgl_gateway_newcomer){
        .url = json_string_value(json_object_get(root, "url")),
        .model = json_string_value(json_object_get(root, "model_id")),
        .bootstrap_port = SGL_BOOTSTRAP_NO_PORT,
    };
    if (type != NULL && !json_is_null(type))
        newcomer->pool =
            json_is_string(type) ? sgl_pool_named(json_string_value(type)) : SGL_POOL_COUNT;
    if (port != NULL && !json_is_null(port)) {
        if (!json_is_integer(port) || json_integer_value(port) < 0 ||
            json_integer_value(port) > UINT16_MAX)
            return false;
        newcomer->bootstrap_port = (int32_t)json_integer_value(port);
    }
    return newcomer->pool != SGL_POOL_COUNT;
}
