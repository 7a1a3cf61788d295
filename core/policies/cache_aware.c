/*
 * cache_aware: send a prompt where its beginning has been sent before, unless loads are too
 * unequal.
 *
 *     loads unequal?  --yes-->  least loaded                              reason imbalance
 *          | no
 *     longest prefix known of a candidate / prompt > cache_threshold?
 *          | no          \--yes-->  who was sent it                       reason cache_hit
 *          v
 *     smallest tree, or least load                                        reason cache_miss
 *
 * "Known" is what this router has sent: the tree of prefix_tree.h, whose tenants are the workers. A
 * request of unknown ids, or of none, is a miss. The tree forgets: when eviction_interval_s has
 * passed (seen at the next assignment) every worker's part is cut to max_tree_size, and at an
 * insertion past twice that, at once.
 */
#include "core/candidates.h"
#include "core/prefix_tree.h"

#include <math.h>

enum parameter {
    PRESET,
    CACHE_THRESHOLD,
    BALANCE_ABS,
    BALANCE_REL,
    EVICTION_INTERVAL,
    MAX_TREE_SIZE,
    ON_MISS,
    BY_TENANT,
    TIES,
    PARAMETER_COUNT
};

enum on_miss { ON_MISS_SMALLEST_TREE, ON_MISS_LEAST_LOAD };

#define BY_PRESET ((double)NAN) /* not given: what the preset says */

static const struct sgl_parameter parameters[] = {
    [PRESET] = {"preset", SGL_PARAMETER_CHOICE, 0, 0, 0, "sglang-0.1|sglang-0.2|sglang-0.3|smg",
                "whose defaults the other parameters have; SGLang's own guide is sglang-0.1"},
    [CACHE_THRESHOLD] = {"cache_threshold", SGL_PARAMETER_REAL, BY_PRESET, 0, 1, NULL,
                         "a hit needs more than this share of the prompt (0.5, 0.3, 0.3, 0.3)"},
    [BALANCE_ABS] = {"balance_abs_threshold", SGL_PARAMETER_REAL, BY_PRESET, 0, 1e9, NULL,
                     "unequal: max - min above this, and ... (32, 64, 64, 64)"},
    [BALANCE_REL] = {"balance_rel_threshold", SGL_PARAMETER_REAL, BY_PRESET, 0, 1e9, NULL,
                     "... max above this times min (1.0001, 1.5, 1.5, 1.5)"},
    [EVICTION_INTERVAL] = {"eviction_interval_s", SGL_PARAMETER_REAL, BY_PRESET, 0, 1e9, NULL,
                           "seconds between evictions (60, 120, 60, 120)"},
    [MAX_TREE_SIZE] = {"max_tree_size", SGL_PARAMETER_INTEGER, BY_PRESET, 1, 1e15, NULL,
                       "tokens (live: bytes) remembered per worker (2^24, 2^26, 2^26, 2^26)"},
    [ON_MISS] = {"on_miss", SGL_PARAMETER_CHOICE, BY_PRESET, 0, 0, "smallest_tree|least_load",
                 "who gets an unknown prompt (smallest_tree, then least_load three times)"},
    [BY_TENANT] = {"by_tenant", SGL_PARAMETER_CHOICE, 0, 0, 0, "off|on",
                   "prompts of different tenants of the service never match"},
    [TIES] = {"ties", SGL_PARAMETER_CHOICE, BY_PRESET, 0, 0, SGL_TIES_CHOICES "|load",
              "who wins among equals; load: fewest outstanding, then fewest assigned\n"
              "(first, first, first, load)"},
    {0},
};

/* The releases' defaults, in the order of the choices of `preset`. */
static const double presets[][PARAMETER_COUNT] = {
    {0, 0.5, 32, 1.0001, 60, 16777216, ON_MISS_SMALLEST_TREE, 0, SGL_TIES_FIRST},
    {1, 0.3, 64, 1.5, 120, 67108864, ON_MISS_LEAST_LOAD, 0, SGL_TIES_FIRST},
    {2, 0.3, 64, 1.5, 60, 67108864, ON_MISS_LEAST_LOAD, 0, SGL_TIES_FIRST},
    {3, 0.3, 64, 1.5, 120, 67108864, ON_MISS_LEAST_LOAD, 0, SGL_TIES_LOAD},
};

