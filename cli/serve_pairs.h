/*
 * serve_pairs.h - the options of `sglsim serve` for pairs of prefill and decode workers.
 *
 *      --prefill URL [PORT|none] --decode URL            each as often as there are workers
 *      --prefill-urls URL [PORT|none] URL ...  --decode-urls URL ...       the same, in one list
 *      --ca-cert-paths FILE FILE ...  --request-id-headers NAME NAME ...   not of pairs, but alike
 *
 * Options take one argument each; these take several and may be repeated, as in SGLang's routers.
 * So a command line is folded before it is parsed: all that was said of one kind becomes one
 * argument, "URL PORT URL PORT", which is also how a --config file says it.
 */
#ifndef SGL_CLI_SERVE_PAIRS_H
#define SGL_CLI_SERVE_PAIRS_H

#include "live/proxy.h"
#include "options.h"

#define SGL_SERVE_PAIR_TEXT_MAX 65536
#define SGL_SERVE_FOLDED_COUNT 4 /* --prefill, --decode, --ca-cert-paths, --request-id-headers */

struct sgl_serve_pairs {
    bool is_asked; /* --pd-disaggregation */
    const char *mode;
    const char *prefill;
    const char *decode;
    const char *prefill_policy; /* "": that of --policy; so the next */
    const char *decode_policy;
};

/* What must live as long as the options do. */
struct sgl_serve_pair_texts {
    char **arguments;
    char folded[SGL_SERVE_FOLDED_COUNT][SGL_SERVE_PAIR_TEXT_MAX]; /* "": not said */
    char prefill_urls[SGL_SERVE_PAIR_TEXT_MAX];                   /* cut up */
    char decode_urls[SGL_SERVE_PAIR_TEXT_MAX];
};

void sgl_serve_pairs_init(struct sgl_serve_pairs *pairs);

#define SGL_SERVE_PAIR_ROWS_MAX 8
/* Writes rows of the table, and gives their number. */
size_t sgl_serve_pair_rows(struct sgl_serve_pairs *pairs,
                           struct sgl_option rows[static SGL_SERVE_PAIR_ROWS_MAX]);

/* The folded command line goes to texts->arguments (freed by sgl_serve_pairs_release), and its
 * length to *count. False after a complaint. */
bool sgl_serve_pairs_fold(struct sgl_serve_pair_texts *texts, int *count, char **arguments);
void sgl_serve_pairs_release(struct sgl_serve_pair_texts *texts);

bool sgl_serve_is_paired(const struct sgl_serve_pairs *pairs);

/* Fills in at most `most` workers, whose texts are in `texts`. False after a complaint. */
bool sgl_serve_pairs_resolve(const struct sgl_serve_pairs *pairs,
                             struct sgl_serve_pair_texts *texts, struct sgl_proxy_worker *workers,
                             size_t most, size_t *count_out);

#endif
