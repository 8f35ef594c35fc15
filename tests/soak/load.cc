// Requests of several kinds at a constant rate for a long time, every answer compared with what it has to be.
//   soak_load PORT CONNECTIONS RATE SECONDS PLAN [CA]
// With CA, a PEM file of who signed the service's certificate for "localhost", over TLS.
// A rate of 0: as many as are answered, each connection one at a time (what the server can do). PLAN has one JSON object a
// line: {"name","request" (the bytes),"weight","status","answers":[bodies, of which one is given]}; no answers: any will do.
// Prints a JSON object for each second, and one at the end. Latencies in microseconds, from when a request was due. A
// connection is closed and opened again after some hundred requests. One thread, loopback.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/text.h"
#include "platform/tls.h"

namespace tenon::soak {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Kind {
  std::string name, request;
  double weight = 1;
  std::int64_t status = 200;
  std::vector<std::string> answers;
  std::int64_t sent = 0, right = 0, wrong = 0;
};

struct Connection {
  int socket = -1;
  std::unique_ptr<platform::TlsSession> tls;  // null: in clear
  std::string waiting;      // for the handshake
  std::size_t kind = 0;
  bool busy = false;
  int left = 0;             // requests until it is opened anew
  Clock::time_point due;    // of the request under way, or of the next
  std::string answer;
};

// What happened in one second.
struct Second {
  std::int64_t good = 0, refused = 0, wrong = 0, lost = 0;
  std::vector<float> latencies;
};

Result<std::vector<Kind>> ReadPlan(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error(Code::kNotFound, Str("no plan ", path));
  std::vector<Kind> kinds;
  for (std::string line; std::getline(file, line);) {
    TENON_ASSIGN(const Json json, Json::Parse(line));
    Kind kind{.name = json.StringAt("name"), .request = json.StringAt("request"), .weight = json.NumberAt("weight", 1), .status = json.IntAt("status", 200), .answers = {}};
    if (const Json* answers = json.Find("answers"); answers != nullptr) {
      for (const Json& answer : answers->array()) kind.answers.push_back(answer.String());
    }
    kinds.push_back(std::move(kind));
  }
  if (kinds.empty()) return Error(Code::kInvalidArgument, Str(path, " has no requests"));
  return kinds;
}

double Share(std::vector<float>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

class Load {
 public:
  Load(int port, double rate, double seconds, std::vector<Kind> kinds, std::string ca) : port_(port), rate_(rate), seconds_(seconds), kinds_(std::move(kinds)), ca_(std::move(ca)) {
    std::vector<double> weights;
    for (const Kind& kind : kinds_) weights.push_back(kind.weight);
    pick_ = std::discrete_distribution<std::size_t>(weights.begin(), weights.end());
  }

  Result<void> Run(int connections) {
    epoll_ = ::epoll_create1(0);
    begun_ = Clock::now();
    const auto end = begun_ + std::chrono::duration_cast<Clock::duration>(Seconds(seconds_));
    if (rate_ > 0) period_ = std::chrono::duration_cast<Clock::duration>(Seconds(connections / rate_));
    for (int i = 0; i < connections; ++i) {
      Connection one;
      one.due = begun_ + (rate_ > 0 ? period_ * i / connections : Clock::duration(0));
      connections_.push_back(std::move(one));
      TENON_TRY(Open(static_cast<std::size_t>(i)));
    }
    auto told = begun_ + std::chrono::seconds(1);
    while (Clock::now() < end + std::chrono::seconds(5) && Turn(end)) {
      if (Clock::now() < told) continue;
      Tell();
      told += std::chrono::seconds(1);
    }
    for (const Connection& one : connections_) {
      if (one.busy) ++second_.lost;
      ::close(one.socket);
    }
    ::close(epoll_);
    Tell();
    Json out, kinds = Json::MakeArray();
    for (const Kind& kind : kinds_) {
      Json row;
      row["name"] = kind.name;
      row["sent"] = kind.sent;
      row["right"] = kind.right;
      row["wrong"] = kind.wrong;
      kinds.Push(std::move(row));
    }
    out["end"] = true;
    out["kinds"] = std::move(kinds);
    out["lost"] = lost_;
    out["seconds"] = Seconds(Clock::now() - begun_).count();
    out["first_wrong"] = first_wrong_;
    std::printf("%s\n", out.Dump().c_str());
    return {};
  }

 private:
  Result<void> Open(std::size_t i) {
    Connection& one = connections_[i];
    one.socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(one.socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return Error(Code::kUnavailable, Str("cannot connect: ", std::strerror(errno)));
    }
    const int on = 1;
    (void)::setsockopt(one.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, one.socket, &event);
    one.left = 200 + static_cast<int>(random_() % 800);
    one.tls.reset();
    one.waiting.clear();
    if (ca_.empty()) return {};
    TENON_ASSIGN(one.tls, platform::MakeTlsClient(*files_, "localhost", ca_));
    return Flush(one) ? Result<void>() : Error(Code::kUnavailable, "the handshake could not be sent");
  }

  static bool SendAll(int socket, std::string_view bytes) { return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()); }

  // Sends what TLS has to send.
  static bool Flush(Connection& one) {
    if (one.tls->ready() && !one.waiting.empty()) {
      one.tls->Encrypt(one.waiting);
      one.waiting.clear();
    }
    const std::string out = std::exchange(one.tls->output(), {});
    return out.empty() || SendAll(one.socket, out);
  }

  void Again(std::size_t i) {
    ::close(connections_[i].socket);
    connections_[i].busy = false;
    connections_[i].answer.clear();
    if (auto opened = Open(i); !opened.ok()) ++second_.lost, ++lost_, Wrong(opened.error().ToString());
  }

  // Sends what is due, reads what has come. False when all is done.
  bool Turn(Clock::time_point end) {
    const auto now = Clock::now();
    auto next = now + std::chrono::milliseconds(50);
    bool any = false;
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      Connection& one = connections_[i];
      if (!one.busy && one.due < end) {
        if (one.due <= now) Send(i);
        else next = std::min(next, one.due);
      }
      any = any || one.busy || one.due < end;
    }
    if (!any) return false;
    const timespec timeout{0, std::clamp<std::int64_t>(std::chrono::nanoseconds(next - Clock::now()).count(), 0, 50'000'000)};
    epoll_event events[64];
    const int count = ::epoll_pwait2(epoll_, events, 64, &timeout, nullptr);
    for (int i = 0; i < count; ++i) Read(events[i].data.u64);
    return true;
  }

