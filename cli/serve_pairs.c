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
static const struct option_kind {
    const char *name;
    const char *list_name;
    const char *expected;
    char separator;
} kinds[SGL_SERVE_FOLDED_COUNT] = {
    {"prefill", "prefill-urls", "http://HOST:PORT", ' '},
    {"decode", "decode-urls", "http://HOST:PORT", ' '},
    {NULL, "worker-urls", "http://HOST:PORT", ' '},
    {NULL, "ca-cert-paths", "a file", ','},
    {NULL, "request-id-headers", "the name of a field", ','},
};

static void add(char *text, const struct option_kind *kind, const char *value)
{
    const size_t size = strlen(text);

    if (size > 0)
        text[size] = kind->separator;
    memcpy(text + size + (size > 0), value, strlen(value) + 1);
}

static bool is_named(const char *name, const char *said, size_t size)
{
    return name != NULL && strlen(name) == size && strncmp(name, said, size) == 0;
}

/* An option that is folded, at `arguments[at]`: its values go to `text`. Gives the index behind it,
 * 0 when it is another option, or -1 after a complaint. */
static int fold_one(char *text, const struct option_kind *kind, int count, char **arguments, int at)
{
    const char *said = arguments[at] + 2;
    const size_t size = strcspn(said, "=");
    const bool is_list = is_named(kind->list_name, said, size);

    if (!is_list && !is_named(kind->name, said, size))
        return 0;
    if (said[size] == '=') {
        add(text, kind, said + size + 1);
    } else {
        at++;
        if (at >= count || arguments[at][0] == '-') {
            sgl_complain("--%.*s needs a value: %s", (int)size, said, kind->expected);
            return -1;
        }
        add(text, kind, arguments[at]);
    }
    for (at++; at < count && arguments[at][0] != '-'; at++) {
        const bool is_url = strstr(arguments[at], "://") != NULL; /* a worker: an operand */
        const bool is_mine = is_list ? !is_url || kind->separator == ' '
                                     : is_port(arguments[at]) && kind == &kinds[0];
        if (!is_mine)
            break;
        add(text, kind, arguments[at]);
    }
    return at;
}

/* Room for the command line, and for whatever of it may come together in one text. */
static bool make_room(struct sgl_serve_folded *folded, int count, char **arguments)
{
    size_t size = 1;

    for (int i = 0; i < count; i++)
        size += strlen(arguments[i]) + 1;
    folded->arguments =
        calloc((size_t)count + 2 * SGL_SERVE_FOLDED_COUNT + 1, sizeof *folded->arguments);
    bool has_room = folded->arguments != NULL;
    for (int i = 0; i < SGL_SERVE_FOLDED_COUNT; i++) {
        folded->texts[i] = calloc(size, 1);
        has_room = has_room && folded->texts[i] != NULL;
    }
    if (!has_room)
        sgl_complain("out of memory");
    return has_room;
}

bool sgl_serve_fold(struct sgl_serve_folded *folded, int *count, char **arguments)
{
    static char names[SGL_SERVE_FOLDED_COUNT][24] = {"--prefill", "--decode", "--worker-urls",
                                                     "--ca-cert-paths", "--request-id-headers"};
    int used = 0;

    if (!make_room(folded, *count, arguments))
        return false;
    for (int at = 0; at < *count;) {
        const bool is_option = strncmp(arguments[at], "--", 2) == 0;
        int next = 0;
        for (int i = 0; i < SGL_SERVE_FOLDED_COUNT && is_option && next == 0; i++)
            next = fold_one(folded->texts[i], &kinds[i], *count, arguments, at);
        if (next < 0)
            return false;
        if (next == 0)
            folded->arguments[used++] = arguments[at++];
        else
            at = next;
    }
    for (int i = 0; i < SGL_SERVE_FOLDED_COUNT; i++)
        if (folded->texts[i][0] != '\0') {
            folded->arguments[used++] = names[i];
            folded->arguments[used++] = folded->texts[i];
        }
    *count = used;
    return true;
}

void sgl_serve_folded_release(struct sgl_serve_folded *folded)
{
    free(folded->arguments);
    for (int i = 0; i < SGL_SERVE_FOLDED_COUNT; i++)
        free(folded->texts[i]);
    *folded = (struct sgl_serve_folded){0};
}

/* ---- what it comes to ---- */

bool sgl_serve_is_paired(const struct sgl_serve_pairs *pairs)
{
    return pairs->is_asked || strcmp(pairs->mode, "pd") == 0;
}

/* Room for the workers of two lists and `more`: a word is a byte at least, and one between two. */
static bool make_workers(struct sgl_serve_workers *workers, const char *left, const char *right,
                         size_t more)
{
    workers->count = 0;
    workers->items =
        calloc(strlen(left) / 2 + strlen(right) / 2 + more + 2, sizeof *workers->items);
    workers->texts[0] = strdup(left);
    workers->texts[1] = strdup(right);
    if (workers->items != NULL && workers->texts[0] != NULL && workers->texts[1] != NULL)
        return true;
    sgl_complain("out of memory");
    return false;
}

static void add_worker(struct sgl_serve_workers *workers, const char *url, enum sgl_pool pool)
{
    workers->items[workers->count++] =
        (struct sgl_proxy_worker){.url = url, .pool = pool, .bootstrap_port = -1};
}

bool sgl_serve_workers_read(struct sgl_serve_workers *workers, const char *list, char **urls,
                            size_t url_count)
{
    if (!make_workers(workers, list, "", url_count))
        return false;
    char *rest = workers->texts[0];
    for (char *url; (url = sgl_option_word(&rest)) != NULL;)
        add_worker(workers, url, SGL_POOL_REGULAR);
    for (size_t i = 0; i < url_count; i++)
        add_worker(workers, urls[i], SGL_POOL_REGULAR);
    return true;
}

/* "URL PORT URL ..." becomes workers. */
static bool read_pool(struct sgl_serve_workers *workers, char *text, enum sgl_pool pool)
{
    const size_t first = workers->count;

    for (char *at; (at = sgl_option_word(&text)) != NULL;) {
        if (!is_port(at)) {
            add_worker(workers, at, pool);
            continue;
        }
        const long port = strcmp(at, "none") == 0 ? -1 : strtol(at, NULL, 10);
        if (workers->count == first || pool != SGL_POOL_PREFILL || strlen(at) > 5 ||
            port > UINT16_MAX) {
            sgl_complain("'%.60s' is no bootstrap port here, expected --prefill URL [PORT|none], a "
                         "port from 0 to 65535",
                         at);
            return false;
        }
        workers->items[workers->count - 1].bootstrap_port = (int32_t)port;
    }
    return true;
}

bool sgl_serve_pairs_read(struct sgl_serve_workers *workers, const struct sgl_serve_pairs *pairs)
{
    return make_workers(workers, pairs->prefill, pairs->decode, 0) &&
           read_pool(workers, workers->texts[0], SGL_POOL_PREFILL) &&
           read_pool(workers, workers->texts[1], SGL_POOL_DECODE);
}

void sgl_serve_workers_release(struct sgl_serve_workers *workers)
{
    free(workers->items);
    free(workers->texts[0]);
    free(workers->texts[1]);
    *workers = (struct sgl_serve_workers){0};
}
