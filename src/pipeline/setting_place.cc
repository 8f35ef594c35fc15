#include "pipeline/setting_place.h"

#include <cctype>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

bool InPath(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("_-.[]").find(c) != std::string_view::npos; }

// The member that a word of a path names, "gates[1]" being the second of a list; null when there is none.
const Json* Member(const Json& of, std::string_view word, int* depth) {
  const std::size_t bracket = word.find('[');
  const Json* member = of.Find(word.substr(0, bracket));
  if (member == nullptr) return nullptr;
  ++*depth;
  std::int64_t index = 0;
  if (bracket == std::string_view::npos || !word.ends_with(']') || !ParseInt64(word.substr(bracket + 1, word.size() - bracket - 2), &index)) return member;
  if (!member->is_array() || index < 0 || index >= static_cast<std::int64_t>(member->array().size())) return member;
  ++*depth;
  return &member->array()[static_cast<std::size_t>(index)];
}

// The deepest member along the path, when at least two of its words are members.
const Json* Deepest(const Json& written, std::string_view path) {
  const Json* at = &written;
  int depth = 0;
  for (const std::string& word : Split(path, '.')) {
    const Json* next = Member(*at, word, &depth);
    if (next == nullptr || next->place().line == 0) break;
    at = next;
  }
  return depth >= 2 ? at : nullptr;
}

// "card/tenon.yaml:30" somewhere in the message.
bool SaysPlace(std::string_view file, std::string_view message) {
  const std::string start = Str(file, ":");
  for (std::size_t at = message.find(start); at != std::string_view::npos; at = message.find(start, at + 1)) {
    const std::size_t next = at + start.size();
    if (next < message.size() && std::isdigit(static_cast<unsigned char>(message[next])) != 0) return true;
  }
  return false;
}

}  // namespace

std::string SettingPlace(const Json& written, std::string_view file, std::string_view message) {
  if (SaysPlace(file, message)) return "";
  for (std::size_t from = 0; from < message.size();) {
    if (!InPath(message[from])) {
      ++from;
      continue;
    }
    std::size_t to = from;
    while (to < message.size() && InPath(message[to])) ++to;
    if (const Json* member = Deepest(written, message.substr(from, to - from))) return member->Where(file);
    from = to;
  }
  return "";
}

}  // namespace tenon::pipeline
