#include "generator.h"

#include "core/absent.h"
#include "traces/digest.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LATEST_S 1e9 /* from here on a number in a trace counts from 1970 */

const struct sgl_parameter sgl_generator_prefixes[] = {
    [SGL_PREFIX_SYSTEM] = {"system", SGL_PARAMETER_INTEGER, 8, 1, 1048576, NULL,
                           "different system prompts"},
    [SGL_PREFIX_ZIPF] = {"zipf", SGL_PARAMETER_REAL, 1, 0, 20, NULL,
                         "how unequal their popularity: 0 is uniform"},
    [SGL_PREFIX_BLOCKS] = {"blocks", SGL_PARAMETER_INTEGER, 2, 1, 1024, NULL,
                           "length of each, in blocks"},
    {0},
};

const struct sgl_parameter sgl_generator_sessions[] = {
    [SGL_SESSION_TURNS] = {"turns", SGL_PARAMETER_REAL, 4, 1, 1000, NULL, "mean number of turns"},
    [SGL_SESSION_THINK_S] = {"think_s", SGL_PARAMETER_REAL, 10, 0, 1e6, NULL,
                             "mean time between an answer and the next turn, s"},
    [SGL_SESSION_TPOT_MS] = {"tpot_ms", SGL_PARAMETER_REAL, 20, 0, 1e4, NULL,
                             "assumed time per output token, ms"},
    [SGL_SESSION_MAX_CONTEXT] = {"max_context", SGL_PARAMETER_INTEGER, 131072, 2, SGL_LENGTH_MOST,
                                 NULL, "no further turn whose prompt + output exceed it, tokens"},
    {0},
};

/* Parts of a purpose: the word of the key called pool. */
enum { LENGTH_PROMPT, LENGTH_OUTPUT, LENGTH_SHARED };
enum { PREFIX_CHOICE, PREFIX_SYSTEM_BLOCK, PREFIX_OWN_BLOCK };
enum { SESSION_TURNS, SESSION_THINK };

struct turn {
    double arrival_s;
    int64_t session;
    uint32_t turn; /* from 0 */
    uint32_t turn_count;
    int64_t prompt_tokens;
    int64_t new_tokens;
    int64_t output_tokens;
    int64_t shared_tokens; /* prompt tokens of the turn before, in whole blocks */
};

struct sgl_generator {
    struct sgl_source source;
    struct sgl_generator_options options;
    struct sgl_rng arrivals;
    double start_s; /* when the next session begins */
    int64_t first_ns;
    struct turn *heap;
    size_t heap_count;
    size_t heap_capacity;
    double *popularity; /* of system prompts, cumulative; NULL: there are none */
    bool *is_known;     /* system prompt i has been in a row */
    uint64_t *ids;
    size_t id_capacity;
    char session[24];
    struct sgl_generator_facts facts;
};

static int source_next(struct sgl_source *source, struct sgl_trace_row *row_out,
                       struct sgl_failure *failure)
{
    return sgl_generator_next((struct sgl_generator *)source, row_out, failure);
}

static const struct sgl_source_ops ops = {.next = source_next};

static struct sgl_rng keyed(const struct sgl_generator *self, enum sgl_purpose purpose,
                            uint32_t part, int64_t session, uint32_t turn)
{
    return sgl_rng_stream(self->options.seed, purpose, part, session, turn);
}

static bool is_before(const struct turn *left, const struct turn *right)
{
    if (left->arrival_s != right->arrival_s)
        return left->arrival_s < right->arrival_s;
    return left->session < right->session;
}

static int push(struct sgl_generator *self, const struct turn *turn, struct sgl_failure *failure)
{
    if (self->heap_count == self->heap_capacity) {
        const size_t capacity = 2 * self->heap_capacity + 64;
        struct turn *grown = realloc(self->heap, capacity * sizeof *grown);
        if (grown == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "no memory for the sessions that go on");
        self->heap = grown;
        self->heap_capacity = capacity;
    }
    size_t at = self->heap_count++;
    for (; at > 0 && is_before(turn, &self->heap[(at - 1) / 2]); at = (at - 1) / 2)
        self->heap[at] = self->heap[(at - 1) / 2];
    self->heap[at] = *turn;
    return SGL_OK;
}

static struct turn pop(struct sgl_generator *self)
{
    const struct turn top = self->heap[0];
    const struct turn last = self->heap[--self->heap_count];
    size_t at = 0;

    for (size_t child = 1; child < self->heap_count; child = 2 * at + 1) {
        if (child + 1 < self->heap_count && is_before(&self->heap[child + 1], &self->heap[child]))
            child++;
        if (!is_before(&self->heap[child], &last))
            break;
        self->heap[at] = self->heap[child];
        at = child;
    }
    self->heap[at] = last;
    return top;
}

static size_t system_blocks(const struct sgl_generator *self)
{
    const struct sgl_parameters *prefixes = self->options.prefixes;

    return prefixes != NULL ? (size_t)prefixes->value[SGL_PREFIX_BLOCKS] : 0;
}

