#include "log_store.h"

static const struct sgl_log_medium *const media[] = {
#define LOG_MEDIUM(name) &sgl_log_medium_##name,
#include "log_media.def"
#undef LOG_MEDIUM
};

const struct sgl_log_medium *sgl_log_medium_of(const char *path)
{
    const size_t last = sizeof media / sizeof media[0] - 1;
    size_t i = 0;

    while (i < last && !media[i]->owns(path))
        i++;
    return media[i];
}
