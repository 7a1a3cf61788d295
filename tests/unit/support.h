/*
 * support.h - what several suites need.
 *
 * A suite is one file, x_test.c, that ends with
 *
 *     SGL_SUITE(x) = {{"equal times leave in arrival order", equal_times}, ..., CU_TEST_INFO_NULL};
 *
 * Names of tests are sentences that say what holds.
 */
#ifndef SGL_TESTS_SUPPORT_H
#define SGL_TESTS_SUPPORT_H

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stddef.h>

/* Static analysis does not know that an assertion with FATAL does not come back when it fails. */
#ifdef __clang_analyzer__
#include <stdlib.h>
#define CU_assertImplementation(value, line, condition, file, function, is_fatal)                  \
    ((value) || !(is_fatal) ? (void)0 : abort())
#endif

#define SGL_SUITE(name) CU_TestInfo suite_##name[]

/* CU_ASSERT_STRING_EQUAL that prints both strings when they differ. */
#define SGL_ASSERT_TEXT(actual, expected) sgl_assert_text(actual, expected, __FILE__, __LINE__)
void sgl_assert_text(const char *actual, const char *expected, const char *file, int line);

/* Does `text` contain `part`? Prints the text when it does not. */
#define SGL_ASSERT_CONTAINS(text, part) sgl_assert_contains(text, part, __FILE__, __LINE__)
void sgl_assert_contains(const char *text, const char *part, const char *file, int line);

/* Are these bit for bit the same? A 0 and a -0 are not, a NaN and itself are. */
bool sgl_same_bits(const double *left, const double *right, size_t count);

/* The folder of the public data ($SGLSIM_DATA, else ../shared/data beside the repository), or NULL
 * when it is not there. */
const char *sgl_data_folder(void);

/* Path of a file in it, in a static buffer that the next calls (8 of them) leave alone. */
const char *sgl_data_file(const char *name);

/* A path inside a folder of this test run, which is removed at its end. Static buffers as above. */
const char *sgl_scratch(const char *name);

/* Writes a scratch file with these bytes and returns its path. */
const char *sgl_scratch_file(const char *name, const void *bytes, size_t size);
const char *sgl_scratch_text(const char *name, const char *text);

#endif
