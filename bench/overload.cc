// Load on a server beyond what it can answer: first what it can (closed loop), then requests at a multiple of that, sent when they are due
// whether or not earlier ones were answered (open loop). Prints one JSON object.
// Usage: edge_overload PORT PATH BODY_FILE FACTOR SECONDS PID CONNECTIONS DEPTH [PATIENCE in ms]
// Loopback, one thread. At most DEPTH requests of a connection are under way, those due together in one write; what is due when all
// connections are full is counted as not sent. A client that heard nothing for PATIENCE gives up: it closes, and comes again.
// Times are from a request's send to its answer. With a server's PID they, and the rates, are by its processor time (and time in which nothing
// is asked of it): what it would do with a core of its own, also on a machine where others work. With 0 they are the wall clock's.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using Nanos = std::int64_t;
Nanos Wall() { return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// The server's processor time, and the wall's while nothing is asked of it.
class Clock {
 public:
  explicit Clock(pid_t server) : wall_(Wall()) { counted_ = server > 0 && ::clock_getcpuclockid(server, &clock_) == 0; }
  Nanos Now(std::int64_t under_way) {
    const Nanos wall = Wall();
    if (!counted_) return wall;
    if (under_way == 0) idle_ += wall - wall_;
    wall_ = wall;
    return Used() + idle_;
  }
  // Waits until the server has nothing more to do of what went before, such as closing connections.
  void Settle() {
    for (Nanos before = -1, now = Used(); counted_ && now - before > 1'000'000; now = Used()) {
      before = now;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    wall_ = Wall();
  }
  Nanos Used() const {
    timespec used{};
    if (counted_) ::clock_gettime(clock_, &used);
    return used.tv_sec * 1'000'000'000 + used.tv_nsec;
  }

 private:
  bool counted_ = false;
  clockid_t clock_{};
  Nanos idle_ = 0, wall_;
};

struct Sent {
  Nanos at = 0;    // by the clock
  Nanos wall = 0;
};

struct Connection {
  int fd = -1;
  std::deque<Sent> under_way;  // in the order of their answers
  std::size_t to_send = 0;     // requests that are due and not sent
  std::size_t cut = 0;         // bytes of the first of them that are sent
  bool waits = false;          // in the list of those that something is to be sent on
  std::array<char, 12> tail{}; // of what was read: a status line may be cut
  std::size_t tail_size = 0;
};

struct Tally {
  std::vector<float> accepted, refused;  // milliseconds from a request's send to its answer
  std::int64_t sent = 0, other = 0, broken = 0, unsent = 0, gave_up = 0;
  Nanos latest = 0;  // how long after it was due a request was sent
};

double At(std::vector<float>& values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return static_cast<double>(values[std::min(values.size() - 1, static_cast<std::size_t>(share * static_cast<double>(values.size())))]);
}

class Load {
 public:
  Load(int port, Clock& clock, const std::string& request, std::size_t connections, std::size_t depth)
      : port_(port), clock_(clock), request_(request), depth_(depth), poll_(::epoll_create1(0)), connections_(connections) {
    for (std::size_t i = 0; i < kMostAtOnce; ++i) many_ += request_;
    for (std::size_t i = 0; i < connections_.size(); ++i) Open(i);
    // Each connection asks once, a few at a time: it is known then to the server.
    for (std::size_t i = 0; i < connections_.size();) {
      for (int k = 0; k < 16 && i < connections_.size(); ++k, ++i) Due(i), Flush(i);
      Finish();
    }
    clock_.Settle();
    tally_ = {};
  }
  ~Load() {
    for (Connection& c : connections_) ::close(c.fd);
    ::close(poll_);
  }

  // All connections ask again as soon as they are answered.
  void Closed(double seconds) {
    const Nanos end = Now() + static_cast<Nanos>(seconds * 1e9);
    for (Nanos now = Now(); now < end; now = Now()) {
      for (std::size_t i = 0; i < connections_.size(); ++i) {
        // As a pipelining client does: the next lot when half of the last is answered.
        if (connections_[i].under_way.size() > depth_ / 2 || connections_[i].to_send != 0) continue;
        while (connections_[i].under_way.size() + connections_[i].to_send < depth_) Due(i);
      }
      FlushAll();
      Collect(1);
    }
    in_time_ = tally_.accepted.size();
    Finish();
  }

  void Open(double rate, double seconds, Nanos patience) {
    std::exponential_distribution<double> gap(rate);
    const Nanos begin = Now(), end = begin + static_cast<Nanos>(seconds * 1e9);
    double due = static_cast<double>(begin);
    std::size_t next = 0;
    for (Nanos now = Now(); now < end; now = Now()) {
      tally_.latest = std::max(tally_.latest, now - static_cast<Nanos>(due));
      for (int i = 0; i < 4096 && due <= static_cast<double>(now); ++i, due += gap(random_) * 1e9) {
        std::size_t tried = 0;
        while (tried < connections_.size() && Full(next)) ++tried, next = (next + 1) % connections_.size();
        if (tried == connections_.size()) {
          ++tally_.unsent;
          continue;
        }
        Due(next);
        next = (next + 1) % connections_.size();
      }
      FlushAll();
      Collect(0);
      GiveUp(Wall() - patience);
    }
    in_time_ = tally_.accepted.size();
    Finish();
  }

  std::size_t in_time() const { return in_time_; }
  Tally& tally() { return tally_; }

 private:
  static constexpr std::size_t kMostAtOnce = 64;

  Nanos Now() { return clock_.Now(under_way_); }
  bool Full(std::size_t i) const { return connections_[i].under_way.size() + connections_[i].to_send >= depth_; }

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

  void Due(std::size_t i) {
    Connection& c = connections_[i];
    ++c.to_send;
    if (!c.waits) c.waits = true, waiting_.push_back(i);
  }

  void FlushAll() {
    lot_.swap(waiting_);
    for (const std::size_t i : lot_) connections_[i].waits = false, Flush(i);
    lot_.clear();
  }

  void Flush(std::size_t i) {
    Connection& c = connections_[i];
    while (c.to_send != 0) {
      const std::size_t lot = std::min(c.to_send, kMostAtOnce), size = lot * request_.size() - c.cut;
      const Sent now{Now(), Wall()};
      const ssize_t done = ::send(c.fd, many_.data() + c.cut, size, MSG_NOSIGNAL);
      if (done < 0 && errno != EAGAIN) {
        ++tally_.broken;
        return Again(i);
      }
      const std::size_t bytes = (done < 0 ? 0 : static_cast<std::size_t>(done)) + c.cut, whole = bytes / request_.size();
      c.cut = bytes % request_.size();
      c.to_send -= whole;
      c.under_way.insert(c.under_way.end(), whole, now);
      under_way_ += static_cast<std::int64_t>(whole);
      tally_.sent += static_cast<std::int64_t>(whole);
      if (whole < lot) {
        if (!c.waits) c.waits = true, waiting_.push_back(i);
        return;
      }
    }
  }

  void Again(std::size_t i) {
    Connection& c = connections_[i];
    under_way_ -= static_cast<std::int64_t>(c.under_way.size());
    ::close(c.fd);
    const bool waits = c.waits;
    c = Connection{};
    c.waits = waits;
    Open(i);
  }

  // Looks at some connections each time: patience is long.
  void GiveUp(Nanos before) {
    for (std::size_t k = 0; k < 16; ++k, look_ = (look_ + 1) % connections_.size()) {
      Connection& c = connections_[look_];
      if (c.under_way.empty() || c.under_way.front().wall >= before) continue;
      tally_.gave_up += static_cast<std::int64_t>(c.under_way.size());
      Again(look_);
    }
  }

  void Collect(int wait) {
    epoll_event events[1024];
    const int n = ::epoll_wait(poll_, events, 1024, wait);
    for (int e = 0; e < n; ++e) Read(static_cast<std::size_t>(events[e].data.u64));
  }

  // Answers are told by their status lines; no body here has anything like it.
  void Read(std::size_t i) {
    Connection& c = connections_[i];
    char* bytes = read_.data();
    std::memcpy(bytes, c.tail.data(), c.tail_size);
    const ssize_t got = ::recv(c.fd, bytes + c.tail_size, read_.size() - c.tail_size, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      tally_.broken += static_cast<std::int64_t>(c.under_way.size());
      return Again(i);
    }
    const std::size_t size = c.tail_size + static_cast<std::size_t>(got);
    const char *at = bytes, *end = bytes + size;
    const Nanos now = Now();
    while ((at = static_cast<const char*>(::memmem(at, static_cast<std::size_t>(end - at), "HTTP/1.1 ", 9))) != nullptr && end - at >= 12) {
      Answered(c, (at[9] - '0') * 100 + (at[10] - '0') * 10 + at[11] - '0', now);
      at += 12;
    }
    // What may be the beginning of a status line; never a whole one, which was counted.
    c.tail_size = std::min<std::size_t>(11, at != nullptr ? static_cast<std::size_t>(end - at) : size);
    std::memcpy(c.tail.data(), end - c.tail_size, c.tail_size);
    if (at == nullptr && ::memmem(c.tail.data(), c.tail_size, "HTTP/1.1 ", 9) != nullptr) c.tail_size = 0;
  }

  void Answered(Connection& c, int status, Nanos now) {
    if (c.under_way.empty()) return void(++tally_.other);
    const auto took = static_cast<float>(static_cast<double>(now - c.under_way.front().at) * 1e-6);
    c.under_way.pop_front();
    --under_way_;
    if (status == 200) {
      tally_.accepted.push_back(took);
    } else if (status == 503 || status == 429) {
      tally_.refused.push_back(took);
    } else {
      ++tally_.other;
    }
  }

  // What is still under way, at most five seconds.
  void Finish() {
    for (const Nanos end = Wall() + 5'000'000'000; under_way_ > 0 && Wall() < end;) Collect(10);
  }

  const int port_;
  Clock& clock_;
  const std::string& request_;
  const std::size_t depth_;
  std::string many_;
  std::mt19937_64 random_{1};
  int poll_;
  std::vector<Connection> connections_;
  std::vector<std::size_t> waiting_, lot_;
  std::vector<char> read_ = std::vector<char>(1 << 20);
  std::int64_t under_way_ = 0;
  std::size_t in_time_ = 0, look_ = 0;
  Tally tally_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 9) return std::fprintf(stderr, "usage: edge_overload PORT PATH BODY_FILE FACTOR SECONDS PID CONNECTIONS DEPTH [PATIENCE]\n"), 2;
  const int port = std::atoi(argv[1]);
  std::ifstream file(argv[3]);
  const std::string body((std::istreambuf_iterator<char>(file)), {});
  const std::string request = std::string("POST ") + argv[2] + " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  const double factor = std::atof(argv[4]), seconds = std::atof(argv[5]);
  const auto connections = static_cast<std::size_t>(std::max(1, std::atoi(argv[7]))), depth = static_cast<std::size_t>(std::max(1, std::atoi(argv[8])));
  const Nanos patience = (argc > 9 ? std::atoll(argv[9]) : 1000) * 1'000'000;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < connections + 64) return std::fprintf(stderr, "at most %llu descriptors are allowed: fewer connections\n", static_cast<unsigned long long>(files.rlim_cur)), 2;
  Clock clock(std::atoi(argv[6]));
  // As many connections as keep the server busy, and wait too short to be turned away: what the better of two numbers gave before and after.
  constexpr std::size_t kSome[] = {16, 64};
  double at[2][2];
  const auto measure = [&](int when) {
    for (std::size_t i = 0; i < 2; ++i) {
      Load load(port, clock, request, kSome[i], std::min<std::size_t>(depth, 32));
      load.Closed(seconds / 5);
      at[i][when] = static_cast<double>(load.in_time()) / (seconds / 5);
    }
  };
  measure(0);
  const double offered = factor * std::max(at[0][0], at[1][0]);
  Load load(port, clock, request, connections, depth);
  const Nanos wall = Wall(), used = clock.Used();
  load.Open(offered, seconds, patience);
  const double share = static_cast<double>(clock.Used() - used) / static_cast<double>(Wall() - wall);
  Tally tally = std::move(load.tally());
  const double goodput = static_cast<double>(load.in_time()) / seconds;
  measure(1);
  const double capacity = std::max(at[0][0] + at[0][1], at[1][0] + at[1][1]) / 2, before = std::max(at[0][0], at[1][0]), after = std::max(at[0][1], at[1][1]);
  std::printf("{\"capacity\":%.0f,\"capacity_before\":%.0f,\"capacity_after\":%.0f,\"due\":%.0f,\"sent\":%.0f,\"sent_late_most_ms\":%.2f,\"goodput\":%.0f,\"goodput_share\":%.3f,"
              "\"accepted\":%zu,\"accepted_p50_ms\":%.2f,\"accepted_p99_ms\":%.2f,\"refused\":%zu,\"refused_p50_ms\":%.2f,\"refused_p99_ms\":%.2f,\"refused_p999_ms\":%.2f,"
              "\"not_sent\":%lld,\"gave_up\":%lld,\"broken\":%lld,\"other\":%lld,\"server_core\":%.2f}\n",
              capacity, before, after, offered, static_cast<double>(tally.sent) / seconds, static_cast<double>(tally.latest) * 1e-6, goodput, goodput / capacity, tally.accepted.size(),
              At(tally.accepted, 0.5), At(tally.accepted, 0.99), tally.refused.size(), At(tally.refused, 0.5), At(tally.refused, 0.99), At(tally.refused, 0.999),
              static_cast<long long>(tally.unsent), static_cast<long long>(tally.gave_up), static_cast<long long>(tally.broken), static_cast<long long>(tally.other), share);
  return 0;
}
