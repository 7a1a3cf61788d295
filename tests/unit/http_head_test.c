/* What a head may look like, against a plain reader of whole texts and in every way of cutting. */
#include "core/rng.h"
#include "live/http_head.h"
#include "support.h"

#include <string.h>

/* The verdict, and how many bytes belong to the lines. */
struct verdict {
    bool is_good;
    bool has_ended;
};

static struct verdict in_pieces(const char *text, size_t size, size_t piece, bool is_trailer)
{
    struct sgl_http_lines lines = {0};

    if (is_trailer)
        sgl_http_lines_begin_trailer(&lines);
    for (size_t at = 0; at < size; at += piece)
        if (!sgl_http_lines_take(&lines, text + at, size - at < piece ? size - at : piece))
            return (struct verdict){0};
    return (struct verdict){.is_good = true, .has_ended = lines.has_ended};
}

static bool is_plain_request_line(const char *line, size_t size)
{
    size_t blanks = 0;
    size_t last = 0;

    for (size_t i = 0; i < size; i++) {
        if (line[i] != ' ')
            continue;
        if (blanks++ == 2 || (i > 0 && line[i - 1] == ' '))
            return false;
        last = i + 1;
    }
    return blanks < 2 || strncmp(line + last, "HTTP/", size - last < 5 ? size - last : 5) == 0;
}

/* Line by line over a whole text. */
static struct verdict plainly(const char *text, size_t size, bool is_trailer)
{
    size_t count = is_trailer ? 1 : 0;

    for (size_t at = 0; at < size;) {
        size_t end = at;
        while (end < size && text[end] != '\r' && text[end] != '\n')
            end++;
        if (end > at && count == 0 && !is_plain_request_line(text + at, end - at))
            return (struct verdict){0};
        if (end > at && count > 0 && (text[at] == ' ' || text[at] == '\t'))
            return (struct verdict){0};
        if (end == size || (end + 1 == size && text[end] == '\r'))
            return (struct verdict){.is_good = true};
        if (text[end] != '\r' || text[end + 1] != '\n')
            return (struct verdict){0};
        if (end == at && count > 0)
            return (struct verdict){.is_good = true, .has_ended = true};
        count += end > at;
        at = end + 2;
    }
    return (struct verdict){.is_good = true};
}

static void test_every_cut_gives_the_verdict_of_the_whole(void)
{
    static const char *const words[] = {"\r\n", "\r\n", "\r", "\n",     " ",    "\t",
                                        "a",    "b: c", "/",  "HTTP/1", "HTTP", "P a HTTP/1.1\r\n"};
    struct sgl_rng draws = {.state = 5};
    size_t good = 0;
    size_t ended = 0;

    for (int round = 0; round < 20000; round++) {
        char text[128];
        size_t size = 0;
        const uint64_t count = 1 + sgl_rng_next(&draws) % 8;
        const bool is_trailer = round % 3 == 0;
        for (uint64_t i = 0; i < count; i++) {
            const char *word = words[sgl_rng_next(&draws) % (sizeof words / sizeof words[0])];
            memcpy(text + size, word, strlen(word));
            size += strlen(word);
        }
        const struct verdict expected = plainly(text, size, is_trailer);
        good += expected.is_good;
        ended += expected.has_ended;
        for (size_t piece = 1; piece <= size; piece += piece < 3      ? 1
                                                       : size - 3 > 0 ? size - 3
                                                                      : 1) {
            const struct verdict said = in_pieces(text, size, piece, is_trailer);
            if (said.is_good != expected.is_good || said.has_ended != expected.has_ended)
                CU_FAIL_FATAL("a cut changes the verdict");
        }
    }
    CU_ASSERT(good > 1000 && good < 19000);
    CU_ASSERT(ended > 500);
}

static void test_what_follows_the_empty_line_is_not_looked_at(void)
{
    static const char text[] = "\r\nP / HTTP/1.1\r\nA: b\r\n\r\n\n\r \n";
    struct sgl_http_lines lines = {0};

    CU_ASSERT(sgl_http_lines_take(&lines, text, sizeof text - 1));
    CU_ASSERT(lines.has_ended);
    CU_ASSERT_EQUAL(lines.line_count, 2);
    sgl_http_lines_begin_trailer(&lines);
    CU_ASSERT(sgl_http_lines_take(&lines, "\r\n\n", 3));
    CU_ASSERT(lines.has_ended);
}

static void test_hosts(void)
{
    static const char *const good[] = {"",      "a",       "a:80",  "a:",      "127.0.0.1:1",
                                       "[::1]", "[::1]:8", "a-b.c", "a,b;c=d", "%41"};
    static const char *const bad[] = {"a b", "a/b",  "u@a", "a:x",    "a:8:8", "[::1", "[]",
                                      "::1", "a\\b", "a?",  "[::1]a", "<a>",   "\xff", "a\tb"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        CU_ASSERT(sgl_http_is_host(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CU_ASSERT_FALSE(sgl_http_is_host(bad[i], strlen(bad[i])));
}

static void test_targets_come_to_a_path(void)
{
    static const struct {
        const char *target;
        const char *path; /* NULL: it is none */
    } cases[] = {
        {"/a?b", "/a?b"},
        {"/", "/"},
        {"//a", "//a"},
        {"http://a/b?c", "/b?c"},
        {"HTTP://a:80/b", "/b"},
        {"https://[::1]:1/", "/"},
        {"http://a", "/"},
        {"http://ab?c", "/?c"},
        {"", NULL},
        {"*", NULL},
        {"a", NULL},
        {"a:443", NULL},
        {"/a#b", NULL},
        {"http://", NULL},
        {"http:///a", NULL},
        {"http://u@a/b", NULL},
        {"http://:80/a", NULL},
        {"ftp://a/b", NULL},
        {"http://a b/", NULL},
        {"http:/a", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char target[64];
        memcpy(target, cases[i].target, strlen(cases[i].target) + 1);
        const ptrdiff_t at = sgl_http_origin_form(target, strlen(target), false);
        CU_ASSERT_EQUAL(at < 0, cases[i].path == NULL);
        if (at >= 0 && cases[i].path != NULL)
            CU_ASSERT_STRING_EQUAL(target + at, cases[i].path);
    }
    char all[] = "*";
    CU_ASSERT_EQUAL(sgl_http_origin_form(all, 1, true), 0);
}

SGL_SUITE(http_head) = {
    {"every way of cutting a head gives the verdict of the whole",
     test_every_cut_gives_the_verdict_of_the_whole},
    {"what follows the empty line is not looked at",
     test_what_follows_the_empty_line_is_not_looked_at},
    {"hosts are names, addresses and ports", test_hosts},
    {"every form of a target comes to a path, or is none", test_targets_come_to_a_path},
    CU_TEST_INFO_NULL,
};