struct state {
    double cache_threshold;
    double balance_abs;
    double balance_rel;
    int64_t eviction_interval_ns;
    int64_t max_tree_size;
    enum on_miss on_miss;
    bool is_by_tenant;
    enum sgl_ties ties;
    int64_t evicted_ns;
    uint32_t worker_max;
    struct sgl_prefix_tree *tree;
};

static int resolve(struct sgl_parameters *values, struct sgl_failure *failure)
{
    const double *preset = presets[(size_t)values->value[PRESET]];

    (void)failure;
    for (int i = 0; i < PARAMETER_COUNT; i++)
        if (isnan(values->value[i]))
            values->value[i] = preset[i];
    return SGL_OK;
}

static int create(void *opaque, const struct sgl_policy_setup *setup)
{
    struct state *state = opaque;
    const double *value = setup->parameters->value;

    *state = (struct state){
        .cache_threshold = value[CACHE_THRESHOLD],
        .balance_abs = value[BALANCE_ABS],
        .balance_rel = value[BALANCE_REL],
        .eviction_interval_ns = (int64_t)(value[EVICTION_INTERVAL] * 1e9),
        .max_tree_size = (int64_t)value[MAX_TREE_SIZE],
        .on_miss = (enum on_miss)value[ON_MISS],
        .is_by_tenant = value[BY_TENANT] != 0,
        .ties = (enum sgl_ties)value[TIES],
        .worker_max = setup->worker_max,
        .tree = sgl_prefix_tree_create(setup->worker_max, setup->allocator),
    };
    return state->tree != NULL ? SGL_OK : SGL_ENOMEM;
}

static void release(void *opaque)
{
    sgl_prefix_tree_destroy(((struct state *)opaque)->tree);
}

