/*
 * text_file.h - bytes as a file with a path, in memory only: for readers that take a path.
 */
#ifndef SGL_TESTS_FUZZ_TEXT_FILE_H
#define SGL_TESTS_FUZZ_TEXT_FILE_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_PATH_SIZE 48

/* A descriptor, and the path by which it can be opened; -1: it could not be made. */
int fuzz_text_file(const uint8_t *bytes, size_t size, char path[static FUZZ_PATH_SIZE]);
void fuzz_text_file_close(int descriptor);

#endif
