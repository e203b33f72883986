#include "CTLS.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

struct snapmgr_tls_identity {
  SSL_CTX *context;
  int is_out_of_date;
};

struct snapmgr_tls {
  SSL *ssl;
  int descriptor;
  // After some failures OpenSSL must not be asked for anything more.
  int is_broken;
};

// MARK: The way to the socket

// OpenSSL's own way raises SIGPIPE.

static int bio_write(BIO *bio, const char *bytes, int count) {
  int descriptor = (int)(intptr_t)BIO_get_data(bio);
  ssize_t done;
  do done = send(descriptor, bytes, (size_t)count, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (done < 0 && errno == EINTR);
  BIO_clear_retry_flags(bio);
  if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_write(bio);
  return (int)done;
}

static int bio_read(BIO *bio, char *bytes, int count) {
  int descriptor = (int)(intptr_t)BIO_get_data(bio);
  ssize_t done;
  do done = recv(descriptor, bytes, (size_t)count, MSG_DONTWAIT);
  while (done < 0 && errno == EINTR);
  BIO_clear_retry_flags(bio);
  if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_read(bio);
  return (int)done;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void) {
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "snapmgr");
  if (method == NULL) return;
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_control);
}

static BIO *new_bio(int descriptor) {
  pthread_once(&method_once, make_method);
  BIO *bio = method == NULL ? NULL : BIO_new(method);
  if (bio == NULL) return NULL;
  BIO_set_data(bio, (void *)(intptr_t)descriptor);
  BIO_set_init(bio, 1);
  return bio;
}

// MARK: Identities

// Nobody can be asked for the password of a key.
static int no_password(char *buffer, int size, int is_writing, void *data) {
  (void)buffer, (void)size, (void)is_writing, (void)data;
  return -1;
}

static int use_certificates(SSL_CTX *context, BIO *bio, int *is_out_of_date) {
  X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
  if (certificate == NULL) return 0;
  *is_out_of_date = X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0 ||
                    X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0;
  int is_used = SSL_CTX_use_certificate(context, certificate);
  X509_free(certificate);
  if (is_used != 1) return 0;
  while ((certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
    if (SSL_CTX_add0_chain_cert(context, certificate) == 1) continue;
    X509_free(certificate);
    return 0;
  }
  // That there is no further one is the end; what is no certificate is a mistake.
  unsigned long last = ERR_peek_last_error();
  if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE) return 0;
  ERR_clear_error();
  return 1;
}

static int use_key(SSL_CTX *context, BIO *bio) {
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
  if (key == NULL) return 0;
  int is_used = SSL_CTX_use_PrivateKey(context, key);
  EVP_PKEY_free(key);
  return is_used == 1 && SSL_CTX_check_private_key(context) == 1;
}

