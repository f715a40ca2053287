// The load generator. One measurement per run; the result is one line of JSON on stdout, and any fault ends the run
// with a message on stderr and status 1: a number is printed only when every connection did what it should.
//
//   load download|upload|connect|roundtrip|beside|idle --port P --hello FILE [--connections N] [--warmup S]
//        [--seconds S] [--pids PID,PID,...] [--counter FILE] [--bulk FILE] [--reset] [--rate N]
//
// `--pids` names the proxy's processes. Their CPU time is read here, at the very ends of the measured window.
// `--counter`, for uploads, is the file in which the backend counts what has come to it. `--bulk`, for `beside`, is the
// ClientHello of the download beside which round trips are made. With `--reset`, clients of `connect` close by a RST;
// with `--rate`, so many of them begin in a second, whether earlier ones are served or not, up to `--connections`.
#include "common.h"
#include <getopt.h>
#include <poll.h>

#define MAX_PIDS 256
#define MESSAGE 64
#define MAX_SAMPLES (16u << 20)
#define MOST_BEHIND 16

static int port;
static int connections = 1;
static double warmup = 0.5;
static double seconds = 1;
static bool closes_by_reset;
static double rate;
static char *hello;
static size_t hello_length;
static char *bulk_hello;
static size_t bulk_hello_length;
static int pids[MAX_PIDS];
static int pid_count;
static volatile uint64_t *sunk;
static char buffer[CHUNK];

struct window {
  uint64_t time;
  double cpu;
};

// User and system time of all threads of the proxy's processes, those that have ended included.
static double cpu_seconds(void) {
  unsigned long ticks = 0;
  for (int i = 0; i < pid_count; i++) {
    char path[64], stat[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pids[i]);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) die("the proxy's process %d is gone", pids[i]);
    ssize_t n = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (n <= 0) die("cannot read %s", path);
    stat[n] = 0;
    unsigned long user, system;
    const char *rest = strrchr(stat, ')');
    if (!rest || sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
      die("cannot parse %s", path);
    ticks += user + system;
  }
  return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static struct window mark(void) { return (struct window){.time = now_ns(), .cpu = cpu_seconds()}; }

static double elapsed(struct window from, struct window to) { return (double)(to.time - from.time) / 1e9; }

static char *read_hello(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) die("cannot open %s: %s", path, strerror(errno));
  char *bytes = malloc(CHUNK);
  *length = fread(bytes, 1, CHUNK, file);
  fclose(file);
  if (*length == 0) die("%s is empty", path);
  return bytes;
}

static void send_all(int fd, const char *data, size_t length) {
  while (length > 0) {
    ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
    if (n < 0) die("send: %s", strerror(errno));
    data += n;
    length -= (size_t)n;
  }
}

static void receive_all(int fd, char *data, size_t length) {
  while (length > 0) {
    ssize_t n = recv(fd, data, length, 0);
    if (n == 0) die("the proxy closed the connection");
    if (n < 0) die("recv: %s", errno == EAGAIN ? "nothing came for 10 s" : strerror(errno));
    data += n;
    length -= (size_t)n;
  }
}

static void expect_echo(int fd, const char *sent, size_t length) {
  receive_all(fd, buffer, length);
  if (memcmp(buffer, sent, length) != 0) die("the bytes that came back are not those sent");
}

// A blocking connection that has sent a ClientHello.
static int open_with(const char *first, size_t first_length) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = loopback(port);
  bound_receive_window(fd);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) die("connect: %s", strerror(errno));
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct timeval timeout = {.tv_sec = 10};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  send_all(fd, first, first_length);
  return fd;
}

static int open_connection(void) { return open_with(hello, hello_length); }

