/* The generator: order, sessions, prefix ids, and draws that depend on nothing but their key. */
#include "support.h"

#include "core/absent.h"
#include "traces/generate/generator.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#define ROWS 1500
#define IDS_MOST 400

struct kept {
    int64_t arrival_ns;
    int64_t prompt_tokens;
    int64_t output_tokens;
    int64_t max_tokens;
    int64_t new_tokens;
    char session[24];
    size_t id_count;
    uint64_t ids[IDS_MOST];
};

/* What a run is made of, as it is typed. */
struct world {
    const char *arrivals;
    const char *prefixes; /* NULL: none; so the next */
    const char *sessions;
    uint64_t seed;
    double max_factor;
    int64_t max_tokens;
    int64_t duration_ns;
};

static struct kept rows[2][ROWS];

static size_t draw(const struct world *world, struct kept *kept, struct sgl_generator_facts *facts)
{
    struct sgl_parameters prefixes;
    struct sgl_parameters sessions;
    struct sgl_failure failure = {""};
    struct sgl_law arrivals;
    struct sgl_law prompt;
    struct sgl_law output;
    struct sgl_generator *generator = NULL;
    struct sgl_trace_row row;
    size_t count = 0;
    int code;

    sgl_parameters_init(&prefixes, sgl_generator_prefixes);
    sgl_parameters_init(&sessions, sgl_generator_sessions);
    if (sgl_arrivals_parse(&arrivals, world->arrivals, "a", &failure) != SGL_OK ||
        sgl_length_parse(&prompt, "lognormal:mean=90,max=1000", SGL_LENGTH_PROMPT, "p", &failure) !=
            SGL_OK ||
        sgl_length_parse(&output, "uniform:max=50", SGL_LENGTH_OUTPUT, "o", &failure) != SGL_OK ||
        sgl_parameters_parse(&prefixes, world->prefixes, "x", &failure) != SGL_OK ||
        sgl_parameters_parse(&sessions, world->sessions, "s", &failure) != SGL_OK)
        CU_FAIL_FATAL("a law is refused");
    const struct sgl_generator_options options = {
        .arrivals = &arrivals,
        .prompt = &prompt,
        .output = &output,
        .prefixes = world->prefixes != NULL ? &prefixes : NULL,
        .sessions = world->sessions != NULL ? &sessions : NULL,
        .prefix_block = 16,
        .max_factor = world->max_factor,
        .max_tokens = world->max_tokens,
        .seed = world->seed,
        .request_count = ROWS,
        .duration_ns = world->duration_ns,
    };
    CU_ASSERT_EQUAL_FATAL(sgl_generator_create(&generator, &options, &failure), SGL_OK);
    memset(kept, 0, ROWS * sizeof *kept);
    while ((code = sgl_generator_next(generator, &row, &failure)) == 1) {
        struct kept *at = &kept[count];
        CU_ASSERT_EQUAL_FATAL(row.request.request, (int64_t)count++);
        CU_ASSERT_TRUE_FATAL(row.request.prefix_count <= IDS_MOST);
        at->arrival_ns = row.request.arrival_ns;
        at->prompt_tokens = row.request.prompt_tokens;
        at->output_tokens = row.output_tokens;
        at->max_tokens = row.request.max_tokens;
        at->new_tokens = sgl_generator_facts(generator)->new_tokens;
        if (row.request.session != NULL)
            snprintf(at->session, sizeof at->session, "%s", row.request.session);
        at->id_count = row.request.prefix_count;
        if (at->id_count > 0)
            memcpy(at->ids, row.request.prefix_ids, at->id_count * sizeof at->ids[0]);
    }
    CU_ASSERT_EQUAL(code, 0);
    *facts = *sgl_generator_facts(generator);
    sgl_generator_destroy(generator);
    sgl_law_release(&arrivals);
    sgl_law_release(&prompt);
    sgl_law_release(&output);
    return count;
}

static const struct world conversations = {
    .arrivals = "poisson:rate=5",
    .prefixes = "system=6,zipf=1,blocks=3",
    .sessions = "turns=4,think_s=3,max_context=2000",
    .seed = 3,
};

static void same_options_same_rows(void)
{
    struct world other = conversations;
    struct sgl_generator_facts facts;

    draw(&conversations, rows[0], &facts);
    draw(&conversations, rows[1], &facts);
    CU_ASSERT_EQUAL(memcmp(rows[0], rows[1], sizeof rows[0]), 0);
    other.seed = 4;
    draw(&other, rows[1], &facts);
    CU_ASSERT_NOT_EQUAL(memcmp(rows[0], rows[1], sizeof rows[0]), 0);
}

static void arrivals_leave_the_lengths(void)
{
    const struct world one = {.arrivals = "poisson:rate=5", .prefixes = "system=3", .seed = 5};
    const struct world two = {.arrivals = "gamma:rate=90,cv=3", .prefixes = "system=3", .seed = 5};
    struct sgl_generator_facts facts;

    draw(&one, rows[0], &facts);
    draw(&two, rows[1], &facts);
    for (size_t i = 0; i < ROWS; i++) {
        CU_ASSERT_EQUAL_FATAL(rows[0][i].prompt_tokens, rows[1][i].prompt_tokens);
        CU_ASSERT_EQUAL_FATAL(rows[0][i].output_tokens, rows[1][i].output_tokens);
        CU_ASSERT_EQUAL_FATAL(memcmp(rows[0][i].ids, rows[1][i].ids, sizeof rows[0][i].ids), 0);
    }
    CU_ASSERT_NOT_EQUAL(rows[0][9].arrival_ns, rows[1][9].arrival_ns);
}

