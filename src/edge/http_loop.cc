#include "edge/http_loop_internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>

#include "base/hash.h"

namespace tenon::edge {
namespace {

using Kind = HttpOutcome::Kind;
using namespace std::chrono_literals;

constexpr auto kTick = 250ms;
constexpr std::int64_t kDrainTicks = 8;
constexpr std::size_t kLeastBytesATick = 4096;  // that a client sends of a large body, or takes of a large answer: 16 kB a second
constexpr std::string_view kContinueLine = "HTTP/1.1 100 Continue\r\n\r\n";

constexpr std::int64_t kTickNanos = std::chrono::nanoseconds(kTick).count();

std::int64_t NanosNow() { return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::uint64_t ClientKey(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    return Hash64(std::uint64_t{v4.sin_addr.s_addr}, 4);
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, &address, sizeof v6);
  return Hash64({reinterpret_cast<const char*>(&v6.sin6_addr), IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) ? 16U : 8U}, 6);
}

void WriteAddress(const sockaddr_storage& address, std::string* out) {
  char text[INET6_ADDRSTRLEN] = "";
  const void* bytes = address.ss_family == AF_INET ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(&address)->sin_addr)
                                                   : &reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr;
  (void)::inet_ntop(address.ss_family, bytes, text, sizeof text);
  *out = text;
}

void AppendNumber(std::size_t value, std::string* out) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out->append(digits, end);
}

void AppendTwo(int value, std::string* out) {
  out->push_back(static_cast<char>('0' + value / 10));
  out->push_back(static_cast<char>('0' + value % 10));
}

}  // namespace

void TimerWheel::Link(Connection* connection, std::int64_t tick) {
  connection->wheel_tick = tick;
  Connection*& head = slots_[static_cast<std::size_t>(tick % kSlots)];
  connection->previous = nullptr;
  connection->next = head;
  if (head != nullptr) head->previous = connection;
  head = connection;
}

void TimerWheel::Remove(Connection* connection) {
  if (connection->wheel_tick == 0) return;
  Connection*& head = slots_[static_cast<std::size_t>(connection->wheel_tick % kSlots)];
  if (connection->previous != nullptr) connection->previous->next = connection->next;
  if (connection->next != nullptr) connection->next->previous = connection->previous;
  if (head == connection) head = connection->next;
  connection->next = connection->previous = nullptr;
  connection->wheel_tick = 0;
}

void TimerWheel::Set(Connection* connection, std::int64_t now, std::int64_t due) {
  connection->due = due;
  if (connection->wheel_tick != 0 && connection->wheel_tick <= due) return;  // looked at again when its slot comes
  Remove(connection);
  Link(connection, std::min(due, now + kSlots - 2));
}

template <typename Each>
void TimerWheel::Advance(std::int64_t now, Each each) {
  if (at_ == 0 || now - at_ > kSlots) at_ = now - std::min(now - 1, kSlots);
  for (; at_ <= now; ++at_) {
    Connection* waiting = slots_[static_cast<std::size_t>(at_ % kSlots)];
    while (waiting != nullptr) {
      Connection* following = waiting->next;
      if (waiting->wheel_tick <= now) {
        Remove(waiting);
        if (waiting->due <= now) {
          each(*waiting);
        } else {
          Link(waiting, std::min(waiting->due, now + kSlots - 2));
        }
      }
      waiting = following;
    }
  }
}

Result<std::unique_ptr<HttpLoop>> HttpLoop::Make(const ServerOptions& options, int listener, int second) {
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  const int wake = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  const int spare = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  std::unique_ptr<HttpLoop> loop(new HttpLoop(options, {listener, second}, poll, wake, spare));
  bool listening = poll >= 0 && wake >= 0 && spare >= 0;
  for (int& each : loop->listeners_) listening = listening && loop->Listen(each, EPOLL_CTL_ADD, EPOLLIN);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &loop->wake_;
  if (!listening || ::epoll_ctl(poll, EPOLL_CTL_ADD, wake, &event) != 0) {
    return Error(Code::kResourceExhausted, std::string("no event loop for the server: ") + std::strerror(errno));
  }
  return loop;
}

