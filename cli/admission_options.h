/*
 * admission_options.h - who is let in: how many requests at once, how many wait, how often. The
 * same rows for `serve` and for every command that simulates.
 *
 *     struct sgl_admission_flags flags;
 *
 *     sgl_admission_flags_init(&flags);
 *     const struct sgl_option table[] = {..., SGL_ADMISSION_ROWS(flags), ..., {0}};
 *     sgl_admission_flags_resolve(&flags, &admission)
 *
 * Names and standards are those of SGLang's routers.
 */
#ifndef SGL_CLI_ADMISSION_OPTIONS_H
#define SGL_CLI_ADMISSION_OPTIONS_H

#include "cli/options.h"
#include "core/admission.h"

struct sgl_admission_flags {
    const char *max_concurrent_requests;
    uint64_t queue_size;
    double queue_timeout_s;
    double rate_limit; /* requests per second; NaN: none */
};

/* clang-format off */
#define SGL_ADMISSION_ROWS(flags)                                                                  \
    {"max-concurrent-requests", 0, SGL_OPTION_TEXT, "N|-1", &(flags).max_concurrent_requests,      \
     "requests under way at once; more wait in a queue; -1: no limit", 0},                         \
    {"queue-size", 0, SGL_OPTION_NATURAL, "N", &(flags).queue_size,                                \
     "of that queue; beyond it 429 with Retry-After; 0: nobody waits", 0},                         \
    {"queue-timeout-secs", 0, SGL_OPTION_POSITIVE, "S", &(flags).queue_timeout_s,                  \
     "of waiting in it, then 408", 0},                                                             \
    {"rate-limit-tokens-per-second", 0, SGL_OPTION_POSITIVE, "X", &(flags).rate_limit,             \
     "requests per second (bursts of a second's worth)", 0}
/* clang-format on */

void sgl_admission_flags_init(struct sgl_admission_flags *flags);

/* False after a complaint. */
bool sgl_admission_flags_resolve(const struct sgl_admission_flags *flags,
                                 struct sgl_admission_options *admission);

/* So many requests per second, in bursts of what a second brings; NaN: no limit. */
struct sgl_token_rate sgl_admission_rate(double per_second);

/* Is anybody ever kept waiting or refused? */
bool sgl_admission_is_limited(const struct sgl_admission_options *admission);

/* "at most 200 at once, 50 requests/s, 100 wait up to 60 s". */
const char *sgl_admission_text(const struct sgl_admission_options *admission, char *out,
                               size_t size);

#endif
