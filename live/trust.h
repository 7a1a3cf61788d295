/*
 * trust.h - by which certificates workers are believed to be who they are, and what they are shown.
 *
 *      --ca-cert-paths a.pem,b.pem   ->  one text of certificates, which libcurl is given
 *      --client-cert-path, --client-key-path   PEM files, looked at here and read by libcurl
 *
 * With authorities of one's own those of the system count no more: who names them means these. All
 * is read at the start, where a wrong path is an error with a name, and not a 502 for every
 * request. Host names and dates are always checked; nothing turns that off.
 */
#ifndef SGL_LIVE_TRUST_H
#define SGL_LIVE_TRUST_H

#include "core/failure.h"
#include "http_buffer.h"

struct sgl_trust {
    struct sgl_buffer authorities; /* PEM; empty: the system's */
    const char *certificate_file;  /* borrowed; NULL: none is shown */
    const char *key_file;          /* borrowed; NULL: it is in the certificate's file */
};

/* `ca_files` separated by commas. Each may be NULL. SGL_EINVAL: a file is not there or not what it
 * should be. Release in any case. */
int sgl_trust_read(struct sgl_trust *trust, const char *ca_files, const char *certificate_file,
                   const char *key_file, struct sgl_failure *failure);
void sgl_trust_release(struct sgl_trust *trust);

#endif