bool HttpLoop::Listen(int& listener, int how, std::uint32_t events) {
  if (listener < 0) return true;
  epoll_event event{};
  event.events = events;
  event.data.ptr = &listener;
  return ::epoll_ctl(poll_, how, listener, &event) == 0;
}

HttpLoop::HttpLoop(const ServerOptions& options, std::array<int, 2> listeners, int poll, int wake, int spare)
    : idle_ticks_(options.idle / kTick), slow_ticks_(options.slow / kTick), listeners_(listeners), poll_(poll), wake_(wake),
      spare_(spare), tls_(options.tls), read_(new char[kReadBytes + kPadding]()) {
  http2_limits_ = {static_cast<std::size_t>(options.most_header), static_cast<std::size_t>(options.most_body), options.slow};
  if (tls_ != nullptr) cipher_.reset(new char[kCipherBytes]);
  queue_limit_ = std::chrono::nanoseconds(options.longest_queue).count();
  limits_.head_bytes = static_cast<std::size_t>(options.most_header);
  limits_.target_bytes = limits_.head_bytes / 2;
  limits_.body_bytes = static_cast<std::size_t>(options.most_body);
  output_.reserve(64 << 10);
  ended_ = last_idle_ = NanosNow();
  tick_ = ended_ / kTickNanos;
  RefreshTime();
}

HttpLoop::~HttpLoop() {
  for (auto& slab : slabs_) {
    for (int i = 0; i < 64; ++i) {
      if (slab[static_cast<std::size_t>(i)].fd >= 0) ::close(slab[static_cast<std::size_t>(i)].fd);
    }
  }
  for (int fd : {listeners_[0], listeners_[1], poll_, wake_, spare_}) {
    if (fd >= 0) ::close(fd);
  }
}

void HttpLoop::Stop(std::chrono::steady_clock::time_point by) {
  stop_by_.store(std::chrono::nanoseconds(by.time_since_epoch()).count());
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
}

void HttpLoop::Run(HttpHandler& handler) {
  handler_ = &handler;
  std::vector<epoll_event> events(1024);
  while (true) {
    const int n = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), static_cast<int>(kTick.count()));
    arrived_ = std::chrono::steady_clock::now();
    if (queue_limit_ != 0) JudgeQueue();
    for (int i = 0; i < n; ++i) {
      void* what = events[static_cast<std::size_t>(i)].data.ptr;
      if (what == &listeners_[0] || what == &listeners_[1]) {
        Accept(*static_cast<int*>(what));
      } else if (what == &wake_) {
        std::uint64_t count = 0;
        (void)!::read(wake_, &count, sizeof count);
      } else {
        OnEvent(*static_cast<Connection*>(what), events[static_cast<std::size_t>(i)].events);
      }
    }
    ended_ = NanosNow();
    if (const std::int64_t now = ended_ / kTickNanos; now != tick_) {
      tick_ = now;
      OnTick();
    }
    if (const std::int64_t by = stop_by_.load(std::memory_order_relaxed); by != 0) {
      if (!stopping_) BeginStop();
      if (open_ == 0 || NanosNow() >= by) return;
    }
  }
}

// A request that is read in this batch became ready while the batch before was handled, on average in its middle; when
// the loop had to wait for events, just now. As with CoDel, a queue that empties now and then may be long, one that stands
// may not: then who waited longest is turned away, which costs little, and the others are answered in time.
void HttpLoop::JudgeQueue() {
  constexpr std::int64_t kIdleNanos = 50'000, kStandingNanos = 100'000'000, kBurst = 10;
  const std::int64_t now = NanosNow();
  const bool idle = now - ended_ > kIdleNanos;
  if (idle) last_idle_ = now;
  const std::int64_t arrived = idle ? now : now - (now - batch_) / 2;
  const bool standing = now - last_idle_ > kStandingNanos;
  turn_away_at_ = arrived + (standing ? queue_limit_ : kBurst * queue_limit_);
  batch_ = now;
}

