/*
 * access.h - who may ask for what: realms, keys, and which workers may be added.
 *
 *      realm     what                                                  opened by
 *      public    GET /health, /liveness, /readiness                    everybody
 *      data      POST /generate and /v1/..., GET /v1/models,           --api-key
 *                /get_model_info, /get_server_info, /health_generate;
 *                whatever there is not
 *      control   /workers, /add_worker, /remove_worker, /list_workers, --admin-api-key, else
 *                /get_loads, /flush_cache, /metrics                    --api-key
 *
 * A key comes as `Authorization: Bearer KEY`, in one field: two are refused, for who reads the
 * other one? Keys are compared in a time that depends on the text sent alone. A realm without a key
 * is open.
 *
 * With a control listener (--admin-port) control is there, and only there.
 *
 * Workers are addresses that this process connects to, so who adds one can make it connect. That is
 * for those who have a key or sit on this machine; from elsewhere, only hosts on the list of
 * --allowed-workers are taken. When there is a list, it holds for everybody.
 */
#ifndef SGL_LIVE_ACCESS_H
#define SGL_LIVE_ACCESS_H

#include "http_server.h"

#define SGL_ACCESS_HOSTS_MAX 64

enum sgl_realm {
    SGL_REALM_PUBLIC,
    SGL_REALM_DATA,
    SGL_REALM_CONTROL,
};

struct sgl_access {
    const char *api_key;                     /* NULL: none; so the next */
    const char *admin_key;                   /* of control */
    const char *control_host;                /* where control listens */
    const char *hosts[SGL_ACCESS_HOSTS_MAX]; /* HOST or HOST:PORT of workers; NULL ends them */
};

enum sgl_realm sgl_realm_of(const char *method, const char *target);

/* May it be answered? False: 401 was. */
bool sgl_access_admits(const struct sgl_access *access, enum sgl_realm realm,
                       struct sgl_http_exchange *exchange);

/* May a worker of that URL be added by a request? SGL_EINVAL when not. */
int sgl_access_may_add(const struct sgl_access *access, const char *url,
                       struct sgl_failure *failure);

#endif
