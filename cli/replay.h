/*
 * replay.h - one replay, from options to what is reported.
 *
 *     replay.c         options -> struct sgl_replay -> run -> exit code
 *     replay_report.c  struct sgl_replay + figures -> table or JSON
 */
#ifndef SGL_CLI_REPLAY_H
#define SGL_CLI_REPLAY_H

#include "analysis/population.h"
#include "analysis/summary.h"
#include "cli/progress.h"
#include "cli/simulated_fleet.h"
#include "traces/log_sink.h"
#include "traces/open.h"

struct sgl_replay_options {
    const char *policy;
    struct sgl_simulation_flags simulation;
    uint64_t seed;
    const char *log; /* a path, or "none" */
    const char *log_candidates;
    const char *slo;
    const char *warm_up; /* "N" or a duration; NULL: none */
    uint64_t warm_up_requests;
    int64_t warm_up_ns;
    bool warm_cache; /* the trace is sent twice, and counted once */
    bool sessions;   /* turns wait for answers */
    struct sgl_trace_options trace;
    uint64_t prefix_block;
    bool json;
    bool quiet;
};

/* Everything a replay holds. Zeroed, then filled; released as a whole whatever was filled. */
struct sgl_replay {
    const char *path;
    bool is_misused; /* what failed is what the user asked for, not the world: exit 2 */
    struct sgl_replay_options options;
    struct sgl_policy_spec policy;
    char *policy_text;
    struct sgl_simulated_fleet fleet;
    struct sgl_objectives objectives;
    struct sgl_trace *trace;
    struct sgl_population *population; /* of a warm cache or sessions: the trace in memory */
    uint64_t later_turns;              /* of sessions: requests that waited for an answer */
    uint64_t measured_turns;           /* of these, with a measured think time */
    struct sgl_log *log;
    struct sgl_summary *summary;
    struct sgl_progress progress;
    struct sgl_simulation_totals totals;
    uint64_t warm_up; /* requests left out of the figures */
    struct sgl_summary_result result;
};

/* What the reader must know beside the figures, one line each; NULL past the last. */
const char *sgl_replay_caveat(const struct sgl_replay *replay, uint32_t index, char *out,
                              size_t size);

/* Writes the report to stdout. SGL_OK or SGL_ENOMEM. */
int sgl_replay_print(const struct sgl_replay *replay);
int sgl_replay_print_json(const struct sgl_replay *replay);

#endif
