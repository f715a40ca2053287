// TLS 1.3 handshakes through a proxy with a backend behind it. Real ones: a self-signed P-256 certificate, X25519, and one
// byte of application data each way.
//
//   handshake serve                            prints its port, then serves one connection after the other until killed
//   handshake probe --port P --name NAME [--rate R] [--warmup S] [--seconds S]
//
// A probe is one connection: connect, handshake, a byte, the answer, close. Probes follow each other at R a second; the
// result, one line of JSON, is the time from connect to the answer.
#include "common.h"
#include <getopt.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#define MAX_SAMPLES (1u << 20)
#define FEWEST_SAMPLES 20

static void bound_waits(int fd) {
  struct timeval timeout = {.tv_sec = 10};
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static SSL_CTX *server_context(void) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *certificate = X509_new();
  if (!key || !certificate) die("no key");
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)"bench", -1,
                             -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  if (!X509_sign(certificate, key, EVP_sha256()) || SSL_CTX_use_certificate(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey(context, key) != 1)
    die("no certificate");
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  return context;
}

static void serve(void) {
  SSL_CTX *context = server_context();
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 128) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0)
    die("listen: %s", strerror(errno));
  printf("{\"port\":%d}\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) continue;
    bound_waits(fd);
    SSL *tls = SSL_new(context);
    char byte;
    SSL_set_fd(tls, fd);
    // Whoever connects and says nothing, as a proxy's probe does, costs itself alone.
    if (SSL_accept(tls) == 1 && SSL_read(tls, &byte, 1) == 1 && SSL_write(tls, &byte, 1) == 1) SSL_read(tls, &byte, 1);
    SSL_free(tls);
    close(fd);
  }
}

static double probe_once(SSL_CTX *context, int port, const char *name) {
  struct sockaddr_in address = loopback(port);
  uint64_t start = now_ns();
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect: %s", strerror(errno));
  bound_waits(fd);
  SSL *tls = SSL_new(context);
  char answer = 0;
  SSL_set_fd(tls, fd);
  SSL_set_tlsext_host_name(tls, name);
  if (SSL_connect(tls) != 1) die("the handshake failed");
  if (SSL_write(tls, "?", 1) != 1 || SSL_read(tls, &answer, 1) != 1 || answer != '?') die("no answer after the handshake");
  double microseconds = (double)(now_ns() - start) / 1000;
  SSL_free(tls);
  close(fd);
  return microseconds;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void probe(int port, const char *name, double rate, double warmup, double seconds) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  double *samples = malloc(MAX_SAMPLES * sizeof *samples);
  size_t count = 0;
  uint64_t begin = now_ns(), measured_from = begin + (uint64_t)(warmup * 1e9);
  uint64_t until = measured_from + (uint64_t)(seconds * 1e9), interval = (uint64_t)(1e9 / rate);
  for (uint64_t due = begin; due < until || count < FEWEST_SAMPLES;) {
    uint64_t now = now_ns();
    if (now < due) {
      uint64_t wait = due - now;
      nanosleep(&(struct timespec){.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)}, NULL);
    }
    bool is_measured = now_ns() >= measured_from;
    double time = probe_once(context, port, name);
    if (is_measured && count < MAX_SAMPLES) samples[count++] = time;
    // One that took longer than its turn leaves out those that were due meanwhile.
    due += interval;
    if (due < now_ns()) due = now_ns();
  }
  qsort(samples, count, sizeof *samples, by_value);
  printf("{\"handshakes\":%zu,\"p50Us\":%.1f,\"p99Us\":%.1f}\n", count, samples[count / 2],
         samples[(size_t)(0.99 * (double)count)]);
}

int main(int argc, char **argv) {
  if (argc < 2) die("usage: handshake serve|probe");
  int port = 0, option;
  double rate = 100, warmup = 0.5, seconds = 1;
  const char *name = NULL;
  static const struct option options[] = {
      {"port", required_argument, 0, 'p'},   {"name", required_argument, 0, 'n'},    {"rate", required_argument, 0, 'r'},
      {"warmup", required_argument, 0, 'w'}, {"seconds", required_argument, 0, 's'}, {0},
  };
  signal(SIGPIPE, SIG_IGN);
  optind = 2;
  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    switch (option) {
      case 'p': port = atoi(optarg); break;
      case 'n': name = optarg; break;
      case 'r': rate = atof(optarg); break;
      case 'w': warmup = atof(optarg); break;
      case 's': seconds = atof(optarg); break;
      default: return 1;
    }
  }
  if (!strcmp(argv[1], "serve")) serve();
  if (port <= 0 || !name || rate <= 0) die("--port, --name and a positive --rate are needed");
  probe(port, name, rate, warmup, seconds);
  return 0;
}
