// The formats of `format:` under validate.columns.

#include <algorithm>
#include <array>

#include "base/base64.h"
#include "base/text.h"
#include "base/time.h"
#include "validate/column_rules_internal.h"
#include "validate/personal_internal.h"

namespace tenon::validate {
namespace {

bool Digit(char c) { return c >= '0' && c <= '9'; }
bool Hex(char c) { return Digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool AllHex(std::string_view text) { return !text.empty() && std::ranges::all_of(text, Hex); }

// A day of the calendar as ISO 8601 writes it.
bool IsDate(std::string_view text) {
  Micros at = 0;
  return text.size() == 10 && text[4] == '-' && text[7] == '-' && ParseTimestamp(text, &at);
}

bool IsTimestamp(std::string_view text) {
  Micros at = 0;
  return ParseTimestamp(text, &at);
}

bool IsNumber(std::string_view text) {
  double value = 0;
  return ParseDouble(text, &value);
}

// Of any length: identifiers have more digits than 64 bits.
bool IsInteger(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, Digit);
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (hyphen ? text[i] != '-' : !Hex(text[i])) return false;
  }
  return true;
}

bool IsIpv4(std::string_view text) {
  const std::vector<std::string> parts = Split(text, '.');
  return parts.size() == 4 && std::ranges::all_of(parts, [](const std::string& part) {
    std::int64_t value = 0;
    return !part.empty() && part.size() <= 3 && std::ranges::all_of(part, Digit) && (part.size() == 1 || part[0] != '0') && ParseInt64(part, &value) && value <= 255;
  });
}

// RFC 4291: eight groups, "::" for some that are zero, an IPv4 address in place of the last two.
bool IsIpv6(std::string_view text) {
  const std::size_t gap = text.find("::");
  if (gap != std::string_view::npos && text.find("::", gap + 1) != std::string_view::npos) return false;
  const auto groups = [](std::string_view part, bool last) -> int {
    if (part.empty()) return 0;
    const std::vector<std::string> words = Split(part, ':');
    int count = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (last && i + 1 == words.size() && IsIpv4(words[i])) {
        count += 2;
      } else if (AllHex(words[i]) && words[i].size() <= 4) {
        ++count;
      } else {
        return 100;
      }
    }
    return count;
  };
  if (gap == std::string_view::npos) return groups(text, true) == 8;
  return groups(text.substr(0, gap), false) + groups(text.substr(gap + 2), true) <= 7;
}

bool IsIp(std::string_view text) { return IsIpv4(text) || IsIpv6(text); }

// scheme://host..., RFC 3986's characters.
bool IsUrl(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0 || colon + 3 >= text.size()) return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const std::string_view scheme = text.substr(0, colon);
  if (!letter(scheme[0]) || !std::ranges::all_of(scheme, [&](char c) { return letter(c) || Digit(c) || c == '+' || c == '-' || c == '.'; })) return false;
  const std::string_view rest = text.substr(colon + 3);
  if (std::ranges::any_of(rest, [](char c) { return static_cast<unsigned char>(c) <= ' ' || std::string_view("\"<>\\^`{|}\x7f").find(c) != std::string_view::npos; })) return false;
  return rest[0] != '/' && rest[0] != '?' && rest[0] != '#' && rest[0] != ':';
}

bool IsJson(std::string_view text) { return Json::Parse(text).ok(); }

bool IsBase64(std::string_view text) {
  std::string bytes;
  return FromBase64(text, &bytes);
}

bool IsEmail(std::string_view text) { return PersonalKindOf(text) == "e-mail address"; }
bool IsIban(std::string_view text) { return PersonalKindOf(text) == "IBAN"; }
bool IsCard(std::string_view text) { return PersonalKindOf(text) == "card number"; }
bool IsAnything(std::string_view) { return true; }

struct Format {
  std::string_view name;
  bool (*holds)(std::string_view);
};
constexpr std::array<Format, 16> kFormats = {{{"date", IsDate}, {"timestamp", IsTimestamp}, {"number", IsNumber}, {"integer", IsInteger}, {"email", IsEmail}, {"uuid", IsUuid}, {"ip", IsIp}, {"ipv4", IsIpv4},
                                              {"ipv6", IsIpv6}, {"url", IsUrl}, {"json", IsJson}, {"hex", AllHex}, {"base64", IsBase64}, {"iban", IsIban}, {"card", IsCard}, {"picture", IsAnything}}};

}  // namespace

std::vector<std::string> Formats() {
  std::vector<std::string> out;
  for (const Format& one : kFormats) out.emplace_back(one.name);
  return out;
}

bool HasFormat(std::string_view format, std::string_view text) {
  const auto* const at = std::ranges::find(kFormats, format, &Format::name);
  return at == kFormats.end() || at->holds(text);
}

}  // namespace tenon::validate