/* The lengths of a turn whose session and number are set, after `context` tokens. */
static void draw_lengths(struct sgl_generator *self, struct turn *turn, int64_t context)
{
    const struct sgl_generator_options *options = &self->options;
    bool is_clamped = false;
    struct sgl_length_draws draws = {
        .own = keyed(self, SGL_PURPOSE_LENGTH, LENGTH_PROMPT, turn->session, turn->turn),
        .shared = keyed(self, SGL_PURPOSE_LENGTH, LENGTH_SHARED, turn->session, turn->turn),
    };

    turn->new_tokens = options->prompt->ops->draw(options->prompt, &draws, &is_clamped);
    turn->prompt_tokens = context + turn->new_tokens;
    self->facts.prompts_clamped += is_clamped;
    draws.own = keyed(self, SGL_PURPOSE_LENGTH, LENGTH_OUTPUT, turn->session, turn->turn);
    draws.shared = keyed(self, SGL_PURPOSE_LENGTH, LENGTH_SHARED, turn->session, turn->turn);
    is_clamped = false;
    turn->output_tokens = options->output->ops->draw(options->output, &draws, &is_clamped);
    self->facts.outputs_clamped += is_clamped;
    if (options->max_tokens > 0 && turn->output_tokens > options->max_tokens) {
        turn->output_tokens = options->max_tokens;
        self->facts.outputs_cut++;
    }
}

static struct turn begin_session(struct sgl_generator *self)
{
    struct turn turn = {
        .arrival_s = self->start_s,
        .session = (int64_t)self->facts.session_count++,
        .turn_count = 1,
    };

    if (self->options.sessions != NULL) {
        struct sgl_rng stream = keyed(self, SGL_PURPOSE_SESSION, SESSION_TURNS, turn.session, 0);
        turn.turn_count =
            sgl_rng_geometric(&stream, self->options.sessions->value[SGL_SESSION_TURNS]);
    }
    draw_lengths(self, &turn, (int64_t)system_blocks(self) * self->options.prefix_block);
    self->start_s =
        self->options.arrivals->ops->next(self->options.arrivals, &self->arrivals, self->start_s);
    return turn;
}

/* Puts the turn after this one on the heap, when there is one. */
static int schedule_next(struct sgl_generator *self, const struct turn *turn,
                         struct sgl_failure *failure)
{
    struct turn after = *turn;

    if (++after.turn >= turn->turn_count)
        return SGL_OK;
    const double *value = self->options.sessions->value;
    struct sgl_rng stream =
        keyed(self, SGL_PURPOSE_SESSION, SESSION_THINK, turn->session, after.turn);
    after.arrival_s += (double)turn->output_tokens * value[SGL_SESSION_TPOT_MS] / 1e3 +
                       sgl_rng_exponential(&stream, value[SGL_SESSION_THINK_S]);
    draw_lengths(self, &after, turn->prompt_tokens + turn->output_tokens);
    if ((double)(after.prompt_tokens + after.output_tokens) > value[SGL_SESSION_MAX_CONTEXT]) {
        self->facts.sessions_full++;
        return SGL_OK;
    }
    after.shared_tokens =
        turn->prompt_tokens / self->options.prefix_block * self->options.prefix_block;
    return push(self, &after, failure);
}

/* The ids of a turn into self->ids, and what earlier rows had of them into the facts. */
static int make_ids(struct sgl_generator *self, const struct turn *turn, size_t count,
                    struct sgl_failure *failure)
{
    struct sgl_digest chain = {0};
    size_t shared = 0;
    size_t system = 0;

    if (count > self->id_capacity) {
        uint64_t *grown = realloc(self->ids, 2 * count * sizeof *grown);
        if (grown == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "no memory for the prefix ids of a prompt");
        self->ids = grown;
        self->id_capacity = 2 * count;
    }
    if (self->popularity != NULL) {
        assert(self->options.prefixes != NULL);
        struct sgl_rng stream = keyed(self, SGL_PURPOSE_PREFIX, PREFIX_CHOICE, turn->session, 0);
        system = sgl_rng_zipf(&stream, self->popularity,
                              (size_t)self->options.prefixes->value[SGL_PREFIX_SYSTEM]);
        shared = system_blocks(self);
    }
    for (size_t i = 0; i < count; i++) {
        const struct sgl_rng content =
            i < shared
                ? keyed(self, SGL_PURPOSE_PREFIX, PREFIX_SYSTEM_BLOCK, (int64_t)system, (uint32_t)i)
                : keyed(self, SGL_PURPOSE_PREFIX, PREFIX_OWN_BLOCK, turn->session, (uint32_t)i);
        sgl_digest_word(&chain, content.state);
        self->ids[i] = chain.state;
    }
    if (turn->turn > 0)
        self->facts.shared_tokens += turn->shared_tokens;
    else if (shared > 0 && self->is_known[system])
        self->facts.shared_tokens += (int64_t)shared * self->options.prefix_block;
    if (shared > 0)
        self->is_known[system] = true;
    return SGL_OK;
}

