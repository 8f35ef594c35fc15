#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "ingest/aws_signature_internal.h"

namespace tenon::ingest {
namespace {

std::string Bytes(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) out.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  return out;
}

// HMAC with SHA-256 (RFC 2104), in hex.
std::string Keyed(std::string_view key, std::string_view message) {
  std::string block(key.size() > 64 ? Bytes(HashOf(key)) : std::string(key));
  block.resize(64, '\0');
  std::string inner = block, outer = block;
  for (char& c : inner) c = static_cast<char>(c ^ 0x36);
  for (char& c : outer) c = static_cast<char>(c ^ 0x5c);
  return HashOf(Str(outer, Bytes(HashOf(Str(inner, message)))));
}

// "20150830T123600Z"
std::string Stamp(Micros at) {
  std::string out;
  for (const char c : FormatTimestamp(at - at % 1'000'000)) {
    if (c != '-' && c != ':') out.push_back(c);
  }
  return out;
}

}  // namespace

std::string AwsEncoded(std::string_view text, bool path) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain || (path && c == '/')) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += Str("%", std::string(1, kHex[byte >> 4]), std::string(1, kHex[byte & 15]));
    }
  }
  return out;
}

std::string AwsQuery(std::vector<std::pair<std::string, std::string>> query) {
  for (auto& [name, value] : query) name = AwsEncoded(name, false), value = AwsEncoded(value, false);
  std::ranges::sort(query);
  std::string out;
  for (const auto& [name, value] : query) out += Str(out.empty() ? "" : "&", name, "=", value);
  return out;
}

std::vector<std::string> SignAws(const AwsRequest& request, const AwsKeys& keys, std::string_view region, std::string_view service, Micros at) {
  const std::string stamp = Stamp(at), day = stamp.substr(0, 8), empty = HashOf("");
  auto headers = request.headers;
  headers.emplace_back("host", request.host);
  headers.emplace_back("x-amz-date", stamp);
  if (service == "s3") headers.emplace_back("x-amz-content-sha256", empty);
  if (!keys.session.empty()) headers.emplace_back("x-amz-security-token", keys.session);
  std::ranges::sort(headers);
  std::string canonical, names;
  for (const auto& [name, value] : headers) {
    canonical += Str(name, ":", value, "\n");
    names += Str(names.empty() ? "" : ";", name);
  }
  const std::string asked = Str("GET\n", AwsEncoded(request.path, true), "\n", AwsQuery(request.query), "\n", canonical, "\n", names, "\n", empty);
  const std::string scope = Str(day, "/", region, "/", service, "/aws4_request");
  const std::string text = Str("AWS4-HMAC-SHA256\n", stamp, "\n", scope, "\n", HashOf(asked));
  std::string key = Str("AWS4", keys.secret);
  for (const std::string_view part : {std::string_view(day), region, service, std::string_view("aws4_request")}) key = Bytes(Keyed(key, part));
  std::vector<std::string> out;
  for (const auto& [name, value] : headers) {
    if (name != "host") out.push_back(Str(name, ": ", value));
  }
  out.push_back(Str("Authorization: AWS4-HMAC-SHA256 Credential=", keys.access, "/", scope, ", SignedHeaders=", names, ", Signature=", Keyed(key, text)));
  return out;
}

}  // namespace tenon::ingest
