/*
 * make_sample.c - prints traces/samples/sglang-3-workers.csv, the sample trace.
 *
 * A made-up run of 600 requests through three equal workers in round robin, in the columns and with
 * the statistics of the recorded SGLang runs `uniform/RR` and `uniform/RD` of
 * Luoxiaogan/sglang_CUSTOM (commit a594c12fb24d), and without a row of them. Everything is drawn
 * from streams keyed by SEED and the request's number, and held in integer nanoseconds from the
 * first arrival:
 *
 *     arrival --> router_send --> server_created --> queue_start --> queue_end --> first_token
 *      router_wait         network           tokenize          queue         prefill
 *     first_token --> finish
 *              decode
 *
 *     interarrival   exponential, mean 50 ms (20 requests/s)
 *     input_length   uniform 384 ... 639 characters
 *     prompt tokens  0.5855 x characters + bell(6), rounded
 *     expected       uniform 192 ... 319 tokens, also the limit asked for
 *     output tokens  as expected; 3 % of requests stop early, uniformly in [0.3, 1) of it
 *     router_wait    20 us + exponential, mean 15 us
 *     network        430 us + exponential, mean 400 us
 *     tokenize       uniform 0.7 ... 8 ms
 *     queue          80 us + exponential, mean 50 us
 *     prefill        384.5 ms + 1.0 ms x ahead + bell(17 ms), where `ahead` is the number of
 *                    requests its worker still has when it is sent
 *     decode         (output - 1) x (6.18 ms + bell(0.35 ms))
 *
 * The constants are least-squares fits and quantiles of those two runs, rounded. bell(s) has mean 0
 * and standard deviation s: the sum of 12 uniforms less 6, near enough to normal, bounded, and free
 * of functions that round differently from library to library.
 */
#include "core/absent.h"
#include "core/parameters.h"
#include "core/rng.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* Of the seeds 1, 2, 3, ... the first whose rate and mean lengths all come within one standard
 * error of the law, so that the sample is a typical one. */
#define SEED 4

#define REQUEST_COUNT 600
#define WORKER_COUNT 3
#define FIRST_PORT 30001
/* In the ids: 2026-01-01T00:00:00Z, which is no moment of a recorded run. */
#define CREATED_MS INT64_C(1767225600000)
#define CREATED_PER_MS 17 /* ids made in one millisecond */

#define MICROSECOND 1e3
#define MILLISECOND 1e6

struct row {
    uint32_t worker;
    int64_t input_length; /* characters */
    int64_t expected_tokens;
    int64_t prompt_tokens;
    int64_t output_tokens;
    int64_t arrival_ns;
    int64_t router_send_ns;
    int64_t server_created_ns;
    int64_t queue_start_ns;
    int64_t queue_end_ns;
    int64_t first_token_ns;
    int64_t finish_ns;
};

/* What the recorder accumulates up to a row's finish: over all workers, and over the row's own. */
struct finished {
    int64_t requests;
    int64_t prompt_tokens;
    int64_t output_tokens;
};

static double bell(struct sgl_rng *stream, double deviation)
{
    double sum = -6.0;

    for (int i = 0; i < 12; i++)
        sum += sgl_rng_uniform(stream);
    return deviation * sum;
}

static int64_t between(struct sgl_rng *stream, int64_t least, int64_t most)
{
    return least + (int64_t)sgl_rng_below(stream, (uint32_t)(most - least + 1));
}

static int64_t delay_ns(struct sgl_rng *stream, double least_ns, double mean_more_ns)
{
    return llround(least_ns + sgl_rng_exponential(stream, mean_more_ns));
}

static void draw_lengths(struct row *row, int64_t request)
{
    struct sgl_rng stream = sgl_rng_stream(SEED, SGL_PURPOSE_LENGTH, 0, request, 0);

    row->input_length = between(&stream, 384, 639);
    row->expected_tokens = between(&stream, 192, 319);
    row->prompt_tokens = llround(0.5855 * (double)row->input_length + bell(&stream, 6.0));
    row->output_tokens = row->expected_tokens;
    if (sgl_rng_uniform(&stream) < 0.03)
        row->output_tokens =
            between(&stream, (3 * row->expected_tokens + 9) / 10, row->expected_tokens - 1);
}

/* Requests sent to the worker before this moment and not finished by then. */
static int64_t unfinished(const struct row *rows, uint32_t count, uint32_t worker, int64_t now_ns)
{
    int64_t result = 0;

    for (uint32_t i = 0; i < count; i++)
        result += rows[i].worker == worker && rows[i].finish_ns > now_ns;
    return result;
}

static void draw_times(struct row *rows, uint32_t request)
{
    struct row *row = &rows[request];
    struct sgl_rng stream = sgl_rng_stream(SEED, SGL_PURPOSE_SERVICE, 0, request, 0);

    row->router_send_ns = row->arrival_ns + delay_ns(&stream, 20 * MICROSECOND, 15 * MICROSECOND);
    row->server_created_ns =
        row->router_send_ns + delay_ns(&stream, 430 * MICROSECOND, 400 * MICROSECOND);
    row->queue_start_ns =
        row->server_created_ns + llround((0.7 + 7.3 * sgl_rng_uniform(&stream)) * MILLISECOND);
    row->queue_end_ns = row->queue_start_ns + delay_ns(&stream, 80 * MICROSECOND, 50 * MICROSECOND);
    const double ahead = (double)unfinished(rows, request, row->worker, row->router_send_ns);
    row->first_token_ns =
        row->queue_end_ns + llround((384.5 + ahead + bell(&stream, 17.0)) * MILLISECOND);
    row->finish_ns = row->first_token_ns + llround((double)(row->output_tokens - 1) *
                                                   (6.18 + bell(&stream, 0.35)) * MILLISECOND);
}

