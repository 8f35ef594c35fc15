#include <utility>

#include "base/text.h"
#include "platform/socket.h"
#include "platform/tls.h"

namespace tenon::platform {
namespace {

class TlsSocket final : public Socket {
 public:
  TlsSocket(std::unique_ptr<Socket> raw, std::unique_ptr<TlsSession> session) : raw_(std::move(raw)), session_(std::move(session)) {}

  Result<void> Shake() {
    TENON_TRY(Flush());
    while (!session_->ready()) TENON_TRY(Take(&early_));
    return {};
  }

  void Until(std::chrono::steady_clock::time_point by) override { raw_->Until(by); }

  Result<void> Send(std::string_view bytes) override {
    session_->Encrypt(bytes);
    return Flush();
  }

  Result<void> Receive(std::string* into) override {
    const std::size_t before = into->size();
    *into += std::exchange(early_, {});
    while (into->size() == before) TENON_TRY(Take(into));  // a record may hold no bytes of ours
    return {};
  }

 private:
  Result<void> Take(std::string* into) {
    if (closed_) return Error(Code::kUnavailable, "it closed the connection");
    cipher_.clear();
    TENON_TRY(raw_->Receive(&cipher_));
    const std::size_t before = into->size();
    into->resize(before + cipher_.size() + TlsSession::kSlack);
    std::size_t size = 0;
    const auto state = session_->Decrypt(cipher_, into->data() + before, cipher_.size() + TlsSession::kSlack, &size);
    into->resize(before + size);
    if (state == TlsSession::State::kFailed || state == TlsSession::State::kPlain) {
      (void)Flush();  // the alert; it may be gone already
      return Error(Code::kUnavailable, Str("TLS: ", session_->problem()));
    }
    closed_ = state == TlsSession::State::kClosed;
    return Flush();
  }

  Result<void> Flush() {
    const std::string bytes = std::exchange(session_->output(), {});
    return raw_->Send(bytes);
  }

  std::unique_ptr<Socket> raw_;
  std::unique_ptr<TlsSession> session_;
  std::string cipher_;
  std::string early_;  // what came with the end of the handshake
  bool closed_ = false;
};

}  // namespace

Result<std::unique_ptr<Socket>> ConnectWithTls(Files& files, std::string_view address, const std::string& host, const std::string& ca,
                                               std::chrono::steady_clock::time_point by) {
  TENON_ASSIGN(auto session, MakeTlsClient(files, host, ca));
  TENON_ASSIGN(auto raw, ConnectTo(address, by));
  auto out = std::make_unique<TlsSocket>(std::move(raw), std::move(session));
  TENON_TRY(out->Shake());
  return out;
}

}  // namespace tenon::platform
