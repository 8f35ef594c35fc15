#include <charconv>
#include <optional>

#include "base/text.h"
#include "base/utf8.h"
#include "ingest/s3_answers_internal.h"

namespace tenon::ingest {
namespace {

// The text between <name> and </name>, from *at on, which goes behind it. These answers have no attributes on what is read
// here, and no element inside one of its own name.
std::optional<std::string_view> Element(std::string_view xml, std::string_view name, std::size_t* at) {
  const std::string open = Str("<", name, ">"), close = Str("</", name, ">");
  const std::size_t begin = xml.find(open, *at);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::size_t end = xml.find(close, begin);
  if (end == std::string_view::npos) return std::nullopt;
  *at = end + close.size();
  return xml.substr(begin + open.size(), end - begin - open.size());
}

std::string_view First(std::string_view xml, std::string_view name) {
  std::size_t at = 0;
  return Element(xml, name, &at).value_or(std::string_view());
}

std::string PercentDecoded(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

// The character that an entity between & and ; means, as UTF-8; nothing when it is none.
std::optional<std::string> Entity(std::string_view name) {
  if (name == "amp") return "&";
  if (name == "lt") return "<";
  if (name == "gt") return ">";
  if (name == "quot") return "\"";
  if (name == "apos") return "'";
  if (!name.starts_with('#')) return std::nullopt;
  const bool hex = name.size() > 1 && name[1] == 'x';
  const std::string_view digits = name.substr(hex ? 2 : 1);
  std::uint32_t code = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), code, hex ? 16 : 10);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size() || code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return std::nullopt;
  std::string out;
  AppendUtf8(code, &out);
  return out;
}

std::string Unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t end = text[i] == '&' ? text.find(';', i) : std::string_view::npos;
    const auto meant = end == std::string_view::npos ? std::nullopt : Entity(text.substr(i + 1, end - i - 1));
    out += meant ? *meant : std::string(1, text[i]);
    if (meant) i = end;
  }
  return out;
}

}  // namespace

Result<ObjectList> ReadObjectList(std::string_view body) {
  if (body.find("</ListBucketResult>") == std::string_view::npos) return Error(Code::kDataLoss, "the list of objects is not whole");
  // Asked to, a store encodes the keys as in an address, and says so; an older one does not hear it.
  const bool encoded = First(body, "EncodingType") == "url";
  ObjectList out;
  std::size_t at = 0;
  while (const auto object = Element(body, "Contents", &at)) {
    const std::string_view key = First(*object, "Key");
    if (key.empty()) return Error(Code::kDataLoss, "the list of objects has one without a key");
    out.keys.push_back(encoded ? PercentDecoded(Unescaped(key)) : Unescaped(key));
  }
  out.more = Unescaped(First(body, "NextContinuationToken"));
  if (out.more.empty() && First(body, "IsTruncated") == "true") return Error(Code::kDataLoss, "the list of objects goes on and does not say where");
  return out;
}

StoreError ReadStoreError(std::string_view body) { return {Unescaped(First(body, "Code")), Unescaped(First(body, "Message"))}; }

}  // namespace tenon::ingest
