#include "serve_pairs.h"

#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sgl_serve_pairs_init(struct sgl_serve_pairs *pairs)
{
    *pairs = (struct sgl_serve_pairs){
        .mode = "regular", .prefill = "", .decode = "", .prefill_policy = "", .decode_policy = ""};
}

/* clang-format off */
size_t sgl_serve_pair_rows(struct sgl_serve_pairs *p,
                           struct sgl_option rows[static SGL_SERVE_PAIR_ROWS_MAX])
{
    const struct sgl_option table[] = {
        {"pd-disaggregation", 0, SGL_OPTION_FLAG, NULL, &p->is_asked,
         "each request goes to a prefill worker and a decode worker", 0},
        {"mode", 0, SGL_OPTION_CHOICE, "regular|pd", &p->mode, "pd: the same", 0},
        {"prefill", 0, SGL_OPTION_TEXT, "URL [PORT|none]", &p->prefill,
         "a prefill worker and its bootstrap port; again for each", 0},
        {"decode", 0, SGL_OPTION_TEXT, "URL", &p->decode, "a decode worker; again for each", 0},
        {"prefill-urls", 0, SGL_OPTION_TEXT, "URL [PORT]...", &p->prefill,
         "all prefill workers", 0},
        {"decode-urls", 0, SGL_OPTION_TEXT, "URL...", &p->decode, "all decode workers", 0},
        {"prefill-policy", 0, SGL_OPTION_TEXT, "P[:k=v,...]", &p->prefill_policy,
         "how to route in the prefill pool (default: --policy)", 0},
        {"decode-policy", 0, SGL_OPTION_TEXT, "P[:k=v,...]", &p->decode_policy,
         "and in the decode pool", 0},
    };
    /* clang-format on */

    _Static_assert(sizeof table / sizeof table[0] <= SGL_SERVE_PAIR_ROWS_MAX, "room for all rows");
    memcpy(rows, table, sizeof table);
    return sizeof table / sizeof table[0];
}

/* ---- the command line ---- */