static void bulk(bool upload) {
  if (upload && !sunk) die("an upload needs --counter");
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (size_t i = 0; i < sizeof buffer; i++) buffer[i] = (char)pattern_at(i);
  for (int i = 0; i < connections; i++) {
    int fd = open_connection();
    char first;
    receive_all(fd, &first, 1);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    watch(epoll, EPOLL_CTL_ADD, fd, upload ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
  uint64_t received = 0, before_bytes = 0;
  struct window before = {0};
  uint64_t warm_until = now_ns() + (uint64_t)(warmup * 1e9);
  uint64_t until = UINT64_MAX;
  struct epoll_event events[MAX_EVENTS];
  for (;;) {
    uint64_t now = now_ns();
    if (before.time == 0 && now >= warm_until) {
      before = mark();
      before_bytes = upload ? *sunk : received;
      until = before.time + (uint64_t)(seconds * 1e9);
    }
    if (now >= until) break;
    int count = epoll_wait(epoll, events, MAX_EVENTS, 10);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (upload && (events[i].events & ~(uint32_t)EPOLLOUT)) die("the proxy closed an upload");
      // MSG_TRUNC drops the bytes in the kernel: the receiver costs no copy.
      ssize_t n = upload ? send(fd, buffer, sizeof buffer, MSG_NOSIGNAL) : recv(fd, NULL, 1 << 20, MSG_TRUNC);
      if (n == 0) die("the proxy closed a download");
      if (n > 0) received += (uint64_t)n;
      if (n < 0 && errno != EAGAIN) die("%s: %s", upload ? "send" : "recv", strerror(errno));
    }
  }
  struct window after = mark();
  uint64_t bytes = (upload ? *sunk : received) - before_bytes;
  if (bytes == 0) die("no bytes moved");
  printf("{\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"bytes\":%llu}\n", elapsed(before, after), after.cpu - before.cpu,
         (unsigned long long)bytes);
}

struct slot {
  uint64_t opened;
  size_t received;
  bool sent;
};

static int by_value(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static double quantile_us(const uint32_t *sorted, size_t count, double q) {
  size_t index = (size_t)(q * (double)count);
  return (double)sorted[index < count ? index : count - 1] / 1000;
}

static void churn(void) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  struct slot *slots = calloc((size_t)limit.rlim_cur, sizeof *slots);
  uint32_t *samples = malloc(MAX_SAMPLES * sizeof *samples);
  size_t sample_count = 0;
  struct sockaddr_in address = loopback(port);
  uint64_t until = UINT64_MAX, warm_until = now_ns() + (uint64_t)(warmup * 1e9);
  uint64_t begun = now_ns(), begun_count = 0;
  struct window before = {0};
  struct epoll_event events[MAX_EVENTS];
  int open = 0;
  for (;;) {
    uint64_t now = now_ns();
    if (before.time == 0 && now >= warm_until) {
      before = mark();
      sample_count = 0;
      until = before.time + (uint64_t)(seconds * 1e9);
    }
    if (now >= until) break;
    uint64_t due = rate > 0 ? (uint64_t)((double)(now - begun) / 1e9 * rate) : UINT64_MAX;
    // What could not be opened in time is left out: made up for in one go, it would be another load than was asked for.
    if (rate > 0 && due > begun_count + MOST_BEHIND) begun_count = due - MOST_BEHIND;
    while (open < connections && begun_count < due) {
      begun_count++;
      int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (fd < 0) die("socket: %s", strerror(errno));
      if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS)
        die("connect: %s", strerror(errno));
      slots[fd] = (struct slot){.opened = now_ns()};
      watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLET);
      open++;
    }
    int count = epoll_wait(epoll, events, MAX_EVENTS, rate > 0 ? 1 : 10);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      struct slot *slot = &slots[fd];
      if (!slot->sent && (events[i].events & EPOLLOUT)) {
        if (send(fd, hello, hello_length, MSG_NOSIGNAL) != (ssize_t)hello_length) die("send: %s", strerror(errno));
        slot->sent = true;
      }
      if (!(events[i].events & ~(uint32_t)EPOLLOUT)) continue;
      ssize_t n = recv(fd, buffer, sizeof buffer, 0);
      if (n < 0 && errno == EAGAIN) continue;
      if (n < 0) die("recv: %s", strerror(errno));
      if (n == 0) die("the proxy closed a connection before the reply");
      if (memcmp(buffer, hello + slot->received, (size_t)n) != 0) die("the reply is not the backend's");
      slot->received += (size_t)n;
      if (slot->received < hello_length) continue;
      if (sample_count < MAX_SAMPLES) samples[sample_count] = (uint32_t)(now_ns() - slot->opened);
      sample_count++;
      if (closes_by_reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
      close(fd);
      open--;
    }
  }
  struct window after = mark();
  if (sample_count == 0) die("no connection was served");
  size_t kept = sample_count < MAX_SAMPLES ? sample_count : MAX_SAMPLES;
  qsort(samples, kept, sizeof *samples, by_value);
  printf("{\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"connections\":%zu,\"p50Us\":%.2f,\"p99Us\":%.2f}\n",
         elapsed(before, after), after.cpu - before.cpu, sample_count, quantile_us(samples, kept, 0.5),
         quantile_us(samples, kept, 0.99));
}