static void draw(struct row *rows)
{
    struct sgl_rng arrivals = sgl_rng_stream(SEED, SGL_PURPOSE_ARRIVAL, 0, 0, 0);
    int64_t arrival_ns = 0;

    for (uint32_t i = 0; i < REQUEST_COUNT; i++) {
        rows[i].worker = i % WORKER_COUNT;
        rows[i].arrival_ns = arrival_ns;
        draw_lengths(&rows[i], i);
        draw_times(rows, i);
        arrival_ns += llround(sgl_rng_exponential(&arrivals, 50 * MILLISECOND));
    }
}

static struct finished finished_by(const struct row *rows, int64_t now_ns, uint32_t worker)
{
    struct finished result = {0};

    for (uint32_t i = 0; i < REQUEST_COUNT; i++) {
        if (rows[i].finish_ns > now_ns || (worker < WORKER_COUNT && rows[i].worker != worker))
            continue;
        result.requests++;
        result.prompt_tokens += rows[i].prompt_tokens;
        result.output_tokens += rows[i].output_tokens;
    }
    return result;
}

static void print_ratio(double over, double under, const char *end)
{
    char text[SGL_REAL_TEXT_MAX];

    printf("%s%s", sgl_real_text(over / under, text), end);
}

/* Seconds with nine decimals: what integer nanoseconds are, exactly. */
static void print_seconds(int64_t ns, const char *end)
{
    printf("%" PRId64 ".%09" PRId64 "%s", ns / SGL_NANOSECONDS_PER_SECOND,
           ns % SGL_NANOSECONDS_PER_SECOND, end);
}

static void print_row(const struct row *rows, uint32_t request)
{
    const struct row *row = &rows[request];
    const double finish_s = (double)row->finish_ns / 1e9;
    const struct finished all = finished_by(rows, row->finish_ns, WORKER_COUNT);
    const struct finished own = finished_by(rows, row->finish_ns, row->worker);

    print_ratio((double)all.prompt_tokens, finish_s, ","); /* PREFILL_THROUGHPUT */
    print_ratio((double)all.output_tokens, finish_s, ","); /* DECODE_THROUGHPUT */
    print_ratio(finish_s, (double)all.requests, ",");      /* AVG_LATENCY */
    printf("req_%" PRIu32 "_%" PRId64 ",True,,http://localhost:%" PRIu32 ",True,", request,
           CREATED_MS + request / CREATED_PER_MS, FIRST_PORT + row->worker);
    printf("%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",,0,%" PRId64 ",", row->input_length,
           row->expected_tokens, row->prompt_tokens, row->output_tokens, row->output_tokens);
    print_seconds(row->arrival_ns, ",");
    print_seconds(row->router_send_ns, ",");
    print_seconds(row->server_created_ns, ",");
    print_seconds(row->queue_start_ns, ",");
    print_seconds(row->queue_end_ns, ",");
    print_seconds(row->first_token_ns, ",");
    print_seconds(row->finish_ns, ",");
    print_seconds(row->finish_ns - row->router_send_ns, ",");         /* server_latency */
    print_seconds(row->finish_ns - row->arrival_ns, ",");             /* total_latency */
    print_seconds(row->first_token_ns - row->arrival_ns, ",");        /* ttft */
    print_ratio((double)own.prompt_tokens, finish_s, ",");            /* prefill_token_throughput */
    print_ratio((double)own.output_tokens, finish_s, ",");            /* decode_token_throughput */
    print_seconds(row->router_send_ns - row->arrival_ns, ",");        /* queue_time_in_router */
    print_seconds(row->first_token_ns - row->server_created_ns, ","); /* queue_time_in_server */
    print_seconds(row->queue_start_ns - row->server_created_ns, ","); /* tokenize_time */
    print_seconds(row->queue_end_ns - row->queue_start_ns, "\n");     /* pure_queue_time */
}

int main(void)
{
    static struct row rows[REQUEST_COUNT];

    draw(rows);
    puts("PREFILL_THROUGHPUT,DECODE_THROUGHPUT,AVG_LATENCY,req_id,success,error,host,"
         "has_generated_text,input_length,expected_output_length,actual_prompt_tokens,"
         "actual_output_tokens,actual_total_tokens,output_tokens_from_trace,decode_length,"
         "arrival_time,router_send_time,server_created_time,queue_time_start,queue_time_end,"
         "server_first_token_time,finish_time,server_latency,total_latency,ttft,"
         "prefill_token_throughput,decode_token_throughput,queue_time_in_router,"
         "queue_time_in_server,tokenize_time,pure_queue_time");
    for (uint32_t i = 0; i < REQUEST_COUNT; i++)
        print_row(rows, i);
    return fflush(stdout) == 0 && ferror(stdout) == 0 ? 0 : 1;
}
