// Requests at a constant rate, whatever the answers do: a latency is from the moment a request was due, so that a server
// that stalls is not spared the requests it held up. One thread, loopback, bounded.
//   bench_load PORT CONNECTIONS RATE SECONDS REQUEST_FILE
// Prints {"sent","good","bad","lost","p50","p99","p999","max"}, latencies in microseconds.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/text.h"
#include "bench/native/worker.h"
#include "platform/priority.h"

namespace tenon::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Connection {
  int socket = -1;
  bool busy = false;
  Clock::time_point due;   // of the request under way, or of the next
  std::string answer;
};

Result<int> Connect(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Error(Code::kUnavailable, Str("cannot connect to port ", port, ": ", std::strerror(errno)));
  }
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

// Whether the answer is whole: a head and as many bytes as it says.
bool Whole(const std::string& answer) {
  const std::size_t head = answer.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  std::string names = answer.substr(0, head);
  std::ranges::transform(names, names.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::size_t length = names.find("\r\ncontent-length:");
  return length != std::string::npos && answer.size() >= head + 4 + std::strtoull(names.c_str() + length + 17, nullptr, 10);
}

class Load {
 public:
  Load(std::string request, double rate, double seconds, bool any) : request_(std::move(request)), rate_(rate), seconds_(seconds), any_(any) {}

  Result<Json> Run(int port, int connections) {
    epoll_ = ::epoll_create1(0);
    for (int i = 0; i < connections; ++i) {
      Connection one;
      TENON_ASSIGN(one.socket, Connect(port));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u32 = static_cast<std::uint32_t>(i);
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, one.socket, &event);
      connections_.push_back(std::move(one));
    }
    const auto gap = std::chrono::duration<double>(1 / rate_);
    const auto begun = Clock::now() + std::chrono::milliseconds(10);
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      connections_[i].due = begun + std::chrono::duration_cast<Clock::duration>(gap * static_cast<double>(i));
    }
    period_ = std::chrono::duration_cast<Clock::duration>(gap * static_cast<double>(connections));
    const auto end = begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds_));
    // What is under way at the end gets two seconds more; what is then without an answer is lost.
    while (Clock::now() < end + std::chrono::seconds(2)) {
      if (!Turn(end)) break;
    }
    for (const Connection& one : connections_) {
      lost_ += one.busy ? 1 : 0;
      ::close(one.socket);
    }
    ::close(epoll_);
    return Outcome();
  }

 private:
  // Sends what is due, reads what has come. False when all is done.
  bool Turn(Clock::time_point end) {
    auto next = Clock::time_point::max();
    bool any = false;
    for (Connection& one : connections_) {
      if (one.socket < 0) continue;
      if (!one.busy && one.due < end) {
        if (one.due <= Clock::now()) Send(one);
        else next = std::min(next, one.due);
      }
      any = any || one.busy || one.due < end;
    }
    if (!any) return false;
    const auto wait = std::clamp<std::int64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(next - Clock::now()).count(), 0, 50'000'000);
    const timespec timeout{0, next == Clock::time_point::max() ? 50'000'000 : wait};
    epoll_event events[64];
    const int count = ::epoll_pwait2(epoll_, events, 64, &timeout, nullptr);
    for (int i = 0; i < count; ++i) Read(connections_[events[i].data.u32]);
    return true;
  }

  void Send(Connection& one) {
    one.busy = true;
    ++sent_;
    if (::send(one.socket, request_.data(), request_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request_.size())) Lose(one);
  }

  void Read(Connection& one) {
    char bytes[16384];
    const ssize_t got = ::recv(one.socket, bytes, sizeof bytes, 0);
    if (got <= 0) return Lose(one);
    one.answer.append(bytes, static_cast<std::size_t>(got));
    if (!one.busy || !Whole(one.answer)) return;
    latencies_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - one.due).count());
    const bool good = one.answer.compare(0, 9, "HTTP/1.1 ") == 0 && (any_ || one.answer[9] == '2');
    if (!good && bad_ == 0) std::fprintf(stderr, "first bad answer: %.300s\n", one.answer.c_str());
    good ? ++good_ : ++bad_;
    one.answer.clear();
    one.busy = false;
    one.due += period_;
  }

  void Lose(Connection& one) {
    if (one.busy) ++lost_;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, one.socket, nullptr);
    ::close(one.socket);
    one.socket = -1;
    one.busy = false;
  }

  Json Outcome() {
    std::ranges::sort(latencies_);
    const auto share = [&](double p) {
      if (latencies_.empty()) return 0.0;
      return latencies_[std::min(latencies_.size() - 1, static_cast<std::size_t>(p * static_cast<double>(latencies_.size())))];
    };
    Json out;
    out["sent"] = sent_;
    out["good"] = good_;
    out["bad"] = bad_;
    out["lost"] = lost_;
    out["p50"] = share(0.5);
    out["p99"] = share(0.99);
    out["p999"] = share(0.999);
    out["max"] = share(1);
    return out;
  }

  std::string request_;
  double rate_, seconds_;
  bool any_;  // whether any status is a good answer (a null answer may be a redirect)
  int epoll_ = -1;
  Clock::duration period_{};
  std::vector<Connection> connections_;
  std::vector<double> latencies_;
  std::int64_t sent_ = 0, good_ = 0, bad_ = 0, lost_ = 0;
};

Result<void> Run(const std::vector<std::string>& words) {
  if (words.size() < 5) return Error(Code::kInvalidArgument, "usage: bench_load PORT CONNECTIONS RATE SECONDS REQUEST_FILE [any]");
  ::prctl(PR_SET_TIMERSLACK, 1000UL);
  platform::TakeShortTurns();  // so that its own waiting for the processor is not the server's
  TENON_ASSIGN(std::string request, ReadText(words[4]));
  Load load(std::move(request), std::strtod(words[2].c_str(), nullptr), std::strtod(words[3].c_str(), nullptr), words.size() > 5);
  TENON_ASSIGN(const Json outcome, load.Run(std::atoi(words[0].c_str()), std::atoi(words[1].c_str())));
  std::printf("%s\n", outcome.Dump().c_str());
  return {};
}

}  // namespace
}  // namespace tenon::bench

int main(int count, char** arguments) {
  auto done = tenon::bench::Run({arguments + 1, arguments + count});
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().ToString().c_str());
  return done.ok() ? 0 : 1;
}
