/*
 * unfolded.h - a decision log in CSV as a database, for as long as somebody reads it with SQL.
 *
 *     run/ (CSV) --log_copy--> TMPDIR/sglsim-XXXXXX/log.db --open--> removed: whoever has it open
 *                                                                    keeps it until it closes
 *
 * A log is one thing in two media, and what reads it as a trace is one query. The copy is checked
 * on its way like every log that is read (log_reader.h).
 */
#ifndef SGL_TRACES_UNFOLDED_H
#define SGL_TRACES_UNFOLDED_H

#include "core/failure.h"

#include <stdbool.h>

#define SGL_UNFOLDED_SIZE 4096

struct sgl_unfolded {
    char path[SGL_UNFOLDED_SIZE]; /* "": there is nothing */
};

/* Is there a folder at that path? */
bool sgl_is_folder(const char *path);

/* Makes the database. Remove it when it has been opened, and after a failure of the opening. */
int sgl_unfold(struct sgl_unfolded *unfolded, const char *folder, struct sgl_failure *failure);
void sgl_unfolded_remove(struct sgl_unfolded *unfolded);

#endif
