/*
 * http_head.h - what the parser lets pass and RFC 9112 does not: the ends of lines, blanks and the
 * protocol of the request line, the forms of a target, the value of Host.
 *
 *      bytes as they came --+--> sgl_http_lines: every line ends in CRLF, none is folded  --> 400
 *                           \--> llhttp: methods, versions, names, values, lengths, chunks
 *
 * Two readers that end a line differently see different requests: that is all that smuggling needs.
 * So the lines of a head, and those behind the last chunk, are looked at as bytes, whatever the
 * parser makes of them. A bare CR or LF ends nothing here, and is an error anywhere.
 */
#ifndef SGL_LIVE_HTTP_HEAD_H
#define SGL_LIVE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

/* Where in its lines a head is. Zeroed: before its first line; empty lines may come before that. */
struct sgl_http_lines {
    size_t line_count;  /* that are not empty */
    size_t line_size;   /* of the one being read */
    size_t blank_count; /* of the request line */
    size_t name_size;   /* of the protocol's name in it, so far */
    bool is_after_cr;
    bool is_after_blank; /* in the request line */
    bool has_ended;      /* the empty line came */
};

/* Before the lines behind the last chunk: there need not be any. */
void sgl_http_lines_begin_trailer(struct sgl_http_lines *lines);

/* Takes the next bytes, up to the end of the lines. False: against the rules. */
bool sgl_http_lines_take(struct sgl_http_lines *lines, const char *bytes, size_t size);

/* uri-host [":" port], or nothing (RFC 9110, 7.2). */
bool sgl_http_is_host(const char *text, size_t size);

/* Where the path begins in a target: 0 for "/path?query"; behind the authority for the absolute
 * form "http://host/path", whose path may have to be written ("/", into the target). `*` is a
 * target of OPTIONS only. -1: it is none (RFC 9112, 3.2). */
ptrdiff_t sgl_http_origin_form(char *target, size_t size, bool is_options);

#endif
