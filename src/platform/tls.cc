#include "platform/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/shared_cell.h"
#include "base/text.h"

namespace tenon::platform {
namespace {

template <auto free>
struct Free {
  template <typename T>
  void operator()(T* what) const {
    free(what);
  }
};
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;

std::string Why() {
  const unsigned long code = ::ERR_peek_last_error();
  ::ERR_clear_error();
  if (code == 0) return "unknown reason";
  const char* reason = ::ERR_reason_error_string(code);
  return reason != nullptr ? reason : Str("OpenSSL error ", code);
}

// The bytes between a session and whoever has the socket.
struct Pipe {
  std::string_view in;
  std::string out;
};

int PipeRead(BIO* bio, char* to, int size) {
  auto& pipe = *static_cast<Pipe*>(::BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (pipe.in.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t n = std::min(pipe.in.size(), static_cast<std::size_t>(size));
  std::memcpy(to, pipe.in.data(), n);
  pipe.in.remove_prefix(n);
  return static_cast<int>(n);
}

int PipeWrite(BIO* bio, const char* from, int size) {
  static_cast<Pipe*>(::BIO_get_data(bio))->out.append(from, static_cast<std::size_t>(size));
  return size;
}

long PipeControl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* PipeMethod() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pipe");
    ::BIO_meth_set_read(made, PipeRead);
    ::BIO_meth_set_write(made, PipeWrite);
    ::BIO_meth_set_ctrl(made, PipeControl);
    return made;
  }();
  return method;
}

class Session final : public TlsSession {
 public:
  // Takes the SSL object; false when memory is out.
  bool Take(SSL* ssl) {
    ssl_.reset(ssl);
    if (ssl_ == nullptr) return false;
    BIO* bio = ::BIO_new(PipeMethod());
    if (bio == nullptr) return false;
    ::BIO_set_data(bio, &pipe_);
    ::BIO_set_init(bio, 1);
    ::SSL_set_bio(ssl_.get(), bio, bio);
    return true;
  }

  State Decrypt(std::string_view cipher, char* plain, std::size_t room, std::size_t* size) override {
    *size = 0;
    if (state_ != State::kOpen) return state_;
    pipe_.in = cipher;
    ::ERR_clear_error();
    if (!ready_) {
      const int shaken = ::SSL_do_handshake(ssl_.get());
      if (shaken != 1) return state_ = AfterHandshake(::SSL_get_error(ssl_.get(), shaken), cipher);
      Shaken();
    }
    while (true) {
      const std::size_t left = std::min<std::size_t>(room - *size, 1 << 30);
      const int got = left == 0 ? 0 : ::SSL_read(ssl_.get(), plain + *size, static_cast<int>(left));
      if (got > 0) {
        *size += static_cast<std::size_t>(got);
        continue;
      }
      const int error = ::SSL_get_error(ssl_.get(), got);
      if (error == SSL_ERROR_WANT_READ) return state_;
      return state_ = error == SSL_ERROR_ZERO_RETURN ? State::kClosed : Failed();
    }
  }

  void Encrypt(std::string_view plain) override {
    ::ERR_clear_error();
    while (!plain.empty() && state_ != State::kFailed) {
      const int size = static_cast<int>(std::min<std::size_t>(plain.size(), 1 << 20));
      const int put = ::SSL_write(ssl_.get(), plain.data(), size);
      if (put <= 0) {
        state_ = Failed();
        return;
      }
      plain.remove_prefix(static_cast<std::size_t>(put));
    }
  }

  void Close() override {
    if (ready_ && state_ != State::kFailed) (void)::SSL_shutdown(ssl_.get());
    ::ERR_clear_error();
  }

  std::string& output() override { return pipe_.out; }
  bool ready() const override { return ready_; }
  std::string_view protocol() const override { return protocol_; }
  std::string_view peer() const override { return peer_; }
  std::string problem() const override { return problem_; }

  void Begin() { (void)::SSL_do_handshake(ssl_.get()); }
  SSL* ssl() { return ssl_.get(); }

 private:
  State Failed() {
    problem_ = Why();
    return State::kFailed;
  }

  State AfterHandshake(int error, std::string_view cipher) {
    if (error == SSL_ERROR_WANT_READ) return State::kOpen;
    const unsigned long code = ::ERR_peek_last_error();
    const bool plain = ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST ||
                       (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER && cipher.starts_with("PRI * "));
    problem_ = Why();
    return plain ? State::kPlain : State::kFailed;
  }

