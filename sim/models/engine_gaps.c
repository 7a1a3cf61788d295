/* Gaps between the tokens that running jobs give (engine.h draws them). */
#include "sim/models/engine.h"

#include <assert.h>
#include <stdlib.h>

#define PS_PER_NS 1000
/* Longer ones count as this long: what a counter tells apart ends before. */
#define GAP_NS_MAX (INT64_C(1) << 53)
#define COHORTS_FIRST 4

static int64_t between_ps(struct sgl_moment earlier, struct sgl_moment later)
{
    const int64_t ns = later.ns - earlier.ns;

    if (ns >= GAP_NS_MAX)
        return GAP_NS_MAX * PS_PER_NS;
    return ns * PS_PER_NS + later.ps - earlier.ps;
}

static bool is_same(struct sgl_moment one, struct sgl_moment other)
{
    return one.ns == other.ns && one.ps == other.ps;
}

static struct sgl_engine_cohort *add_cohort(struct sgl_engine_gaps *gaps)
{
    if (gaps->cohort_count == gaps->cohort_capacity) {
        const uint32_t capacity =
            gaps->cohort_capacity > 0 ? 2 * gaps->cohort_capacity : COHORTS_FIRST;
        struct sgl_engine_cohort *cohorts = realloc(gaps->cohorts, capacity * sizeof *cohorts);
        if (cohorts == NULL) {
            gaps->counter->is_out_of_memory = true;
            return NULL;
        }
        gaps->cohorts = cohorts;
        gaps->cohort_capacity = capacity;
    }
    return &gaps->cohorts[gaps->cohort_count++];
}

void sgl_engine_gaps_join(struct sgl_engine *engine, uint32_t job, struct sgl_moment token)
{
    struct sgl_engine_gaps *gaps = &engine->gaps;
    const uint64_t admission = sgl_engine_at(engine, job)->admission;

    if (gaps->cohort_count > 0) {
        struct sgl_engine_cohort *last = &gaps->cohorts[gaps->cohort_count - 1];
        assert(admission > last->first_admission || last->first_admission == 0);
        if (is_same(last->token, token)) {
            last->count++;
            return;
        }
    }
    struct sgl_engine_cohort *cohort = add_cohort(gaps);
    if (cohort != NULL)
        *cohort = (struct sgl_engine_cohort){token, admission, 1};
}

int sgl_engine_gaps_withdraw(struct sgl_engine *engine, uint32_t job)
{
    struct sgl_engine_gaps *gaps = &engine->gaps;
    uint32_t i = gaps->cohort_count;

    if (gaps->withdrawn == NULL)
        gaps->withdrawn = calloc(engine->room, sizeof *gaps->withdrawn);
    if (gaps->withdrawn == NULL || gaps->counter->is_out_of_memory)
        return SGL_ENOMEM;
    do {
        assert(i > 0);
        i--;
    } while (i > 0 && gaps->cohorts[i].first_admission > sgl_engine_at(engine, job)->admission);
    assert(gaps->cohorts[i].count > 0);
    gaps->cohorts[i].count--;
    gaps->withdrawn[job] = gaps->cohorts[i].token;
    return SGL_OK;
}

void sgl_engine_gaps_resume(struct sgl_engine *engine, uint32_t job)
{
    sgl_gap_counter_add(engine->gaps.counter, between_ps(engine->gaps.withdrawn[job], engine->end),
                        1);
}

/* The first step of the leap: each job has waited since its own last token. */
static void count_first(struct sgl_engine *engine)
{
    const struct sgl_engine_gaps *gaps = &engine->gaps;
    const struct sgl_moment token = sgl_moment_after(engine->start, engine->leap.base_ps);

    for (uint32_t i = 0; i < gaps->cohort_count; i++)
        if (gaps->cohorts[i].count > 0)
            sgl_gap_counter_add(gaps->counter, between_ps(gaps->cohorts[i].token, token),
                                gaps->cohorts[i].count);
}

void sgl_engine_gaps_count(struct sgl_engine *engine, int64_t steps)
{
    struct sgl_engine_gaps *gaps = &engine->gaps;

    if (steps <= gaps->counted)
        return;
    /* Mostly nothing came between: then the first step is like the others. */
    if (gaps->counted == 0 &&
        (gaps->cohort_count != 1 || !is_same(gaps->cohorts[0].token, engine->start))) {
        count_first(engine);
        gaps->counted = 1;
    }
    sgl_gap_counter_add_steps(gaps->counter, engine->leap, gaps->counted, steps,
                              engine->running.count);
    gaps->counted = steps;
}

void sgl_engine_gaps_end(struct sgl_engine *engine)
{
    struct sgl_engine_gaps *gaps = &engine->gaps;

    gaps->counted = 0;
    gaps->cohort_count = 0;
    if (engine->running.count == 0)
        return;
    struct sgl_engine_cohort *cohort = add_cohort(gaps);
    if (cohort != NULL)
        *cohort = (struct sgl_engine_cohort){engine->end, 0, engine->running.count};
}

void sgl_engine_gaps_settle(void *state, int64_t now_ns)
{
    struct sgl_engine *self = state;

    if (self->gaps.counter == NULL || !self->is_stepping || !self->is_decoding)
        return;
    sgl_engine_gaps_count(self, (int64_t)(sgl_engine_steps(self, now_ns) - self->steps));
}
