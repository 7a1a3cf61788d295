/*
 * servegen: arrivals after the published statistics of one client, window by window.
 *
 *     client,t_s,rate_req_per_s,cv       rows of a window each, in order of t_s; other columns are
 *     5,0,378.9,1.12                     passed over, and so are the rows of other clients
 *     5,600,348.9,1.11
 *
 * Gaps are gamma of mean 1 and of the cv of the window they begin in, in a time that runs with the
 * rate: where the rate halves within a gap, what is left of it takes twice as long. The published
 * rates and cv reach hundreds in windows of a few requests, so they are held at rate_max (before
 * scale) and between 0.01 and cv_max. After the last window, which is as wide as the one before it,
 * nothing comes any more.
 *
 * Source of the form: ServeGen (Xiang et al., "ServeGen: Workload Characterization and Generation
 * of Large Language Model Serving in Production", 2025), whose clients have a rate and a gamma or
 * Weibull law of gaps in each window; a Weibull window is drawn as gamma of the same cv.
 */
#include "core/text.h"
#include "traces/csv_parser.h"
#include "traces/generate/law.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum parameter { CLIENT, SCALE, START_S, RATE_MAX, CV_MAX };

static const struct sgl_parameter parameters[] = {
    [CLIENT] = {"client", SGL_PARAMETER_INTEGER, NAN, 0, 1e9, NULL, "number of the client"},
    [SCALE] = {"scale", SGL_PARAMETER_REAL, 1, 1e-6, 1e6, NULL, "times the published rates"},
    [START_S] = {"start_s", SGL_PARAMETER_REAL, 0, 0, 1e8, NULL, "where to begin, s"},
    [RATE_MAX] = {"rate_max", SGL_PARAMETER_REAL, 1000, 1e-6, 1e6, NULL,
                  "higher published rates become this, requests per second"},
    [CV_MAX] = {"cv_max", SGL_PARAMETER_REAL, 5, 0.01, 20, NULL, "higher cv become this"},
    {0},
};

enum column { COLUMN_CLIENT, COLUMN_TIME, COLUMN_RATE, COLUMN_CV, COLUMN_COUNT };
static const char *const names[] = {"client", "t_s", "rate_req_per_s", "cv"};

#define WINDOW_STANDARD_S 600 /* of a single window */
#define WINDOWS_MOST 1048576

struct window {
    double from_s;
    double rate; /* requests/s, held and scaled */
    double cv;
};

struct windows {
    size_t count;
    size_t capacity;
    size_t at; /* the window of the last arrival */
    struct window list[];
};

static int add(struct sgl_law *self, struct window window, const char *what,
               struct sgl_failure *failure)
{
    struct windows *windows = self->state;

    if (windows == NULL || windows->count == windows->capacity) {
        const size_t capacity = windows == NULL ? 1024 : 2 * windows->capacity;
        if (capacity > WINDOWS_MOST)
            return sgl_fail(failure, SGL_EINVAL, "%s: more than %d windows, expected fewer", what,
                            WINDOWS_MOST);
        struct windows *grown = realloc(windows, sizeof *grown + capacity * sizeof grown->list[0]);
        if (grown == NULL)
            return sgl_fail(failure, SGL_ENOMEM, "%s: out of memory", what);
        if (windows == NULL)
            grown->count = grown->at = 0;
        grown->capacity = capacity;
        self->state = windows = grown;
    }
    if (windows->count > 0 && !(window.from_s > windows->list[windows->count - 1].from_s))
        return sgl_fail(failure, SGL_EINVAL,
                        "%s: t_s=%g is not after the window before, expected rows in order", what,
                        window.from_s);
    windows->list[windows->count++] = window;
    return SGL_OK;
}

/* The number in a cell; an empty one is 0. */
static int read_cell(const struct sgl_csv_row *row, uint32_t index, const char *name,
                     double *value_out, const char *file, struct sgl_failure *failure)
{
    const struct sgl_csv_cell *cell = index < row->cell_count ? &row->cells[index] : NULL;

    if (cell == NULL)
        return sgl_fail(failure, SGL_EINVAL, "%s:%llu: no %s, expected a number", file,
                        (unsigned long long)row->line, name);
    *value_out = 0;
    if (cell->size > 0 && (!sgl_real_read(cell->text, cell->size, value_out) || *value_out < 0))
        return sgl_fail(failure, SGL_EINVAL,
                        "%s:%llu:%llu: %s is '%.40s', expected a number of at least 0", file,
                        (unsigned long long)cell->line, (unsigned long long)cell->column, name,
                        cell->text);
    return SGL_OK;
}

