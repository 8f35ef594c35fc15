#include "pipeline/edit_project.h"

#include <algorithm>
#include <optional>
#include <span>

#include "base/text.h"

namespace tenon::pipeline {
namespace {

using Path = std::span<const std::string>;

bool IsWord(std::string_view text) {
  static constexpr std::string_view kOther[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"};
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto plain = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  return !text.empty() && letter(text[0]) && std::ranges::all_of(text, plain) && std::ranges::find(kOther, ToLower(text)) == std::end(kOther);
}

std::string Key(const std::string& key) { return IsWord(key) ? key : Json(key).Dump(); }

// On one line, as people write it: {min: 0, domain: [basic, plus]}.
std::string Flow(const Json& value) {
  std::string out;
  if (value.is_object()) {
    for (const auto& [key, member] : value.object()) out += Str(out.empty() ? "{" : ", ", Key(key), ": ", Flow(member));
    return out.empty() ? "{}" : out + "}";
  }
  if (value.is_array()) {
    for (const Json& member : value.array()) out += Str(out.empty() ? "[" : ", ", Flow(member));
    return out.empty() ? "[]" : out + "]";
  }
  return value.is_string() && IsWord(value.String()) ? value.String() : value.Dump();
}

// The value at the path within `json`, made where it is not there.
void Set(Json* json, Path path, const Json& value) {
  if (path.empty()) {
    *json = value;
    return;
  }
  if (!json->is_object()) *json = Json::MakeObject();
  Set(&(*json)[path[0]], path.subspan(1), value);
}

std::size_t IndentOf(const std::string& line) { return std::min(line.find_first_not_of(' '), line.size()); }
bool IsText(const std::string& line) {  // neither blank nor a comment
  const std::size_t at = line.find_first_not_of(" \t\r");
  return at != std::string::npos && line[at] != '#';
}

// Where the value that begins at `at` of the first line ends: line and column behind its last character. Nothing when a
// bracket or a quotation mark is not closed.
struct End {
  std::size_t line, column;
};
std::optional<End> EndOfValue(const std::vector<std::string>& lines, std::size_t line, std::size_t at) {
  const bool nested = lines[line][at] == '{' || lines[line][at] == '[';
  int depth = 0;
  char quote = '\0';
  End last{line, at};
  for (std::size_t row = line; row < lines.size(); ++row, at = 0) {
    const std::string& text = lines[row];
    for (std::size_t i = at; i < text.size(); ++i) {
      const char c = text[i];
      if (quote != '\0') {
        if (c == '\\' && quote == '"') ++i;
        else if (c == quote) quote = '\0';
        last = {row, i + 1};
        continue;
      }
      if (c == '#' && i > 0 && (text[i - 1] == ' ' || text[i - 1] == '\t')) break;
      if ((c == '"' || c == '\'') && (nested || i == at)) quote = c;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      if (c != ' ' && c != '\t' && c != '\r') last = {row, i + 1};
      if (nested && depth == 0) return last;
    }
    if (!nested && quote == '\0') return last;
  }
  return {};
}

class Editor {
 public:
  Editor(std::string_view text, std::string_view file, const Json& whole) : file_(file), whole_(whole) {
    for (std::string& line : Split(text, '\n')) lines_.push_back(std::move(line));
  }

  // False when the text is written in a way that is not known here.
  bool Put(Path path, const Json& value) { return PutIn(0, lines_.size(), 0, path, value, &whole_); }
  std::string Text() const { return Join(lines_, "\n"); }

 private:
  // Where the key stands among the lines of a block, and where its value begins.
  struct Found {
    std::size_t line, value;
  };
  std::optional<Found> Find(std::size_t from, std::size_t until, std::size_t indent, const std::string& key) const {
    for (std::size_t i = from; i < until; ++i) {
      if (!IsText(lines_[i]) || IndentOf(lines_[i]) != indent) continue;
      for (const std::string& written : {key, Json(key).Dump(), Str("'", key, "'")}) {
        const std::string_view rest = std::string_view(lines_[i]).substr(indent);
        if (!rest.starts_with(written)) continue;
        std::size_t at = lines_[i].find_first_not_of(' ', indent + written.size());
        if (at == std::string::npos || lines_[i][at] != ':' || (at + 1 < lines_[i].size() && lines_[i][at + 1] != ' ')) continue;
        return Found{i, std::min(lines_[i].find_first_not_of(" \t\r", at + 1), lines_[i].size())};
      }
    }
    return {};
  }

  // Behind the last line of text of a block whose key stands at `indent`.
  std::size_t EndOfBlock(std::size_t from, std::size_t until, std::size_t indent) const {
    std::size_t end = from;
    for (std::size_t i = from; i < until; ++i) {
      if (!IsText(lines_[i])) continue;
      const bool list = lines_[i].substr(IndentOf(lines_[i])).starts_with("- ");
      if (IndentOf(lines_[i]) < indent || (IndentOf(lines_[i]) == indent && !list)) break;
      end = i + 1;
    }
    return end;
  }

  bool PutIn(std::size_t from, std::size_t until, std::size_t indent, Path path, const Json& value, const Json* here) {
    const auto found = Find(from, until, indent, path[0]);
    const Json* member = here != nullptr && here->is_object() ? here->Find(path[0]) : nullptr;
    if (!found) {
      if (member != nullptr) return false;  // it is there, written in another way
      Json nested;
      Set(&nested, path.subspan(1), value);
      std::size_t at = from;
      for (std::size_t i = from; i < until; ++i) {
        if (IsText(lines_[i])) at = i + 1;
      }
      lines_.insert(lines_.begin() + static_cast<std::ptrdiff_t>(at), Str(std::string(indent, ' '), Key(path[0]), ": ", Flow(nested)));
      return true;
    }
    const std::string& line = lines_[found->line];
    const bool empty = found->value >= line.size() || line[found->value] == '#';
    if (!empty) {
      const auto end = EndOfValue(lines_, found->line, found->value);
      if (!end) return false;
      if (path.size() > 1 && line[found->value] != '{') return false;
      for (std::size_t i = found->line + 1; i <= end->line; ++i) {
        if (lines_[i - 1].find('#') != std::string::npos && i - 1 != end->line) return false;  // a comment within would be lost
      }
      Json changed = path.size() > 1 && member != nullptr ? *member : Json();
      Set(&changed, path.subspan(1), value);
      lines_[found->line] = Str(line.substr(0, found->value), Flow(changed), lines_[end->line].substr(end->column));
      lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(found->line) + 1, lines_.begin() + static_cast<std::ptrdiff_t>(end->line) + 1);
      return true;
    }
    const std::size_t end = EndOfBlock(found->line + 1, until, indent);
    std::size_t first = found->line + 1;
    while (first < end && !IsText(lines_[first])) ++first;
    if (path.size() > 1) {
      const std::size_t inner = first < end ? IndentOf(lines_[first]) : indent + 2;
      if (first < end && lines_[first].substr(inner).starts_with("- ")) return false;
      return PutIn(found->line + 1, end, inner, path.subspan(1), value, member);
    }
    const std::size_t colon = line.find(':', indent) + 1;
    lines_[found->line] = Str(line.substr(0, colon), " ", Flow(value), line.substr(colon));
    lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(found->line) + 1, lines_.begin() + static_cast<std::ptrdiff_t>(end));
    return true;
  }

