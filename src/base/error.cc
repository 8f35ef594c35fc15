#include "base/error.h"

#include <array>
#include <cctype>

namespace tenon {
namespace {

constexpr std::array<CodeRow, kCodeCount> kRows = {{
    {"invalid_argument", 400, 3, 2},
    {"not_found", 404, 5, 3},
    {"already_exists", 409, 6, 4},
    {"failed_precondition", 412, 9, 5},
    {"unauthenticated", 401, 16, 6},
    {"permission_denied", 403, 7, 7},
    {"resource_exhausted", 429, 8, 8},
    {"unavailable", 503, 14, 9},
    {"deadline_exceeded", 504, 4, 10},
    {"cancelled", 499, 1, 11},
    {"data_loss", 500, 15, 12},
    {"internal", 500, 13, 13},
}};

bool EndsSecret(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0 || c == '&' || c == ';' || c == ',' || c == '"' || c == '\'';
}

// "/home/ann/tenon/src/base/error.cc" -> "base/error.cc": where the sources stood is nobody's business.
std::string_view InSources(std::string_view file) {
  const std::size_t at = file.rfind("src/");
  return at == std::string_view::npos ? file : file.substr(at + 4);
}

}  // namespace

const CodeRow& RowOf(Code code) { return kRows[static_cast<std::size_t>(code)]; }

std::string MaskSecrets(std::string text) {
  for (std::string_view word : {"password=", "token=", "secret=", "api_key=", "access_key="}) {
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at)) {
      at += word.size();
      std::size_t end = at;
      while (end < text.size() && !EndsSecret(text[end])) ++end;
      text.replace(at, end - at, "****");
    }
  }
  for (std::size_t at = text.find("://"); at != std::string::npos; at = text.find("://", at + 3)) {
    std::size_t end = at + 3;
    while (end < text.size() && text[end] != '/' && text[end] != '@' && !EndsSecret(text[end])) ++end;
    if (end < text.size() && text[end] == '@') text.replace(at + 3, end - at - 3, "****");
  }
  return text;
}

Error::Error(Code code, std::string message, const char* file, int line)
    : body_(std::make_unique<Body>(Body{code, MaskSecrets(std::move(message)), {{"raised", file, line}}})) {}

Error&& Error::Context(std::string doing, const char* file, int line) && {
  body_->trail.push_back({MaskSecrets(std::move(doing)), file, line});
  return std::move(*this);
}

std::string Error::ForPeople() const {
  std::string out = body_->message;
  for (std::size_t i = 1; i < body_->trail.size(); ++i) {
    const std::string& doing = body_->trail[i].doing;
    if (!out.starts_with(doing + ":")) out = doing + ": " + out;  // a file that was named already is not named again
  }
  return out;
}

std::string Error::ToString() const {
  std::string out(message());
  for (const Frame& frame : body_->trail) {
    out += "; " + frame.doing + " (";
    out += InSources(frame.file);
    out += ":" + std::to_string(frame.line) + ")";
  }
  return out;
}

Error Error::Clone() const { return Error(std::make_unique<Body>(*body_)); }

}  // namespace tenon
