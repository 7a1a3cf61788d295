#include "sink.h"

static void tee_input(struct sgl_sink *self, uint64_t sequence, const struct sgl_input *input)
{
    const struct sgl_tee *tee = (const struct sgl_tee *)self;

    for (uint32_t i = 0; i < tee->sink_count; i++)
        if (tee->sinks[i]->ops->input != NULL &&
            (tee->sinks[i]->ignores & SGL_INPUT_BIT(input->kind)) == 0)
            tee->sinks[i]->ops->input(tee->sinks[i], sequence, input);
}

static void tee_decision(struct sgl_sink *self, const struct sgl_decision *decision,
                         const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    const struct sgl_tee *tee = (const struct sgl_tee *)self;

    for (uint32_t i = 0; i < tee->sink_count; i++)
        if (tee->sinks[i]->ops->decision != NULL)
            tee->sinks[i]->ops->decision(tee->sinks[i], decision, candidates, candidate_count);
}

static void tee_outcome(struct sgl_sink *self, const struct sgl_outcome_record *record)
{
    const struct sgl_tee *tee = (const struct sgl_tee *)self;

    for (uint32_t i = 0; i < tee->sink_count; i++)
        if (tee->sinks[i]->ops->outcome != NULL)
            tee->sinks[i]->ops->outcome(tee->sinks[i], record);
}

static void tee_gaps(struct sgl_sink *self, const struct sgl_gaps *gaps)
{
    const struct sgl_tee *tee = (const struct sgl_tee *)self;

    for (uint32_t i = 0; i < tee->sink_count; i++)
        if (tee->sinks[i]->ops->gaps != NULL)
            tee->sinks[i]->ops->gaps(tee->sinks[i], gaps);
}

static const struct sgl_sink_ops tee_ops = {
    .input = tee_input,
    .decision = tee_decision,
    .outcome = tee_outcome,
    .gaps = tee_gaps,
};

void sgl_tee_init(struct sgl_tee *tee, struct sgl_sink *const *sinks, uint32_t sink_count)
{
    tee->sink = (struct sgl_sink){.ops = &tee_ops, .ignores = UINT32_MAX};
    tee->sinks = sinks;
    tee->sink_count = sink_count;
    for (uint32_t i = 0; i < sink_count; i++) {
        tee->sink.wants_candidates |= sinks[i]->wants_candidates;
        tee->sink.wants_gaps |= sinks[i]->wants_gaps;
        tee->sink.ignores &= sinks[i]->ignores;
    }
}
