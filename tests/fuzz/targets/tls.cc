// TLS: certificates and keys in PEM as they are read (the first byte is even), and what a network brings to a session.

#include <cstdlib>
#include <filesystem>

#include "fuzz/target.h"
#include "platform/memory_files.h"
#include "platform/tls.h"

namespace tenon::fuzz {
namespace {

struct Pems {
  std::string certificate, key;
};

// Made once a process by the tool that users make theirs with.
const Pems& Ours() {
  static const Pems pems = [] {
    char folder[] = "/tmp/tenon-fuzz-XXXXXX";
    Hold(::mkdtemp(folder) != nullptr, "a folder can be made");
    const std::string made = Str("cd ", folder, " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=service 2>/dev/null");
    Hold(std::system(made.c_str()) == 0, "openssl makes a certificate");
    const auto files = platform::RealFiles();
    Pems out{Must(files->Read(Str(folder, "/cert.pem")), "a certificate"), Must(files->Read(Str(folder, "/key.pem")), "a key")};
    std::filesystem::remove_all(folder);
    return out;
  }();
  return pems;
}

Result<std::unique_ptr<platform::TlsServer>> Server(platform::Files& files, const std::string& certificate, const std::string& key, const std::string& ca) {
  Must(files.Write("cert.pem", certificate), "a file");
  Must(files.Write("key.pem", key), "a file");
  if (!ca.empty()) Must(files.Write("ca.pem", ca), "a file");
  return platform::MakeTlsServer(files, {"cert.pem", "key.pem", ca.empty() ? "" : "ca.pem"}, {"http/1.1", "h2"});
}

void RunTls(std::string_view input) {
  if (input.empty()) return;
  const auto how = static_cast<unsigned char>(input[0]);
  const std::string rest(input.substr(1));
  if (how % 2 == 0) {
    platform::MemoryFiles files;
    const auto made = how % 6 == 0   ? Server(files, rest, Ours().key, "")
                      : how % 6 == 2 ? Server(files, Ours().certificate, rest, "")
                                     : Server(files, Ours().certificate, Ours().key, rest.empty() ? "-" : rest);
    return made.ok() ? void() : CheckError(made.error());
  }
  static platform::MemoryFiles files;
  static const auto server = Must(Server(files, Ours().certificate, Ours().key, ""), "a server");
  const auto session = server->NewSession();
  Hold(session != nullptr, "a session");
  const std::size_t piece = how / 2 == 0 ? rest.size() + 1 : how / 2;
  for (std::size_t at = 0; at < rest.size(); at += piece) {
    const std::string cipher = rest.substr(at, piece);
    std::string room(cipher.size() + platform::TlsSession::kSlack, '\0');
    std::size_t size = 0;
    const auto state = session->Decrypt(cipher, room.data(), room.size(), &size);
    Hold(size <= room.size(), "no more than there is room for");
    session->output().clear();
    if (state != platform::TlsSession::State::kOpen) {
      Hold(state == platform::TlsSession::State::kClosed || !session->problem().empty() || state == platform::TlsSession::State::kPlain, "a failure says why");
      return;
    }
  }
}

std::vector<std::string> Seeds() {
  platform::MemoryFiles files;
  Must(files.Write("ca.pem", Ours().certificate), "a file");
  const auto client = Must(platform::MakeTlsClient(files, "localhost", "ca.pem"), "a client");
  const std::string hello = client->output();
  return {std::string(1, '\0') + Ours().certificate, "\2" + Ours().key, "\4" + Ours().certificate, "\1" + hello, "\7" + hello, "\1GET / HTTP/1.1\r\n\r\n", std::string("\1\x15\3\3\0\2\2\x28", 8)};
}

}  // namespace

Target MakeTls() { return {RunTls, Seeds}; }

}  // namespace tenon::fuzz