static int read_header(const struct sgl_csv_row *row, uint32_t columns[static COLUMN_COUNT],
                       const char *file, struct sgl_failure *failure)
{
    for (size_t column = 0; column < COLUMN_COUNT; column++) {
        uint32_t i = 0;
        while (i < row->cell_count && strcmp(row->cells[i].text, names[column]) != 0)
            i++;
        if (i == row->cell_count)
            return sgl_fail(failure, SGL_EINVAL,
                            "%s:1: no column %s, expected client, t_s, rate_req_per_s and cv", file,
                            names[column]);
        columns[column] = i;
    }
    return SGL_OK;
}

static int read_row(struct sgl_law *self, const struct sgl_csv_row *row, const uint32_t *columns,
                    const char *what, struct sgl_failure *failure)
{
    const double *value = self->parameters.value;
    double cells[COLUMN_COUNT];

    for (size_t column = 0; column < COLUMN_COUNT; column++) {
        const int status =
            read_cell(row, columns[column], names[column], &cells[column], self->file, failure);
        if (status != SGL_OK)
            return status;
    }
    if (cells[COLUMN_CLIENT] != value[CLIENT])
        return SGL_OK;
    return add(self,
               (struct window){
                   .from_s = cells[COLUMN_TIME],
                   .rate = value[SCALE] * fmin(cells[COLUMN_RATE], value[RATE_MAX]),
                   .cv = fmax(0.01, fmin(cells[COLUMN_CV], value[CV_MAX])),
               },
               what, failure);
}

static int read_rows(struct sgl_law *self, struct sgl_bytes *bytes, const char *what,
                     struct sgl_failure *failure)
{
    struct sgl_csv_parser *parser = NULL;
    struct sgl_csv_row row;
    uint32_t columns[COLUMN_COUNT];
    int status = sgl_csv_create(&parser, bytes, failure);

    if (status != SGL_OK)
        return status;
    status = sgl_csv_next(parser, &row, failure);
    if (status == 0)
        status = sgl_fail(failure, SGL_EINVAL, "%s: is empty, expected a header", self->file);
    else if (status == 1)
        status = read_header(&row, columns, self->file, failure);
    while (status == SGL_OK && (status = sgl_csv_next(parser, &row, failure)) == 1)
        status = read_row(self, &row, columns, what, failure);
    sgl_csv_destroy(parser);
    return status;
}

static int prepare(struct sgl_law *self, const char *what, struct sgl_failure *failure)
{
    struct sgl_bytes bytes = {0};

    if (isnan(self->parameters.value[CLIENT]))
        return sgl_fail(failure, SGL_EINVAL, "%s: no client, expected client=NUMBER", what);
    int status = sgl_bytes_open(&bytes, self->file, self->file, failure);
    if (status == SGL_OK)
        status = sgl_bytes_unpack(&bytes, failure);
    if (status == SGL_OK)
        status = read_rows(self, &bytes, what, failure);
    sgl_bytes_close(&bytes);
    if (status == SGL_OK && self->state == NULL)
        status = sgl_fail(failure, SGL_EINVAL, "%s: %s has no row of client %g", what, self->file,
                          self->parameters.value[CLIENT]);
    return status;
}

static double end_of(const struct windows *windows, size_t i)
{
    if (i + 1 < windows->count)
        return windows->list[i + 1].from_s;
    return windows->list[i].from_s +
           (i > 0 ? windows->list[i].from_s - windows->list[i - 1].from_s : WINDOW_STANDARD_S);
}

static double next(struct sgl_law *self, struct sgl_rng *stream, double now_s)
{
    struct windows *windows = self->state;
    double time_s = fmax(now_s + self->parameters.value[START_S], windows->list[0].from_s);
    double left = -1; /* of the gap, in mean gaps; not drawn yet */

    for (; windows->at < windows->count; windows->at++) {
        const struct window *window = &windows->list[windows->at];
        const double end_s = end_of(windows, windows->at);
        if (time_s >= end_s || !(window->rate > 0)) {
            time_s = fmax(time_s, end_s);
            continue;
        }
        if (left < 0)
            left = sgl_rng_gamma(stream, 1, window->cv);
        if (left < (end_s - time_s) * window->rate)
            return time_s + left / window->rate - self->parameters.value[START_S];
        left -= (end_s - time_s) * window->rate;
        time_s = end_s;
    }
    return INFINITY;
}

const struct sgl_law_ops sgl_arrivals_servegen = {
    .name = "servegen",
    .summary = "client=NUMBER of ServeGen's client statistics",
    .parameters = parameters,
    .takes_file = true,
    .prepare = prepare,
    .next = next,
};
