#include "admin_answer.h"

#include "traces/json.h"

#include <stdlib.h>
#include <string.h>

void sgl_admin_respond_json(struct sgl_http_exchange *exchange, int status, json_t *root,
                            const char *location)
{
    char *text = sgl_json_line(root);
    struct sgl_http_field fields[2] = {sgl_http_field("Content-Type", "application/json")};
    size_t count = 1;

    if (text == NULL) {
        sgl_http_respond_error(exchange, 503, "server_error", "out of memory", NULL, 0);
        return;
    }
    if (location != NULL)
        fields[count++] = sgl_http_field("Location", location);
    sgl_http_respond(exchange, status, fields, count, text, strlen(text));
    free(text);
}

void sgl_admin_respond_text(struct sgl_http_exchange *exchange, int status, const char *text)
{
    const struct sgl_http_field field = sgl_http_field("Content-Type", "text/plain; charset=utf-8");

    sgl_http_respond(exchange, status, &field, 1, text, strlen(text));
}

void sgl_admin_refuse_method(struct sgl_http_exchange *exchange, const char *methods)
{
    const struct sgl_http_field allowed = sgl_http_field("Allow", methods);

    sgl_http_respond_error(exchange, 405, "method_not_allowed", "this path takes another method",
                           &allowed, 1);
}

void sgl_admin_respond_error(struct sgl_http_exchange *exchange, int status, const char *type,
                             const char *message)
{
    const struct sgl_http_field retry = sgl_http_field("Retry-After", "1");

    sgl_http_respond_error(exchange, status, type, message, &retry, status == 503);
}
