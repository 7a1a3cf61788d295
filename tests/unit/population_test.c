/* What a seed draws from a trace. */
#include "analysis/population.h"
#include "sim_support.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTES 12
#define ROWS 360 /* of twelve minutes, 30 in each */
#define SECOND SGL_NANOSECONDS_PER_SECOND

static struct sgl_trace_row rows[ROWS];
static char names[ROWS][16];
static uint64_t ids[ROWS][3];

/* Twelve minutes of requests, every 2 s; every third belongs to a session of three requests 40 s
 * apart. All prompts begin with id 7, go on with one of their session or their own. */
static struct sgl_population *load(void)
{
    struct sgl_memory_source source;
    struct sgl_population *population;
    struct sgl_failure failure = {.text = ""};

    for (int i = 0; i < ROWS; i++) {
        rows[i] = sgl_row(i, (int64_t)i * 2 * SECOND, 1000 + i, 10, 100);
        const int first = i % 3 == 0 ? i % 60 + i / 60 * 60 - i % 60 / 20 * 20 : i;
        ids[i][0] = 7;
        ids[i][1] = 1000 + (uint64_t)(i % 3 == 0 ? i % 20 + i / 60 * 60 : first);
        ids[i][2] = 100000 + (uint64_t)i;
        if (i % 3 == 0) {
            snprintf(names[i], sizeof names[i], "s%d", i % 20 + i / 60 * 60);
            rows[i].request.session = names[i];
        }
        rows[i].request.prefix_ids = ids[i];
        rows[i].request.prefix_count = 3;
        rows[i].recorded.finish_ns = rows[i].request.arrival_ns + SECOND;
    }
    sgl_memory_source_init(&source, rows, ROWS);
    CU_ASSERT_EQUAL(sgl_population_load(&population, &source.source, 60 * SECOND, &failure),
                    SGL_OK);
    return population;
}

static void replays(void)
{
    struct sgl_population *population = load();
    struct sgl_source *source;
    struct sgl_trace_row row;

    CU_ASSERT_EQUAL(sgl_population_facts(population)->blocks, MINUTES);
    CU_ASSERT_FALSE(sgl_population_facts(population)->is_short);
    CU_ASSERT_EQUAL(sgl_population_replay(population, &source, NULL), SGL_OK);
    for (int i = 0; i < ROWS; i++) {
        CU_ASSERT_EQUAL(source->ops->next(source, &row, NULL), 1);
        CU_ASSERT_EQUAL(row.request.request, i);
        CU_ASSERT_EQUAL(row.request.arrival_ns, rows[i].request.arrival_ns);
        CU_ASSERT_EQUAL(row.request.prefix_ids[2], ids[i][2]);
    }
    CU_ASSERT_EQUAL(source->ops->next(source, &row, NULL), 0);
    sgl_population_close(source);
    sgl_population_destroy(population);
}

/* Whole sessions, renamed per copy; ids shared between blocks are left, own ones are renamed; time
 * goes on; a row keeps its pause to the others of its session. */
static void draws_whole_sessions(void)
{
    struct sgl_population *population = load();
    uint64_t total = 0;
    uint64_t renamed = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sgl_source *source;
        struct sgl_trace_row row;
        int64_t last_ns = 0;
        int64_t number = 0;
        uint64_t in_sessions = 0;
        CU_ASSERT_EQUAL(sgl_population_resample(population, seed, &source, NULL), SGL_OK);
        while (source->ops->next(source, &row, NULL) == 1) {
            const int from = (int)(row.request.prompt_tokens - 1000);
            CU_ASSERT_EQUAL(row.request.request, number++);
            CU_ASSERT_TRUE(row.request.arrival_ns >= last_ns);
            CU_ASSERT_EQUAL(row.recorded.finish_ns, row.request.arrival_ns + SECOND);
            CU_ASSERT_EQUAL(row.request.prefix_ids[0], 7);
            const bool is_copy = row.request.prefix_ids[2] != ids[from][2];
            renamed += is_copy;
            if (row.request.session != NULL) {
                in_sessions++;
                CU_ASSERT_EQUAL(strchr(row.request.session, '#') != NULL, is_copy);
                CU_ASSERT_EQUAL(strncmp(row.request.session, names[from], strlen(names[from])), 0);
            }
            last_ns = row.request.arrival_ns;
            total++;
        }
        /* Each session has the same number of requests in every block, so whole ones add up. */
        CU_ASSERT_EQUAL(in_sessions % 10, 0);
        sgl_population_close(source);
    }
    CU_ASSERT_TRUE(renamed > total / 10 && renamed < total / 2);
    CU_ASSERT_TRUE(total > (uint64_t)18 * ROWS && total < (uint64_t)22 * ROWS);
    sgl_population_destroy(population);
}

static void same_seed_same_draw(void)
{
    struct sgl_population *population = load();
    int same = 0;

    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct sgl_source *sources[3];
        struct sgl_trace_row row[3];
        int status[3] = {1, 1, 1};
        bool is_other = false;
        for (int k = 0; k < 3; k++)
            CU_ASSERT_EQUAL(
                sgl_population_resample(population, k < 2 ? seed : seed + 1, &sources[k], NULL),
                SGL_OK);
        while (status[0] == 1) {
            for (int k = 0; k < 3; k++)
                status[k] = status[k] == 1 ? sources[k]->ops->next(sources[k], &row[k], NULL) : 0;
            CU_ASSERT_EQUAL(status[0], status[1]);
            if (status[0] == 1) {
                CU_ASSERT_EQUAL(row[0].request.prompt_tokens, row[1].request.prompt_tokens);
                CU_ASSERT_EQUAL(row[0].request.arrival_ns, row[1].request.arrival_ns);
            }
            is_other = is_other || status[2] != status[0] ||
                       row[2].request.prompt_tokens != row[0].request.prompt_tokens;
        }
        same += !is_other;
        for (int k = 0; k < 3; k++)
            sgl_population_close(sources[k]);
    }
    CU_ASSERT_EQUAL(same, 0);
    sgl_population_destroy(population);
}

static void short_traces(void)
{
    struct sgl_trace_row few[5];
    struct sgl_memory_source source;
    struct sgl_population *population;

    for (int i = 0; i < 5; i++)
        few[i] = sgl_row(i, i * SECOND, 10, 10, 100);
    sgl_memory_source_init(&source, few, 5);
    CU_ASSERT_EQUAL(sgl_population_load(&population, &source.source, 60 * SECOND, NULL), SGL_OK);
    CU_ASSERT_TRUE(sgl_population_facts(population)->is_short);
    CU_ASSERT_EQUAL(sgl_population_facts(population)->blocks, 5);
    sgl_population_destroy(population);
    sgl_memory_source_init(&source, few, 0);
    CU_ASSERT_EQUAL(sgl_population_load(&population, &source.source, 60 * SECOND, NULL),
                    SGL_EINVAL);
}

SGL_SUITE(population) = {
    {"a population gives back its trace", replays},
    {"a seed draws whole sessions; copies get names and ids of their own", draws_whole_sessions},
    {"a seed always draws the same, another seed another", same_seed_same_draw},
    {"a short trace has shorter blocks, an empty one is refused", short_traces},
    CU_TEST_INFO_NULL,
};
