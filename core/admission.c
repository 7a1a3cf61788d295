#include "admission.h"

#include "absent.h"
#include "failure.h"

#define NO_PLACE UINT32_MAX

/* One that waits. Places are numbered; free ones are chained by `later`. */
struct waiter {
    uint64_t ticket;
    int64_t until_ns;
    enum sgl_priority priority;
    uint32_t earlier;
    uint32_t later;
};

struct line {
    uint32_t first;
    uint32_t last;
};

struct sgl_admission {
    struct sgl_admission_options options;
    const struct sgl_allocator *allocator;
    struct sgl_token_bucket bucket;
    int64_t running;
    struct waiter *places;
    uint32_t free;
    uint32_t waiting;
    struct line lines[SGL_PRIORITY_COUNT];
};

struct sgl_admission_options sgl_admission_standard(void)
{
    return (struct sgl_admission_options){
        .concurrency_max = -1,
        .queue_max = 100,
        .timeout_ns = 60 * SGL_NANOSECONDS_PER_SECOND,
    };
}

int sgl_admission_create(struct sgl_admission **admission_out,
                         const struct sgl_admission_options *options,
                         const struct sgl_allocator *allocator)
{
    struct sgl_admission *self = sgl_allocate(allocator, 1, sizeof *self);

    *admission_out = NULL;
    if (self == NULL)
        return SGL_ENOMEM;
    self->options = *options;
    self->allocator = allocator;
    self->free = NO_PLACE;
    for (int priority = 0; priority < SGL_PRIORITY_COUNT; priority++)
        self->lines[priority] = (struct line){NO_PLACE, NO_PLACE};
    if (options->queue_max > 0) {
        self->places = sgl_allocate(allocator, options->queue_max, sizeof *self->places);
        if (self->places == NULL) {
            sgl_resize(allocator, self, 0);
            return SGL_ENOMEM;
        }
    }
    for (uint32_t place = options->queue_max; place > 0; place--) {
        self->places[place - 1].later = self->free;
        self->free = place - 1;
    }
    *admission_out = self;
    return SGL_OK;
}

void sgl_admission_destroy(struct sgl_admission *admission)
{
    if (admission == NULL)
        return;
    sgl_resize(admission->allocator, admission->places, 0);
    sgl_resize(admission->allocator, admission, 0);
}

static bool has_room(const struct sgl_admission *self)
{
    return self->options.concurrency_max < 0 || self->running < self->options.concurrency_max;
}

static bool has_token(const struct sgl_admission *self, int64_t now_ns)
{
    return sgl_token_bucket_ready_ns(&self->bucket, &self->options.rate, now_ns) == now_ns;
}

static void run(struct sgl_admission *self, int64_t now_ns)
{
    sgl_token_bucket_take(&self->bucket, &self->options.rate, now_ns);
    self->running++;
}

static bool is_overtaking(const struct sgl_admission *self, enum sgl_priority priority)
{
    for (int before = 0; before <= (int)priority; before++)
        if (self->lines[before].first != NO_PLACE)
            return true;
    return false;
}

enum sgl_admission_verdict sgl_admission_ask(struct sgl_admission *admission, int64_t now_ns,
                                             enum sgl_priority priority, uint64_t ticket,
                                             uint32_t *place_out)
{
    struct line *line = &admission->lines[priority];
    const uint32_t place = admission->free;

    if (has_room(admission) && has_token(admission, now_ns) &&
        !is_overtaking(admission, priority)) {
        run(admission, now_ns);
        return SGL_ADMISSION_RUN;
    }
    if (place == NO_PLACE)
        return SGL_ADMISSION_FULL;
    admission->free = admission->places[place].later;
    admission->places[place] = (struct waiter){
        .ticket = ticket,
        .until_ns = now_ns + admission->options.timeout_ns,
        .priority = priority,
        .earlier = line->last,
        .later = NO_PLACE,
    };
    if (line->last != NO_PLACE)
        admission->places[line->last].later = place;
    else
        line->first = place;
    line->last = place;
    admission->waiting++;
    *place_out = place;
    return SGL_ADMISSION_WAIT;
}

