/*
 * What is read of bodies: the input's first byte says how it is cut; the rest is an answer for the
 * learner, as a stream and as a whole, and a request for the prefix ids. Cutting must not matter.
 */
#include "core/absent.h"
#include "fuzz.h"
#include "live/learner.h"
#include "live/prompt.h"

#include <assert.h>
#include <string.h>

static struct sgl_outcome learn(const char *bytes, size_t size, size_t piece, bool is_stream,
                                const char **word)
{
    struct sgl_learner learner = {0};
    struct sgl_outcome outcome = sgl_outcome_absent();

    sgl_learner_begin(&learner, is_stream);
    for (size_t at = 0; at < size; at += piece)
        sgl_learner_take(&learner, bytes + at, size - at < piece ? size - at : piece);
    *word = sgl_learner_end(&learner, &outcome);
    sgl_learner_release(&learner);
    return outcome;
}

static bool is_count(int64_t value)
{
    return value == SGL_ABSENT || (value >= 0 && value <= INT64_C(1) << 53);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct sgl_prompt_key key = {{1, 2}};
    struct sgl_prompt prompt = {0};

    if (size < 1)
        return 0;
    const char *text = (const char *)bytes + 1;
    for (int is_stream = 0; is_stream < 2; is_stream++) {
        const char *words[2];
        const struct sgl_outcome whole = learn(text, size - 1, size, is_stream != 0, &words[0]);
        const struct sgl_outcome cut =
            learn(text, size - 1, 1 + bytes[0] % 64, is_stream != 0, &words[1]);
        /* Of a long answer the end is kept, and how much of it hangs on the pieces. */
        if (size <= SGL_LEARNER_KEPT) {
            assert(words[0] == words[1] || strcmp(words[0], words[1]) == 0);
            assert(whole.output_tokens == cut.output_tokens);
            assert(whole.queue_time_ns == cut.queue_time_ns);
        }
        assert(is_count(whole.prompt_tokens) && is_count(whole.output_tokens));
        assert(is_count(whole.cached_tokens) && is_count(whole.queue_length));
        assert(whole.queue_time_ns == SGL_ABSENT || whole.queue_time_ns >= 0);
    }
    if (sgl_prompt_read(&prompt, &key, 1 + bytes[0] % 64, text, size - 1, NULL) == SGL_OK)
        assert(prompt.id_count <= SGL_PROMPT_BLOCKS_MAX && is_count(prompt.max_tokens));
    sgl_prompt_release(&prompt);
    return 0;
}
