/* Sweeps: the same bytes for any number of threads, each run what it would be alone, and a best
 * only where there is one. */
#include "analysis/sweep.h"
#include "core/rng.h"
#include "sim_support.h"
#include "support.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS 300
#define SEEDS 3
#define POLICIES 3
#define SECOND SGL_NANOSECONDS_PER_SECOND

struct trial {
    struct sgl_population *population;
    struct sgl_test_fleet small;
    struct sgl_test_fleet large;
    struct sgl_policy_spec policies[POLICIES];
    struct sgl_sweep_fleet fleets[2];
    double loads[2];
    struct sgl_sweep sweep;
};

static const char *const policy_names[POLICIES] = {"random", "power_of_two", "marginal_utility"};

static struct sgl_population *load(void)
{
    static struct sgl_trace_row rows[ROWS];
    struct sgl_rng draws = sgl_rng_stream(3, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    struct sgl_memory_source source;
    struct sgl_population *population;
    double time_s = 0;

    for (int i = 0; i < ROWS; i++) {
        rows[i] = sgl_row(i, llround(time_s * 1e9), 100 + sgl_rng_below(&draws, 900),
                          20 + sgl_rng_below(&draws, 80), 200);
        time_s += sgl_rng_exponential(&draws, 0.05);
    }
    sgl_memory_source_init(&source, rows, ROWS);
    CU_ASSERT_EQUAL(sgl_population_load(&population, &source.source, SECOND, NULL), SGL_OK);
    return population;
}

static void trial_init(struct trial *trial)
{
    *trial = (struct trial){.population = load(), .loads = {1, 3}};
    sgl_test_fleet_init(&trial->small, "random", "batching", 2);
    sgl_test_fleet_init(&trial->large, "random", "exponential:mean_s=0.1,servers=2", 5);
    for (int p = 0; p < POLICIES; p++)
        CU_ASSERT_EQUAL(sgl_policy_parse(&trial->policies[p], policy_names[p], NULL), SGL_OK);
    trial->fleets[0] = (struct sgl_sweep_fleet){"small", trial->small.options};
    trial->fleets[1] = (struct sgl_sweep_fleet){"large", trial->large.options};
    trial->sweep = (struct sgl_sweep){
        .population = trial->population,
        .trace_digest = 0xfeed,
        .policies = trial->policies,
        .policy_names = policy_names,
        .policy_count = POLICIES,
        .fleets = trial->fleets,
        .fleet_count = 2,
        .loads = trial->loads,
        .load_count = 2,
        .seed = 11,
        .seed_count = SEEDS,
        .resamples = true,
        .thread_count = 1,
    };
    CU_ASSERT_EQUAL(sgl_objectives_parse(&trial->sweep.objectives, NULL, NULL), SGL_OK);
}

static void trial_release(struct trial *trial)
{
    for (int p = 0; p < POLICIES; p++)
        sgl_policy_release(&trial->policies[p]);
    sgl_test_fleet_release(&trial->small);
    sgl_test_fleet_release(&trial->large);
    sgl_population_destroy(trial->population);
}

/* The bytes of a file; the caller frees them. */
static char *bytes_of(const char *path, size_t *size_out)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;

    *size_out = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    for (size_t got = 1; got > 0; *size_out += got) {
        char *grown = realloc(bytes, *size_out + 65536);
        CU_ASSERT_PTR_NOT_NULL_FATAL(grown);
        bytes = grown;
        got = fread(bytes + *size_out, 1, 65536, file);
    }
    fclose(file);
    return bytes;
}

static void run(const struct sgl_sweep *sweep, const char *path)
{
    struct sgl_sweep_result result;
    struct sgl_failure failure = {.text = ""};

    CU_ASSERT_EQUAL_FATAL(sgl_sweep_run(sweep, &result, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_sweep_store(&result, path, &failure), SGL_OK);
    SGL_ASSERT_TEXT(failure.text, "");
    sgl_sweep_release(&result);
}

static void threads(void)
{
    static const uint32_t counts[] = {1, 2, 7};
    struct trial trial;
    char *expected = NULL;
    size_t expected_size = 0;

    trial_init(&trial);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const char *path = sgl_scratch("threads.db");
        size_t size;
        trial.sweep.thread_count = counts[i];
        run(&trial.sweep, path);
        char *bytes = bytes_of(path, &size);
        if (i == 0) {
            expected = bytes;
            expected_size = size;
            continue;
        }
        CU_ASSERT_TRUE(size == expected_size && memcmp(bytes, expected, size) == 0);
        free(bytes);
    }
    free(expected);
    trial_release(&trial);
}

