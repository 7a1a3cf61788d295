#include "access.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One that ends in a slash stands for all that begin with it. */
struct path {
    const char *path;
    enum sgl_realm realm;
};

static const struct path paths[] = {
    {"/health", SGL_REALM_PUBLIC},         {"/liveness", SGL_REALM_PUBLIC},
    {"/readiness", SGL_REALM_PUBLIC},      {"/workers", SGL_REALM_CONTROL},
    {"/workers/", SGL_REALM_CONTROL},      {"/add_worker", SGL_REALM_CONTROL},
    {"/remove_worker", SGL_REALM_CONTROL}, {"/list_workers", SGL_REALM_CONTROL},
    {"/get_loads", SGL_REALM_CONTROL},     {"/flush_cache", SGL_REALM_CONTROL},
    {"/metrics", SGL_REALM_CONTROL},
};

enum sgl_realm sgl_realm_of(const char *method, const char *target)
{
    const size_t size = strcspn(target, "?");
    const bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const size_t path_size = strlen(paths[i].path);
        const bool is_prefix = paths[i].path[path_size - 1] == '/';
        if ((is_prefix ? size < path_size : size != path_size) ||
            strncmp(target, paths[i].path, path_size) != 0)
            continue;
        return paths[i].realm == SGL_REALM_PUBLIC && !reads ? SGL_REALM_DATA : paths[i].realm;
    }
    return SGL_REALM_DATA;
}

/* Looks at every byte given, and at as many of the key, whatever they are. */
static bool is_key(const char *given, size_t given_size, const char *key)
{
    const size_t key_size = strlen(key);
    unsigned int difference = given_size != key_size;

    for (size_t i = 0; i < given_size; i++)
        difference |=
            (unsigned int)((unsigned char)given[i] ^ (unsigned char)key[i % (key_size + 1)]);
    return difference == 0;
}

/* The one Authorization field's bearer text; NULL: there is none, or more than one. */
static const char *bearer(const struct sgl_http_exchange *exchange)
{
    static const char scheme[] = "bearer ";
    const char *found = NULL;

    for (size_t i = 0; i < exchange->field_count; i++) {
        const struct sgl_http_field *field = &exchange->fields[i];
        if (strcasecmp(field->name, "authorization") != 0)
            continue;
        if (found != NULL)
            return NULL;
        found = field->value;
    }
    if (found == NULL || strncasecmp(found, scheme, sizeof scheme - 1) != 0)
        return NULL;
    found += sizeof scheme - 1;
    return found + strspn(found, " ");
}

bool sgl_access_admits(const struct sgl_access *access, enum sgl_realm realm,
                       struct sgl_http_exchange *exchange)
{
    const struct sgl_http_field field = sgl_http_field("WWW-Authenticate", "Bearer");
    const bool is_control = realm == SGL_REALM_CONTROL && access->admin_key != NULL;
    const char *key = is_control ? access->admin_key : access->api_key;

    if (realm == SGL_REALM_PUBLIC || key == NULL)
        return true;
    const char *given = bearer(exchange);
    if (given != NULL && is_key(given, strlen(given), key))
        return true;
    sgl_http_respond_error(exchange, 401, "authentication_error",
                           "a valid key is needed, as one field Authorization: Bearer KEY", &field,
                           1);
    return false;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcasecmp(host, "localhost") == 0;
}

/* Is the host, with that port, on the list? */
static bool is_listed(const struct sgl_access *access, const char *host, const char *port)
{
    char with_port[300];

    snprintf(with_port, sizeof with_port, "%.255s:%.8s", host, port);
    for (size_t i = 0; i < SGL_ACCESS_HOSTS_MAX && access->hosts[i] != NULL; i++)
        if (strcasecmp(access->hosts[i], host) == 0 || strcasecmp(access->hosts[i], with_port) == 0)
            return true;
    return false;
}

int sgl_access_may_add(const struct sgl_access *access, const char *url,
                       struct sgl_failure *failure)
{
    const bool is_keyed = access->admin_key != NULL || access->api_key != NULL;
    CURLU *parts;
    char *host = NULL;
    char *port = NULL;

    if (access->hosts[0] == NULL && (is_keyed || is_loopback(access->control_host)))
        return SGL_OK;
    parts = curl_url();
    const bool may = parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                     curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                     curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                     is_listed(access, host, port);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    if (may)
        return SGL_OK;
    return sgl_fail(failure, SGL_EINVAL,
                    "worker '%.200s' is not one that may be added (--allowed-workers lists them)",
                    url);
}
