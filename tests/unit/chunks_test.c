/* The chunked transfer coding, in pieces of every size. */
#include "live/chunks.h"

#include "core/rng.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX 600
#define CODED_MAX 20000

/* Takes `coded` in pieces of at most `piece` bytes; the body's size, or -1 when it is refused. */
static long decode(const char *coded, size_t size, size_t piece, char *body,
                   struct sgl_chunks *chunks)
{
    size_t body_size = 0;

    *chunks = sgl_chunks_begin();
    for (size_t at = 0; at < size; at += piece) {
        const size_t here = size - at < piece ? size - at : piece;
        size_t got;
        const bool is_good = sgl_chunks_take(chunks, coded + at, here, body + body_size, &got);
        body_size += got;
        if (!is_good)
            return -1;
    }
    return (long)body_size;
}

static size_t draw(struct sgl_rng *draws, size_t below)
{
    return (size_t)(sgl_rng_next(draws) % below);
}

/* A body in chunks as a server may write them. */
static size_t encode(struct sgl_rng *draws, const char *body, size_t size, char *coded)
{
    static const char *const ends[] = {"\r\n", "\n"};
    static const char *const extensions[] = {"", "", ";a=b", " ", ";q=\"zz\""};
    static const char *const trailers[] = {"", "", "X-T: 1\r\n", "a: b\r\nc:\n"};
    size_t at = 0;

    for (size_t done = 0; done < size;) {
        const size_t run = 1 + draw(draws, size - done < 90 ? size - done : 90);
        at += (size_t)snprintf(coded + at, CODED_MAX - at,
                               draw(draws, 2) == 0 ? "%zx%s%s" : "00%zX%s%s", run,
                               extensions[draw(draws, 5)], ends[draw(draws, 2)]);
        memcpy(coded + at, body + done, run);
        at += run;
        done += run;
        at += (size_t)snprintf(coded + at, CODED_MAX - at, "%s", ends[draw(draws, 2)]);
    }
    at += (size_t)snprintf(coded + at, CODED_MAX - at, "0%s%s%s%s", extensions[draw(draws, 5)],
                           ends[draw(draws, 2)], trailers[draw(draws, 4)], ends[draw(draws, 2)]);
    return at;
}

static void whole_bodies(void)
{
    struct sgl_rng draws = {.state = 7};
    char body[BODY_MAX];
    char coded[CODED_MAX];
    char got[CODED_MAX];
    struct sgl_chunks chunks;

    for (int i = 0; i < 500; i++) {
        const size_t size = draw(&draws, BODY_MAX);
        for (size_t c = 0; c < size; c++)
            body[c] = "\r\n0a;:x"[draw(&draws, 7)];
        const size_t coded_size = encode(&draws, body, size, coded);
        for (size_t piece = 1; piece < 40; piece += 1 + draw(&draws, 9)) {
            CU_ASSERT_EQUAL(decode(coded, coded_size, piece, got, &chunks), (long)size);
            CU_ASSERT(memcmp(got, body, size) == 0);
            CU_ASSERT(sgl_chunks_is_done(&chunks));
        }
        /* Without its last byte it is not over, and what has come is right. */
        CU_ASSERT_EQUAL(decode(coded, coded_size - 1, 11, got, &chunks), (long)size);
        CU_ASSERT(!sgl_chunks_is_done(&chunks));
        /* What stands behind it is not of it. */
        memcpy(coded + coded_size, "5\r\nabcde\r\n", 10);
        CU_ASSERT_EQUAL(decode(coded, coded_size + 10, 13, got, &chunks), (long)size);
        CU_ASSERT(sgl_chunks_is_done(&chunks));
    }
}

static void malformed(void)
{
    static const char *const bad[] = {
        "zz\r\n",
        "\r\n",
        ";a=b\r\nabc",
        " 3\r\nabc",
        "-3\r\nabc",
        "3\r\nabcd\r\n",
        "3\r\nabc\rx",
        "3\r\nabcx\n",
        "0\r\n\rx",
        "8000000000000000\r\n",      /* not a length any more */
        "00000000000000003\r\nabc",  /* 17 digits */
        "3\r\nabc\r\n\r\n0\r\n\r\n", /* no size where one is due */
    };
    char got[100];
    struct sgl_chunks chunks;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (size_t piece = 1; piece < 30; piece++)
            CU_ASSERT_EQUAL(decode(bad[i], strlen(bad[i]), piece, got, &chunks), -1);
    CU_ASSERT_EQUAL(decode("7fffffffffffffff\r\nab", 20, 3, got, &chunks), 2);
}

/* What a caller relies on when bytes were not taken: a copy made before is the way back. */
static void way_back(void)
{
    static const char coded[] = "5\r\nabcde\r\n4\r\nfghi\r\n0\r\n\r\n";
    const size_t size = sizeof coded - 1;
    char got[100];
    size_t got_size;

    for (size_t cut = 0; cut <= size; cut++) {
        struct sgl_chunks chunks = sgl_chunks_begin();
        CU_ASSERT(sgl_chunks_take(&chunks, coded, cut, got, &got_size));
        const size_t before = got_size;
        for (int again = 0; again < 2; again++) {
            struct sgl_chunks trial = chunks;
            CU_ASSERT(sgl_chunks_take(&trial, coded + cut, size - cut, got + before, &got_size));
            CU_ASSERT_EQUAL(before + got_size, 9);
            CU_ASSERT(memcmp(got, "abcdefghi", 9) == 0);
            CU_ASSERT(sgl_chunks_is_done(&trial));
        }
    }
}

SGL_SUITE(chunks) = {
    {"a body is what was cut into chunks, however it comes", whole_bodies},
    {"what is no chunk is refused, in pieces of any size", malformed},
    {"a copy is a way back", way_back},
    CU_TEST_INFO_NULL,
};
