/*
 * parameters.h - `key=value,key=value` against a table of parameters.
 *
 * Everything a user can tune (policies, service models, workers) is a row of a table: name, kind,
 * default, range, help. One parser reads it, one formatter writes it back with every value
 * resolved, and `sglsim policies NAME` prints the table. Values are doubles: integers are exact up
 * to 2^53, a choice is the index of its word. A list is written `0.5/0.3/0.2`; a table has at most
 * one. A policy within a policy is the last parameter and takes the rest of the text, commas
 * included: `epsilon=0.05,base=power_of_two:base=queue,ties=first`; it cannot hold a third.
 *
 *     table        { {"window_size", INTEGER, 20, 2, 65536, NULL, "completions ..."}, ..., {NULL} }
 *     parameters   .value[i] belongs to row i of the table;  .list is the list row's
 */
#ifndef SGL_CORE_PARAMETERS_H
#define SGL_CORE_PARAMETERS_H

#include "failure.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define SGL_PARAMETER_MAX 32        /* rows of one table */
#define SGL_PARAMETER_LIST_MAX 1024 /* members of a list */

enum sgl_parameter_kind {
    SGL_PARAMETER_REAL,
    SGL_PARAMETER_INTEGER,
    SGL_PARAMETER_CHOICE,
    SGL_PARAMETER_REALS,  /* a list; empty unless given */
    SGL_PARAMETER_POLICY, /* a policy with its parameters; none unless given */
};

struct sgl_parameter {
    const char *name; /* NULL ends the table */
    enum sgl_parameter_kind kind;
    double standard; /* the default; of a choice: its index; NaN: absent unless given */
    double least;    /* range of a number or of each member of a list */
    double most;
    const char *choices; /* "first|random" */
    const char *help;
};

struct sgl_parameters {
    const struct sgl_parameter *table;
    double value[SGL_PARAMETER_MAX];
    double *list; /* owned */
    uint32_t list_count;
    struct sgl_policy_spec *policy; /* owned; NULL: none given */
};

/* The value of that row's range that is nearest to `value`, a number. */
static inline double sgl_parameter_clamp(const struct sgl_parameter *row, double value)
{
    return fmin(fmax(value, row->least), row->most);
}

/* Every value at its default. */
void sgl_parameters_init(struct sgl_parameters *parameters, const struct sgl_parameter *table);

/* Changes what `text` names ("" and NULL name nothing). `what` opens the failure text, for example
 * "policy marginal_utility". On failure the parameters may be partly changed. */
int sgl_parameters_parse(struct sgl_parameters *parameters, const char *text, const char *what,
                         struct sgl_failure *failure);

/* Changes one value. `key_length` and `value_length` bytes count. */
int sgl_parameters_set(struct sgl_parameters *parameters, const char *key, size_t key_length,
                       const char *value, size_t value_length, const char *what,
                       struct sgl_failure *failure);

/* "key=value,key=value" with every value that is not absent, in table order, such that parsing it
 * gives the same values bit for bit. Caller frees; NULL without memory. */
char *sgl_parameters_format(const struct sgl_parameters *parameters);

void sgl_parameters_release(struct sgl_parameters *parameters);

/* The shortest of %.15g, %.16g, %.17g that reads back as the same double. Returns `out`. */
#define SGL_REAL_TEXT_MAX 32
const char *sgl_real_text(double value, char out[static SGL_REAL_TEXT_MAX]);

#endif
