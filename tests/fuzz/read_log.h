/*
 * read_log.h - everything that reads a decision log, on one that may hold anything.
 */
#ifndef SGL_TESTS_FUZZ_READ_LOG_H
#define SGL_TESTS_FUZZ_READ_LOG_H

#define SGL_FUZZ_PATH_MAX 128

/* Makes an empty folder of its own, in memory where there is such a place; its path. */
const char *sgl_fuzz_scratch(char out[static SGL_FUZZ_PATH_MAX]);

/* Reads the streams of the log, verifies it, and takes it for a trace. Asserts that each ends with
 * a verdict, rows or one line of failure, and the same again when repeated. */
void sgl_fuzz_read_log(const char *path);

#endif
