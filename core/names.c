/* Texts of every enum that a log or a file shows, whose rows are the X-macros of the headers; and
 * the values in which nothing is known. */
#include "decision.h"
#include "input.h"
#include "reason.h"
#include "request.h"

#include <string.h>

#define NAME(upper, lower) #lower,
#define NAME_OF_THREE(upper, lower, meaning) #lower,
#define MEANING_OF_THREE(upper, lower, meaning) meaning,

static const char *const pool_names[] = {SGL_POOL_MAP(NAME)};
static const char *const priority_names[] = {SGL_PRIORITY_MAP(NAME)};
static const char *const input_names[] = {SGL_INPUT_MAP(NAME)};
static const char *const reason_names[] = {SGL_REASON_MAP(NAME_OF_THREE)};
static const char *const reason_meanings[] = {SGL_REASON_MAP(MEANING_OF_THREE)};

/* Index of `name` among `count` names, or `count`. */
static unsigned find(const char *const *names, unsigned count, const char *name)
{
    unsigned i = 0;

    while (i < count && strcmp(names[i], name) != 0)
        i++;
    return i;
}

const char *sgl_pool_name(enum sgl_pool pool)
{
    return pool_names[pool];
}

enum sgl_pool sgl_pool_named(const char *name)
{
    return find(pool_names, SGL_POOL_COUNT, name);
}

const char *sgl_priority_name(enum sgl_priority priority)
{
    return priority_names[priority];
}

enum sgl_priority sgl_priority_named(const char *name)
{
    return find(priority_names, SGL_PRIORITY_COUNT, name);
}

const char *sgl_input_name(enum sgl_input_kind kind)
{
    return input_names[kind];
}

enum sgl_input_kind sgl_input_named(const char *name)
{
    return find(input_names, SGL_INPUT_COUNT, name);
}

const char *sgl_reason_name(enum sgl_reason reason)
{
    return reason_names[reason];
}

const char *sgl_reason_meaning(enum sgl_reason reason)
{
    return reason_meanings[reason];
}

enum sgl_reason sgl_reason_named(const char *name)
{
    return find(reason_names, SGL_REASON_COUNT, name);
}

struct sgl_outcome sgl_outcome_absent(void)
{
    return (struct sgl_outcome){
        .queue_time_ns = SGL_ABSENT,
        .ttft_ns = SGL_ABSENT,
        .e2e_ns = SGL_ABSENT,
        .prompt_tokens = SGL_ABSENT,
        .output_tokens = SGL_ABSENT,
        .cached_tokens = SGL_ABSENT,
        .queue_length = SGL_ABSENT,
        .reported_ns = SGL_ABSENT,
    };
}

struct sgl_candidate sgl_candidate_absent(uint32_t worker)
{
    return (struct sgl_candidate){
        .worker = worker,
        .score = SGL_ABSENT_REAL,
        .throughput_gradient = SGL_ABSENT_REAL,
        .latency_gradient = SGL_ABSENT_REAL,
        .outstanding = SGL_ABSENT,
        .queue_length = SGL_ABSENT,
        .queue_age_ns = SGL_ABSENT,
        .matched_fraction = SGL_ABSENT_REAL,
        .avg_throughput_tps = SGL_ABSENT_REAL,
        .avg_latency_s = SGL_ABSENT_REAL,
        .window_size = SGL_ABSENT,
    };
}
