#include "profile_file.h"

#include "core/text.h"
#include "traces/new_file.h"
#include "traces/partial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Something else under that name must not be lost. */
static int check_place(const char *path, struct sgl_failure *failure)
{
    static struct sgl_profile there; /* large for a stack */

    if (access(path, F_OK) != 0 || sgl_profile_load(&there, path, NULL) == SGL_OK)
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL,
                    "%.300s is there and is no profile (choose another name, or remove it)", path);
}

static void write_remarks(FILE *out, const char *remarks)
{
    while (remarks != NULL && *remarks != '\0') {
        const size_t length = strcspn(remarks, "\n");
        fprintf(out, "#%s%.*s\n", length > 0 ? " " : "", (int)length, remarks);
        remarks += length + (remarks[length] == '\n');
    }
}

static void write_value(FILE *out, const struct sgl_parameter *row, double value)
{
    char text[SGL_REAL_TEXT_MAX];

    if (row->kind == SGL_PARAMETER_CHOICE) {
        const char *word = row->choices;
        for (int i = 0; i < (int)value; i++)
            word = strchr(word, '|') + 1;
        fprintf(out, "%s = %.*s\n", row->name, (int)strcspn(word, "|"), word);
    } else {
        fprintf(out, "%s = %s\n", row->name, sgl_real_text(value + 0.0, text));
    }
}

struct profile {
    const struct sgl_worker_model_spec *spec;
    const char *remarks;
};

static int write_profile(FILE *out, const void *context)
{
    const struct sgl_worker_model_spec *spec = ((const struct profile *)context)->spec;
    const struct sgl_profile_identity *identity = &spec->profile;
    const struct sgl_parameter *table = spec->parameters.table;

    write_remarks(out, ((const struct profile *)context)->remarks);
    fprintf(out, "model = %s\ngpu = %s\ntp = %s\nsource = %s\n", identity->model, identity->gpu,
            identity->tp, identity->source);
    if (identity->fit_error[0] != '\0')
        fprintf(out, "fit_error = %s\n", identity->fit_error);
    if (identity->calibrated[0] != '\0')
        fprintf(out, "calibrated = %s\n", identity->calibrated);
    fputc('\n', out);
    for (size_t i = 0; table[i].name != NULL; i++) {
        const double value = spec->parameters.value[i];
        if (value == value && value != table[i].standard) /* not NaN */
            write_value(out, &table[i], value);
    }
    return SGL_OK;
}

int sgl_profile_file_write(const char *path, const struct sgl_worker_model_spec *spec,
                           const char *remarks, struct sgl_failure *failure)
{
    const struct profile profile = {spec, remarks};
    const int status = check_place(path, failure);

    return status == SGL_OK ? sgl_new_file_write(path, write_profile, &profile, failure) : status;
}
