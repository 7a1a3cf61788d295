/*
 * policy_json.h - a policy as SGLang's routers write it in JSON, beside our name:key=value.
 *
 *     {"type": "cache_aware", "cache_threshold": 0.3, "eviction_interval_secs": 60}
 *     -> cache_aware:cache_threshold=0.3,eviction_interval_s=60
 *
 * Sources: PolicyConfig in sgl-router/src/config/types.rs of SGLang, and that of its fork with
 * marginal_utility (min_history_for_trend is our min_history). Members that no parameter stands for
 * are errors that say what to give instead; a null is as good as absent.
 */
#ifndef SGL_CLI_POLICY_JSON_H
#define SGL_CLI_POLICY_JSON_H

#include "core/policy.h"

#include <jansson.h>
#include <stdbool.h>

/* Is this text meant as JSON? */
bool sgl_policy_is_json(const char *text);

/* The policy of an object, as name:key=value; the caller frees it. NULL: a failure is told. */
char *sgl_policy_of_json(const json_t *object, struct sgl_failure *failure);

/* Whatever --policy was given, as name:key=value; the caller frees it. NULL: a failure is told. */
char *sgl_policy_text(const char *given, struct sgl_failure *failure);

/* sgl_policy_parse for either form. */
int sgl_policy_read(struct sgl_policy_spec *spec, const char *given, struct sgl_failure *failure);

#endif
