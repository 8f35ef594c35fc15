#include "edge/http_server.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "base/text.h"
#include "edge/http_loop_internal.h"

namespace tenon::edge {
namespace {

struct Address {
  sockaddr_storage bytes{};
  socklen_t length = 0;
};

Result<Address> Resolve(const ServerOptions& options) {
  if (options.port < 0 || options.port > 65535) {
    return Error(Code::kInvalidArgument, Str("the port must be 0 to 65535, not ", options.port));
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(options.address.c_str(), std::to_string(options.port).c_str(), &hints, &found);
  if (failed != 0) {
    return Error(Code::kInvalidArgument,
                 Str("cannot listen at '", options.address, "': ", ::gai_strerror(failed), "; 127.0.0.1 is this machine only, 0.0.0.0 all"));
  }
  Address address;
  address.length = found->ai_addrlen;
  std::memcpy(&address.bytes, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return address;
}

int PortOf(int fd) {
  sockaddr_storage bytes{};
  socklen_t length = sizeof bytes;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bytes), &length) != 0) return 0;
  if (bytes.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&bytes)->sin_port);
  return ntohs(reinterpret_cast<const sockaddr_in6*>(&bytes)->sin6_port);
}

void SetPort(int port, Address* address) {
  const auto network = htons(static_cast<std::uint16_t>(port));
  if (address->bytes.ss_family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&address->bytes)->sin_port = network;
  } else {
    reinterpret_cast<sockaddr_in6*>(&address->bytes)->sin6_port = network;
  }
}

// A shared socket listens, beside those of this program's other threads; another one only takes the port.
Result<int> Listen(const ServerOptions& options, const Address& address, bool shared) {
  const auto fail = [&](int fd) {
    const int code = errno;
    if (fd >= 0) ::close(fd);
    const std::string where = Str(options.address, ":", options.port);
    if (code == EADDRINUSE) {
      return Error(Code::kAlreadyExists, Str("another program listens at ", where, "; choose another port, or 0 for a free one"));
    }
    if (code == EACCES) return Error(Code::kPermissionDenied, Str("may not listen at ", where, "; ports below 1024 need rights"));
    return Error(Code::kUnavailable, Str("cannot listen at ", where, ": ", std::strerror(code)));
  };
  const int fd = ::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(fd);
  const int on = 1;
  (void)::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // connections inherit it
  if (shared && ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return fail(fd);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address.bytes), address.length) != 0) return fail(fd);
  if (shared && ::listen(fd, 1024) != 0) return fail(fd);
  return fd;
}

// A further descriptor of a socket that somebody made before us and that listens.
Result<int> Inherit(int socket) {
  int listens = 0;
  socklen_t length = sizeof listens;
  if (::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) != 0 || listens == 0) {
    return Error(Code::kInvalidArgument, Str("descriptor ", socket, ", which LISTEN_FDS speaks of, is no socket that listens"));
  }
  const int fd = ::fcntl(socket, F_DUPFD_CLOEXEC, 3);
  if (fd < 0) return Error(Code::kUnavailable, Str("cannot take over descriptor ", socket, ": ", std::strerror(errno)));
  const int on = 1;
  (void)::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// Finds the port, when any is wanted, and that nobody else has it: by a first socket of its own, since a shared one would
// also be let in beside another program's on the same port.
Result<int> Choose(const ServerOptions& options, Address* address) {
  TENON_ASSIGN(int alone, Listen(options, *address, false));
  const int port = PortOf(alone);
  SetPort(port, address);
  ::close(alone);
  return port;
}

class ThreadedServer final : public Server {
 public:
  ThreadedServer(int port, int grpc_port) : port_(port), grpc_port_(grpc_port) {}
  ~ThreadedServer() override { Stop(std::chrono::seconds(1)); }

  int port() const override { return port_; }
  int grpc_port() const override { return grpc_port_; }

  void Stop(std::chrono::milliseconds grace) override {
    const std::lock_guard lock(stopping_);
    const auto by = std::chrono::steady_clock::now() + grace;
    for (auto& loop : loops_) loop->Stop(by);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    loops_.clear();
  }

  void Add(std::unique_ptr<HttpLoop> loop) { loops_.push_back(std::move(loop)); }

  void Start(const MakeHandler& make, std::size_t most_connections) {
    std::vector<int> wakes;
    for (const auto& loop : loops_) wakes.push_back(loop->wake());
    spread_ = std::make_unique<HttpSpread>(wakes);
    for (std::size_t i = 0; i < loops_.size(); ++i) {
      loops_[i]->Join(*spread_, i, (most_connections + loops_.size() - 1) / loops_.size());
      handlers_.push_back(make(static_cast<int>(i)));
    }
    for (std::size_t i = 0; i < loops_.size(); ++i) {
      threads_.emplace_back([loop = loops_[i].get(), handler = handlers_[i].get()] { loop->Run(*handler); });
    }
  }

 private:
  int port_, grpc_port_;
  std::mutex stopping_;
  std::unique_ptr<HttpSpread> spread_;
  std::vector<std::unique_ptr<HttpHandler>> handlers_;
  std::vector<std::unique_ptr<HttpLoop>> loops_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<Server>> ListenHttp(const ServerOptions& options, const MakeHandler& make) {
  TENON_ASSIGN(Address address, Resolve(options));
  int port = options.inherited >= 0 ? PortOf(options.inherited) : 0;
  if (options.inherited < 0) {
    TENON_ASSIGN(port, Choose(options, &address));
  }
  ServerOptions for_grpc = options;
  for_grpc.port = options.grpc_port;
  Address grpc_address;
  int grpc_port = port;
  if (options.grpc_port >= 0) {
    TENON_ASSIGN(grpc_address, Resolve(for_grpc));
    TENON_ASSIGN(grpc_port, Choose(for_grpc, &grpc_address));
  }
  int threads = options.threads > 0 ? options.threads : static_cast<int>(std::thread::hardware_concurrency());
  threads = std::clamp(threads, 1, kMostThreads);
  auto server = std::make_unique<ThreadedServer>(port, grpc_port);
  for (int i = 0; i < threads; ++i) {
    TENON_ASSIGN(int listener, options.inherited >= 0 ? Inherit(options.inherited) : Listen(options, address, true));
    int second = -1;
    if (options.grpc_port >= 0) {
      TENON_ASSIGN(second, Listen(for_grpc, grpc_address, true));
    }
    TENON_ASSIGN(auto loop, HttpLoop::Make(options, listener, second));
    server->Add(std::move(loop));
  }
  if (options.inherited >= 0) ::close(options.inherited);
  server->Start(make, static_cast<std::size_t>(std::max(0, options.most_connections)));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace tenon::edge
