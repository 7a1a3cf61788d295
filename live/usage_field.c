#include "usage_field.h"

#include "json_scan.h"

#include <string.h>

static bool is_path(const char *target, const char *path)
{
    const size_t size = strcspn(target, "?");

    return size == strlen(path) && strncmp(target, path, size) == 0;
}

bool sgl_usage_is_wanting(const char *target, const char *body, size_t size, size_t *place_out)
{
    struct sgl_json_walk walk;
    struct sgl_json_part part;
    bool is_stream = false;

    if ((!is_path(target, "/v1/chat/completions") && !is_path(target, "/v1/completions")) ||
        !sgl_json_walk_begin(&walk, body, size, 0) || walk.close != '}')
        return false;
    while (sgl_json_walk_next(&walk, &part)) {
        if (sgl_json_is_named(&walk, &part, "stream_options"))
            return false;
        if (sgl_json_is_named(&walk, &part, "stream")) /* the last one counts */
            is_stream = part.value.end - part.value.begin == 4 &&
                        memcmp(body + part.value.begin, "true", 4) == 0;
    }
    if (!is_stream || !walk.is_whole || sgl_json_skip_blank(body, size, walk.at) != size)
        return false;
    *place_out = walk.at - 1;
    return true;
}

void sgl_usage_write(struct sgl_buffer *out, const char *body, size_t size, size_t place)
{
    sgl_buffer_append(out, body, place);
    sgl_buffer_append_text(out, ",\"stream_options\":{\"include_usage\":true}");
    sgl_buffer_append(out, body + place, size - place);
}