static int make_row(struct sgl_generator *self, const struct turn *turn,
                    struct sgl_trace_row *row_out, struct sgl_failure *failure)
{
    const struct sgl_generator_options *options = &self->options;
    const bool has_ids = options->prefixes != NULL || options->sessions != NULL;
    const size_t id_count = has_ids ? (size_t)(turn->prompt_tokens / options->prefix_block) : 0;
    const int64_t arrival_ns = llround(turn->arrival_s * 1e9);
    int64_t max_tokens = SGL_ABSENT;

    if (self->facts.request_count == 0)
        self->first_ns = arrival_ns;
    if (options->max_factor > 0)
        max_tokens = (int64_t)ceil((double)turn->output_tokens * options->max_factor);
    else if (options->max_tokens > 0)
        max_tokens = options->max_tokens;
    if (has_ids) {
        const int status = make_ids(self, turn, id_count, failure);
        if (status != SGL_OK)
            return status;
    }
    if (options->sessions != NULL)
        snprintf(self->session, sizeof self->session, "s%lld", (long long)turn->session);
    *row_out = (struct sgl_trace_row){
        .request = {.request = (int64_t)self->facts.request_count++,
                    .arrival_ns = arrival_ns - self->first_ns,
                    .prompt_tokens = turn->prompt_tokens,
                    .max_tokens = max_tokens,
                    .priority = SGL_PRIORITY_NORMAL,
                    .session = options->sessions != NULL ? self->session : NULL,
                    .prefix_ids = self->ids,
                    .prefix_count = id_count,
                    .prefix_block = has_ids ? options->prefix_block : 0},
        .output_tokens = turn->output_tokens,
        .recorded = SGL_RECORDED_ABSENT,
    };
    self->facts.new_tokens = turn->new_tokens;
    self->facts.is_first_turn = turn->turn == 0;
    return 1;
}

int sgl_generator_next(struct sgl_generator *self, struct sgl_trace_row *row_out,
                       struct sgl_failure *failure)
{
    const struct sgl_generator_options *options = &self->options;
    const bool is_begin = self->heap_count == 0 || self->start_s < self->heap[0].arrival_s;
    const double arrival_s = is_begin ? self->start_s : self->heap[0].arrival_s;

    self->facts.sessions_cut = self->heap_count;
    if (isinf(arrival_s) ||
        (options->request_count > 0 && self->facts.request_count >= options->request_count) ||
        (options->duration_ns > 0 &&
         llround(fmin(arrival_s, LATEST_S) * 1e9) >= options->duration_ns))
        return 0;
    if (arrival_s >= LATEST_S)
        return sgl_fail(failure, SGL_EINVAL,
                        "arrivals reach 1e9 s after %llu requests (ask for fewer, or for a higher "
                        "rate)",
                        (unsigned long long)self->facts.request_count);
    const struct turn turn = is_begin ? begin_session(self) : pop(self);
    const int status = schedule_next(self, &turn, failure);
    return status == SGL_OK ? make_row(self, &turn, row_out, failure) : status;
}

static int prepare_prefixes(struct sgl_generator *self)
{
    const struct sgl_parameters *prefixes = self->options.prefixes;

    if (prefixes == NULL)
        return SGL_OK;
    const size_t count = (size_t)prefixes->value[SGL_PREFIX_SYSTEM];
    self->popularity = malloc(count * sizeof *self->popularity);
    self->is_known = calloc(count, sizeof *self->is_known);
    if (self->popularity == NULL || self->is_known == NULL)
        return SGL_ENOMEM;
    sgl_rng_zipf_fill(self->popularity, count, prefixes->value[SGL_PREFIX_ZIPF]);
    return SGL_OK;
}

int sgl_generator_create(struct sgl_generator **generator_out,
                         const struct sgl_generator_options *options, struct sgl_failure *failure)
{
    struct sgl_generator *self = calloc(1, sizeof *self);

    assert(options->prefix_block > 0);
    assert(options->request_count > 0 || options->duration_ns > 0);
    if (self == NULL)
        return sgl_fail(failure, SGL_ENOMEM, "no memory to generate a trace");
    self->source.ops = &ops;
    self->options = *options;
    if (prepare_prefixes(self) != SGL_OK) {
        sgl_generator_destroy(self);
        return sgl_fail(failure, SGL_ENOMEM, "no memory for the system prompts");
    }
    self->arrivals = sgl_rng_stream(options->seed, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    self->start_s = options->arrivals->ops->next(options->arrivals, &self->arrivals, 0);
    *generator_out = self;
    return SGL_OK;
}

void sgl_generator_destroy(struct sgl_generator *self)
{
    if (self == NULL)
        return;
    free(self->heap);
    free(self->popularity);
    free(self->is_known);
    free(self->ids);
    free(self);
}

const struct sgl_generator_facts *sgl_generator_facts(const struct sgl_generator *self)
{
    return &self->facts;
}
