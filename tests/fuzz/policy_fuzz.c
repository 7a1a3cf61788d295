/*
 * Any text as a policy: it is refused with a reason, or it is a policy whose written form is read
 * back as the same policy and written the same again.
 */
#include "fuzz.h"

#include "core/policy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct sgl_policy_spec spec;
    struct sgl_failure failure = {.text = ""};
    char *text = calloc(1, size + 1);

    if (text == NULL)
        return 0;
    memcpy(text, bytes, size);
    if (sgl_policy_parse(&spec, text, &failure) != SGL_OK) {
        assert(failure.text[0] != '\0' && strchr(failure.text, '\n') == NULL);
        free(text);
        return 0;
    }
    char *written = sgl_policy_format(&spec);
    assert(written != NULL);

    struct sgl_policy_spec again;
    assert(sgl_policy_parse(&again, written, &failure) == SGL_OK);
    assert(again.ops == spec.ops);
    char *rewritten = sgl_policy_format(&again);
    assert(rewritten != NULL && strcmp(written, rewritten) == 0);

    free(rewritten);
    sgl_policy_release(&again);
    free(written);
    sgl_policy_release(&spec);
    free(text);
    return 0;
}