  void Send(std::size_t i) {
    if (connections_[i].left-- <= 0) Again(i);
    Connection& one = connections_[i];
    one.kind = pick_(random_);
    Kind& kind = kinds_[one.kind];
    one.busy = true;
    ++kind.sent;
    if (one.tls != nullptr) one.waiting = kind.request;
    if (one.tls != nullptr ? !Flush(one) : !SendAll(one.socket, kind.request)) Lose(i, "could not be sent");
  }

  void Lose(std::size_t i, std::string_view how) {
    ++second_.lost;
    ++lost_;
    Wrong(Str(kinds_[connections_[i].kind].name, " ", how));
    Next(connections_[i]);
    Again(i);
  }

  void Next(Connection& one) {
    one.busy = false;
    one.answer.clear();
    one.due = rate_ > 0 ? one.due + period_ : Clock::now();
  }

  void Read(std::size_t i) {
    Connection& one = connections_[i];
    char bytes[65536];
    const ssize_t got = ::recv(one.socket, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return one.busy ? Lose(i, "was not answered") : Again(i);
    if (one.tls == nullptr) {
      one.answer.append(bytes, static_cast<std::size_t>(got));
    } else {
      std::size_t size = 0;
      const auto state = one.tls->Decrypt({bytes, static_cast<std::size_t>(got)}, plain_.data(), plain_.size(), &size);
      one.answer.append(plain_.data(), size);
      if (!Flush(one) || state == platform::TlsSession::State::kFailed) return Lose(i, Str("broke: ", one.tls->problem()));
      if (state != platform::TlsSession::State::kOpen && one.answer.empty()) return one.busy ? Lose(i, "was not answered") : Again(i);
    }
    const std::size_t head = one.answer.find("\r\n\r\n");
    if (head == std::string::npos) return;
    const std::size_t length = one.answer.find("Content-Length: ");
    if (length > head || one.answer.size() < head + 4 + std::strtoull(one.answer.c_str() + length + 16, nullptr, 10)) return;
    Kind& kind = kinds_[one.kind];
    const std::int64_t status = std::atoi(one.answer.c_str() + 9);
    const std::string_view body = std::string_view(one.answer).substr(head + 4);
    const bool right = status == kind.status && (kind.answers.empty() || std::ranges::find(kind.answers, body) != kind.answers.end());
    if (right) {
      ++kind.right;
      ++(status < 300 ? second_.good : second_.refused);
      second_.latencies.push_back(static_cast<float>(std::chrono::duration<double, std::micro>(Clock::now() - one.due).count()));
    } else {
      ++kind.wrong;
      ++second_.wrong;
      Wrong(Str(kind.name, ": ", one.answer.substr(0, 600)));
    }
    const bool closes = one.answer.substr(0, head).find("Connection: close") != std::string::npos;
    Next(one);
    if (closes) Again(i);
  }

  void Wrong(std::string what) {
    if (first_wrong_.empty()) first_wrong_ = std::move(what);
  }

  void Tell() {
    std::ranges::sort(second_.latencies);
    Json out;
    out["t"] = Seconds(Clock::now() - begun_).count();
    out["good"] = second_.good;
    out["refused"] = second_.refused;
    out["wrong"] = second_.wrong;
    out["lost"] = second_.lost;
    out["p50"] = Share(second_.latencies, 0.5);
    out["p99"] = Share(second_.latencies, 0.99);
    out["max"] = Share(second_.latencies, 1);
    std::printf("%s\n", out.Dump().c_str());
    std::fflush(stdout);
    second_ = {};
  }

  const int port_;
  const double rate_, seconds_;
  std::vector<Kind> kinds_;
  const std::string ca_;
  const std::unique_ptr<platform::Files> files_ = platform::RealFiles();
  std::string plain_ = std::string(65536 + platform::TlsSession::kSlack, '\0');
  std::discrete_distribution<std::size_t> pick_;
  std::mt19937_64 random_{7};
  int epoll_ = -1;
  Clock::time_point begun_;
  Clock::duration period_{};
  std::vector<Connection> connections_;
  Second second_;
  std::int64_t lost_ = 0;
  std::string first_wrong_;
};

Result<void> Run(const std::vector<std::string>& words) {
  double rate = 0, seconds = 0;
  std::int64_t port = 0, connections = 0;
  if (words.size() < 5 || words.size() > 6 || !ParseInt64(words[0], &port) || !ParseInt64(words[1], &connections) || !ParseDouble(words[2], &rate) ||
      !ParseDouble(words[3], &seconds) || connections < 1 || connections > 1000) {
    return Error(Code::kInvalidArgument, "usage: soak_load PORT CONNECTIONS RATE SECONDS PLAN [CA]");
  }
  ::prctl(PR_SET_TIMERSLACK, 1000UL);
  TENON_ASSIGN(std::vector<Kind> kinds, ReadPlan(words[4]));
  return Load(static_cast<int>(port), rate, seconds, std::move(kinds), words.size() > 5 ? words[5] : std::string()).Run(static_cast<int>(connections));
}

}  // namespace
}  // namespace tenon::soak

int main(int count, char** arguments) {
  auto done = tenon::soak::Run({arguments + 1, arguments + count});
  if (!done.ok()) std::fprintf(stderr, "%s\n", done.error().ToString().c_str());
  return done.ok() ? 0 : 1;
}
