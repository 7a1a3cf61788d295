/*
 * Any text as a fleet file: it is refused with one line, or it is a fleet of named workers whose
 * faults are of its workers, and reading it again gives as many.
 */
#include "fuzz.h"

#include "sim/fleet_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check_fleet(const struct sgl_fleet_file *fleet)
{
    assert(fleet->worker_count > 0 && fleet->worker_count <= SGL_FLEET_WORKER_MAX);
    for (uint32_t w = 0; w < fleet->worker_count; w++) {
        const struct sgl_fleet_worker *worker = &fleet->workers[w];
        assert(worker->name[0] != '\0' && worker->url[0] != '\0' && worker->spec != NULL);
        for (uint32_t other = 0; other < w && w < 64; other++)
            assert(strcmp(worker->name, fleet->workers[other].name) != 0);
        char *text = sgl_worker_model_format(worker->spec);
        assert(text != NULL);
        free(text);
    }
    for (uint32_t i = 0; i < fleet->faults.count; i++)
        assert(fleet->faults.faults[i].worker < fleet->worker_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct sgl_failure failure = {.text = ""};
    struct sgl_fleet_file fleet = {0};
    struct sgl_fleet_file again = {0};
    char *text = calloc(1, size + 1);

    if (text == NULL)
        return 0;
    memcpy(text, bytes, size);
    const int code = sgl_fleet_file_parse(&fleet, "fleet", text, &failure);
    if (code != SGL_OK) {
        assert(code == SGL_EINVAL || code == SGL_EIO); /* a profile may be a file */
        assert(failure.text[0] != '\0' && strpbrk(failure.text, "\n\r\x1b") == NULL);
        free(text);
        return 0;
    }
    check_fleet(&fleet);
    const int second = sgl_fleet_file_parse(&again, "fleet", text, &failure);
    assert(second == SGL_OK && again.worker_count == fleet.worker_count);
    assert(again.faults.count == fleet.faults.count);
    sgl_fleet_file_release(&again);
    sgl_fleet_file_release(&fleet);
    free(text);
    return 0;
}
