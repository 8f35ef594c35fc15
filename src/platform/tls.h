#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "platform/files.h"

namespace tenon::platform {

// One end of a TLS 1.2 or 1.3 connection without its socket: bytes of the network go in and come out, so that whoever
// has the socket decides how it waits. One thread.
class TlsSession {
 public:
  enum class State {
    kOpen,    // go on; nothing is left inside that more bytes would not bring out
    kClosed,  // the other end said that it is the end
    kFailed,  // no TLS, no common protocol, a certificate that is refused: send output() and close
    kPlain,   // as kFailed, and what came is plain HTTP
  };
  // More than any call of Decrypt gives beyond the bytes it takes: what an earlier call kept of one record.
  static constexpr std::size_t kSlack = 17 << 10;

  virtual ~TlsSession() = default;
  // Takes bytes from the network and gives what they hold for us; `room` is at least cipher.size() + kSlack. What has to
  // go back (handshake, alerts) is in output().
  virtual State Decrypt(std::string_view cipher, char* plain, std::size_t room, std::size_t* size) = 0;
  // Appends the bytes to output(), encrypted. Only when ready().
  virtual void Encrypt(std::string_view plain) = 0;
  // Appends the word that nothing more comes.
  virtual void Close() = 0;
  // What is to be sent; the caller clears what it took.
  virtual std::string& output() = 0;
  virtual bool ready() const = 0;                    // the handshake is done
  virtual std::string_view protocol() const = 0;     // agreed by ALPN, such as "h2"; "" when the other end did not ask
  virtual std::string_view peer() const = 0;         // common name of the other end's checked certificate, or ""
  virtual std::string problem() const = 0;           // after kFailed
};

struct TlsFiles {
  std::string certificate;  // PEM: ours first, then the chain
  std::string key;          // PEM, without a pass phrase
  std::string client_ca;    // PEM: who may sign clients' certificates; "": none is asked for
};

// A server's certificate and key, shared by its threads. Sessions keep what they began with.
class TlsServer {
 public:
  virtual ~TlsServer() = default;
  // Thread-safe. Null when memory is out.
  virtual std::unique_ptr<TlsSession> NewSession() const = 0;
  // Reads the files again when one of them changed. True: new sessions use what was read. An error leaves all as it
  // was, and is given again until the files change. One thread at a time.
  virtual Result<bool> Reload() = 0;
  virtual bool asks_clients() const = 0;  // for certificates
};
// `protocols` are offered in that order ("h2", "http/1.1"). `files` outlives it. Errors name the file: not_found,
// invalid_argument (no PEM, key of another certificate, protected by a pass phrase).
Result<std::unique_ptr<TlsServer>> MakeTlsServer(Files& files, const TlsFiles& paths, std::vector<std::string> protocols);

// The client's end, to a server whose certificate names `host` and is signed by the system's authorities or by those in
// the PEM file `ca`. Its output() begins the handshake.
Result<std::unique_ptr<TlsSession>> MakeTlsClient(Files& files, const std::string& host, const std::string& ca);

}  // namespace tenon::platform