/* Every job by hand: the simulation alone, with the seed, load, fleet and policy of its number. */
static void alone(void)
{
    struct sgl_sweep_result result;
    struct trial trial;
    uint32_t number = 0;

    trial_init(&trial);
    trial.sweep.thread_count = 2;
    CU_ASSERT_EQUAL_FATAL(sgl_sweep_run(&trial.sweep, &result, NULL), SGL_OK);
    CU_ASSERT_EQUAL(result.run_count, 2 * 2 * POLICIES * SEEDS);
    for (uint32_t f = 0; f < 2; f++)
        for (uint32_t l = 0; l < 2; l++)
            for (uint32_t p = 0; p < POLICIES; p++)
                for (uint32_t s = 0; s < SEEDS; s++, number++) {
                    struct sgl_simulation_options options = trial.fleets[f].simulation;
                    struct sgl_simulation_totals totals;
                    struct sgl_witness witness;
                    struct sgl_source *source;
                    double sum = 0;
                    double most = 0;
                    uint64_t served = 0;
                    sgl_witness_init(&witness, 2 * ROWS);
                    CU_ASSERT_EQUAL_FATAL(
                        sgl_population_resample(trial.population, 11 + s, &source, NULL), SGL_OK);
                    options.seed = 11 + s;
                    options.rate_scale = trial.loads[l];
                    options.policy = &trial.policies[p];
                    options.sink = &witness.sink;
                    CU_ASSERT_EQUAL(sgl_simulate(&options, source, &totals, NULL), SGL_OK);
                    for (uint64_t r = 0; r < totals.arrived; r++) {
                        const double e2e = (double)witness.seen[r].outcome.e2e_ns;
                        sum += e2e;
                        most = e2e > most ? e2e : most;
                        served += witness.seen[r].worker == 1;
                    }
                    const struct sgl_summary_result *got = &result.runs[number].result;
                    const struct sgl_distribution *e2e = &got->metrics[SGL_METRIC_E2E];
                    CU_ASSERT_EQUAL(got->requests, totals.arrived);
                    CU_ASSERT_EQUAL(result.runs[number].totals.last_ns, totals.last_ns);
                    CU_ASSERT_EQUAL(e2e->count, totals.arrived);
                    CU_ASSERT_DOUBLE_EQUAL(e2e->mean, sum / (double)totals.arrived, 1e-3);
                    CU_ASSERT_EQUAL(e2e->max, most);
                    CU_ASSERT_EQUAL(got->workers[1].requests, served);
                    sgl_population_close(source);
                    sgl_witness_release(&witness);
                }
    sgl_sweep_release(&result);
    trial_release(&trial);
}