/* The row of the same session before this one; NULL: this is its first turn. */
static const struct kept *turn_before(const struct kept *kept, size_t at)
{
    for (size_t i = at; i > 0; i--)
        if (strcmp(kept[i - 1].session, kept[at].session) == 0)
            return &kept[i - 1];
    return NULL;
}

static void a_turn_continues_the_one_before(void)
{
    struct sgl_generator_facts facts;
    size_t continued = 0;

    CU_ASSERT_EQUAL_FATAL(draw(&conversations, rows[0], &facts), ROWS);
    CU_ASSERT_EQUAL(rows[0][0].arrival_ns, 0);
    for (size_t i = 0; i < ROWS; i++) {
        const struct kept *row = &rows[0][i];
        const struct kept *before = turn_before(rows[0], i);
        CU_ASSERT_EQUAL_FATAL(row->id_count, (size_t)row->prompt_tokens / 16);
        CU_ASSERT_TRUE_FATAL(i == 0 || row->arrival_ns >= rows[0][i - 1].arrival_ns);
        CU_ASSERT_TRUE_FATAL(row->prompt_tokens + row->output_tokens <= 2000);
        if (before == NULL) {
            CU_ASSERT_EQUAL_FATAL(row->prompt_tokens, 3 * 16 + row->new_tokens);
            continue;
        }
        continued++;
        CU_ASSERT_EQUAL_FATAL(row->prompt_tokens,
                              before->prompt_tokens + before->output_tokens + row->new_tokens);
        CU_ASSERT_TRUE_FATAL(row->arrival_ns >=
                             before->arrival_ns + before->output_tokens * 20000000 - 1);
        CU_ASSERT_EQUAL_FATAL(memcmp(row->ids, before->ids, before->id_count * sizeof row->ids[0]),
                              0);
    }
    CU_ASSERT_TRUE(continued > ROWS / 2);
    CU_ASSERT_EQUAL(facts.session_count + continued, ROWS);
}

static int by_id(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* Tokens in blocks whose id an earlier row had: all blocks less the distinct ones, for a row never
 * has an id twice. */
static int64_t count_shared(const struct kept *kept)
{
    static uint64_t ids[ROWS * IDS_MOST];
    size_t count = 0;
    size_t distinct = 0;

    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < kept[i].id_count; k++)
            ids[count++] = kept[i].ids[k];
    qsort(ids, count, sizeof ids[0], by_id);
    for (size_t i = 0; i < count; i++)
        distinct += i == 0 || ids[i] != ids[i - 1];
    return (int64_t)(count - distinct) * 16;
}

static void shared_tokens_are_those_of_the_ids(void)
{
    const struct world prompts = {
        .arrivals = "uniform:rate=1", .prefixes = "system=200,zipf=0.5,blocks=2", .seed = 6};
    const struct world alone = {.arrivals = "uniform:rate=1", .sessions = "turns=3", .seed = 6};
    const struct world *worlds[] = {&conversations, &prompts, &alone};
    struct sgl_generator_facts facts;

    for (size_t i = 0; i < sizeof worlds / sizeof worlds[0]; i++) {
        draw(worlds[i], rows[0], &facts);
        CU_ASSERT_TRUE(facts.shared_tokens > 0);
        CU_ASSERT_EQUAL(facts.shared_tokens, count_shared(rows[0]));
    }
}

static void limits_are_kept(void)
{
    struct world world = {.arrivals = "poisson:rate=50", .seed = 7, .max_factor = 1.5};
    struct sgl_generator_facts facts;

    draw(&world, rows[0], &facts);
    for (size_t i = 0; i < ROWS; i++) {
        CU_ASSERT_EQUAL_FATAL(rows[0][i].max_tokens, (3 * rows[0][i].output_tokens + 1) / 2);
        CU_ASSERT_EQUAL_FATAL(rows[0][i].id_count, 0);
    }
    world.max_factor = 0;
    draw(&world, rows[0], &facts);
    CU_ASSERT_EQUAL(rows[0][0].max_tokens, SGL_ABSENT);
    world.max_tokens = 20;
    draw(&world, rows[1], &facts);
    uint64_t cut = 0;
    for (size_t i = 0; i < ROWS; i++) {
        const int64_t wanted = rows[0][i].output_tokens;
        CU_ASSERT_EQUAL_FATAL(rows[1][i].output_tokens, wanted < 20 ? wanted : 20);
        CU_ASSERT_EQUAL_FATAL(rows[1][i].max_tokens, 20);
        cut += wanted > 20;
    }
    CU_ASSERT_EQUAL(facts.outputs_cut, cut);
    world.duration_ns = 3000000000;
    const size_t count = draw(&world, rows[0], &facts);
    CU_ASSERT_TRUE(count > 150 - 4 * 13 && count < 150 + 4 * 13);
    CU_ASSERT_TRUE(rows[0][count - 1].arrival_ns < world.duration_ns);
}

SGL_SUITE(generator) = {
    {"the same options give the same rows, another seed others", same_options_same_rows},
    {"another law of arrivals leaves lengths and prefixes", arrivals_leave_the_lengths},
    {"a turn continues the prompt and the ids of the one before", a_turn_continues_the_one_before},
    {"the shared tokens told are those of the ids", shared_tokens_are_those_of_the_ids},
    {"max_tokens, duration and count are kept", limits_are_kept},
    CU_TEST_INFO_NULL,
};
