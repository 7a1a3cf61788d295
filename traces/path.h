/*
 * path.h - texts of names beside and above a path.
 *
 * Both are to be freed; NULL: no memory. Only the first `length` bytes of `path` count, so that a
 * caller can leave slashes at its end out.
 */
#ifndef SGL_TRACES_PATH_H
#define SGL_TRACES_PATH_H

#include <stddef.h>

/* The path, then `suffix`. */
char *sgl_path_join(const char *path, size_t length, const char *suffix);

/* The folder that it names something in: what stands before its last slash, "/" for "/name", and
 * "." for a name alone. */
char *sgl_path_folder(const char *path, size_t length);

#endif
