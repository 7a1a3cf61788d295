#include "after_warm_up.h"

static bool is_of_request(enum sgl_input_kind kind)
{
    return kind == SGL_INPUT_ROUTE || kind == SGL_INPUT_FIRST_TOKEN || kind == SGL_INPUT_COMPLETE ||
           kind == SGL_INPUT_CANCEL || kind == SGL_INPUT_REJECT;
}

static void hear_input(struct sgl_sink *sink, uint64_t sequence, const struct sgl_input *input)
{
    struct sgl_after_warm_up *self = (struct sgl_after_warm_up *)sink;

    if (input->kind == SGL_INPUT_ROUTE && input->request >= self->first &&
        input->route.request->arrival_ns < self->from_ns)
        self->first = input->request + 1;
    if (self->heard->ops->input == NULL ||
        (self->heard->ignores & SGL_INPUT_BIT(input->kind)) != 0 ||
        (is_of_request(input->kind) && input->request < self->first))
        return;
    self->heard->ops->input(self->heard, sequence, input);
}

static void hear_decision(struct sgl_sink *sink, const struct sgl_decision *decision,
                          const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    struct sgl_after_warm_up *self = (struct sgl_after_warm_up *)sink;

    if (self->heard->ops->decision != NULL && decision->request >= self->first)
        self->heard->ops->decision(self->heard, decision, candidates, candidate_count);
}

static void hear_outcome(struct sgl_sink *sink, const struct sgl_outcome_record *record)
{
    struct sgl_after_warm_up *self = (struct sgl_after_warm_up *)sink;

    if (self->heard->ops->outcome != NULL && record->request >= self->first)
        self->heard->ops->outcome(self->heard, record);
}

static void hear_gaps(struct sgl_sink *sink, const struct sgl_gaps *gaps)
{
    struct sgl_after_warm_up *self = (struct sgl_after_warm_up *)sink;

    if (self->heard->ops->gaps != NULL && !gaps->is_warm_up)
        self->heard->ops->gaps(self->heard, gaps);
}

static const struct sgl_sink_ops after_warm_up_ops = {
    .input = hear_input,
    .decision = hear_decision,
    .outcome = hear_outcome,
    .gaps = hear_gaps,
};

void sgl_after_warm_up_init(struct sgl_after_warm_up *self, struct sgl_sink *heard, int64_t first)
{
    *self = (struct sgl_after_warm_up){
        .sink = {.ops = &after_warm_up_ops,
                 .wants_candidates = heard->wants_candidates,
                 .wants_gaps = heard->wants_gaps,
                 .ignores = heard->ignores & ~SGL_INPUT_BIT(SGL_INPUT_ROUTE)},
        .heard = heard,
        .first = first,
    };
}
