#include "event_lines.h"

#include <stdbool.h>
#include <string.h>

/* Is the line that ends here an event, and not the last word of a stream? */
static bool is_event(const struct sgl_event_lines *lines)
{
    static const char name[] = "data:";
    static const char done[] = "[DONE]";
    const size_t name_size = sizeof name - 1;
    size_t begin = name_size;
    size_t end = lines->head_size;

    if (end < name_size || memcmp(lines->head, name, name_size) != 0)
        return false;
    if (lines->is_longer)
        return true;
    while (begin < end && lines->head[begin] == ' ')
        begin++;
    while (end > begin && (lines->head[end - 1] == '\r' || lines->head[end - 1] == ' '))
        end--;
    return end - begin != sizeof done - 1 || memcmp(lines->head + begin, done, end - begin) != 0;
}

uint32_t sgl_event_lines_take(struct sgl_event_lines *lines, const char *bytes, size_t size)
{
    uint32_t count = 0;

    while (size > 0) {
        const char *newline = memchr(bytes, '\n', size);
        const size_t part = newline != NULL ? (size_t)(newline - bytes) : size;
        const size_t room = sizeof lines->head - lines->head_size;
        const size_t kept = part < room ? part : room;
        memcpy(lines->head + lines->head_size, bytes, kept);
        lines->head_size = (uint8_t)(lines->head_size + kept);
        lines->is_longer |= part > room;
        if (newline == NULL)
            return count;
        count += is_event(lines);
        lines->head_size = 0;
        lines->is_longer = 0;
        bytes += part + 1;
        size -= part + 1;
    }
    return count;
}
