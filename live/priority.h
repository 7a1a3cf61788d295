/*
 * priority.h - the router's own field in a body: "priority": "high" | "normal" | "low".
 *
 *      {"text": "Hello", "priority": "high", "stream": true}
 *                        ^------- cut ------^
 *      {"text": "Hello",  "stream": true}              what the worker gets
 *
 * Servers take a number there, or nothing, so a word is cut out of what is forwarded; all other
 * bytes stay what they were. Only the outermost object is looked at, and in it the first member of
 * that name; a number, another word, or a text that is no JSON is left alone.
 */
#ifndef SGL_LIVE_PRIORITY_H
#define SGL_LIVE_PRIORITY_H

#include "core/request.h"

#include <stdbool.h>

struct sgl_priority_member {
    enum sgl_priority priority;
    size_t begin; /* of what to cut, one comma included */
    size_t end;
};

bool sgl_priority_find(const char *body, size_t size, struct sgl_priority_member *member);

#endif
