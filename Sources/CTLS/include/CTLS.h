// TLS, by OpenSSL, over a socket that is somebody else's: every call has an end, and none of them
// raises a signal.
#ifndef SNAPMGR_CTLS_H
#define SNAPMGR_CTLS_H

#include <stddef.h>

/// What a server shows of itself: its certificate, those above it, and the key. Any thread may use one.
typedef struct snapmgr_tls_identity snapmgr_tls_identity;

/// An encrypted connection. One thread at a time uses it.
typedef struct snapmgr_tls snapmgr_tls;

#define SNAPMGR_TLS_CAUSE_BYTES 256

/// Makes one of PEM; NULL with the cause as text when that is not what it is, or the key belongs to another
/// certificate.
snapmgr_tls_identity *snapmgr_tls_identity_new(const void *certificates, size_t certificate_bytes,
                                               const void *key, size_t key_bytes,
                                               char cause[SNAPMGR_TLS_CAUSE_BYTES]);
void snapmgr_tls_identity_free(snapmgr_tls_identity *identity);

/// Whether the certificate's time is over, or has not begun.
int snapmgr_tls_identity_is_out_of_date(const snapmgr_tls_identity *identity);

/// Begins a connection on a socket, which must stay open as long; NULL without memory.
snapmgr_tls *snapmgr_tls_new(snapmgr_tls_identity *identity, int descriptor);
void snapmgr_tls_free(snapmgr_tls *connection);

/// What a client trusts: certificates of PEM, or with NULL those of the system. NULL with the cause as text when they
/// cannot be used. It is freed as an identity is.
snapmgr_tls_identity *snapmgr_tls_trust_new(const void *authorities, size_t bytes,
                                            char cause[SNAPMGR_TLS_CAUSE_BYTES]);

/// The client's end of a connection, whose server must have a certificate for the host, a name or an address in digits.
snapmgr_tls *snapmgr_tls_new_client(snapmgr_tls_identity *trust, int descriptor, const char *host);

/// Why a server's certificate was refused; NULL when it was not.
const char *snapmgr_tls_refusal(const snapmgr_tls *connection);

// Of these, a time is in milliseconds; 0 is for ever. Failures are -1, with errno: EAGAIN when the time is over, EPROTO
// for what is no TLS.

/// Agrees with the other end on keys.
int snapmgr_tls_handshake(snapmgr_tls *connection, int milliseconds);

/// How many bytes have come; 0 when the other end sends no more.
long snapmgr_tls_read(snapmgr_tls *connection, void *bytes, size_t count, int milliseconds);

/// How many bytes went, which may be fewer.
long snapmgr_tls_write(snapmgr_tls *connection, const void *bytes, size_t count, int milliseconds);

/// Tells the other end that nothing more comes, if that needs no waiting.
void snapmgr_tls_end(snapmgr_tls *connection);

#endif