void HttpLoop::OnTick() {
  RefreshTime();
  wheel_.Advance(tick_, [this](Connection& c) { OnDue(c); });
  handler_->Tick();
  if (http2_count_ != 0) TickHttp2();
  if (!listening_ && !stopping_) {  // it was put aside for want of file descriptors
    listening_ = true;
    for (int& each : listeners_) listening_ = Listen(each, EPOLL_CTL_MOD, EPOLLIN) && listening_;
  }
}

void HttpLoop::BeginStop() {
  stopping_ = true;
  for (int& each : listeners_) {
    if (each < 0) continue;
    Accept(each);  // those that the system already answered
    ::close(each);
    each = -1;
  }
  for (auto& slab : slabs_) {
    for (std::size_t i = 0; i < 64; ++i) {
      Connection& c = slab[i];
      if (c.fd < 0 || c.draining) continue;
      if (c.http2 != nullptr) {
        DrainHttp2(c);
        continue;
      }
      if (!c.started && c.unsent.empty()) {
        // A request may be on its way: what has arrived is still answered, with "Connection: close".
        OnReadable(c);
        if (c.fd >= 0 && !c.started && c.unsent.empty() && !c.draining) Close(c);
      }
    }
  }
}

void HttpLoop::RefreshTime() {
  const std::time_t now = std::time(nullptr);
  if (now == second_) return;
  second_ = now;
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc;
  ::gmtime_r(&now, &utc);
  date_ = "Date: ";
  date_ += kDays[utc.tm_wday];
  date_ += ", ";
  AppendTwo(utc.tm_mday, &date_);
  date_ += ' ';
  date_ += kMonths[utc.tm_mon];
  date_ += ' ' + std::to_string(utc.tm_year + 1900) + ' ';
  AppendTwo(utc.tm_hour, &date_);
  date_ += ':';
  AppendTwo(utc.tm_min, &date_);
  date_ += ':';
  AppendTwo(utc.tm_sec, &date_);
  date_ += " GMT\r\nServer: tenon\r\n";
  ok_head_ = "HTTP/1.1 200 OK\r\n" + date_ + "Content-Type: application/json\r\nContent-Length: ";
}

Connection* HttpLoop::NewConnection() {
  if (free_ == nullptr) {
    constexpr std::size_t kSlab = 64;
    slabs_.push_back(std::make_unique<Connection[]>(kSlab));
    for (std::size_t i = 0; i < kSlab; ++i) {
      slabs_.back()[i].next = free_;
      free_ = &slabs_.back()[i];
    }
  }
  Connection* c = free_;
  free_ = c->next;
  c->next = nullptr;
  ++open_;
  return c;
}

void HttpLoop::Accept(int& listener) {
  for (int i = 0; i < 64; ++i) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    const int fd = ::accept4(listener, reinterpret_cast<sockaddr*>(&address), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EMFILE || errno == ENFILE) {
        // Let one go with the spare descriptor, so that it does not wait for ever, then look again at the next tick.
        ::close(spare_);
        const int refused = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (refused >= 0) ::close(refused);
        spare_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        (void)Listen(listener, EPOLL_CTL_MOD, 0);
        listening_ = false;
      }
      return;
    }
    if (open_ >= kMostConnections) {
      static constexpr std::string_view kFull =
          "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
      (void)!::send(fd, kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      ::close(fd);
      continue;
    }
    Connection* c = NewConnection();
    c->fd = fd;
    c->client = ClientKey(address);
    WriteAddress(address, &c->address);
    if (tls_ != nullptr) c->tls = tls_->NewSession();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = c;
    if (::epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event) != 0) {
      Close(*c);
      continue;
    }
    if (tls_ == nullptr) {
      Touch(*c);
    } else if (c->tls != nullptr) {
      wheel_.Set(c, tick_, tick_ + slow_ticks_ + 1);  // to agree on keys
    } else {
      Close(*c);
    }
  }
}

