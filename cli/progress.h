/*
 * progress.h - a line on a terminal's stderr for runs over a second; nothing anywhere else.
 */
#ifndef SGL_CLI_PROGRESS_H
#define SGL_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct sgl_progress {
    bool is_shown; /* stderr is a terminal, and --quiet was not given */
    bool is_drawn; /* there is a line to wipe */
    int64_t started_ns;
    int64_t drawn_ns;
};

void sgl_progress_start(struct sgl_progress *progress, bool is_quiet);

/* Fits sgl_simulation_options.progress; the context is the progress. */
void sgl_progress_report(void *context, uint64_t finished, int64_t now_ns);

/* The same for parts of a whole, such as runs: "12 of 40 runs". */
void sgl_progress_report_parts(struct sgl_progress *progress, uint64_t done, uint64_t count,
                               const char *what);

/* The same for those who do not know how many simulations it takes: "120 simulations, 9000/s". */
void sgl_progress_runs(void *context, uint64_t run_count);

void sgl_progress_end(struct sgl_progress *progress);

#endif
