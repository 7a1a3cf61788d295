#include "emulator.h"

#include "sim/worker_model.h"

#include <stdlib.h>
#include <string.h>

struct sgl_emulator {
    const struct sgl_worker_model_spec *spec;
    const struct sgl_worker_model_ops *ops;
    void *state;
    void (*hear)(void *context, const struct sgl_emulated_event *event);
    void *context;
    int64_t now_ns; /* of the advance under way */
    double factor;  /* of its steps */
    bool is_scheduling;
    bool is_freed; /* somebody was cancelled: work may start between events */
};

static void tell(void *context, uint32_t handle, int64_t tokens);

static void emit(void *context, const struct sgl_worker_event *event)
{
    struct sgl_emulator *self = context;

    switch (event->kind) {
    case SGL_WORKER_FIRST_TOKEN:
        /* Of a step, it is told with the tokens of all. A decode leg brings its first one. */
        if (self->is_scheduling)
            tell(self, event->handle, 1);
        break;
    case SGL_WORKER_FINISH:
        self->hear(self->context, &(struct sgl_emulated_event){
                                      .kind = SGL_EMULATED_FINISH,
                                      .handle = event->handle,
                                      .time_ns = event->time_ns,
                                      .tokens = event->output_tokens,
                                      .started_ns = event->started_ns,
                                      .cached_tokens = event->cached_tokens,
                                  });
        break;
    case SGL_WORKER_REJECT:
        self->hear(self->context, &(struct sgl_emulated_event){
                                      .kind = SGL_EMULATED_REJECT,
                                      .handle = event->handle,
                                      .time_ns = event->time_ns,
                                      .error = event->error,
                                  });
        break;
    case SGL_WORKER_FORGET:
        self->hear(self->context, &(struct sgl_emulated_event){
                                      .kind = SGL_EMULATED_FORGET,
                                      .handle = event->handle,
                                      .time_ns = event->time_ns,
                                  });
        break;
    }
}

static void tell(void *context, uint32_t handle, int64_t tokens)
{
    struct sgl_emulator *self = context;

    self->hear(self->context, &(struct sgl_emulated_event){
                                  .kind = SGL_EMULATED_TOKENS,
                                  .handle = handle,
                                  .time_ns = self->now_ns,
                                  .tokens = tokens,
                              });
}

static int schedule(struct sgl_emulator *self, int64_t now_ns, struct sgl_failure *failure)
{
    self->now_ns = now_ns;
    self->is_scheduling = true;
    const int status = self->ops->schedule(self->state, now_ns, failure);
    self->is_scheduling = false;
    return status;
}

static int start(struct sgl_emulator *self, struct sgl_failure *failure)
{
    const struct sgl_worker_model_setup setup = {
        .spec = self->spec, .stepwise = true, .emit = emit, .context = self};

    self->state = calloc(1, self->ops->state_size);
    if (self->state == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    return self->ops->create(self->state, &setup, failure);
}

static void end(struct sgl_emulator *self)
{
    if (self->state != NULL)
        self->ops->destroy(self->state);
    free(self->state);
    self->state = NULL;
}

int sgl_emulator_create(struct sgl_emulator **emulator_out,
                        const struct sgl_worker_model_spec *spec,
                        void (*hear)(void *context, const struct sgl_emulated_event *event),
                        void *context, struct sgl_failure *failure)
{
    struct sgl_emulator *self = calloc(1, sizeof *self);

    *emulator_out = NULL;
    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "out of memory");
    self->spec = spec;
    self->ops = spec->ops;
    self->hear = hear;
    self->context = context;
    self->factor = 1;
    int status = SGL_OK;
    if (self->ops->tokens == NULL || self->ops->cancel == NULL)
        status = sgl_fail(failure, SGL_EINVAL, "the model %s gives no tokens, expected batching",
                          self->ops->name);
    else
        status = start(self, failure);
    if (status != SGL_OK) {
        sgl_emulator_destroy(self);
        return status;
    }
    *emulator_out = self;
    return SGL_OK;
}

