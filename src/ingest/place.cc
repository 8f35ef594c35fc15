#include "ingest/place.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "base/text.h"

namespace tenon::ingest {

Result<std::string> PlaceOf(std::string_view address) {
  const std::size_t at = address.find("://");
  if (at == std::string_view::npos) return "";
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kSchemes = {
      {{"postgresql", "postgresql"}, {"postgres", "postgresql"}, {"http", "http"}, {"https", "http"}, {"s3", "s3"}, {"kafka", "kafka"}}};
  const std::string scheme = ToLower(address.substr(0, at));
  for (const auto& [name, kind] : kSchemes) {
    if (scheme == name) return std::string(kind);
  }
  return Error(Code::kInvalidArgument, Str("'", Shown(address), "': nothing reads ", scheme, "://; files, postgresql://, https://, http://, s3:// and kafka:// can be read"));
}

std::string Shown(std::string_view address) {
  const std::size_t scheme = address.find("://");
  if (scheme == std::string_view::npos) return std::string(address);
  std::string_view rest = address.substr(scheme + 3);
  rest = rest.substr(0, rest.find('?'));
  const std::size_t at = rest.substr(0, rest.find('/')).rfind('@');
  if (at != std::string_view::npos) rest.remove_prefix(at + 1);
  return Str(address.substr(0, scheme + 3), rest);
}

Result<std::string> Secret(std::string_view given, const std::string& folder, std::string_view setting) {
  if (given.empty()) return "";
  if (given.starts_with("env:")) {
    const std::string name(given.substr(4));
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') return Error(Code::kInvalidArgument, Str(setting, ": the variable ", name, " is not set"));
    return value;
  }
  if (given.starts_with("file:")) {
    const std::string path = platform::JoinPath(folder, given.substr(5));
    TENON_ASSIGN(const std::string text, platform::RealFiles()->Read(path), std::string(setting));
    return std::string(Trim(text));
  }
  return Error(Code::kInvalidArgument, Str(setting, ": a secret does not stand in the project file; write env:NAME of a variable or file:PATH"));
}

}  // namespace tenon::ingest