  void Shaken() {
    ready_ = true;
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    ::SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    if (size != 0) protocol_.assign(reinterpret_cast<const char*>(name), size);
    const Certificate theirs(::SSL_get1_peer_certificate(ssl_.get()));
    if (theirs == nullptr || ::SSL_get_verify_result(ssl_.get()) != X509_V_OK) return;
    X509_NAME* subject = ::X509_get_subject_name(theirs.get());
    const int at = ::X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) return;
    unsigned char* text = nullptr;
    const int length = ::ASN1_STRING_to_UTF8(&text, ::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(subject, at)));
    if (length > 0) peer_.assign(reinterpret_cast<const char*>(text), static_cast<std::size_t>(length));
    ::OPENSSL_free(text);
  }

  std::unique_ptr<SSL, Free<SSL_free>> ssl_;
  Pipe pipe_;
  State state_ = State::kOpen;
  bool ready_ = false;
  std::string protocol_, peer_, problem_;
};

// A pass phrase is never asked for: a service has nobody to ask.
int NoPhrase(char*, int, int, void*) { return -1; }

Result<Bio> ReadPem(Files& files, const std::string& path, std::string* held) {
  TENON_ASSIGN(*held, files.Read(path));
  ::ERR_clear_error();
  return Bio(::BIO_new_mem_buf(held->data(), static_cast<int>(held->size())));
}

Result<void> UseCertificate(Files& files, const std::string& path, SSL_CTX* context) {
  std::string held;
  TENON_ASSIGN(Bio bio, ReadPem(files, path, &held), "reading the TLS certificate");
  const Certificate own(::PEM_read_bio_X509_AUX(bio.get(), nullptr, NoPhrase, nullptr));
  if (own == nullptr || ::SSL_CTX_use_certificate(context, own.get()) != 1) {
    return Error(Code::kInvalidArgument, Str(path, ": no PEM certificate that can be used (", Why(), ")"));
  }
  while (true) {
    X509* next = ::PEM_read_bio_X509(bio.get(), nullptr, NoPhrase, nullptr);
    if (next == nullptr) break;
    if (::SSL_CTX_add0_chain_cert(context, next) != 1) {
      ::X509_free(next);
      return Error(Code::kInvalidArgument, Str(path, ": its chain cannot be used (", Why(), ")"));
    }
  }
  ::ERR_clear_error();
  return {};
}

Result<void> UseKey(Files& files, const std::string& path, SSL_CTX* context) {
  std::string held;
  TENON_ASSIGN(Bio bio, ReadPem(files, path, &held), "reading the TLS key");
  const Key key(::PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPhrase, nullptr));
  ::OPENSSL_cleanse(held.data(), held.size());
  if (key == nullptr) {
    return Error(Code::kInvalidArgument, Str(path, ": no PEM private key without a pass phrase (", Why(), ")"));
  }
  if (::SSL_CTX_use_PrivateKey(context, key.get()) != 1 || ::SSL_CTX_check_private_key(context) != 1) {
    return Error(Code::kInvalidArgument, Str(path, ": this key does not belong to the certificate (", Why(), ")"));
  }
  return {};
}

// Adds every certificate of a PEM file to what is trusted; and to the names that a client is told.
Result<void> Trust(Files& files, const std::string& path, SSL_CTX* context, bool tell) {
  std::string held;
  TENON_ASSIGN(Bio bio, ReadPem(files, path, &held), "reading the authorities' certificates");
  int count = 0;
  while (true) {
    const Certificate authority(::PEM_read_bio_X509(bio.get(), nullptr, NoPhrase, nullptr));
    if (authority == nullptr) break;
    if (::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
        (tell && ::SSL_CTX_add_client_CA(context, authority.get()) != 1)) {
      return Error(Code::kInvalidArgument, Str(path, ": cannot be used (", Why(), ")"));
    }
    ++count;
  }
  ::ERR_clear_error();
  if (count == 0) return Error(Code::kInvalidArgument, Str(path, ": no PEM certificate"));
  return {};
}

Result<Context> NewContext(const SSL_METHOD* method) {
  Context context(::SSL_CTX_new(method));
  if (context == nullptr) return Error(Code::kResourceExhausted, Str("no TLS: ", Why()));
  (void)::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  (void)::SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Only ciphers with forward secrecy and authentication; those of TLS 1.3 all are.
  (void)::SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20");
  (void)::SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  return context;
}

