#include "path.h"

#include <stdlib.h>
#include <string.h>

char *sgl_path_join(const char *path, size_t length, const char *suffix)
{
    const size_t size = strlen(suffix) + 1;
    char *text = malloc(length + size);

    if (text == NULL)
        return NULL;
    memcpy(text, path, length);
    memcpy(text + length, suffix, size);
    return text;
}

char *sgl_path_folder(const char *path, size_t length)
{
    while (length > 0 && path[length - 1] != '/')
        length--;
    if (length == 0)
        return sgl_path_join("", 0, ".");
    return sgl_path_join(path, length > 1 ? length - 1 : 1, "");
}
