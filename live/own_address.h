/*
 * own_address.h - is that URL this router itself? A router that routes to itself does so for ever.
 *
 *      listens on 127.0.0.1:30000   http://127.0.0.1:30000  http://localhost:30000  own
 *                                   http://127.0.0.1:30001  http://192.0.2.1:30000  not
 *      listens on 0.0.0.0:30000     any address of this machine, port 30000         own
 *
 * What is compared are addresses and ports. Whether an address is this machine's is found out by
 * binding a socket to it (port 0, at once closed). Names are looked up only where that may take its
 * time, at the start; while requests are answered only `localhost` and addresses are seen through.
 * A loop over a second router, or over a name, is not noticed.
 *
 * Threads: add from one, before the others; is from any.
 */
#ifndef SGL_LIVE_OWN_ADDRESS_H
#define SGL_LIVE_OWN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define SGL_OWN_ADDRESS_MAX 16

/* Zeroed: none. Addresses carry their port. */
struct sgl_own_addresses {
    struct sockaddr_storage addresses[SGL_OWN_ADDRESS_MAX];
    size_t count;
};

/* Where something listens now: a name or an address, as for a listener. */
void sgl_own_address_add(struct sgl_own_addresses *own, const char *host, uint16_t port);

/* Does the URL lead there? False for what is no URL. */
bool sgl_own_address_is(const struct sgl_own_addresses *own, const char *url, bool may_look_up);

#endif
