/*
 * failure.h - how a fallible call says what went wrong.
 *
 * A fallible function returns 0 or one of the negative codes below and, where it takes a
 * `struct sgl_failure *`, leaves one line of text there, without newline, fit to be shown to the
 * user: "file:line:column: what, expected what" or "what (what to do)". The text is only written
 * on failure. A NULL failure is accepted and ignored. No call keeps the pointer.
 */
#ifndef SGL_CORE_FAILURE_H
#define SGL_CORE_FAILURE_H

enum {
    SGL_OK = 0,
    SGL_ENOMEM = -1, /* memory could not be had; nothing was changed */
    SGL_EINVAL =
        -2,       /* the caller, a file or a user gave something impossible; nothing was changed */
    SGL_EIO = -3, /* the world failed: a file could not be read or written */
};

struct sgl_failure {
    char text[512];
};

/* Writes the text (cut to fit, never echoing control bytes) and returns `code`. */
int sgl_fail(struct sgl_failure *failure, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Static analysis sees one source file at a time and takes a call that failed for one that may have
 * said SGL_OK. */
#ifdef __clang_analyzer__
#define sgl_fail(failure, code, ...) (sgl_fail(failure, code, __VA_ARGS__), (code))
#endif

#endif