// Ends the window, and tells of the round trips in it and of the bytes moved beside them.
static void print_round_trips(struct window before, uint32_t *samples, size_t count, uint64_t bytes) {
  struct window after = mark();
  if (count == 0) die("no round trip completed");
  qsort(samples, count, sizeof *samples, by_value);
  printf("{\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"roundTrips\":%zu,\"bytes\":%llu,\"p50Us\":%.2f,\"p99Us\":%.2f,"
         "\"p999Us\":%.2f}\n",
         elapsed(before, after), after.cpu - before.cpu, count, (unsigned long long)bytes,
         quantile_us(samples, count, 0.5), quantile_us(samples, count, 0.99), quantile_us(samples, count, 0.999));
}

static void round_trips(void) {
  int fd = open_connection();
  expect_echo(fd, hello, hello_length);
  uint32_t *samples = malloc(MAX_SAMPLES * sizeof *samples);
  size_t count = 0;
  char message[MESSAGE];
  for (size_t i = 0; i < sizeof message; i++) message[i] = (char)pattern_at(i);
  uint64_t until = UINT64_MAX, warm_until = now_ns() + (uint64_t)(warmup * 1e9);
  struct window before = {0};
  for (;;) {
    uint64_t start = now_ns();
    if (before.time == 0 && start >= warm_until) {
      before = mark();
      count = 0;
      until = before.time + (uint64_t)(seconds * 1e9);
      start = now_ns();
    }
    if (start >= until) break;
    send_all(fd, message, sizeof message);
    expect_echo(fd, message, sizeof message);
    if (count < MAX_SAMPLES) samples[count++] = (uint32_t)(now_ns() - start);
  }
  print_round_trips(before, samples, count, 0);
}

