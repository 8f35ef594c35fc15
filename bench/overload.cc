// Load on a server beyond what it can answer: first what it can (closed loop), then requests at a multiple of that, sent
// when they are due whether or not earlier ones were answered (open loop). Prints one JSON object.
// Usage: edge_overload <port> <path> <body file> <factor> <seconds> <server's pid or 0> [closed connections] [open connections]
// One thread, loopback, at most <open connections> requests under way; a request that finds none free is counted as not sent.
// With a pid, seconds and milliseconds are those of the server's processor time (and of time in which it has nothing to do):
// what it would need with a core of its own, also on a machine where others work. With 0 they are the wall clock's.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace {

using Nanos = std::int64_t;
Nanos Wall() { return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Connection {
  int fd = -1;
  bool busy = false;
  Nanos due = 0;      // when its request should have been sent
  std::string held;   // of the answer
};

struct Tally {
  std::vector<double> accepted, refused;  // milliseconds from when the request was due
  std::int64_t other = 0, broken = 0, unsent = 0;
};

double At(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(share * static_cast<double>(values.size())))];
}

class Load {
 public:
  Load(int port, pid_t server, std::string request, int connections) : port_(port), request_(std::move(request)), poll_(::epoll_create1(0)) {
    if (server > 0 && ::clock_getcpuclockid(server, &clock_) == 0) counted_ = true;
    wall_ = Wall();
    connections_.resize(static_cast<std::size_t>(connections));
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      Open(i);
      free_.push_back(i);
    }
  }
  ~Load() {
    for (Connection& c : connections_) ::close(c.fd);
    ::close(poll_);
  }

  // All connections ask again as soon as they are answered; gives answers a second.
  double Closed(double seconds) {
    const Nanos begin = Now(), end = begin + static_cast<Nanos>(seconds * 1e9);
    while (Now() < end) {
      while (!free_.empty()) Send(Now());
      Collect(10);
    }
    const double rate = static_cast<double>(tally_.accepted.size()) / (static_cast<double>(Now() - begin) * 1e-9);
    Settle();
    return rate;
  }

  Tally Open(double rate, double seconds) {
    tally_ = {};
    std::mt19937_64 random(1);
    std::exponential_distribution<double> gap(rate);
    const Nanos end = Now() + static_cast<Nanos>(seconds * 1e9);
    double due = static_cast<double>(Now());
    while (Now() < end) {
      const Nanos now = Now();
      while (due <= static_cast<double>(now)) {
        if (free_.empty()) {
          ++tally_.unsent;
        } else {
          Send(static_cast<Nanos>(due));
        }
        due += gap(random) * 1e9;
      }
      Collect(0);
    }
    Settle();
    return std::move(tally_);
  }

 private:
  // The server's processor time, and wall time while nothing is asked of it.
  Nanos Now() {
    const Nanos wall = Wall();
    if (!counted_) return wall;
    timespec used{};
    ::clock_gettime(clock_, &used);
    if (free_.size() == connections_.size()) idle_ += wall - wall_;
    wall_ = wall;
    return used.tv_sec * 1'000'000'000 + used.tv_nsec + idle_;
  }

  void Open(std::size_t i) {
    Connection& c = connections_[i];
    c.fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    (void)::setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(c.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      std::perror("connect");
      std::exit(1);
    }
    ::fcntl(c.fd, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, c.fd, &event);
  }

  void Send(Nanos due) {
    const std::size_t i = free_.back();
    Connection& c = connections_[i];
    free_.pop_back();
    c.busy = true;
    c.due = due;
    c.held.clear();
    if (::send(c.fd, request_.data(), request_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request_.size())) Again(i);
  }

  void Again(std::size_t i) {
    ++tally_.broken;
    ::close(connections_[i].fd);
    Open(i);
    connections_[i].busy = false;
    free_.push_back(i);
  }

  void Collect(int wait) {
    epoll_event events[256];
    const int n = ::epoll_wait(poll_, events, 256, wait);
    for (int e = 0; e < n; ++e) Read(static_cast<std::size_t>(events[e].data.u64));
  }

  void Read(std::size_t i) {
    Connection& c = connections_[i];
    char bytes[65536];
    const ssize_t got = ::recv(c.fd, bytes, sizeof bytes, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      if (c.busy) return Again(i);
      ::close(c.fd);
      return Open(i);
    }
    c.held.append(bytes, static_cast<std::size_t>(got));
    const std::size_t head = c.held.find("\r\n\r\n");
    if (head == std::string::npos) return;
    const std::size_t length = c.held.find("Content-Length: ");
    if (length > head || c.held.size() < head + 4 + static_cast<std::size_t>(std::atoll(c.held.c_str() + length + 16))) return;
    const int status = std::atoi(c.held.c_str() + 9);
    const double took = static_cast<double>(Now() - c.due) * 1e-6;
    if (status == 200) {
      tally_.accepted.push_back(took);
    } else if (status == 503 || status == 429) {
      tally_.refused.push_back(took);
    } else {
      ++tally_.other;
    }
    c.busy = false;
    free_.push_back(i);
  }

  // What is still under way, at most two seconds.
  void Settle() {
    const Nanos end = Wall() + 5'000'000'000;
    while (free_.size() < connections_.size() && Wall() < end) Collect(10);
  }

  int port_;
  std::string request_;
  int poll_;
  bool counted_ = false;
  clockid_t clock_{};
  Nanos wall_ = 0, idle_ = 0;
  std::vector<Connection> connections_;
  std::vector<std::size_t> free_;
  Tally tally_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) return std::fprintf(stderr, "usage: edge_overload <port> <path> <body file> <factor> <seconds> <pid> [closed] [open]\n"), 2;
  const int port = std::atoi(argv[1]);
  std::ifstream file(argv[3]);
  const std::string body((std::istreambuf_iterator<char>(file)), {});
  const std::string request = std::string("POST ") + argv[2] + " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  const double factor = std::atof(argv[4]), seconds = std::atof(argv[5]);
  const int closed = argc > 7 ? std::atoi(argv[7]) : 8, open = argc > 8 ? std::atoi(argv[8]) : 1000;
  const pid_t server = std::atoi(argv[6]);
  const double before = Load(port, server, request, closed).Closed(seconds / 2);
  Tally tally = Load(port, server, request, open).Open(factor * before, seconds);
  const double after = Load(port, server, request, closed).Closed(seconds / 2);
  const double capacity = (before + after) / 2;
  const double goodput = static_cast<double>(tally.accepted.size()) / seconds;
  std::printf("{\"capacity\":%.0f,\"capacity_before\":%.0f,\"capacity_after\":%.0f,\"offered\":%.0f,\"goodput\":%.0f,\"goodput_share\":%.3f,"
              "\"accepted\":%zu,\"accepted_p50_ms\":%.2f,\"accepted_p99_ms\":%.2f,\"refused\":%zu,\"refused_p50_ms\":%.2f,\"refused_p99_ms\":%.2f,"
              "\"not_sent\":%lld,\"broken\":%lld,\"other\":%lld}\n",
              capacity, before, after, factor * before, goodput, goodput / capacity, tally.accepted.size(), At(tally.accepted, 0.5),
              At(tally.accepted, 0.99), tally.refused.size(), At(tally.refused, 0.5), At(tally.refused, 0.99),
              static_cast<long long>(tally.unsent), static_cast<long long>(tally.broken), static_cast<long long>(tally.other));
  return 0;
}