void sgl_emulator_destroy(struct sgl_emulator *emulator)
{
    if (emulator == NULL)
        return;
    end(emulator);
    free(emulator);
}

int sgl_emulator_run(struct sgl_emulator *emulator, int64_t now_ns, struct sgl_failure *failure)
{
    int status = SGL_OK;
    int64_t next_ns;

    while (status == SGL_OK &&
           (next_ns = emulator->ops->next_event_ns(emulator->state)) <= now_ns) {
        emulator->now_ns = next_ns;
        emulator->ops->advance(emulator->state, next_ns);
        emulator->ops->tokens(emulator->state, tell, emulator);
        status = schedule(emulator, next_ns, failure);
    }
    if (status == SGL_OK && emulator->is_freed) {
        emulator->is_freed = false;
        status = schedule(emulator, now_ns, failure);
    }
    return status;
}

int sgl_emulator_submit(struct sgl_emulator *emulator, const struct sgl_emulated_job *job,
                        int64_t now_ns, struct sgl_failure *failure)
{
    static const enum sgl_leg legs[] = {
        [SGL_EMULATED_WHOLE] = SGL_LEG_WHOLE,
        [SGL_EMULATED_PREFILL] = SGL_LEG_PREFILL,
        [SGL_EMULATED_DECODE] = SGL_LEG_DECODE,
    };
    const struct sgl_request request = {
        .arrival_ns = now_ns,
        .prompt_tokens = job->prompt_tokens,
        .max_tokens = job->max_tokens,
        .priority = SGL_PRIORITY_NORMAL,
        .prefix_ids = job->prefix_ids,
        .prefix_count = job->prefix_count,
        .prefix_block = job->prefix_block,
    };
    const struct sgl_recorded recorded = {0};
    const int status = emulator->ops->arrive(emulator->state,
                                             &(struct sgl_job){
                                                 .handle = job->handle,
                                                 .arrival_ns = now_ns,
                                                 .max_tokens = job->max_tokens,
                                                 .output_tokens = job->max_tokens,
                                                 .leg = legs[job->leg],
                                                 .request = &request,
                                                 .recorded = &recorded,
                                             },
                                             failure);

    return status == SGL_OK ? schedule(emulator, now_ns, failure) : status;
}

bool sgl_emulator_cancel(struct sgl_emulator *emulator, uint32_t handle, int64_t now_ns)
{
    emulator->is_freed = true;
    return emulator->ops->cancel(emulator->state, now_ns, handle);
}

void sgl_emulator_slow(struct sgl_emulator *emulator, double factor, int64_t now_ns)
{
    emulator->factor = factor;
    emulator->ops->slow(emulator->state, now_ns, factor);
}

int sgl_emulator_reset(struct sgl_emulator *emulator, struct sgl_failure *failure)
{
    end(emulator);
    const int status = start(emulator, failure);
    if (status == SGL_OK && emulator->factor != 1)
        emulator->ops->slow(emulator->state, 0, emulator->factor);
    return status;
}

int64_t sgl_emulator_next_ns(const struct sgl_emulator *emulator)
{
    return emulator->ops->next_event_ns(emulator->state);
}

void sgl_emulator_load(const struct sgl_emulator *emulator, struct sgl_emulated_load *load_out)
{
    struct sgl_worker_load load;

    emulator->ops->load(emulator->state, &load);
    *load_out = (struct sgl_emulated_load){
        .queue_length = load.queue_length,
        .running = load.running,
        .token_usage = load.token_usage,
    };
}

double sgl_emulator_parameter(const struct sgl_emulator *emulator, const char *name)
{
    const struct sgl_parameter *table = emulator->ops->parameters;

    for (size_t i = 0; table[i].name != NULL; i++)
        if (strcmp(table[i].name, name) == 0)
            return emulator->spec->parameters.value[i];
    return SGL_ABSENT_REAL;
}
