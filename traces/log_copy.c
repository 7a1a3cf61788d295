#include "log_copy.h"

#include "log_parse.h"

static int copy_facts(const struct sgl_log_reader *reader, struct sgl_log_store *store,
                      struct sgl_failure *failure)
{
    int status = SGL_OK;

    for (size_t i = 0; i < reader->fact_count && status == SGL_OK; i++) {
        const struct sgl_log_value values[SGL_LOG_RUN_COLUMN_COUNT] = {
            [SGL_LOG_RUN_KEY] = sgl_log_text(reader->facts[i].key),
            [SGL_LOG_RUN_VALUE] = sgl_log_text(reader->facts[i].value),
        };
        status = store->ops->put(store, SGL_LOG_RUN, values, failure);
    }
    return status;
}

int sgl_log_copy(struct sgl_log_reader *reader, struct sgl_log_store *store,
                 struct sgl_failure *failure)
{
    struct sgl_log_value values[SGL_LOG_COLUMN_MAX];
    /* The reader took the facts when it was opened. */
    int status = copy_facts(reader, store, failure);

    for (int i = SGL_LOG_RUN + 1; i < SGL_LOG_TABLE_COUNT && status == SGL_OK; i++) {
        const enum sgl_log_table table = (enum sgl_log_table)i;
        while ((status = sgl_log_reader_next_row(reader, table, values, failure)) == 1) {
            status = store->ops->put(store, table, values, failure);
            if (status != SGL_OK)
                return status;
        }
    }
    return status == SGL_OK ? store->ops->finish(store, failure) : status;
}

int sgl_log_copy_file(const char *from, const char *to, struct sgl_failure *failure)
{
    const struct sgl_log_store_options options = {.is_durable = false};
    struct sgl_log_reader *reader;
    struct sgl_log_store *store;
    int status = sgl_log_reader_open(&reader, from, failure);

    if (status != SGL_OK)
        return status;
    status = sgl_log_medium_of(to)->create(&store, to, &options, failure);
    if (status == SGL_OK) {
        status = sgl_log_copy(reader, store, failure);
        store->ops->destroy(store);
    }
    sgl_log_reader_close(reader);
    return status;
}
