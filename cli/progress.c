#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define QUIET_NS INT64_C(1000000000) /* runs under a second stay silent */
#define REDRAW_NS INT64_C(100000000)

static int64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void sgl_progress_start(struct sgl_progress *progress, bool is_quiet)
{
    *progress = (struct sgl_progress){
        .is_shown = !is_quiet && isatty(STDERR_FILENO) == 1,
        .started_ns = clock_ns(),
    };
}

/* Is it time to draw? */
static bool is_due(struct sgl_progress *progress)
{
    if (!progress->is_shown)
        return false;
    const int64_t clock = clock_ns();
    if (clock - progress->started_ns < QUIET_NS || clock - progress->drawn_ns < REDRAW_NS)
        return false;
    progress->drawn_ns = clock;
    progress->is_drawn = true;
    return true;
}

void sgl_progress_report(void *context, uint64_t finished, int64_t now_ns)
{
    struct sgl_progress *progress = context;

    if (!is_due(progress))
        return;
    const double elapsed_s = (double)(progress->drawn_ns - progress->started_ns) / 1e9;
    fprintf(stderr, "\r\033[K%llu requests, %.1f s of the trace, %.0f requests/s",
            (unsigned long long)finished, (double)now_ns / 1e9, (double)finished / elapsed_s);
    fflush(stderr);
}

void sgl_progress_report_parts(struct sgl_progress *progress, uint64_t done, uint64_t count,
                               const char *what)
{
    if (!is_due(progress))
        return;
    fprintf(stderr, "\r\033[K%llu of %llu %s", (unsigned long long)done, (unsigned long long)count,
            what);
    fflush(stderr);
}

void sgl_progress_runs(void *context, uint64_t run_count)
{
    struct sgl_progress *progress = context;

    if (!is_due(progress))
        return;
    const double elapsed_s = (double)(progress->drawn_ns - progress->started_ns) / 1e9;
    fprintf(stderr, "\r\033[K%llu simulations, %.0f/s", (unsigned long long)run_count,
            (double)run_count / elapsed_s);
    fflush(stderr);
}

void sgl_progress_end(struct sgl_progress *progress)
{
    if (progress->is_drawn)
        fputs("\r\033[K", stderr);
    progress->is_drawn = false;
}