static bool is_port(const char *text)
{
    return strcmp(text, "none") == 0 ||
           (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0');
}

/* What is folded: an option that takes one value (prefill: and its port), one that takes all that
 * follow, or both; and how the values are joined. */
static const struct folded {
    const char *name;
    const char *list_name;
    const char *expected;
    char separator;
} folded[SGL_SERVE_FOLDED_COUNT] = {
    {"prefill", "prefill-urls", "http://HOST:PORT", ' '},
    {"decode", "decode-urls", "http://HOST:PORT", ' '},
    {NULL, "ca-cert-paths", "a file", ','},
    {NULL, "request-id-headers", "the name of a field", ','},
};

static bool add(char *text, const struct folded *option, const char *value)
{
    const size_t size = strlen(text);

    if (size + strlen(value) + 2 > SGL_SERVE_PAIR_TEXT_MAX) {
        sgl_complain("--%s is longer than %d bytes", option->list_name,
                     SGL_SERVE_PAIR_TEXT_MAX - 1);
        return false;
    }
    if (size > 0)
        text[size] = option->separator;
    memcpy(text + size + (size > 0), value, strlen(value) + 1);
    return true;
}

static bool is_named(const char *name, const char *said, size_t size)
{
    return name != NULL && strlen(name) == size && strncmp(name, said, size) == 0;
}

/* An option that is folded, at `arguments[at]`: its values go to `text`. Gives the index behind it,
 * 0 when it is another option, or -1 after a complaint. */
static int fold_one(char *text, const struct folded *option, int count, char **arguments, int at)
{
    const char *said = arguments[at] + 2;
    const size_t size = strcspn(said, "=");
    const bool is_list = is_named(option->list_name, said, size);

    if (!is_list && !is_named(option->name, said, size))
        return 0;
    if (said[size] == '=') {
        if (!add(text, option, said + size + 1))
            return -1;
    } else {
        at++;
        if (at >= count || arguments[at][0] == '-') {
            sgl_complain("--%.*s needs a value: %s", (int)size, said, option->expected);
            return -1;
        }
        if (!add(text, option, arguments[at]))
            return -1;
    }
    for (at++; at < count && arguments[at][0] != '-'; at++) {
        const bool is_url = strstr(arguments[at], "://") != NULL; /* a worker: an operand */
        const bool is_mine = is_list ? !is_url || option->separator == ' '
                                     : is_port(arguments[at]) && option == &folded[0];
        if (!is_mine)
            break;
        if (!add(text, option, arguments[at]))
            return -1;
    }
    return at;
}

bool sgl_serve_pairs_fold(struct sgl_serve_pair_texts *texts, int *count, char **arguments)
{
    static char names[SGL_SERVE_FOLDED_COUNT][24] = {"--prefill", "--decode", "--ca-cert-paths",
                                                     "--request-id-headers"};
    int used = 0;

    texts->arguments =
        calloc((size_t)*count + 2 * SGL_SERVE_FOLDED_COUNT + 1, sizeof *texts->arguments);
    if (texts->arguments == NULL) {
        sgl_complain("out of memory");
        return false;
    }
    for (int at = 0; at < *count;) {
        const bool is_option = strncmp(arguments[at], "--", 2) == 0;
        int next = 0;
        for (int i = 0; i < SGL_SERVE_FOLDED_COUNT && is_option && next == 0; i++)
            next = fold_one(texts->folded[i], &folded[i], *count, arguments, at);
        if (next < 0)
            return false;
        if (next == 0)
            texts->arguments[used++] = arguments[at++];
        else
            at = next;
    }
    for (int i = 0; i < SGL_SERVE_FOLDED_COUNT; i++)
        if (texts->folded[i][0] != '\0') {
            texts->arguments[used++] = names[i];
            texts->arguments[used++] = texts->folded[i];
        }
    *count = used;
    return true;
}

void sgl_serve_pairs_release(struct sgl_serve_pair_texts *texts)
{
    free(texts->arguments);
    texts->arguments = NULL;
}

/* ---- what it comes to ---- */

bool sgl_serve_is_paired(const struct sgl_serve_pairs *pairs)
{
    return pairs->is_asked || strcmp(pairs->mode, "pd") == 0;
}

/* "URL PORT URL ..." becomes workers, as far as they fit. */
static bool read_workers(char *text, enum sgl_pool pool, struct sgl_proxy_worker *workers,
                         size_t most, size_t *count)
{
    const size_t first = *count;

    for (char *at; (at = sgl_option_word(&text)) != NULL;) {
        if (!is_port(at)) {
            if (*count >= most) {
                sgl_complain("more than %zu workers", most);
                return false;
            }
            workers[(*count)++] =
                (struct sgl_proxy_worker){.url = at, .pool = pool, .bootstrap_port = -1};
        } else {
            const long port = strcmp(at, "none") == 0 ? -1 : strtol(at, NULL, 10);
            if (*count == first || pool != SGL_POOL_PREFILL || strlen(at) > 5 ||
                port > UINT16_MAX) {
                sgl_complain("'%.60s' is no bootstrap port here, expected --prefill URL [PORT|none]"
                             ", a port from 0 to 65535",
                             at);
                return false;
            }
            workers[*count - 1].bootstrap_port = (int32_t)port;
        }
    }
    return true;
}

bool sgl_serve_pairs_resolve(const struct sgl_serve_pairs *pairs,
                             struct sgl_serve_pair_texts *texts, struct sgl_proxy_worker *workers,
                             size_t most, size_t *count_out)
{
    *count_out = 0;
    if (strlen(pairs->prefill) >= sizeof texts->prefill_urls ||
        strlen(pairs->decode) >= sizeof texts->decode_urls) {
        sgl_complain("a list of workers is longer than %d bytes", SGL_SERVE_PAIR_TEXT_MAX - 1);
        return false;
    }
    memcpy(texts->prefill_urls, pairs->prefill, strlen(pairs->prefill) + 1);
    memcpy(texts->decode_urls, pairs->decode, strlen(pairs->decode) + 1);
    return read_workers(texts->prefill_urls, SGL_POOL_PREFILL, workers, most, count_out) &&
           read_workers(texts->decode_urls, SGL_POOL_DECODE, workers, most, count_out);
}
