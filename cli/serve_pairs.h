/*
 * serve_pairs.h - the options of `sglsim serve` for pairs of prefill and decode workers.
 *
 *      --prefill URL [PORT|none] --decode URL            each as often as there are workers
 *      --prefill-urls URL [PORT|none] URL ...  --decode-urls URL ...       the same, in one list
 *      --worker-urls URL URL ...                            not of pairs, but alike; so the next
 *      --ca-cert-paths FILE FILE ...  --request-id-headers NAME NAME ...
 *
 * Options take one argument each; these take several and may be repeated, as in SGLang's routers.
 * So a command line is folded before it is parsed: all that was said of one kind becomes one
 * argument, "URL PORT URL PORT", which is also how a --config file says it.
 */
#ifndef SGL_CLI_SERVE_PAIRS_H
#define SGL_CLI_SERVE_PAIRS_H

#include "live/proxy.h"
#include "options.h"

/* --prefill, --decode, --worker-urls, --ca-cert-paths, --request-id-headers */
#define SGL_SERVE_FOLDED_COUNT 5

struct sgl_serve_pairs {
    bool is_asked; /* --pd-disaggregation */
    const char *mode;
    const char *prefill;
    const char *decode;
    const char *prefill_policy; /* "": that of --policy; so the next */
    const char *decode_policy;
};

/* A command line, folded. What must live as long as the options do. */
struct sgl_serve_folded {
    char **arguments;
    char *texts[SGL_SERVE_FOLDED_COUNT]; /* with room for all that was typed; "": not said */
};

/* Workers that were named, with the texts their URLs are in. */
struct sgl_serve_workers {
    struct sgl_proxy_worker *items;
    size_t count;
    char *texts[2]; /* cut up */
};

void sgl_serve_pairs_init(struct sgl_serve_pairs *pairs);

#define SGL_SERVE_PAIR_ROWS_MAX 8
/* Writes rows of the table, and gives their number. */
size_t sgl_serve_pair_rows(struct sgl_serve_pairs *pairs,
                           struct sgl_option rows[static SGL_SERVE_PAIR_ROWS_MAX]);

/* The folded command line goes to folded->arguments, and its length to *count. False after a
 * complaint. To be released in any case. */
bool sgl_serve_fold(struct sgl_serve_folded *folded, int *count, char **arguments);
void sgl_serve_folded_release(struct sgl_serve_folded *folded);

bool sgl_serve_is_paired(const struct sgl_serve_pairs *pairs);

/* The workers that a list and operands name, or those of pairs: all of them. The operands are
 * borrowed. False after a complaint; to be released in any case. */
bool sgl_serve_workers_read(struct sgl_serve_workers *workers, const char *list, char **urls,
                            size_t url_count);
bool sgl_serve_pairs_read(struct sgl_serve_workers *workers, const struct sgl_serve_pairs *pairs);
void sgl_serve_workers_release(struct sgl_serve_workers *workers);

#endif
