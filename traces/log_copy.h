/*
 * log_copy.h - a decision log in another medium: the same rows, so the same digests.
 */
#ifndef SGL_TRACES_LOG_COPY_H
#define SGL_TRACES_LOG_COPY_H

#include "log_reader.h"

/* Puts every row of the log into the store and finishes it. The reader must be fresh from opening;
 * its streams end up at their ends. The store remains the caller's to destroy. */
int sgl_log_copy(struct sgl_log_reader *reader, struct sgl_log_store *store,
                 struct sgl_failure *failure);

/* The same from path to path, each in the medium that its path says. */
int sgl_log_copy_file(const char *from, const char *to, struct sgl_failure *failure);

#endif