class Server final : public TlsServer {
 public:
  Server(Files& files, TlsFiles paths, const std::vector<std::string>& protocols) : files_(files), paths_(std::move(paths)) {
    for (const std::string& name : protocols) {
      protocols_ += static_cast<char>(name.size());
      protocols_ += name;
    }
  }

  std::unique_ptr<TlsSession> NewSession() const override {
    auto session = std::make_unique<Session>();
    const auto context = context_.Get();  // keeps it while the session takes a reference of its own
    if (!session->Take(::SSL_new(context.get()))) return nullptr;
    ::SSL_set_accept_state(session->ssl());
    return session;
  }

  Result<bool> Reload() override {
    const std::string now = Marks();
    if (now == marks_) {
      if (refusal_) return refusal_->Clone();
      return false;
    }
    marks_ = now;
    refusal_.reset();
    if (auto loaded = Load(); !loaded) {
      refusal_ = std::move(loaded).error().Context("loading the TLS certificate");
      return refusal_->Clone();
    }
    return true;
  }

  bool asks_clients() const override { return !paths_.client_ca.empty(); }

 private:
  // What tells that a file is another one than before.
  std::string Marks() const {
    std::string marks = "read";
    for (const std::string& path : {paths_.certificate, paths_.key, paths_.client_ca}) {
      if (path.empty()) continue;
      const auto info = files_.Info(path);
      marks += info.ok() ? Str(" ", info->modified, ":", info->bytes) : std::string(" gone");
    }
    return marks;
  }

  Result<void> Load() {
    TENON_ASSIGN(Context context, NewContext(::TLS_server_method()));
    TENON_TRY(UseCertificate(files_, paths_.certificate, context.get()));
    TENON_TRY(UseKey(files_, paths_.key, context.get()));
    (void)::SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>("tenon"), 5);
    if (asks_clients()) {
      TENON_TRY(Trust(files_, paths_.client_ca, context.get(), true));
      ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    }
    ::SSL_CTX_set_alpn_select_cb(context.get(), &Server::Choose, this);
    context_.Set(std::shared_ptr<SSL_CTX>(std::move(context)));
    return {};
  }

  static int Choose(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered, unsigned int length,
                    void* self) {
    const std::string& ours = static_cast<const Server*>(self)->protocols_;
    unsigned char* chosen = nullptr;
    if (::SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(ours.data()),
                                static_cast<unsigned int>(ours.size()), offered, length) != OPENSSL_NPN_NEGOTIATED) {
      return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }

  Files& files_;
  const TlsFiles paths_;
  std::string protocols_;  // each with its size before it
  std::string marks_;
  std::optional<Error> refusal_;  // why what these marks stand for is not used
  SharedCell<SSL_CTX> context_;
};

}  // namespace

Result<std::unique_ptr<TlsServer>> MakeTlsServer(Files& files, const TlsFiles& paths, std::vector<std::string> protocols) {
  auto server = std::make_unique<Server>(files, paths, protocols);
  TENON_TRY(server->Reload());
  return std::unique_ptr<TlsServer>(std::move(server));
}

Result<std::unique_ptr<TlsSession>> MakeTlsClient(Files& files, const std::string& host, const std::string& ca) {
  TENON_ASSIGN(Context context, NewContext(::TLS_client_method()));
  if (ca.empty()) {
    (void)::SSL_CTX_set_default_verify_paths(context.get());
  } else {
    TENON_TRY(Trust(files, ca, context.get(), false));
  }
  ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  auto session = std::make_unique<Session>();
  if (!session->Take(::SSL_new(context.get()))) return Error(Code::kResourceExhausted, "no memory for TLS");
  SSL* ssl = session->ssl();
  ::SSL_set_connect_state(ssl);
  const bool address = host.find_first_not_of("0123456789.") == std::string::npos || host.find(':') != std::string::npos;
  const int named = address ? ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl), host.c_str()) : ::SSL_set1_host(ssl, host.c_str());
  if (!address) (void)SSL_set_tlsext_host_name(ssl, host.c_str());
  if (named != 1) return Error(Code::kInvalidArgument, Str("'", host, "' is no name of a host"));
  session->Begin();
  return std::unique_ptr<TlsSession>(std::move(session));
}

}  // namespace tenon::platform