static double ask(sqlite3 *database, const char *sql)
{
    sqlite3_stmt *statement;
    double value = (double)NAN;

    CU_ASSERT_EQUAL_FATAL(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
        value = sqlite3_column_double(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static void tables(void)
{
    const char *path = sgl_scratch("sweep_tables.db");
    struct trial trial;
    sqlite3 *database;

    trial_init(&trial);
    trial.fleets[1].simulation.until_ns = 2 * SECOND;
    run(&trial.sweep, path);
    CU_ASSERT_EQUAL_FATAL(sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    CU_ASSERT_EQUAL(ask(database, "SELECT count(*) FROM run"), 2 * 2 * POLICIES * SEEDS);
    CU_ASSERT_EQUAL(ask(database, "SELECT count(*) FROM metric"),
                    SGL_METRIC_COUNT * 2 * 2 * POLICIES * SEEDS);
    CU_ASSERT_EQUAL(ask(database, "SELECT count(*) FROM worker"), 2 + 5);
    /* Every run's shares add up, and so do its ends. */
    CU_ASSERT_EQUAL(ask(database, "SELECT count(*) FROM (SELECT run FROM share GROUP BY run HAVING "
                                  "abs(sum(share) - 1) < 1e-12)"),
                    2 * 2 * POLICIES * SEEDS);
    CU_ASSERT_EQUAL(ask(database, "SELECT count(*) FROM run WHERE n = succeeded + failed + "
                                  "cut_in_flight AND n = (SELECT sum(requests) FROM share s WHERE "
                                  "s.run = run.run)"),
                    2 * 2 * POLICIES * SEEDS);
    /* Only the fleet that is cut says so, and all of its runs do. */
    CU_ASSERT_EQUAL(ask(database, "SELECT count(*) FROM run WHERE fleet = 0 AND (until_ns IS NOT "
                                  "NULL OR cut_arrivals + cut_in_flight > 0)"),
                    0);
    CU_ASSERT_EQUAL(ask(database, "SELECT min(cut_arrivals) > 0 AND min(until_ns) = 2000000000 "
                                  "FROM run WHERE fleet = 1"),
                    1);
    /* What is not measured is NULL: without objectives there is no goodput. */
    CU_ASSERT_TRUE(isnan(ask(database, "SELECT max(goodput_per_s) FROM run")));
    CU_ASSERT_EQUAL(ask(database, "SELECT max(seed) - min(seed) FROM run"), SEEDS - 1);
    sqlite3_close(database);
    trial_release(&trial);
}

/* A column of three policies whose e2e_p99 at three seeds is given, and nothing simulated. */
struct column {
    struct sgl_sweep sweep;
    struct sgl_run runs[9];
    struct sgl_sweep_run kept[9];
    double values[3];
    struct sgl_sweep_result result;
    struct sgl_sweep_cell cells[3];
};

static const int figure = SGL_METRIC_E2E * SGL_STATISTIC_COUNT + SGL_STATISTIC_P99;

static void column_init(struct column *column, const double values[9])
{
    *column = (struct column){
        .sweep = {.policy_count = 3, .load_count = 1, .fleet_count = 1, .seed_count = 3},
    };
    column->result = (struct sgl_sweep_result){
        .sweep = &column->sweep,
        .experiment.runs = column->runs,
        .runs = column->kept,
        .run_count = 9,
        .values = column->values,
    };
    for (int i = 0; i < 9; i++)
        column->runs[i].figures[figure] = values[i];
}

static uint32_t best_of(struct column *column)
{
    uint32_t marks = 0;

    sgl_sweep_column(&column->result, 0, 0, figure, column->cells);
    for (uint32_t p = 0; p < 3; p++)
        marks |= (uint32_t)column->cells[p].is_best << p;
    return marks;
}

static void best(void)
{
    static const double apart[9] = {100, 101, 102, 50, 51, 52, 80, 81, 82};
    /* Means 51 and 54, intervals 48.5 to 53.5 and 51.5 to 56.5. */
    static const double overlapping[9] = {100, 101, 102, 50, 51, 52, 53, 54, 55};
    struct column column;

    column_init(&column, apart);
    CU_ASSERT_EQUAL(best_of(&column), 1u << 1);
    CU_ASSERT_EQUAL(column.cells[1].level.mean, 51);
    /* t(0.975; 2) = 4.3027, deviation 1 (tables of Student's t) */
    CU_ASSERT_DOUBLE_EQUAL(column.cells[1].level.high, 51 + 4.30265 / sqrt(3), 1e-4);
    column.kept[0].result.saturation.is_known = true;
    column.kept[0].result.saturation.is_saturated = true;
    CU_ASSERT_EQUAL(best_of(&column), 1u << 1);
    CU_ASSERT_EQUAL(column.cells[0].saturated, 1);
    column.kept[3].result.saturation = column.kept[0].result.saturation;
    CU_ASSERT_EQUAL(best_of(&column), 0);

    column_init(&column, apart);
    column.kept[8].totals.cut_arrivals = 1;
    CU_ASSERT_EQUAL(best_of(&column), 0);
    column_init(&column, apart);
    column.runs[0].figures[figure] = (double)NAN;
    CU_ASSERT_EQUAL(best_of(&column), 0);
    CU_ASSERT_EQUAL(column.cells[0].level.count, 2);
    column_init(&column, overlapping);
    CU_ASSERT_EQUAL(best_of(&column), 0);
    column_init(&column, apart);
    column.sweep.seed_count = 1;
    column.result.run_count = 3;
    CU_ASSERT_EQUAL(best_of(&column), 0);
}

static void refused(void)
{
    const char *taken = sgl_scratch_text("taken.db", "not a database");
    const char *nowhere = sgl_scratch("no-such-folder/x.db");
    const char *again = sgl_scratch("again.db");
    struct sgl_sweep_result result;
    struct sgl_failure failure;
    struct trial trial;
    size_t size;

    trial_init(&trial);
    trial.sweep.fleet_count = 1;
    trial.sweep.load_count = 1;
    trial.sweep.seed_count = 1;
    CU_ASSERT_EQUAL_FATAL(sgl_sweep_run(&trial.sweep, &result, NULL), SGL_OK);
    CU_ASSERT_EQUAL(sgl_sweep_check(taken, &failure), SGL_EINVAL);
    CU_ASSERT_EQUAL(sgl_sweep_store(&result, taken, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "no sweep");
    char *bytes = bytes_of(taken, &size);
    CU_ASSERT_TRUE(size == 14 && memcmp(bytes, "not a database", 14) == 0);
    free(bytes);
    CU_ASSERT_EQUAL(sgl_sweep_store(&result, nowhere, &failure), SGL_EIO);
    SGL_ASSERT_CONTAINS(failure.text, "no-such-folder");
    CU_ASSERT_EQUAL(sgl_sweep_store(&result, again, &failure), SGL_OK);
    CU_ASSERT_EQUAL(sgl_sweep_store(&result, again, &failure), SGL_OK);
    const char *journal = sgl_scratch_text("again.db-journal", "");
    CU_ASSERT_EQUAL(sgl_sweep_store(&result, again, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "-journal");
    CU_ASSERT_EQUAL(unlink(journal), 0);
    sgl_sweep_release(&result);
    trial.sweep.seed_count = SGL_SWEEP_RUNS_MAX;
    CU_ASSERT_EQUAL(sgl_sweep_run(&trial.sweep, &result, &failure), SGL_EINVAL);
    SGL_ASSERT_CONTAINS(failure.text, "at most");
    trial_release(&trial);
}

SGL_SUITE(sweep) = {
    {"the database is the same byte for byte whatever the number of threads", threads},
    {"each run is what the simulation alone gives", alone},
    {"tables are whole, shares add up, and what was cut says so", tables},
    {"best is who overlaps nobody, is not saturated, and lacks nothing", best},
    {"what is no sweep is not replaced, and nothing is half written", refused},
    CU_TEST_INFO_NULL,
};
