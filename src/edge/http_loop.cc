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
#include <cstring>
#include <ctime>

#include "base/hash.h"
#include "platform/priority.h"

namespace tenon::edge {
namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 250ms;

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

void AppendTwo(int value, std::string* out) {
  out->push_back(static_cast<char>('0' + value / 10));
  out->push_back(static_cast<char>('0' + value % 10));
}

}  // namespace

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
      spare_(spare), bell_(std::make_shared<HttpBell>(wake)), tls_(options.tls), read_(new char[kReadBytes + kPadding]()) {
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
  bell_->Close();
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
  platform::TakeShortTurns();
  std::vector<epoll_event> events(1024);
  while (true) {
    const int n = WaitForEvents(events);
    arrived_ = std::chrono::steady_clock::now();
    if (standing_ || !unread_.empty() || !late_.empty()) {
      if (standing_) PutOff({events.data(), static_cast<std::size_t>(n)});
      TurnAway();
    }
    begun_ = queue_limit_ == 0 ? 0 : NanosNow();
    for (int i = 0; i < n; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.ptr == &listeners_[0] || event.data.ptr == &listeners_[1]) {
        Accept(*static_cast<int*>(event.data.ptr));
      } else if (event.data.ptr == &wake_) {
        OnWake();
      } else if (event.data.ptr != nullptr) {
        Connection& c = *static_cast<Connection*>(event.data.ptr);
        if (!LeftUnread(c, event.events) && !(standing_ && TooLate(c, event.events, NanosNow()))) OnEvent(c, event.events);
      }
    }
    ended_ = NanosNow();
    if (queue_limit_ != 0 && n != 0) LearnCost(static_cast<std::size_t>(n));
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

int HttpLoop::WaitForEvents(std::vector<epoll_event>& events) {
  const int room = static_cast<int>(events.size()), wait = static_cast<int>(kTick.count());
  if (queue_limit_ == 0) return ::epoll_wait(poll_, events.data(), room, wait);
  // Whether there was nothing to do is asked, not told from the time: a thread that others keep from running is not idle.
  int n = ::epoll_wait(poll_, events.data(), room, 0);
  const bool idle = n == 0;
  if (idle && unread_.empty()) n = ::epoll_wait(poll_, events.data(), room, wait);
  JudgeQueue(idle);
  // All that is ready is seen at once, so that what came while a batch was handled is in the next.
  if (n == room && events.size() < kMostConnections) events.resize(2 * events.size());
  return n;
}

void HttpLoop::OnWake() {
  std::uint64_t count = 0;
  (void)!::read(wake_, &count, sizeof count);
  spread_->Take(seat_, &given_);
  for (const HttpSpread::Newcomer& newcomer : given_) Adopt(newcomer);
  OnBell();
}

void HttpLoop::OnTick() {
  RefreshTime();
  wheel_.Advance(tick_, [this](Connection& c) { OnDue(c); });
  handler_->Tick();
  if (http2_count_ != 0) TickHttp2();
  if (stream_count_ != 0) TickStreams();
  if (!listening_ && !stopping_) {  // it was put aside for want of file descriptors
    listening_ = true;
    for (int& each : listeners_) listening_ = Listen(each, EPOLL_CTL_MOD, EPOLLIN) && listening_;
  }
}

void HttpLoop::BeginStop() {
  stopping_ = true;
  spread_->Close(seat_, &given_);
  for (const HttpSpread::Newcomer& newcomer : given_) Adopt(newcomer);
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
      if (c.http2 != nullptr || c.stream != nullptr) {
        c.http2 != nullptr ? DrainHttp2(c) : DrainStream(c);
        continue;
      }
      if (!c.started && c.unsent.empty() && c.waiting == nullptr) {
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
  busy_head_ = "HTTP/1.1 503 Service Unavailable\r\n" + date_ + "Content-Type: application/json\r\nRetry-After: 1\r\nContent-Length: ";
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
    const HttpSpread::Newcomer newcomer{fd, address};
    if (spread_->Keep(seat_, newcomer)) Adopt(newcomer);
  }
}

void HttpLoop::Adopt(const HttpSpread::Newcomer& newcomer) {
  if (open_ >= most_open_) {  // and the other loops have as many
    static constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
    (void)!::send(newcomer.fd, kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::close(newcomer.fd);
    spread_->Left(seat_);
    return;
  }
  Connection* c = NewConnection();
  c->fd = newcomer.fd;
  c->client = ClientKey(newcomer.address);
  c->serial = ++serials_;
  WriteAddress(newcomer.address, &c->address);
  if (tls_ != nullptr) c->tls = tls_->NewSession();
  epoll_event event{};
  event.events = queue_limit_ == 0 ? EPOLLIN : EPOLLIN | EPOLLRDHUP;  // who hung up need not be turned away
  event.data.ptr = c;
  if (::epoll_ctl(poll_, EPOLL_CTL_ADD, c->fd, &event) != 0) return Close(*c);
  if (tls_ == nullptr) {
    Touch(*c);
  } else if (c->tls != nullptr) {
    wheel_.Set(c, tick_, tick_ + slow_ticks_ + 1);  // to agree on keys
  } else {
    Close(*c);
  }
}

void HttpLoop::Close(Connection& c) {
  wheel_.Remove(&c);
  ::close(c.fd);
  spread_->Left(seat_);
  std::unique_ptr<char[]> held = std::move(c.held);
  const std::size_t capacity = c.held_capacity;
  if (c.http2 != nullptr) {
    --http2_count_;
    held_bytes_ -= c.http2_held;
  }
  if (c.waiting != nullptr) held_bytes_ -= c.waiting->bytes.size() - kPadding;
  if (c.stream != nullptr) {
    --stream_count_;
    held_bytes_ -= c.stream->counted;
  }
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
  if (c.stream != nullptr && !c.draining && c.unsent.empty()) return Touch(c);  // it has limits of its own
  if (c.waiting != nullptr && c.unsent.empty()) return Touch(c);                // as has what it waits for
  if (c.started && !c.draining && c.unsent.empty()) {
    Refuse(c, 408, "the request took too long to arrive");
    c.started = false;
    Flush(c);
    return;
  }
  Close(c);
}

void HttpLoop::OnEvent(Connection& c, std::uint32_t events) {
  if (c.fd < 0) return;  // closed by another event of the same batch
  if ((events & EPOLLERR) != 0) return Close(c);
  if (c.waiting != nullptr) return OnEventWaiting(c, events);
  if ((events & EPOLLOUT) != 0) return OnWritable(c);
  if ((events & (EPOLLIN | EPOLLHUP)) != 0) OnReadable(c);
}

}  // namespace tenon::edge