void sgl_admission_done(struct sgl_admission *admission)
{
    admission->running--;
}

void sgl_admission_withdraw(struct sgl_admission *admission, uint32_t place)
{
    struct waiter *waiter = &admission->places[place];
    struct line *line = &admission->lines[waiter->priority];

    if (waiter->earlier != NO_PLACE)
        admission->places[waiter->earlier].later = waiter->later;
    else
        line->first = waiter->later;
    if (waiter->later != NO_PLACE)
        admission->places[waiter->later].earlier = waiter->earlier;
    else
        line->last = waiter->earlier;
    waiter->later = admission->free;
    admission->free = place;
    admission->waiting--;
}

/* Within a line the first to come is the first to time out. */
static uint32_t timed_out(const struct sgl_admission *self, int64_t now_ns)
{
    for (int priority = 0; priority < SGL_PRIORITY_COUNT; priority++) {
        const uint32_t first = self->lines[priority].first;
        if (first != NO_PLACE && self->places[first].until_ns <= now_ns)
            return first;
    }
    return NO_PLACE;
}

static uint32_t runnable(const struct sgl_admission *self, int64_t now_ns)
{
    if (!has_room(self) || !has_token(self, now_ns))
        return NO_PLACE;
    for (int priority = 0; priority < SGL_PRIORITY_COUNT; priority++)
        if (self->lines[priority].first != NO_PLACE)
            return self->lines[priority].first;
    return NO_PLACE;
}

bool sgl_admission_next(struct sgl_admission *admission, int64_t now_ns, uint64_t *ticket_out,
                        enum sgl_admission_verdict *verdict_out)
{
    uint32_t place = timed_out(admission, now_ns);

    *verdict_out = SGL_ADMISSION_TIMED_OUT;
    if (place == NO_PLACE) {
        place = runnable(admission, now_ns);
        *verdict_out = SGL_ADMISSION_RUN;
    }
    if (place == NO_PLACE)
        return false;
    *ticket_out = admission->places[place].ticket;
    sgl_admission_withdraw(admission, place);
    if (*verdict_out == SGL_ADMISSION_RUN)
        run(admission, now_ns);
    return true;
}

int64_t sgl_admission_wake_ns(const struct sgl_admission *admission, int64_t now_ns)
{
    int64_t wake_ns = INT64_MAX;

    for (int priority = 0; priority < SGL_PRIORITY_COUNT; priority++) {
        const uint32_t first = admission->lines[priority].first;
        if (first != NO_PLACE && admission->places[first].until_ns < wake_ns)
            wake_ns = admission->places[first].until_ns;
    }
    if (wake_ns == INT64_MAX)
        return SGL_ABSENT;
    if (has_room(admission)) {
        const int64_t ready_ns =
            sgl_token_bucket_ready_ns(&admission->bucket, &admission->options.rate, now_ns);
        if (ready_ns < wake_ns)
            wake_ns = ready_ns;
    }
    return wake_ns;
}

const char *sgl_admission_full_word(const struct sgl_admission *admission)
{
    return has_room(admission) ? "rate_limited" : "queue_full";
}

int64_t sgl_admission_retry_after_s(const struct sgl_admission *admission, int64_t now_ns)
{
    const int64_t wait_ns =
        sgl_token_bucket_ready_ns(&admission->bucket, &admission->options.rate, now_ns) - now_ns;

    return wait_ns > SGL_NANOSECONDS_PER_SECOND
               ? (wait_ns + SGL_NANOSECONDS_PER_SECOND - 1) / SGL_NANOSECONDS_PER_SECOND
               : 1;
}

int64_t sgl_admission_running(const struct sgl_admission *admission)
{
    return admission->running;
}

uint32_t sgl_admission_waiting(const struct sgl_admission *admission)
{
    return admission->waiting;
}
