/* Which header fields pass through a proxy (RFC 9110, 7.6.1), and which are made anew. */
#include "proxy_thread.h"

#include <string.h>
#include <strings.h>

/* Of one connection; and Content-Length, which the framing of the other side states. */
static const char *const hops[] = {
    "connection", "keep-alive", "proxy-connection", "te",
    "trailer",    "upgrade",    "content-length",   "transfer-encoding",
};

/* Host is that of the worker; the wish to be asked to continue was met here. */
static const char *const request_hops[] = {"host", "expect"};

/* Meant for this router, not for who serves behind it. */
static const char *const secrets[] = {"authorization", "proxy-authorization"};

static bool is_one_of(const struct sgl_http_field *field, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(field->name, names[i]) == 0)
            return true;
    return false;
}

/* Is the field named in a list "a, b , c"? */
static bool is_listed(const struct sgl_http_field *field, const char *list)
{
    while (*list != '\0') {
        list += strspn(list, " \t,");
        const size_t size = strcspn(list, " \t,");
        if (size > 0 && size == field->name_size && strncasecmp(list, field->name, size) == 0)
            return true;
        list += size;
    }
    return false;
}

bool sgl_field_is_hop(const struct sgl_http_field *field, const struct sgl_http_field *fields,
                      size_t field_count)
{
    if (is_one_of(field, hops, sizeof hops / sizeof hops[0]))
        return true;
    for (size_t i = 0; i < field_count; i++)
        if (strcasecmp(fields[i].name, "connection") == 0 && is_listed(field, fields[i].value))
            return true;
    return false;
}

size_t sgl_fields_pass(const struct sgl_http_field *fields, size_t field_count, bool is_request,
                       struct sgl_http_field *out)
{
    size_t count = 0;

    for (size_t i = 0; i < field_count; i++)
        if (!sgl_field_is_hop(&fields[i], fields, field_count) &&
            !(is_request &&
              is_one_of(&fields[i], request_hops, sizeof request_hops / sizeof request_hops[0])))
            out[count++] = fields[i];
    return count;
}

size_t sgl_fields_drop_secrets(struct sgl_http_field *fields, size_t field_count)
{
    size_t count = 0;

    for (size_t i = 0; i < field_count; i++)
        if (!is_one_of(&fields[i], secrets, sizeof secrets / sizeof secrets[0]))
            fields[count++] = fields[i];
    return count;
}

size_t sgl_fields_drop(struct sgl_http_field *fields, size_t field_count, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < field_count; i++)
        if (strcasecmp(fields[i].name, name) != 0)
            fields[count++] = fields[i];
    return count;
}
