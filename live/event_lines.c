#include "event_lines.h"

#include <stdbool.h>
#include <string.h>

/* Is the line with this head an event, and not the last word of a stream? */
static bool is_event(const char *head, size_t end, bool is_longer)
{
    static const char name[] = "data:";
    static const char done[] = "[DONE]";
    const size_t name_size = sizeof name - 1;
    size_t begin = name_size;

    if (end < name_size || memcmp(head, name, name_size) != 0)
        return false;
    if (is_longer)
        return true;
    while (begin < end && head[begin] == ' ')
        begin++;
    while (end > begin && (head[end - 1] == '\r' || head[end - 1] == ' '))
        end--;
    return end - begin != sizeof done - 1 || memcmp(head + begin, done, end - begin) != 0;
}

/* Keeps what there is room for of a line that ends in other bytes than it began in. */
static void keep(struct sgl_event_lines *lines, const char *bytes, size_t size)
{
    const size_t room = sizeof lines->head - lines->head_size;
    const size_t kept = size < room ? size : room;

    memcpy(lines->head + lines->head_size, bytes, kept);
    lines->head_size = (uint8_t)(lines->head_size + kept);
    lines->is_longer |= size > room;
}

uint32_t sgl_event_lines_take(struct sgl_event_lines *lines, const char *bytes, size_t size)
{
    uint32_t count = 0;

    while (size > 0) {
        const char *newline = *bytes == '\n' ? bytes : memchr(bytes, '\n', size);
        const size_t part = newline != NULL ? (size_t)(newline - bytes) : size;
        if (newline == NULL || lines->head_size > 0)
            keep(lines, bytes, part);
        if (newline == NULL)
            return count;
        if (lines->head_size > 0)
            count += is_event(lines->head, lines->head_size, lines->is_longer);
        else if (part > 0)
            count += is_event(bytes, part, part > sizeof lines->head);
        lines->head_size = 0;
        lines->is_longer = 0;
        bytes += part + 1;
        size -= part + 1;
    }
    return count;
}
