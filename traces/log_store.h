/*
 * log_store.h - what a medium of logs offers, to write and to read. One medium = its files, which
 * define these tables of functions, and a line in log_media.def; the path says which is used.
 *
 * Rows are values in the order of the table's columns (log_schema.h). A store knows nothing of what
 * they mean.
 */
#ifndef SGL_TRACES_LOG_STORE_H
#define SGL_TRACES_LOG_STORE_H

#include "log_row.h"

struct sgl_log_store {
    const struct sgl_log_store_ops *ops;
    const char *kept; /* what an earlier run had left was given that name; NULL: nothing was. Lives
                       * until finish or destroy. */
};

struct sgl_log_store_ops {
    /* Adds a row. The values are borrowed for the call. */
    int (*put)(struct sgl_log_store *self, enum sgl_log_table table,
               const struct sgl_log_value *values, struct sgl_failure *failure);
    /* ? What was put so far belongs together: a good moment to hand it to the disk. */
    int (*commit)(struct sgl_log_store *self, struct sgl_failure *failure);
    /* ? A call has failed: takes back what was put since the last commit. On SGL_OK it may be put
     * to again. */
    int (*recover)(struct sgl_log_store *self, struct sgl_failure *failure);
    /* Makes it a finished log under its name. No call but destroy may follow. */
    int (*finish)(struct sgl_log_store *self, struct sgl_failure *failure);
    /* ? What was committed is to stay where it is when the store is destroyed unfinished. */
    void (*leave)(struct sgl_log_store *self);
    /* Frees the store, and removes what it wrote unless it was finished or left. Accepts NULL. */
    void (*destroy)(struct sgl_log_store *self);
};

struct sgl_log_store_options {
    bool is_durable; /* a killed process leaves what was committed, readable */
};

/* A log file to read. Tables are read each at its own pace. The bytes of a row live until the next
 * call for the same table. */
struct sgl_log_source {
    const struct sgl_log_source_ops *ops;
};

struct sgl_log_source_ops {
    /* The next row in the table's order. 1: `values` has it; 0: the end; negative: failure.
     * SGL_EINVAL: it holds what no writer writes. SGL_EIO: it cannot be read. */
    int (*next)(struct sgl_log_source *self, enum sgl_log_table table, struct sgl_log_value *values,
                struct sgl_failure *failure);
    /* The row with that number in the first column. 1, 0 or negative as above; what next() gave of
     * the table stays valid. */
    int (*find)(struct sgl_log_source *self, enum sgl_log_table table, int64_t key,
                struct sgl_log_value *values, struct sgl_failure *failure);
    void (*destroy)(struct sgl_log_source *self);
};

/* log_sqlite.c and log_sqlite_read.c */
int sgl_log_sqlite_create(struct sgl_log_store **store_out, const char *path,
                          const struct sgl_log_store_options *options, struct sgl_failure *failure);
int sgl_log_sqlite_open(struct sgl_log_source **source_out, const char *path,
                        struct sgl_failure *failure);

/* log_csv.c and log_csv_read.c */
int sgl_log_csv_open(struct sgl_log_source **source_out, const char *path,
                     struct sgl_failure *failure);

/* What logs are stored in: log_media.def lists them. */
struct sgl_log_medium {
    bool (*owns)(const char *path); /* is the path its own, by name or by what is there? */
    int (*create)(struct sgl_log_store **store_out, const char *path,
                  const struct sgl_log_store_options *options, struct sgl_failure *failure);
    int (*open)(struct sgl_log_source **source_out, const char *path, struct sgl_failure *failure);
};

#define LOG_MEDIUM(name) extern const struct sgl_log_medium sgl_log_medium_##name;
#include "log_media.def"
#undef LOG_MEDIUM

/* The medium of a path; never NULL. */
const struct sgl_log_medium *sgl_log_medium_of(const char *path);

#endif
