// Load on a server beyond what it can answer: first what it can (closed loop), then requests at a multiple of that, sent
// when they are due whether or not earlier ones were answered (open loop). Prints one JSON object.
// Usage: edge_overload <port> <path> <body file> <factor> <seconds> <server's pid or 0> [connections] [threads] [patience in ms]
// Loopback; at most <connections> requests under way, one a connection: one that is due when all are taken is counted as not sent.
// A client that heard nothing for <patience> gives up: it closes, and comes again on a new connection.
// With a pid, rates and latencies are by the server's processor time (and time in which nothing is asked of it): what it would do with a
// core of its own, also on a machine where others work, and where these threads need more of it than the server. With 0 they are the wall clock's.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using Nanos = std::int64_t;
Nanos Wall() { return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// The server's processor time, and the wall's while nothing is asked of it. Shared by all threads; the first one sees to idle time.
class Clock {
 public:
  explicit Clock(pid_t server) : wall_(Wall()) { counted_ = server > 0 && ::clock_getcpuclockid(server, &clock_) == 0; }
  Nanos Now() const {
    if (!counted_) return Wall();
    return Used() + idle_.load(std::memory_order_relaxed);
  }
  void Idle() {
    const Nanos wall = Wall();
    if (under_way.load(std::memory_order_relaxed) == 0) idle_.fetch_add(wall - wall_, std::memory_order_relaxed);
    wall_ = wall;
  }
  // Waits until the server has nothing more to do of what went before, such as closing connections.
  void Settle() {
    for (Nanos before = -1, now = Used(); now - before > 1'000'000; now = Used()) {
      before = now;
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    Idle();
  }
  std::atomic<std::int64_t> under_way{0};

 private:
  Nanos Used() const {
    timespec used{};
    if (counted_) ::clock_gettime(clock_, &used);
    return used.tv_sec * 1'000'000'000 + used.tv_nsec;
  }
  bool counted_ = false;
  clockid_t clock_{};
  std::atomic<Nanos> idle_{0};
  Nanos wall_;
};

struct Connection {
  int fd = -1;
  bool busy = false;
  Nanos due = 0;              // when its request should have been sent
  Nanos sent = 0;             // wall time when it was
  std::string held;           // of the answer
};

struct Tally {
  std::vector<double> accepted, refused, late;  // milliseconds from when the request was due; from then until it was sent
  std::int64_t other = 0, broken = 0, unsent = 0, gave_up = 0;

  void Add(const Tally& more) {
    accepted.insert(accepted.end(), more.accepted.begin(), more.accepted.end());
    refused.insert(refused.end(), more.refused.begin(), more.refused.end());
    late.insert(late.end(), more.late.begin(), more.late.end());
    other += more.other, broken += more.broken, unsent += more.unsent, gave_up += more.gave_up;
  }
};

double At(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(share * static_cast<double>(values.size())))];
}

// One thread's part of the clients.
class Load {
 public:
  Load(int port, Clock& clock, const std::string& request, int connections, int number)
      : port_(port), clock_(clock), request_(request), first_(number == 0), random_(static_cast<std::uint64_t>(number) + 1), poll_(::epoll_create1(0)) {
    connections_.resize(static_cast<std::size_t>(connections));
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      Open(i);
      free_.push_back(i);
    }
  }
  ~Load() {
    for (Connection& c : connections_) {
      if (c.busy) clock_.under_way.fetch_sub(1, std::memory_order_relaxed);
      ::close(c.fd);
    }
    ::close(poll_);
  }

  // Each connection asks once, a few at a time: it is known then to the server.
  void Greet() {
    for (std::size_t i = 0; i < connections_.size();) {
      for (int k = 0; k < 16 && i < connections_.size(); ++k, ++i) Send(Now());
      Settle();
    }
    tally_ = {};
    waiting_.clear();
  }

  // All connections ask again as soon as they are answered.
  void Closed(Nanos end) {
    while (Now() < end) {
      while (!free_.empty()) Send(Now());
      Collect(10);
    }
    answered_ = static_cast<std::int64_t>(tally_.accepted.size());
    Settle();
  }

  void Open(double rate, Nanos begin, Nanos end, Nanos patience) {
    std::exponential_distribution<double> gap(rate);
    double due = static_cast<double>(begin);
    while (Now() < end) {
      const Nanos now = Now();
      for (int i = 0; i < 64 && due <= static_cast<double>(now); ++i) {
        free_.empty() ? void(++tally_.unsent) : Send(static_cast<Nanos>(due));
        due += gap(random_) * 1e9;
      }
      Collect(0);
      GiveUp(Wall() - patience);
    }
    in_time_ = static_cast<std::int64_t>(tally_.accepted.size());
    Settle();
  }

  std::int64_t answered() const { return answered_; }
  std::int64_t in_time() const { return in_time_; }
  const Tally& tally() const { return tally_; }

 private:
  Nanos Now() {
    if (first_) clock_.Idle();
    return clock_.Now();
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
    const std::size_t i = free_.front();
    free_.pop_front();
    Connection& c = connections_[i];
    c.busy = true;
    c.due = due;
    c.sent = Wall();
    c.held.clear();
    clock_.under_way.fetch_add(1, std::memory_order_relaxed);
    tally_.late.push_back(static_cast<double>(clock_.Now() - due) * 1e-6);
    waiting_.push_back({i, c.sent});
    if (::send(c.fd, request_.data(), request_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request_.size())) {
      ++tally_.broken;
      Again(i);
    }
  }

  void Free(std::size_t i) {
    connections_[i].busy = false;
    clock_.under_way.fetch_sub(1, std::memory_order_relaxed);
    free_.push_back(i);
  }

  void Again(std::size_t i) {
    ::close(connections_[i].fd);
    Open(i);
    Free(i);
  }

  void GiveUp(Nanos before) {
    for (; !waiting_.empty() && waiting_.front().sent < before; waiting_.pop_front()) {
      Connection& c = connections_[waiting_.front().connection];
      if (!c.busy || c.sent != waiting_.front().sent) continue;
      ++tally_.gave_up;
      Again(waiting_.front().connection);
    }
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
      if (!c.busy) {
        ::close(c.fd);
        return Open(i);
      }
      ++tally_.broken;
      return Again(i);
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
    Free(i);
  }

  // What is still under way, at most five seconds.
  void Settle() {
    const Nanos end = Wall() + 5'000'000'000;
    while (free_.size() < connections_.size() && Wall() < end) Collect(10);
  }

  struct Waiting {
    std::size_t connection;
    Nanos sent;
  };
  int port_;
  Clock& clock_;
  const std::string& request_;
  const bool first_;
  std::mt19937_64 random_;
  int poll_;
  std::vector<Connection> connections_;
  std::deque<std::size_t> free_;
  std::deque<Waiting> waiting_;
  std::int64_t answered_ = 0, in_time_ = 0;
  Tally tally_;
};

