// The value at a path of a JSON text. The text is scanned once up to the value: no tree is built, and no depth is too deep.

#include <cmath>
#include <limits>
#include <optional>

#include "base/utf8.h"
#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

// One step: a member of an object, or an element of an array.
struct Step {
  std::string name;
  std::int64_t index = -1;  // of elements
};

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Four hexadecimal digits; 0xFFFFFFFF when they are none.
std::uint32_t HexAt(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) return 0xFFFFFFFF;
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return 0xFFFFFFFF;
    value = value << 4 | static_cast<std::uint32_t>(digit);
  }
  return value;
}

// What stands between the quotes of a string, without its escapes. False when an escape is none.
bool Unescape(std::string_view raw, std::string* out) {
  out->clear();
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      out->push_back(raw[i]);
      continue;
    }
    if (++i == raw.size()) return false;
    switch (raw[i]) {
      case '"': case '\\': case '/': out->push_back(raw[i]); break;
      case 'b': out->push_back('\b'); break;
      case 'f': out->push_back('\f'); break;
      case 'n': out->push_back('\n'); break;
      case 'r': out->push_back('\r'); break;
      case 't': out->push_back('\t'); break;
      case 'u': {
        std::uint32_t point = HexAt(raw, i + 1);
        if (point == 0xFFFFFFFF) return false;
        i += 4;
        if (point >= 0xD800 && point < 0xDC00 && raw.substr(i + 1, 2) == "\\u") {
          const std::uint32_t low = HexAt(raw, i + 3);
          if (low < 0xDC00 || low > 0xDFFF) return false;
          point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
          i += 6;
        }
        if (point >= 0xD800 && point <= 0xDFFF) return false;  // half a pair
        AppendUtf8(point, out);
        break;
      }
      default: return false;
    }
  }
  return true;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // The value at the path: a string's with its quotes; nothing when there is none.
  std::optional<std::string_view> Find(const std::vector<Step>& path, std::string& room) {
    for (const Step& step : path) {
      Blanks();
      const bool found = step.index >= 0 ? ToElement(step.index) : ToMember(step.name, room);
      if (!found) return std::nullopt;
    }
    Blanks();
    const std::size_t from = at_;
    if (!Skip() || at_ == from) return std::nullopt;
    return text_.substr(from, at_ - from);
  }

 private:
  void Blanks() {
    while (at_ < text_.size() && IsBlank(text_[at_])) ++at_;
  }
  bool Take(char c) {
    Blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // Past a string; what is between its quotes.
  bool String(std::string_view* raw) {
    if (!Take('"')) return false;
    const std::size_t from = at_;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        *raw = text_.substr(from, at_++ - from);
        return true;
      }
    }
    return false;
  }
  // Past a value of any kind.
  bool Skip() {
    std::int64_t depth = 0;
    do {
      Blanks();
      if (at_ >= text_.size()) return false;
      const char c = text_[at_];
      std::string_view raw;
      if (c == '"') {
        if (!String(&raw)) return false;
      } else if (c == '{' || c == '[') {
        ++depth;
        ++at_;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return false;
        --depth;
        ++at_;
      } else if (c == ',' || c == ':') {
        if (depth == 0) return false;
        ++at_;
      } else {
        while (at_ < text_.size() && !IsBlank(text_[at_]) && std::string_view(",:{}[]\"").find(text_[at_]) == std::string_view::npos) ++at_;
      }
    } while (depth > 0);
    return true;
  }
  bool ToElement(std::int64_t index) {
    if (!Take('[')) return false;
    Blanks();
    if (at_ < text_.size() && text_[at_] == ']') return false;
    for (std::int64_t i = 0; i < index; ++i) {
      if (!Skip() || !Take(',')) return false;
    }
    return true;
  }
  bool ToMember(std::string_view name, std::string& room) {
    if (!Take('{')) return false;
    do {
      std::string_view raw;
      if (!String(&raw) || !Take(':')) return false;
      const bool plain = raw.find('\\') == std::string_view::npos;
      if (plain ? raw == name : Unescape(raw, &room) && room == name) return true;
      if (!Skip()) return false;
    } while (Take(','));
    return false;
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

// $.a.b[0]['c d']
Result<std::vector<Step>> ReadPath(std::string_view path) {
  const auto wrong = [&](std::size_t at) {
    return Error(Code::kInvalidArgument, Str("json_path: the path '", path, "' cannot be read from '", path.substr(std::min(at, path.size())),
                                             "'; write $.user.items[0] or $['a name'].b"));
  };
  std::vector<Step> steps;
  std::size_t at = path.starts_with("$") ? 1 : 0;
  if (at == 0 && !path.empty() && path[0] != '[' && path[0] != '.') {  // a.b for $.a.b
    const std::size_t end = std::min(path.find_first_of(".[", 0), path.size());
    steps.push_back({std::string(path.substr(0, end))});
    at = end;
  }
  while (at < path.size()) {
    const std::size_t start = at;
    if (path[at] == '.') {
      const std::size_t end = std::min(path.find_first_of(".[", at + 1), path.size());
      if (end == at + 1) return wrong(start);
      steps.push_back({std::string(path.substr(at + 1, end - at - 1))});
      at = end;
      continue;
    }
    if (path[at] != '[' || at + 1 >= path.size()) return wrong(start);
    const char quote = path[at + 1];
    if (quote == '\'' || quote == '"') {
      const std::size_t end = path.find(quote, at + 2);
      if (end == std::string_view::npos || end + 1 >= path.size() || path[end + 1] != ']') return wrong(start);
      steps.push_back({std::string(path.substr(at + 2, end - at - 2))});
      at = end + 2;
    } else {
      const std::size_t end = path.find(']', at);
      Step step;
      if (end == std::string_view::npos || !ParseInt64(path.substr(at + 1, end - at - 1), &step.index) || step.index < 0) return wrong(start);
      steps.push_back(std::move(step));
      at = end + 1;
    }
  }
  return steps;
}

class JsonPath final : public Op {
 public:
  JsonPath(std::vector<Step> path, bool number) : path_(std::move(path)), number_(number) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (const Port& port : in) {
      if (port.kind != Port::Kind::kText) {
        return Error(Code::kInvalidArgument, Str("input '", port.name, "' is a number, expected a text of JSON"));
      }
      out.push_back({.name = Str(port.name, "_", path_.empty() ? "value" : path_.back().index >= 0 ? Str(path_.back().index) : path_.back().name),
                     .kind = number_ ? Port::Kind::kNumber : Port::Kind::kText});
    }
    return out;
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>* texts) const override {
    thread_local std::string room;  // nothing of it outlives a row
    for (std::size_t i = 0; i < in.size(); ++i) {
      for (std::int64_t row = 0; row < n; ++row) {
        const std::string_view text = in[i].Text(row);
        const auto found = text.data() == nullptr ? std::nullopt : Scanner(text).Find(path_, room);
        if (number_) {
          out[i].numbers[row] = found.has_value() ? NumberOf(*found, room) : std::numeric_limits<double>::quiet_NaN();
        } else {
          out[i].texts[row] = found.has_value() ? TextOf(*found, texts, room) : std::string_view();
        }
      }
    }
  }

 private:
  static double NumberOf(std::string_view value, std::string& room) {
    if (value == "true") return 1;
    if (value == "false") return 0;
    double number = 0;
    if (value.front() == '"') {
      if (!Unescape(value.substr(1, value.size() - 2), &room)) return std::numeric_limits<double>::quiet_NaN();
      value = room;
    }
    return ParseDouble(value, &number) ? number : std::numeric_limits<double>::quiet_NaN();
  }
  static std::string_view TextOf(std::string_view value, std::vector<std::string>* texts, std::string& room) {
    if (value == "null") return {};
    if (value.front() != '"') return value;
    value = value.substr(1, value.size() - 2);
    if (value.empty()) return "";
    if (value.find('\\') == std::string_view::npos) return value;
    if (!Unescape(value, &room)) return {};
    return texts->emplace_back(room);
  }
  std::vector<Step> path_;
  bool number_;
};

}  // namespace

Result<void> AddJsonPath(Kinds<Op>& kinds) {
  return kinds.Add("json_path",
                   {.summary = "Take the value at a path out of JSON texts",
                    .when = "Events, payloads and settings that came as JSON in one column. A path that leads nowhere, null, and text that is no "
                            "JSON up to the value give missing; objects and arrays are given as their JSON.",
                    .example = R"({"path": "$.user.items[0]['unit price']"})",
                    .options = {{.name = "path", .type = Option::Type::kText, .help = "Such as $.user.items[0] or $['a name'].b", .required = true},
                                {.name = "as", .type = Option::Type::kText, .fallback = "text",
                                 .help = "What it gives; as a number, true is 1, false 0, and strings are read", .choices = {"text", "number"}}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     TENON_ASSIGN(std::vector<Step> path, ReadPath(options.Text("path")));
                     return std::make_unique<JsonPath>(std::move(path), options.Text("as") == "number");
                   });
}

}  // namespace tenon::transform