  std::vector<std::string> lines_;
  std::string file_;
  const Json& whole_;
};

const Json* At(const Json& json, Path path) {
  const Json* at = &json;
  for (const std::string& key : path) {
    at = at != nullptr && at->is_object() ? at->Find(key) : nullptr;
  }
  return at;
}

}  // namespace

Result<std::string> EditProject(std::string_view text, std::string_view file, const ProjectEdit& edit) {
  TENON_ASSIGN(const Json before, Json::ParseYaml(text, file));
  Json value = edit.value;
  if (edit.append) {
    const Json* list = At(before, edit.path);
    value = list != nullptr && list->is_array() ? *list : Json::MakeArray();
    if (list != nullptr && list->is_string()) value.Push(*list);
    if (std::ranges::find(value.array(), edit.value) == value.array().end()) value.Push(edit.value);
  }
  Json wanted = before;
  Set(&wanted, edit.path, value);
  Editor editor(text, file, before);
  const bool known = before.is_object() && editor.Put(edit.path, value);
  const std::string out = editor.Text();
  const auto after = Json::ParseYaml(out, file);
  if (known && after.ok() && after->Canonical() == wanted.Canonical()) return out;
  return Error(Code::kFailedPrecondition, Str(file, " is written in a way that cannot be edited without risk; write by hand: ", Join(edit.path, "."), ": ", Flow(value)));
}

}  // namespace tenon::pipeline
