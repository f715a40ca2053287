// The backends of the benchmark, in one process: three listeners on the loopback interface.
//
//   source  once the first byte has come, sends without end
//   sink    answers the first byte with one byte, then reads and drops
//   echo    sends back what it reads
//
// They speak raw TCP: to a passthrough proxy the bytes after the ClientHello are opaque.
// Run with the path of a file in which to count what comes to the sink. Prints the three ports as JSON, runs until killed.
#include "common.h"

enum role { SOURCE, SINK, ECHO, ROLES };

struct connection {
  enum role role;
  bool started;
  size_t offset;   // source: place in the pattern
  char *pending;   // echo: what the peer does not take yet
  size_t pending_length;
  size_t pending_sent;
};

static struct connection *connections;
static size_t capacity;
static int listeners[ROLES];
static unsigned char pattern[CHUNK];
static char scratch[CHUNK];
static volatile uint64_t *sunk;
static int epoll;

static int listen_loopback(int *port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  bound_receive_window(fd); // inherited by what it accepts
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, 4096) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &length) != 0)
    die("listen: %s", strerror(errno));
  *port = ntohs(address.sin_port);
  return fd;
}

static void drop(int fd) {
  free(connections[fd].pending);
  connections[fd] = (struct connection){0};
  close(fd);
}

static void accept_all(enum role role) {
  for (;;) {
    int fd = accept4(listeners[role], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      if (errno == ECONNABORTED || errno == EINTR) continue;
      die("accept: %s", strerror(errno));
    }
    if ((size_t)fd >= capacity) die("more connections than the file limit allows");
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections[fd] = (struct connection){.role = role};
    watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
  }
}

// Reads and discards in the kernel, without a copy: the benchmark measures the proxy, not this.
static ssize_t discard(int fd) { return recv(fd, NULL, 1 << 20, MSG_TRUNC); }

static void serve_source(int fd, uint32_t events) {
  struct connection *c = &connections[fd];
  if (events & ~(uint32_t)EPOLLOUT) {
    ssize_t n = discard(fd);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return drop(fd);
    if (!c->started && n > 0) {
      c->started = true;
      watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT);
    }
  }
  if (!c->started) return;
  ssize_t n = send(fd, pattern + c->offset, CHUNK - c->offset, MSG_NOSIGNAL);
  if (n < 0) {
    if (errno != EAGAIN) drop(fd);
    return;
  }
  c->offset = (c->offset + (size_t)n) % CHUNK;
}

static void serve_sink(int fd) {
  struct connection *c = &connections[fd];
  ssize_t n = discard(fd);
  if (n == 0 || (n < 0 && errno != EAGAIN)) return drop(fd);
  if (n < 0) return;
  *sunk += (uint64_t)n;
  if (c->started) return;
  c->started = true;
  if (send(fd, "K", 1, MSG_NOSIGNAL) != 1) drop(fd);
}

static void serve_echo(int fd) {
  struct connection *c = &connections[fd];
  if (c->pending) {
    ssize_t n = send(fd, c->pending + c->pending_sent, c->pending_length - c->pending_sent, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) drop(fd);
      return;
    }
    c->pending_sent += (size_t)n;
    if (c->pending_sent < c->pending_length) return;
    free(c->pending);
    c->pending = NULL;
    watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN);
    return;
  }
  ssize_t n = recv(fd, scratch, sizeof scratch, 0);
  if (n <= 0) {
    if (n == 0 || errno != EAGAIN) drop(fd);
    return;
  }
  ssize_t sent = send(fd, scratch, (size_t)n, MSG_NOSIGNAL);
  if (sent == n) return;
  if (sent < 0) {
    if (errno != EAGAIN) return drop(fd);
    sent = 0;
  }
  c->pending_length = (size_t)(n - sent);
  c->pending_sent = 0;
  c->pending = malloc(c->pending_length);
  if (!c->pending) die("out of memory");
  memcpy(c->pending, scratch + sent, c->pending_length);
  watch(epoll, EPOLL_CTL_MOD, fd, EPOLLOUT);
}

int main(int argc, char **argv) {
  if (argc != 2) die("usage: backend COUNTER-FILE");
  sunk = map_counter(argv[1]);
  raise_file_limit();
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  capacity = limit.rlim_cur > 1u << 20 ? 1u << 20 : (size_t)limit.rlim_cur;
  connections = calloc(capacity, sizeof *connections);
  if (!connections) die("out of memory");
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = pattern_at(i);

  epoll = epoll_create1(EPOLL_CLOEXEC);
  int ports[ROLES];
  for (int role = 0; role < ROLES; role++) {
    listeners[role] = listen_loopback(&ports[role]);
    watch(epoll, EPOLL_CTL_ADD, listeners[role], EPOLLIN);
  }
  printf("{\"source\":%d,\"sink\":%d,\"echo\":%d}\n", ports[SOURCE], ports[SINK], ports[ECHO]);
  fflush(stdout);

  struct epoll_event events[MAX_EVENTS];
  for (;;) {
    int count = epoll_wait(epoll, events, MAX_EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      int role = 0;
      while (role < ROLES && listeners[role] != fd) role++;
      if (role < ROLES)
        accept_all((enum role)role);
      else if (connections[fd].role == SOURCE)
        serve_source(fd, events[i].events);
      else if (connections[fd].role == SINK)
        serve_sink(fd);
      else
        serve_echo(fd);
    }
  }
}