class Clients {
 public:
  Clients(int port, pid_t server, std::string request, int threads) : port_(port), clock_(server), request_(std::move(request)), threads_(threads) {}

  // Answers a second of the server's time.
  double Capacity(int connections, double seconds) {
    Nanos end = 0;
    const auto loads = Run(connections, [&](Load& load) { load.Closed(end); }, [&] { end = clock_.Now() + static_cast<Nanos>(seconds * 1e9); });
    std::int64_t answered = 0;
    for (const auto& load : loads) answered += load->answered();
    return static_cast<double>(answered) / seconds;
  }

  Tally Overload(int connections, double rate, double seconds, Nanos patience, double* goodput) {
    Nanos begin = 0, end = 0;
    const auto loads = Run(connections, [&](Load& load) { load.Open(rate / threads_, begin, end, patience); }, [&] {
      begin = clock_.Now();
      end = begin + static_cast<Nanos>(seconds * 1e9);
    });
    Tally tally;
    std::int64_t in_time = 0;
    for (const auto& load : loads) tally.Add(load->tally()), in_time += load->in_time();
    *goodput = static_cast<double>(in_time) / seconds;
    return tally;
  }

 private:
  template <typename Each, typename Begin>
  std::vector<std::unique_ptr<Load>> Run(int connections, const Each& each, const Begin& begin) {
    std::vector<std::unique_ptr<Load>> loads;
    for (int i = 0; i < threads_; ++i) loads.push_back(std::make_unique<Load>(port_, clock_, request_, (connections + threads_ - 1) / threads_, i));
    for (auto& load : loads) load->Greet();
    clock_.Settle();
    begin();
    std::vector<std::thread> running;
    for (auto& load : loads) running.emplace_back([&each, &load] { each(*load); });
    for (std::thread& one : running) one.join();
    return loads;
  }

  int port_;
  Clock clock_;
  const std::string request_;
  const int threads_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) return std::fprintf(stderr, "usage: edge_overload <port> <path> <body file> <factor> <seconds> <pid> [connections] [threads] [patience]\n"), 2;
  const int port = std::atoi(argv[1]);
  std::ifstream file(argv[3]);
  const std::string body((std::istreambuf_iterator<char>(file)), {});
  std::string request = std::string("POST ") + argv[2] + " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  const double factor = std::atof(argv[4]), seconds = std::atof(argv[5]);
  const int connections = argc > 7 ? std::atoi(argv[7]) : 10000, threads = argc > 8 ? std::atoi(argv[8]) : 3;
  const Nanos patience = (argc > 9 ? std::atoll(argv[9]) : 1000) * 1'000'000;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < static_cast<rlim_t>(connections) + 64) return std::fprintf(stderr, "at most %lld descriptors are allowed: fewer connections\n", static_cast<long long>(files.rlim_cur)), 2;
  Clients clients(port, std::atoi(argv[6]), std::move(request), threads);
  constexpr int kClosed = 64;  // as many at a time keep the server busy, and wait too short to be turned away
  const double before = clients.Capacity(kClosed, seconds / 2);
  double goodput = 0;
  Tally tally = clients.Overload(connections, factor * before, seconds, patience, &goodput);
  const double after = clients.Capacity(kClosed, seconds / 2);
  const double capacity = (before + after) / 2, offered = static_cast<double>(tally.late.size()) / seconds;
  std::printf("{\"capacity\":%.0f,\"capacity_before\":%.0f,\"capacity_after\":%.0f,\"due\":%.0f,\"sent\":%.0f,\"sent_late_p99_ms\":%.2f,\"goodput\":%.0f,\"goodput_share\":%.3f,"
              "\"accepted\":%zu,\"accepted_p50_ms\":%.2f,\"accepted_p99_ms\":%.2f,\"refused\":%zu,\"refused_p50_ms\":%.2f,\"refused_p99_ms\":%.2f,"
              "\"not_sent\":%lld,\"gave_up\":%lld,\"broken\":%lld,\"other\":%lld}\n",
              capacity, before, after, factor * before, offered, At(tally.late, 0.99), goodput, goodput / capacity, tally.accepted.size(), At(tally.accepted, 0.5),
              At(tally.accepted, 0.99), tally.refused.size(), At(tally.refused, 0.5), At(tally.refused, 0.99), static_cast<long long>(tally.unsent),
              static_cast<long long>(tally.gave_up), static_cast<long long>(tally.broken), static_cast<long long>(tally.other));
  return 0;
}
