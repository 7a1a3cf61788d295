/*
 * Any text as a profile: it is refused with one line that names the file, or it is a profile with
 * an identity, whose parameters are in their ranges and survive being written and read.
 */
#include "fuzz.h"
#include "text_file.h"

#include "sim/profile.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check_parameters(const struct sgl_parameters *parameters)
{
    struct sgl_parameters again;
    char *text = sgl_parameters_format(parameters);

    assert(text != NULL);
    sgl_parameters_init(&again, parameters->table);
    const int code = sgl_parameters_parse(&again, text, "again", NULL);
    assert(code == SGL_OK);
    for (size_t i = 0; parameters->table[i].name != NULL; i++) {
        const struct sgl_parameter *row = &parameters->table[i];
        const double value = parameters->value[i];
        assert(isnan(value) || row->kind == SGL_PARAMETER_CHOICE ||
               (value >= row->least && value <= row->most));
        assert(memcmp(&again.value[i], &value, sizeof value) == 0 || isnan(value));
    }
    sgl_parameters_release(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct sgl_failure failure = {.text = ""};
    struct sgl_profile profile;
    char path[FUZZ_PATH_SIZE];
    const int descriptor = fuzz_text_file(bytes, size, path);

    if (descriptor < 0)
        return 0;
    const int code = sgl_profile_load(&profile, path, &failure);
    fuzz_text_file_close(descriptor);
    if (code != SGL_OK) {
        assert(code == SGL_EINVAL || code == SGL_EIO);
        assert(strncmp(failure.text, path, strlen(path)) == 0);
        assert(strpbrk(failure.text, "\n\r\x1b") == NULL);
        return 0;
    }
    assert(profile.identity.model[0] != '\0' && profile.identity.gpu[0] != '\0');
    assert(profile.identity.tp[0] != '\0' && profile.identity.source[0] != '\0');
    check_parameters(&profile.parameters);
    sgl_parameters_release(&profile.parameters);
    return 0;
}