// Round trips, one after the other, each through the next of the connections, while a download takes all that it can.
static void beside(void) {
  if (!bulk_hello) die("round trips beside a download need --bulk");
  int *fds = malloc((size_t)connections * sizeof *fds);
  for (int i = 0; i < connections; i++) {
    fds[i] = open_connection();
    expect_echo(fds[i], hello, hello_length);
  }
  int flow = open_with(bulk_hello, bulk_hello_length);
  uint32_t *samples = malloc(MAX_SAMPLES * sizeof *samples);
  size_t count = 0, turn = 0;
  char message[MESSAGE];
  for (size_t i = 0; i < sizeof message; i++) message[i] = (char)pattern_at(i);
  uint64_t bytes = 0, until = UINT64_MAX, warm_until = now_ns() + (uint64_t)(warmup * 1e9);
  struct window before = {0};
  for (;;) {
    uint64_t start = now_ns();
    if (before.time == 0 && start >= warm_until) {
      before = mark();
      count = bytes = 0;
      until = before.time + (uint64_t)(seconds * 1e9);
      start = now_ns();
    }
    if (start >= until) break;
    struct pollfd ready[2] = {{.fd = flow, .events = POLLIN}, {.fd = fds[turn++ % (size_t)connections], .events = POLLIN}};
    send_all(ready[1].fd, message, sizeof message);
    for (size_t received = 0; received < sizeof message;) {
      if (poll(ready, 2, 10000) <= 0) die("nothing came for 10 s");
      if (ready[0].revents) {
        ssize_t n = recv(flow, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
        if (n == 0) die("the proxy closed the download");
        if (n > 0) bytes += (uint64_t)n;
      }
      if (!ready[1].revents) continue;
      ssize_t n = recv(ready[1].fd, buffer, sizeof message - received, MSG_DONTWAIT);
      if (n == 0) die("the proxy closed a connection");
      if (n > 0 && memcmp(buffer, message + received, (size_t)n) != 0) die("the bytes that came back are not those sent");
      if (n > 0) received += (size_t)n;
    }
    if (count < MAX_SAMPLES) samples[count++] = (uint32_t)(now_ns() - start);
  }
  if (bytes == 0) die("no byte moved beside");
  print_round_trips(before, samples, count, bytes);
}

// Opens the connections, each through to its backend, says so, waits for the end of stdin, then checks that each one
// still carries bytes.
static void idle(void) {
  int *fds = malloc((size_t)connections * sizeof *fds);
  for (int i = 0; i < connections; i++) {
    fds[i] = open_connection();
    expect_echo(fds[i], hello, hello_length);
  }
  printf("{\"open\":%d}\n", connections);
  fflush(stdout);
  char end;
  while (read(STDIN_FILENO, &end, 1) > 0) continue;
  for (int i = 0; i < connections; i++) {
    send_all(fds[i], "?", 1);
    expect_echo(fds[i], "?", 1);
  }
  printf("{\"alive\":%d}\n", connections);
}

int main(int argc, char **argv) {
  if (argc < 2) die("usage: load download|upload|connect|roundtrip|beside|idle --port P --hello FILE");
  const char *mode = argv[1];
  static const struct option options[] = {
      {"port", required_argument, 0, 'p'},    {"hello", required_argument, 0, 'h'},
      {"warmup", required_argument, 0, 'w'},  {"connections", required_argument, 0, 'c'},
      {"seconds", required_argument, 0, 's'}, {"pids", required_argument, 0, 'P'},
      {"counter", required_argument, 0, 'C'}, {"bulk", required_argument, 0, 'b'},
      {"reset", no_argument, 0, 'r'},         {"rate", required_argument, 0, 'R'},
      {0},
  };
  int option;
  optind = 2;
  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    switch (option) {
      case 'p': port = atoi(optarg); break;
      case 'h': hello = read_hello(optarg, &hello_length); break;
      case 'b': bulk_hello = read_hello(optarg, &bulk_hello_length); break;
      case 'w': warmup = atof(optarg); break;
      case 'c': connections = atoi(optarg); break;
      case 's': seconds = atof(optarg); break;
      case 'R': rate = atof(optarg); break;
      case 'r': closes_by_reset = true; break;
      case 'C': sunk = map_counter(optarg); break;
      case 'P':
        for (char *pid = strtok(optarg, ","); pid; pid = strtok(NULL, ",")) {
          if (pid_count == MAX_PIDS) die("too many processes");
          pids[pid_count++] = atoi(pid);
        }
        break;
      default: return 1;
    }
  }
  if (port <= 0 || !hello || connections < 1) die("--port, --hello and a positive --connections are needed");
  raise_file_limit();
  if (!strcmp(mode, "download")) bulk(false);
  else if (!strcmp(mode, "upload")) bulk(true);
  else if (!strcmp(mode, "connect")) churn();
  else if (!strcmp(mode, "roundtrip")) round_trips();
  else if (!strcmp(mode, "beside")) beside();
  else if (!strcmp(mode, "idle")) idle();
  else die("unknown measurement %s", mode);
  return 0;
}
