#include "own_address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* The addresses of a host, with the port; NULL: it has none that is known. */
static struct addrinfo *addresses_of(const char *host, const char *port, bool may_look_up)
{
    const bool is_here = strcasecmp(host, "localhost") == 0;
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV | (may_look_up && !is_here ? 0 : AI_NUMERICHOST),
    };
    struct addrinfo *found = NULL;

    /* Both families of localhost, without asking anybody. */
    if (is_here) {
        struct addrinfo *other = NULL;
        if (getaddrinfo("127.0.0.1", port, &hints, &found) != 0)
            return NULL;
        if (getaddrinfo("::1", port, &hints, &other) == 0)
            found->ai_next = other;
        return found;
    }
    return getaddrinfo(host, port, &hints, &found) == 0 ? found : NULL;
}

void sgl_own_address_add(struct sgl_own_addresses *own, const char *host, uint16_t port)
{
    char text[8];

    snprintf(text, sizeof text, "%u", port);
    struct addrinfo *found = addresses_of(host, text, true);
    for (const struct addrinfo *at = found; at != NULL && own->count < SGL_OWN_ADDRESS_MAX;
         at = at->ai_next)
        memcpy(&own->addresses[own->count++], at->ai_addr, at->ai_addrlen);
    freeaddrinfo(found);
}

/* An address as IPv6, IPv4 ones mapped into it (RFC 4291, 2.5.5.2), and its port. */
struct plain {
    unsigned char bytes[16];
    in_port_t port;
};

static struct plain plain_of(const struct sockaddr *address)
{
    struct plain plain = {.bytes = {[10] = 0xff, [11] = 0xff}};

    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
        memcpy(plain.bytes + 12, &four->sin_addr, 4);
        plain.port = four->sin_port;
    } else {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
        memcpy(plain.bytes, &six->sin6_addr, 16);
        plain.port = six->sin6_port;
    }
    return plain;
}

/* 0.0.0.0 or :: */
static bool is_any(const struct plain *plain)
{
    static const unsigned char four[16] = {[10] = 0xff, [11] = 0xff};
    static const unsigned char six[16];

    return memcmp(plain->bytes, four, 16) == 0 || memcmp(plain->bytes, six, 16) == 0;
}

static bool is_loopback(const struct plain *plain)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const unsigned char six[16] = {[15] = 1};

    return memcmp(plain->bytes, six, 16) == 0 ||
           (memcmp(plain->bytes, mapped, 12) == 0 && plain->bytes[12] == 127);
}

/* Only an address of this machine can be bound to. */
static bool is_local(const struct addrinfo *address)
{
    struct sockaddr_storage with_any_port = {0};
    const int descriptor = socket(address->ai_family, SOCK_STREAM, 0);

    if (descriptor < 0)
        return false;
    memcpy(&with_any_port, address->ai_addr, address->ai_addrlen);
    if (address->ai_family == AF_INET)
        ((struct sockaddr_in *)(void *)&with_any_port)->sin_port = 0;
    else
        ((struct sockaddr_in6 *)(void *)&with_any_port)->sin6_port = 0;
    const bool is_bound = bind(descriptor, (const struct sockaddr *)(const void *)&with_any_port,
                               address->ai_addrlen) == 0;
    close(descriptor);
    return is_bound;
}

/* Does a connection to that address arrive at the listener? To "any" address means to loopback. */
static bool leads_to(const struct addrinfo *address, const struct sockaddr_storage *listener)
{
    const struct plain to = plain_of(address->ai_addr);
    const struct plain here = plain_of((const struct sockaddr *)(const void *)listener);

    if (to.port != here.port)
        return false;
    if (memcmp(to.bytes, here.bytes, sizeof to.bytes) == 0)
        return true;
    return is_any(&here) ? is_any(&to) || is_local(address) : is_any(&to) && is_loopback(&here);
}

bool sgl_own_address_is(const struct sgl_own_addresses *own, const char *url, bool may_look_up)
{
    CURLU *parts = curl_url();
    struct addrinfo *found = NULL;
    char *host = NULL;
    char *port = NULL;
    bool is_own = false;

    if (parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        const size_t size = strlen(host);
        const bool has_brackets = size > 2 && host[0] == '[' && host[size - 1] == ']';
        if (has_brackets)
            host[size - 1] = '\0';
        found = addresses_of(has_brackets ? host + 1 : host, port, may_look_up);
    }
    for (const struct addrinfo *at = found; at != NULL && !is_own; at = at->ai_next)
        for (size_t i = 0; i < own->count && !is_own; i++)
            is_own = leads_to(at, &own->addresses[i]);
    freeaddrinfo(found);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return is_own;
}