/* FNV-1a over the tenant's name: what keeps trees of unlike tenants apart. */
static uint64_t salt_of(const struct state *state, const struct sgl_request *request)
{
    uint64_t hash = 0;

    if (!state->is_by_tenant || request->tenant == NULL)
        return 0;
    hash = UINT64_C(14695981039346656037);
    for (const char *c = request->tenant; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
    return hash;
}

/* The prompt in the units of its blocks. Without a stated block, its ids share the tokens evenly.
 */
static struct sgl_prompt prompt_of(const struct state *state, const struct sgl_request *request)
{
    const int64_t count = (int64_t)request->prefix_count;
    const int64_t tokens = request->prompt_tokens != SGL_ABSENT ? request->prompt_tokens : 0;
    int64_t block = request->prefix_block;

    if (block == 0)
        block = count > 0 && tokens > count ? (tokens + count - 1) / count : 1;
    if (block > UINT32_MAX)
        block = UINT32_MAX;
    const bool is_partial = tokens > (count - 1) * block && tokens < count * block;
    return (struct sgl_prompt){
        .ids = request->prefix_ids,
        .count = request->prefix_count,
        .block = (uint32_t)block,
        .total = is_partial ? tokens : count * block,
        .salt = salt_of(state, request),
    };
}

static double fraction_of(const struct sgl_prompt *prompt, size_t ids)
{
    if (prompt->count == 0)
        return 0;
    if (ids == prompt->count)
        return 1;
    return (double)ids * prompt->block / (double)prompt->total;
}

static bool is_candidate(const struct sgl_view *view, uint32_t worker, uint32_t *index_out)
{
    *index_out = sgl_candidate_position(view->candidates, view->candidate_count, worker);
    return *index_out < view->candidate_count && view->candidates[*index_out] == worker;
}

/* Who has the longest prefix: the owners of `node` that are candidates. */
struct holders {
    uint32_t node;
    uint32_t count;
    size_t ids;
};

static struct holders find_holders(const struct state *state, const struct sgl_view *view,
                                   const struct sgl_prompt *prompt)
{
    struct sgl_prefix_match match = sgl_prefix_tree_match(state->tree, prompt);

    while (match.node != SGL_PREFIX_NONE) {
        struct holders holders = {.node = match.node, .ids = match.ids};
        uint32_t cursor = SGL_PREFIX_NONE;
        uint32_t owner;
        uint32_t index;
        while (sgl_prefix_tree_next_owner(state->tree, match.node, &cursor, &owner))
            holders.count += is_candidate(view, owner, &index);
        if (holders.count > 0)
            return holders;
        match = sgl_prefix_tree_above(state->tree, &match);
    }
    return (struct holders){.node = SGL_PREFIX_NONE};
}

/* The holder that wins: by index, by load, or the one drawn. */
static uint32_t choose_holder(const struct state *state, const struct sgl_view *view,
                              const struct holders *holders)
{
    struct sgl_rng draws = view->draws;
    uint32_t skip = state->ties == SGL_TIES_RANDOM ? sgl_rng_below(&draws, holders->count) : 0;
    uint32_t chosen = SGL_NO_WORKER;
    uint32_t cursor = SGL_PREFIX_NONE;
    uint32_t owner;
    uint32_t index;

    while (sgl_prefix_tree_next_owner(state->tree, holders->node, &cursor, &owner)) {
        if (!is_candidate(view, owner, &index))
            continue;
        if (state->ties == SGL_TIES_RANDOM) {
            chosen = owner;
            if (skip-- == 0)
                break;
        } else if (chosen == SGL_NO_WORKER ||
                   (state->ties == SGL_TIES_LOAD ? sgl_is_less_loaded(view->fleet, owner, chosen)
                                                 : owner < chosen)) {
            chosen = owner;
        }
    }
    return chosen;
}

static bool holds(const struct state *state, const struct holders *holders, uint32_t worker)
{
    uint32_t cursor = SGL_PREFIX_NONE;
    uint32_t owner;

    while (sgl_prefix_tree_next_owner(state->tree, holders->node, &cursor, &owner))
        if (owner == worker)
            return true;
    return false;
}

static double load_score(const void *state, const struct sgl_view *view, uint32_t worker)
{
    (void)state;
    return sgl_fewer_is_better(view->fleet->outstanding[worker]);
}

static double miss_score(const void *opaque, const struct sgl_view *view, uint32_t worker)
{
    const struct state *state = opaque;

    if (state->on_miss == ON_MISS_LEAST_LOAD)
        return load_score(state, view, worker);
    return sgl_fewer_is_better(sgl_prefix_tree_size(state->tree, worker));
}

static bool is_imbalanced(const struct state *state, const struct sgl_view *view)
{
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;

    for (uint32_t i = 0; i < view->candidate_count; i++) {
        const uint32_t load = view->fleet->outstanding[view->candidates[i]];
        least = load < least ? load : least;
        most = load > most ? load : most;
    }
    return most - least > state->balance_abs && most > state->balance_rel * least;
}

/* The branch a decision takes; holders are found only for a hit. */
static enum sgl_reason branch_of(const struct state *state, const struct sgl_view *view,
                                 struct holders *holders)
{
    if (is_imbalanced(state, view))
        return SGL_REASON_IMBALANCE;
    const struct sgl_prompt prompt = prompt_of(state, view->request);
    *holders = find_holders(state, view, &prompt);
    return fraction_of(&prompt, holders->ids) > state->cache_threshold ? SGL_REASON_CACHE_HIT
                                                                       : SGL_REASON_CACHE_MISS;
}

static struct sgl_choice decide(const void *opaque, const struct sgl_view *view)
{
    const struct state *state = opaque;
    struct holders holders;
    const enum sgl_reason reason = branch_of(state, view, &holders);
    bool is_tie;
    uint32_t worker;

    if (reason == SGL_REASON_CACHE_HIT) {
        worker = choose_holder(state, view, &holders);
        is_tie = holders.count > 1;
    } else {
        worker =
            sgl_choose_best(state, view, reason == SGL_REASON_IMBALANCE ? load_score : miss_score,
                            state->ties, &is_tie);
    }
    return (struct sgl_choice){worker, is_tie ? SGL_REASON_TIE : reason};
}

static double probability(const void *opaque, const struct sgl_view *view, uint32_t worker)
{
    const struct state *state = opaque;
    struct holders holders;
    const enum sgl_reason reason = branch_of(state, view, &holders);

    if (reason != SGL_REASON_CACHE_HIT)
        return sgl_chance_best(state, view,
                               reason == SGL_REASON_IMBALANCE ? load_score : miss_score,
                               state->ties, worker);
    if (state->ties != SGL_TIES_RANDOM)
        return worker == choose_holder(state, view, &holders) ? 1.0 : 0.0;
    return holds(state, &holders, worker) ? 1.0 / holders.count : 0.0;
}

static int assign(void *opaque, const struct sgl_view *view, uint32_t worker)
{
    struct state *state = opaque;
    const struct sgl_prompt prompt = prompt_of(state, view->request);

    if (prompt.count > 0 && sgl_prefix_tree_insert(state->tree, worker, &prompt) != SGL_OK)
        return SGL_ENOMEM;
    if (view->now_ns - state->evicted_ns >= state->eviction_interval_ns) {
        state->evicted_ns = view->now_ns;
        for (uint32_t w = 0; w < view->fleet->worker_count; w++)
            sgl_prefix_tree_evict(state->tree, w, state->max_tree_size);
    }
    if (sgl_prefix_tree_size(state->tree, worker) > 2 * state->max_tree_size)
        sgl_prefix_tree_evict(state->tree, worker, state->max_tree_size);
    return SGL_OK;
}

static void event(void *opaque, const struct sgl_fleet *fleet, const struct sgl_input *input)
{
    struct state *state = opaque;

    if (input->kind == SGL_INPUT_REMOVE_WORKER)
        sgl_prefix_tree_evict(state->tree, input->worker, 0);
    if (input->kind == SGL_INPUT_FLUSH_CACHE)
        for (uint32_t w = 0; w < fleet->worker_count; w++)
            sgl_prefix_tree_evict(state->tree, w, 0);
}

/* What share of the prompt each candidate has been sent: one climb from the longest match to the
 * root, where the first node of a worker on the way is its longest. */
static void explain(const void *opaque, const struct sgl_view *view, uint32_t first, uint32_t count,
                    struct sgl_candidate *rows)
{
    const struct state *state = opaque;
    uint32_t owner;
    uint32_t index;

    if (view->request == NULL)
        return;
    const struct sgl_prompt prompt = prompt_of(state, view->request);
    struct sgl_prefix_match match = sgl_prefix_tree_match(state->tree, &prompt);
    for (; match.node != SGL_PREFIX_NONE; match = sgl_prefix_tree_above(state->tree, &match)) {
        uint32_t cursor = SGL_PREFIX_NONE;
        while (sgl_prefix_tree_next_owner(state->tree, match.node, &cursor, &owner))
            if (is_candidate(view, owner, &index) && index >= first && index - first < count &&
                isnan(rows[index - first].matched_fraction))
                rows[index - first].matched_fraction = fraction_of(&prompt, match.ids);
    }
    for (uint32_t i = 0; i < count; i++)
        if (isnan(rows[i].matched_fraction))
            rows[i].matched_fraction = 0;
}

static void memory(const void *opaque, uint32_t worker, struct sgl_policy_memory *out)
{
    const struct state *state = opaque;

    out->tree_units = sgl_prefix_tree_size(state->tree, worker);
    out->tree_nodes = sgl_prefix_tree_owned(state->tree, worker);
}

const struct sgl_policy_ops sgl_policy_cache_aware = {
    .name = "cache_aware",
    .summary = "where the prompt's beginning went before, unless loads are unequal",
    .rule = "Over the candidates, by outstanding requests:\n"
            "  if max - min > balance_abs_threshold and max > balance_rel_threshold * min:\n"
            "    the least loaded (imbalance)\n"
            "  else if the longest prefix that was sent to a candidate is more than "
            "cache_threshold of the\n"
            "    prompt: a candidate that was sent it (cache_hit)\n"
            "  else: the candidate with the smallest tree, or the least load (cache_miss)\n"
            "The prompt is then remembered for the worker used. Prompts are known by the ids of "
            "their blocks\n"
            "(prefix_hashes of a trace); a request without ids is a miss. Every "
            "eviction_interval_s, and at\n"
            "once past twice the size, the least recently used leaves beyond max_tree_size are "
            "forgotten.",
    .source = "SGLang's router and its guide; defaults of releases 0.1, 0.2, 0.3 and of smg. They "
              "take max\n"
              "and min over unhealthy workers too, and 0.1 and 0.2 count characters",
    .parameters = parameters,
    .resolve = resolve,
    .state_bytes = sizeof(struct state),
    .create = create,
    .release = release,
    .decide = decide,
    .probability = probability,
    .assign = assign,
    .event = event,
    .explain = explain,
    .memory = memory,
};
