/*
 * reason.h - why a decision fell as it did. One row per reason; the text is what logs and reports
 * show, so a log never holds a bare number.
 *
 * Precedence, where several would fit: explore, only_candidate, tie, then the policy's own.
 */
#ifndef SGL_CORE_REASON_H
#define SGL_CORE_REASON_H

/* clang-format off */
#define SGL_REASON_MAP(X)                                                                         \
    X(NO_WORKER,      no_worker,      "no candidate: nothing was chosen")                         \
    X(EXPLORE,        explore,        "drawn uniformly, to learn about all")                      \
    X(ONLY_CANDIDATE, only_candidate, "one candidate: the policy had no choice")                  \
    X(TIE,            tie,            "several candidates were equally good")                     \
    X(UNIFORM,        uniform,        "drawn uniformly")                                          \
    X(TURN,           turn,           "next in turn")                                             \
    X(SAMPLED_PAIR,   sampled_pair,   "the better of two candidates drawn at random")             \
    X(SHORTEST,       shortest,       "least load or shortest reported queue")                    \
    X(FALLBACK,       fallback,       "the policy's own signal was missing; its stand-in decided") \
    X(PROBABILITY,    probability,    "drawn with the configured probabilities")                  \
    X(IMBALANCE,      imbalance,      "loads were too unequal: least loaded")                     \
    X(CACHE_HIT,      cache_hit,      "has been sent the longest prefix of the prompt")           \
    X(CACHE_MISS,     cache_miss,     "no prefix long enough is known")                           \
    X(GRADIENT,       gradient,       "best score, and the chosen worker's score is a gradient's") \
    X(LOAD_FALLBACK,  load_fallback,  "best score, and the chosen worker's is -outstanding")
/* clang-format on */

enum sgl_reason {
#define SGL_REASON_ENUM(upper, lower, meaning) SGL_REASON_##upper,
    SGL_REASON_MAP(SGL_REASON_ENUM)
#undef SGL_REASON_ENUM
        SGL_REASON_COUNT
};

const char *sgl_reason_name(enum sgl_reason reason);
const char *sgl_reason_meaning(enum sgl_reason reason);

/* The reason of that name, or SGL_REASON_COUNT. */
enum sgl_reason sgl_reason_named(const char *name);

#endif