static int confine(SSL_CTX *context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // What is no data must not keep a reader within the library: his time is looked at between.
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return SSL_CTX_set_num_tickets(context, 0) == 1 &&
         SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

static void tell_cause(const char *what, char cause[SNAPMGR_TLS_CAUSE_BYTES]) {
  unsigned long code = ERR_peek_last_error();
  const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
  snprintf(cause, SNAPMGR_TLS_CAUSE_BYTES, "%s: %s", what, reason == NULL ? "no memory" : reason);
  ERR_clear_error();
}

static const char *fill(snapmgr_tls_identity *identity, BIO *certificates, BIO *key) {
  if (!confine(identity->context)) return "TLS cannot be set up";
  if (!use_certificates(identity->context, certificates, &identity->is_out_of_date)) {
    return "the certificate cannot be used";
  }
  if (!use_key(identity->context, key)) return "the key cannot be used";
  return NULL;
}

snapmgr_tls_identity *snapmgr_tls_identity_new(const void *certificates, size_t certificate_bytes,
                                               const void *key, size_t key_bytes,
                                               char cause[SNAPMGR_TLS_CAUSE_BYTES]) {
  const char *what = "TLS cannot be set up";
  ERR_clear_error();
  snapmgr_tls_identity *identity = calloc(1, sizeof *identity);
  BIO *certificate_bio = NULL, *key_bio = NULL;
  if (identity != NULL && certificate_bytes <= INT_MAX && key_bytes <= INT_MAX) {
    identity->context = SSL_CTX_new(TLS_server_method());
    certificate_bio = BIO_new_mem_buf(certificates, (int)certificate_bytes);
    key_bio = BIO_new_mem_buf(key, (int)key_bytes);
    if (identity->context != NULL && certificate_bio != NULL && key_bio != NULL) {
      what = fill(identity, certificate_bio, key_bio);
    }
  }
  BIO_free(certificate_bio);
  BIO_free(key_bio);
  if (what == NULL) return identity;
  tell_cause(what, cause);
  snapmgr_tls_identity_free(identity);
  return NULL;
}

void snapmgr_tls_identity_free(snapmgr_tls_identity *identity) {
  if (identity == NULL) return;
  SSL_CTX_free(identity->context);
  free(identity);
}

int snapmgr_tls_identity_is_out_of_date(const snapmgr_tls_identity *identity) {
  return identity->is_out_of_date;
}

// MARK: What a client trusts

// Certificates of PEM, one behind the other; at least one.
static int trust(SSL_CTX *context, BIO *bio) {
  X509_STORE *store = SSL_CTX_get_cert_store(context);
  int count = 0;
  X509 *certificate;
  while ((certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
    int is_added = X509_STORE_add_cert(store, certificate);
    X509_free(certificate);
    if (is_added != 1) return 0;
    count++;
  }
  // That there is no further one is the end; what is no certificate is a mistake.
  unsigned long last = ERR_peek_last_error();
  if (count == 0 || ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE) {
    return 0;
  }
  ERR_clear_error();
  return 1;
}

static const char *fill_trust(SSL_CTX *context, const void *authorities, size_t bytes) {
  if (!confine(context)) return "TLS cannot be set up";
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  if (authorities == NULL) {
    int is_set = SSL_CTX_set_default_verify_paths(context);
    return is_set == 1 ? NULL : "the system's certificates cannot be used";
  }
  // Whatever the file has is trusted, an authority that another one has signed as well.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  BIO *bio = bytes <= INT_MAX ? BIO_new_mem_buf(authorities, (int)bytes) : NULL;
  int is_trusted = bio != NULL && trust(context, bio);
  BIO_free(bio);
  return is_trusted ? NULL : "the certificates cannot be used";
}

snapmgr_tls_identity *snapmgr_tls_trust_new(const void *authorities, size_t bytes,
                                            char cause[SNAPMGR_TLS_CAUSE_BYTES]) {
  const char *what = "TLS cannot be set up";
  ERR_clear_error();
  snapmgr_tls_identity *trust = calloc(1, sizeof *trust);
  if (trust != NULL) trust->context = SSL_CTX_new(TLS_client_method());
  if (trust != NULL && trust->context != NULL) {
    what = fill_trust(trust->context, authorities, bytes);
  }
  if (what == NULL) return trust;
  tell_cause(what, cause);
  snapmgr_tls_identity_free(trust);
  return NULL;
}

// MARK: Connections

static snapmgr_tls *new_connection(snapmgr_tls_identity *identity, int descriptor) {
  snapmgr_tls *connection = calloc(1, sizeof *connection);
  if (connection == NULL) return NULL;
  BIO *bio = new_bio(descriptor);
  connection->ssl = SSL_new(identity->context);
  connection->descriptor = descriptor;
  if (bio == NULL || connection->ssl == NULL) {
    BIO_free(bio);
    snapmgr_tls_free(connection);
    return NULL;
  }
  SSL_set_bio(connection->ssl, bio, bio);
  return connection;
}

snapmgr_tls *snapmgr_tls_new(snapmgr_tls_identity *identity, int descriptor) {
  snapmgr_tls *connection = new_connection(identity, descriptor);
  if (connection != NULL) SSL_set_accept_state(connection->ssl);
  return connection;
}

// Whose certificate it must be: that of an address, or of a name, which is told the server, too.
static int expect(SSL *ssl, const char *host) {
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1) return 1;
  ERR_clear_error();
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

snapmgr_tls *snapmgr_tls_new_client(snapmgr_tls_identity *trust, int descriptor, const char *host) {
  snapmgr_tls *connection = new_connection(trust, descriptor);
  if (connection == NULL) return NULL;
  if (!expect(connection->ssl, host)) {
    snapmgr_tls_free(connection);
    return NULL;
  }
  SSL_set_connect_state(connection->ssl);
  return connection;
}

const char *snapmgr_tls_refusal(const snapmgr_tls *connection) {
  long result = SSL_get_verify_result(connection->ssl);
  return result == X509_V_OK ? NULL : X509_verify_cert_error_string(result);
}

void snapmgr_tls_free(snapmgr_tls *connection) {
  if (connection == NULL) return;
  SSL_free(connection->ssl);
  free(connection);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

// The moment at which so many milliseconds are over; -1 is never.
static int64_t end_of(int milliseconds) { return milliseconds <= 0 ? -1 : now() + milliseconds; }

static int wait_for(const snapmgr_tls *connection, short events, int64_t end) {
  while (1) {
    int64_t left = end < 0 ? -1 : end - now();
    if (end >= 0 && left <= 0) {
      errno = EAGAIN;
      return -1;
    }
    struct pollfd state = {connection->descriptor, events, 0};
    int count = poll(&state, 1, left > INT_MAX ? INT_MAX : (int)left);
    if (count > 0) return 1;
    if (count < 0 && errno != EINTR) return -1;
  }
}

// Whether to try again: 1, 0 at the end of what the client sends, -1 when it failed.
static int is_to_go_on(snapmgr_tls *connection, int result, int64_t end) {
  int cause = errno;
  switch (SSL_get_error(connection->ssl, result)) {
    case SSL_ERROR_WANT_READ: return wait_for(connection, POLLIN, end);
    case SSL_ERROR_WANT_WRITE: return wait_for(connection, POLLOUT, end);
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_SYSCALL: errno = cause == 0 ? ECONNRESET : cause; break;
    default: errno = EPROTO;
  }
  connection->is_broken = 1;
  return -1;
}

static int is_usable(const snapmgr_tls *connection) {
  // The thread's list of errors is looked at by SSL_get_error, whoever has filled it.
  ERR_clear_error();
  errno = connection->is_broken ? ECONNRESET : 0;
  return !connection->is_broken;
}

int snapmgr_tls_handshake(snapmgr_tls *connection, int milliseconds) {
  int64_t end = end_of(milliseconds);
  while (is_usable(connection)) {
    int result = SSL_do_handshake(connection->ssl);
    if (result == 1) return 0;
    int next = is_to_go_on(connection, result, end);
    if (next == 0) errno = ECONNRESET;
    if (next <= 0) return -1;
  }
  return -1;
}

long snapmgr_tls_read(snapmgr_tls *connection, void *bytes, size_t count, int milliseconds) {
  int64_t end = end_of(milliseconds);
  int most = count > INT_MAX ? INT_MAX : (int)count;
  while (is_usable(connection)) {
    int result = SSL_read(connection->ssl, bytes, most);
    if (result > 0) return result;
    int next = is_to_go_on(connection, result, end);
    if (next <= 0) return next;
  }
  return -1;
}

long snapmgr_tls_write(snapmgr_tls *connection, const void *bytes, size_t count, int milliseconds) {
  int64_t end = end_of(milliseconds);
  int most = count > INT_MAX ? INT_MAX : (int)count;
  while (is_usable(connection)) {
    int result = SSL_write(connection->ssl, bytes, most);
    if (result > 0) return result;
    int next = is_to_go_on(connection, result, end);
    if (next == 0) errno = EPIPE;
    if (next <= 0) return -1;
  }
  return -1;
}

void snapmgr_tls_end(snapmgr_tls *connection) {
  if (is_usable(connection) && SSL_is_init_finished(connection->ssl)) {
    SSL_shutdown(connection->ssl);
  }
}