void HttpLoop::Close(Connection& c) {
  wheel_.Remove(&c);
  ::close(c.fd);
  std::unique_ptr<char[]> held = std::move(c.held);
  const std::size_t capacity = c.held_capacity;
  if (c.http2 != nullptr) --http2_count_;
  c = Connection{};
  if (capacity != 0 && capacity <= kReadBytes / 4) {  // an ordinary buffer serves the next one
    c.held = std::move(held);
    c.held_capacity = capacity;
  } else {
    held_bytes_ -= capacity;
  }
  c.next = free_;
  free_ = &c;
  --open_;
}

void HttpLoop::Touch(Connection& c) { wheel_.Set(&c, tick_, tick_ + idle_ticks_ + 1); }

void HttpLoop::OnDue(Connection& c) {
  if (c.http2 != nullptr && !c.draining && c.unsent.empty()) return OnHttp2Due(c);
  if (c.started && !c.draining && c.unsent.empty()) {
    Refuse(c, 408, "the request took too long to arrive");
    c.started = false;
    Flush(c);
    return;
  }
  Close(c);
}

void HttpLoop::OnEvent(Connection& c, std::uint32_t events) {
  if ((events & EPOLLERR) != 0) return Close(c);
  if ((events & EPOLLOUT) != 0) return OnWritable(c);
  if ((events & (EPOLLIN | EPOLLHUP)) != 0) OnReadable(c);
}

