/*
 * log_csv.h - the decision log as a folder of CSV files: what its writer and its reader share.
 *
 *     run/log.txt         "sglsim decision log, format 1": what the folder is
 *     run/run.csv, worker.csv, request.csv, input.csv, decision.csv, candidate.csv, outcome.csv,
 *         gap.csv, itl.csv
 *                         a table each, with the columns of log_columns.def
 *     run/recorder.csv, client.csv
 *                         the two views (log_views.h), for people; never read back
 *
 * A table file is exact, so that a log comes back bit for bit: the header line, one row per line in
 * ascending order of the first column (candidates in the order they were considered), lines end
 * with LF, the last one too. A cell is bare or in quotes, where "" is a quote.
 *
 *     nothing            NULL                            ""        the empty text
 *     12, -7             integer                         0.5       real, as %.17g
 *     0 3 18446744073709551615   prefix_ids, decimal     http://a  text, its very bytes
 *
 * Text is quoted when it is empty, holds a comma, quote, CR or LF, begins or ends with a space, or
 * begins with what a spreadsheet takes for a formula: = + - @ TAB CR. Quotes do not stop a
 * spreadsheet, and a changed byte would not come back; hence in recorder.csv and client.csv, which
 * people open there, such text also gets a leading apostrophe (OWASP, "CSV Injection").
 */
#ifndef SGL_TRACES_LOG_CSV_H
#define SGL_TRACES_LOG_CSV_H

#include "log_row.h"

#include <stdio.h>

#define SGL_LOG_CSV_MARK "log.txt"
#define SGL_LOG_CSV_MARK_TEXT "sglsim decision log, format "
#define SGL_LOG_CSV_DATABASE "run.db" /* while it is written */

/* Room for the path of a file in the folder. */
#define SGL_LOG_CSV_PATH_MAX 4352

/* "FOLDER/NAME", without doubling a slash. Returns `out`, or NULL when it does not fit. */
const char *sgl_log_csv_path(const char *folder, const char *name,
                             char out[static SGL_LOG_CSV_PATH_MAX]);

/* Is there a decision log of any version in the folder? Its version, or 0. */
int sgl_log_csv_version(const char *folder);

/* Does a log have a file of that name, finished or being written? */
bool sgl_log_csv_has_file(const char *name);

/* Calls visit with the name of every such file. */
void sgl_log_csv_each_file(void (*visit)(void *context, const char *name), void *context);

/* A line. Errors of the stream are left in it; SGL_EINVAL: the row holds what CSV cannot. */
void sgl_log_csv_write_header(FILE *out, enum sgl_log_table table);
int sgl_log_csv_write_row(FILE *out, enum sgl_log_table table, const struct sgl_log_value *values,
                          struct sgl_failure *failure);

/* A cell of the files for people. */
void sgl_log_csv_write_shown(FILE *out, const char *text, size_t size);

#endif
