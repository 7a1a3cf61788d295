/*
 * expert_table.h - how long a layer of experts takes, by the tokens of the step.
 *
 *     X_moe.csv:  tokens, activated_experts, time_us     (the tables are LLMServingSim's; a column
 *                                                         ep, if there is one, says over how many
 *                                                         devices experts were spread: 1 is read)
 *
 *         time   activated  8    16    32    64   128        A(T): experts that T tokens need
 *         T = 1             o
 *         T = 16            o----o-----o--x--o                 x at A(16)
 *         T = 64            o----o-----o-----o--x--o           x at A(64)
 *                                                     what is returned: the x by T
 *
 * Of E experts a token needs K. If it needs any as likely as any other, T tokens need together
 *
 *     A(T) = E (1 - (1 - K/E)^T)
 *
 * on average: the same law as c_expert (sim/models/step_cost.h), with p_expert = K/E. Times are on
 * straight lines between the activated counts measured.
 */
#ifndef SGL_ANALYSIS_EXPERT_TABLE_H
#define SGL_ANALYSIS_EXPERT_TABLE_H

#include "core/failure.h"

#include <stddef.h>

struct sgl_expert_table {
    double expert_count;      /* E and K: 0 before the call: the most and the least activated */
    double experts_per_token; /* experts in the table, which are exact when powers of two */
    double *tokens;           /* rising; owned, `count` of each */
    double *times_us;
    size_t count;
};

/* Reads the file; the caller sets expert_count and experts_per_token before, or leaves them 0. */
int sgl_expert_table_load(struct sgl_expert_table *table, const char *path,
                          struct sgl_failure *failure);

void sgl_expert_table_release(struct sgl_expert_table *table);

#endif