HttpLoop::Got HttpLoop::Receive(Connection& c, char* to, std::size_t room, std::size_t* size) {
  if (c.tls != nullptr && !c.draining) return ReceiveTls(c, to, room, size);
  const ssize_t got = ::recv(c.fd, to, room, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Got::kNothing : Got::kEnd;
  *size = static_cast<std::size_t>(got);
  return got == 0 ? Got::kEnd : Got::kBytes;
}

HttpLoop::Got HttpLoop::ReceiveTls(Connection& c, char* to, std::size_t room, std::size_t* size) {
  using State = platform::TlsSession::State;
  const std::size_t most = std::min(kCipherBytes, room - platform::TlsSession::kSlack);
  const ssize_t got = ::recv(c.fd, cipher_.get(), most, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Got::kNothing : Got::kEnd;
  if (got == 0) return Got::kEnd;
  const bool was_ready = c.tls->ready();
  const State state = c.tls->Decrypt({cipher_.get(), static_cast<std::size_t>(got)}, to, room, size);
  if (state == State::kFailed || state == State::kPlain) {
    static constexpr std::string_view kSpeakTls =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 33\r\nConnection: close\r\n\r\n"
        "this port speaks TLS: use https\r\n";
    std::size_t sent = 0;
    if (Send(c, state == State::kPlain ? kSpeakTls : std::string_view(c.tls->output()), &sent)) ::shutdown(c.fd, SHUT_WR);
    return Got::kEnd;
  }
  if (c.tls->ready() && !was_ready) Touch(c);
  if (state == State::kClosed) {
    if (*size == 0) return Got::kEnd;
    c.ended = true;
  }
  return *size == 0 ? Got::kNothing : Got::kBytes;
}

bool HttpLoop::Send(Connection& c, std::string_view bytes, std::size_t* sent) {
  const ssize_t done = ::send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (done < 0 && errno != EAGAIN && errno != EINTR) return false;
  *sent = done < 0 ? 0 : static_cast<std::size_t>(done);
  return true;
}

void HttpLoop::OnReadable(Connection& c) {
  char* data = read_.get();
  std::size_t room = kReadBytes, before = 0;
  if (c.held_size != 0) {
    // Room for what a client declares is made as its bytes come: a declaration costs nothing.
    const std::size_t expected = BytesExpected(c.progress), twice = std::max(c.held_size * 2, kReadBytes / 4);
    std::size_t wanted = expected > c.held_size ? std::min(expected, twice) : twice;
    if (c.tls != nullptr) wanted = std::max(wanted, c.held_size + kCipherBytes + platform::TlsSession::kSlack);
    if (wanted > c.held_capacity && held_bytes_ + wanted > kMostHeld) {
      Refuse(c, 503, "too many requests are half way here; try again later");
      c.held_size = 0;
      Flush(c);
      return;
    }
    Room(c, wanted);
    data = c.held.get();
    before = c.held_size;
    room = c.held_capacity - before;
  }
  std::size_t got = 0;
  const Got what = Receive(c, data + before, room, &got);
  if (what == Got::kEnd) return Close(c);  // with whatever of a request was there
  if (c.draining) return;
  if (what == Got::kNothing) {
    if (c.tls != nullptr) Flush(c);
    return;
  }
  const std::size_t size = before + got;
  const Speaks speaks = Guess(c, {data, size});
  if (speaks == Speaks::kHttp2) return OnHttp2(c, {data, size});
  if (speaks == Speaks::kUnclear) return Keep(c, data, size, false);
  const std::size_t used = Process(c, data, size);
  if (c.ended && !c.stuck) c.last = true;
  if (c.last) {
    c.held_size = 0;
  } else {
    Keep(c, data + used, size - used, used != 0);
  }
  Flush(c);
}

void HttpLoop::Keep(Connection& c, const char* rest, std::size_t size, bool progressed) {
  if (size == 0) {
    c.held_size = 0;
    if (c.held_capacity > kReadBytes / 4) {
      c.held.reset();
      held_bytes_ -= c.held_capacity;
      c.held_capacity = 0;
    }
    c.started = false;
    Touch(c);
    return;
  }
  if (c.held_size == 0) Room(c, size);  // else `rest` lies in `held` itself and only moves down
  std::memmove(c.held.get(), rest, size);
  c.held_size = size;
  if (!c.started || progressed) {  // the time to arrive runs from the request's first byte
    c.started = true;
    c.began = tick_;
  }
  wheel_.Set(&c, tick_, c.began + slow_ticks_ + 1 + static_cast<std::int64_t>(size / kLeastBytesATick));
}

void HttpLoop::Room(Connection& c, std::size_t capacity) {
  if (capacity <= c.held_capacity) return;
  capacity = std::max<std::size_t>(capacity, 4096);
  std::unique_ptr<char[]> larger(new char[capacity + kPadding]());
  if (c.held_size != 0) std::memcpy(larger.get(), c.held.get(), c.held_size);
  c.held = std::move(larger);
  held_bytes_ += capacity - c.held_capacity;
  c.held_capacity = capacity;
}

std::size_t HttpLoop::Process(Connection& c, char* data, std::size_t size) {
  std::size_t at = 0;
  c.stuck = false;
  while (at < size && !c.last) {
    if (output_.size() > kMostOutput) {
      c.stuck = true;
      break;
    }
    const HttpOutcome outcome = ParseRequest(limits_, c.progress, data + at, size - at, request_);
    if (outcome.kind == Kind::kMore) break;
    if (outcome.kind == Kind::kContinue) {
      output_ += kContinueLine;
      break;
    }
    if (outcome.kind == Kind::kBad) {
      Refuse(c, outcome.status, outcome.problem);
      break;
    }
    at += outcome.consumed;
    c.greeted = true;
    c.progress = {};
    Answer(c);
  }
  return at;
}

HttpPeer HttpLoop::PeerOf(const Connection& c) const {
  return {c.client, c.tls != nullptr ? c.tls->peer() : std::string_view(), c.address, c.tls != nullptr, turn_away_at_, arrived_};
}

void HttpLoop::Answer(Connection& c) {
  response_.Clear();
  try {
    handler_->Handle(request_, PeerOf(c), response_);
  } catch (...) {  // the outermost one: whatever it was, the others are still served
    response_.Clear();
    SetError(Code::kInternal, "this request met a bug of the server", response_);
  }
  c.last = response_.close || !request_.keep_alive || stopping_;
  AppendResponse(response_, !c.last, request_.method == Method::kHead);
  if (response_.body.capacity() > kMostOutput) response_.body = std::string();
}

void HttpLoop::Refuse(Connection& c, int status, const char* problem) {
  response_.Clear();
  SetErrorStatus(status, problem, response_);
  AppendResponse(response_, false, false);
  c.last = true;
}

void HttpLoop::AppendResponse(const HttpResponse& response, bool keep_alive, bool head_only) {
  if (response.status == 200 && response.content_type.data() == kJson.data()) {
    output_ += ok_head_;
  } else {
    output_ += "HTTP/1.1 ";
    AppendNumber(static_cast<std::size_t>(response.status), &output_);
    output_ += ' ';
    output_ += ReasonOf(response.status);
    output_ += "\r\n";
    output_ += date_;
    output_ += "Content-Type: ";
    output_ += response.content_type;
    output_ += "\r\nContent-Length: ";
  }
  AppendNumber(response.body.size(), &output_);
  output_ += "\r\n";
  output_ += response.headers;
  if (!keep_alive) {
    output_ += "Connection: close\r\n";
  } else if (request_.minor_version == 0) {
    output_ += "Connection: keep-alive\r\n";
  }
  output_ += "\r\n";
  if (!head_only) output_ += response.body;
}

bool HttpLoop::Flush(Connection& c) {
  if (c.tls != nullptr) {
    if (!output_.empty()) c.tls->Encrypt(output_);
    output_.swap(c.tls->output());
    c.tls->output().clear();
  }
  if (!output_.empty()) {
    std::size_t done = 0;
    if (!Send(c, output_, &done)) {
      output_.clear();
      Close(c);
      return false;
    }
    if (done < output_.size()) {
      c.unsent.assign(output_, done);
      c.unsent_from = 0;
      Watch(c, EPOLLOUT);
      // Who takes little by little is waited for as long as that many bytes may take, not longer for every byte.
      const auto more = static_cast<std::int64_t>(c.unsent.size() / kLeastBytesATick);
      wheel_.Set(&c, tick_, tick_ + slow_ticks_ + 1 + more);
    }
    output_.clear();
    if (output_.capacity() > 4 * kMostOutput) output_.shrink_to_fit();
  }
  return !c.unsent.empty() || FinishSending(c);
}

// All is sent: go on with what was held back, or end.
bool HttpLoop::FinishSending(Connection& c) {
  if (c.http2 != nullptr && !c.draining) {
    c.http2->Pump(&output_);
    if (!output_.empty()) return Flush(c);
    c.last = c.last || c.http2->over();
  }
  if (c.stuck) {
    const std::size_t used = Process(c, c.held.get(), c.held_size);
    const std::size_t size = c.held_size;
    if (c.ended && !c.stuck) c.last = true;
    if (c.last) {
      c.held_size = 0;
    } else {
      Keep(c, c.held.get() + used, size - used, used != 0);
    }
    return Flush(c);
  }
  if (c.last && !c.draining) {
    // Closing with unread bytes would reset the connection and might take the answer with it.
    c.draining = true;
    c.started = false;
    c.held_size = 0;
    if (c.tls != nullptr) {
      std::size_t sent = 0;
      c.tls->Close();
      (void)Send(c, c.tls->output(), &sent);  // a courtesy: all that matters is sent
    }
    ::shutdown(c.fd, SHUT_WR);
    wheel_.Set(&c, tick_, tick_ + kDrainTicks);
  }
  return true;
}

void HttpLoop::OnWritable(Connection& c) {
  std::size_t sent = 0;
  if (!Send(c, std::string_view(c.unsent).substr(c.unsent_from), &sent)) return Close(c);
  c.unsent_from += sent;
  if (c.unsent_from < c.unsent.size()) return;
  c.unsent = std::string();
  c.unsent_from = 0;
  Watch(c, EPOLLIN);
  Touch(c);
  FinishSending(c);
}

void HttpLoop::Watch(Connection& c, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &c;
  (void)::epoll_ctl(poll_, EPOLL_CTL_MOD, c.fd, &event);
}

}  // namespace tenon::edge
