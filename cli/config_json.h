/*
 * config_json.h - a --config file in JSON, as SGLang's routers write theirs, made `name = value`
 * lines.
 *
 *     {"policy": {"type": "cache_aware", "cache_threshold": 0.3},      policy = cache_aware:...
 *      "mode": {"type": "regular", "worker_urls": ["http://a:1"]},     worker-urls = http://a:1
 *      "retry": {"max_retries": 3}, "queue_size": 100}                 retry-max-retries = 3 ...
 *
 * Names are those of the options, with '_' or '-'; members of an object are options whose names
 * begin with it (RouterConfig in sgl-router/src/config/types.rs has mode, policy, retry,
 * circuit_breaker, health_check and metrics). An object with a member `type` and no `policy` is a
 * policy alone. null, [] and {} say nothing. Whether a name is an option is for its reader to say.
 */
#ifndef SGL_CLI_CONFIG_JSON_H
#define SGL_CLI_CONFIG_JSON_H

#include "core/failure.h"

#include <stdbool.h>
#include <stddef.h>

bool sgl_config_is_json(const char *text);

/* Lines into `out`, with its final zero. The failure text tells the place within the file. */
int sgl_config_of_json(const char *text, char *out, size_t size, struct sgl_failure *failure);

#endif
