/*
 * law.h - the laws a synthetic trace is drawn from: when requests come, how long they are.
 *
 *     "gamma:rate=10,cv=2" --parse--> struct sgl_law --prepare (within parse)--> next, next, ...
 *
 * A law = one file in arrivals/ or lengths/ that ends with a `const struct sgl_law_ops`, and one
 * line in arrivals.def or lengths.def. Its parameters are a table of core/parameters.h; a law that
 * takes a file has `file=PATH` besides, which comes last and takes the rest of the text.
 *
 * What a law intends (its rate, its mean, ...) is computed from its formula, never from draws, so
 * that a report can hold the one against the other. NaN: there is no closed form, or no such thing.
 *
 * A law is the caller's struct, which may be copied until it is released once. Failures name the
 * option. One thread at a time.
 */
#ifndef SGL_TRACES_GENERATE_LAW_H
#define SGL_TRACES_GENERATE_LAW_H

#include "core/failure.h"
#include "core/parameters.h"
#include "core/rng.h"

#include <stdbool.h>

/* More prompt or output tokens than this nobody draws; what a trace may hold is 2^31. */
#define SGL_LENGTH_MOST 1048576

enum sgl_length_part { SGL_LENGTH_PROMPT, SGL_LENGTH_OUTPUT };

struct sgl_law {
    const struct sgl_law_ops *ops;
    struct sgl_parameters parameters;
    enum sgl_length_part part; /* of a length: which */
    char *file;                /* owned; NULL: none */
    void *state;               /* owned by the law */
    bool is_on;                /* of onoff: which phase, and when it ends */
    double phase_end_s;
};

/* A length is drawn from two streams of a request: one of its own for the prompt and one for the
 * output, and one that both share, by which `trace` draws the two of them together. */
struct sgl_length_draws {
    struct sgl_rng own;
    struct sgl_rng shared;
};

struct sgl_law_ops {
    const char *name;
    const char *summary;
    const struct sgl_parameter *parameters;
    bool takes_file; /* and cannot be without */

    /* May be NULL: checks what the table cannot, and makes the state. */
    int (*prepare)(struct sgl_law *self, const char *what, struct sgl_failure *failure);

    /* Arrivals. The time of the next one after `now_s` (which is 0, or the one before), both in
     * seconds from the start of the law; infinite when there is none any more. */
    double (*next)(struct sgl_law *self, struct sgl_rng *stream, double now_s);
    double (*rate)(const struct sgl_law *self);   /* arrivals/s in the long run */
    double (*gap_cv)(const struct sgl_law *self); /* of the gaps between them; NULL: unknown */

    /* Lengths, in tokens. *was_clamped_out is set when a bound changed what was drawn. */
    int64_t (*draw)(struct sgl_law *self, struct sgl_length_draws *draws, bool *was_clamped_out);
    double (*mean)(const struct sgl_law *self); /* with its bound, before rounding */
    double (*quantile)(const struct sgl_law *self, double q);
};

/* `option` is what messages call it: "--arrivals". On failure there is nothing to release. */
int sgl_arrivals_parse(struct sgl_law *law_out, const char *text, const char *option,
                       struct sgl_failure *failure);
int sgl_length_parse(struct sgl_law *law_out, const char *text, enum sgl_length_part part,
                     const char *option, struct sgl_failure *failure);

/* "gamma:rate=10,cv=2": every parameter, so that parsing it gives the same law; of a file its last
 * name only, for the path is of one machine. Caller frees; NULL without memory. */
char *sgl_law_format(const struct sgl_law *law);

/* NULL and a zeroed law are fine. */
void sgl_law_release(struct sgl_law *law);

/* For listing: NULL after the last. */
const struct sgl_law_ops *sgl_arrivals_at(uint32_t index);
const struct sgl_law_ops *sgl_length_at(uint32_t index);

#endif
