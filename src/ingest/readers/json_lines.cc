// Rows as JSON objects: one a line, one after another, or in a list.

#include <simdjson.h>

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>

#include "base/nested.h"
#include "base/text.h"
#include "ingest/records_internal.h"
#include "ingest/text_internal.h"

namespace tenon::ingest {
namespace {

constexpr std::size_t kMostColumns = 4096;
constexpr std::size_t kForgetBytes = 4 << 20;

// A column that is taken from within a row's values: a.b[0].
struct Path {
  struct Part {
    std::string key;       // of an object; or
    std::size_t index = 0; // of a list, when there is no key
  };
  std::string column, text;
  std::vector<Part> parts;
};

Result<Path> ParsePath(const std::string& column, const std::string& text) {
  Path out{column, text, {}};
  const auto wrong = [&] { return Error(Code::kInvalidArgument, Str("paths: ", column, ": expected keys and places such as address.city or tags[0], not ", Quoted(text))); };
  std::size_t at = 0;
  while (at < text.size()) {
    if (text[at] == '[') {
      const std::size_t close = text.find(']', at);
      std::int64_t index = 0;
      if (close == std::string::npos || at == 0 || !ParseInt64(std::string_view(text).substr(at + 1, close - at - 1), &index) || index < 0) return wrong();
      out.parts.push_back({"", static_cast<std::size_t>(index)});
      at = close + 1;
      if (at < text.size() && text[at] == '.') ++at;
      if (at == text.size() && text.back() == '.') return wrong();
      continue;
    }
    const std::size_t end = std::min(text.find_first_of(".[", at), text.size());
    if (end == at) return wrong();
    out.parts.push_back({text.substr(at, end - at)});
    at = end;
    if (at < text.size() && text[at] == '.' && ++at == text.size()) return wrong();
  }
  if (out.parts.empty()) return wrong();
  return out;
}

struct JsonOptions {
  std::string encoding;
  bool flatten = true;
  std::vector<Path> paths;
};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class JsonRecords final : public Records {
 public:
  JsonRecords(const Call& call, std::vector<std::string> paths, JsonOptions options)
      : call_(call), paths_(std::move(paths)), options_(std::move(options)) {
    for (const Path& path : options_.paths) {
      columns_.emplace(path.column, names_.size());
      names_.push_back(path.column);
    }
  }

  Result<void> Load(std::size_t file) {
    if (file != file_ || text_.owner == nullptr) {
      TENON_ASSIGN(text_, LoadText(call_, paths_[file], options_.encoding));
    }
    file_ = file;
    at_ = forgotten_ = 0;
    line_ = row_line_ = 1;
    SkipSpace();
    if (at_ == text_.view.size()) return Error(Code::kInvalidArgument, Str(paths_[file], ": the file is empty"));
    list_ = text_.view[at_] == '[';
    first_ = true;
    if (list_) ++at_;
    return {};
  }

  Result<void> Rewind() override { return Load(0); }

  Result<bool> Next(std::vector<Cell>* cells) override {
    std::string_view row;
    while (true) {
      TENON_ASSIGN(const bool more, NextText(&row));
      if (at_ - forgotten_ >= kForgetBytes) {
        text_.owner->Forget(text_.view.substr(forgotten_, at_ - row.size() - forgotten_));
        forgotten_ = at_ - row.size();
      }
      if (more) break;
      if (file_ + 1 == paths_.size()) return AddNulls(), false;
      TENON_TRY(Load(file_ + 1));
    }
    simdjson::dom::element element;
    simdjson::dom::object object;
    if (const auto error = parser_.parse(row.data(), row.size()).get(element)) return Wrong(simdjson::error_message(error));
    if (element.get(object)) return Wrong(Str("a row is an object, not ", Quoted(row)));
    cells->assign(names_.size(), Cell{.missing = true});
    seen_.assign(names_.size(), false);
    texts_used_ = 0;
    expected_ = options_.paths.size();
    for (std::size_t i = 0; i < options_.paths.size(); ++i) (*cells)[i] = At(element, options_.paths[i]);
    names_within_.clear();
    TENON_TRY(Take(object, cells));
    return true;
  }

  const std::vector<std::string>& names() const override { return names_; }
  const std::vector<Declared>& declared() const override { return declared_; }
  std::string Where() const override { return Str(paths_[file_], ":", row_line_); }

 private:
  Error Wrong(std::string_view what) const { return Error(Code::kInvalidArgument, Str(Where(), ": ", what)); }

  void SkipSpace() {
    for (; at_ < text_.view.size() && IsSpace(text_.view[at_]); ++at_) line_ += text_.view[at_] == '\n' ? 1 : 0;
  }

  // The text of the next row; false at the end of the file.
  Result<bool> NextText(std::string_view* out) {
    const std::string_view text = text_.view;
    SkipSpace();
    row_line_ = line_;
    if (list_) {
      if (at_ < text.size() && text[at_] == ']') {
        ++at_;
        SkipSpace();
        if (at_ < text.size()) return Wrong("something stands behind the list");
        list_ = false;
        return false;
      }
      if (at_ == text.size()) return Wrong("the list is not closed; is the file whole?");
      if (!first_) {
        if (text[at_] != ',') return Wrong(Str("a comma between two rows is missing before ", Quoted(text.substr(at_, 20))));
        ++at_;
        SkipSpace();
        row_line_ = line_;
      }
    }
    first_ = false;
    if (at_ == text.size()) return false;
    const std::size_t begin = at_;
    if (text[at_] != '{') {
      const std::string_view rest = text.substr(at_, std::min<std::size_t>(40, text.size() - at_));
      return Wrong(Str("a row is an object, not ", Quoted(rest.substr(0, rest.find('\n')))));
    }
    int depth = 0;
    bool in_text = false;
    for (; at_ < text.size(); ++at_) {
      const char c = text[at_];
      if (c == '\n') ++line_;
      if (in_text) {
        if (c == '\\') ++at_;
        if (c == '"') in_text = false;
      } else if (c == '"') {
        in_text = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if ((c == '}' || c == ']') && --depth == 0) {
        *out = text.substr(begin, ++at_ - begin);
        return true;
      }
    }
    at_ = text.size();
    return Wrong("the row's object is not closed; is the file whole?");
  }

  // The members of an object as cells; those of objects within it under names with dots.
  Result<void> Take(simdjson::dom::object object, std::vector<Cell>* cells) {
    const std::size_t depth = names_within_.size();  // the row itself, then what is within it
    names_within_.emplace_back();
    for (const auto [key, value] : object) {
      std::string_view name = key;
      if (depth > 0) name = NestedName(names_within_[depth - 1], key, &names_within_[depth]);
      simdjson::dom::object inner;
      if (options_.flatten && value.get(inner) == simdjson::SUCCESS) {
        if (depth == 0) names_within_[depth].assign(key);
        TENON_TRY(Take(inner, cells));
        continue;
      }
      if (!options_.paths.empty() && std::ranges::find(options_.paths, name, &Path::text) != options_.paths.end()) continue;
      // A null may stand for an object as well: it makes no column before the rows have shown that it does not.
      if (options_.flatten && value.is_null() && !columns_.contains(std::string(name))) {
        if (std::ranges::find(nulls_, name) == nulls_.end()) nulls_.emplace_back(name);
        continue;
      }
      const std::size_t column = ColumnOf(name, expected_);
      expected_ = column + 1;
      if (names_.size() > kMostColumns) {
        return Wrong(Str("more than ", FormatCount(kMostColumns), " columns, the last of them ", Quoted(name), ": keys that differ from row to row? `nested: text` keeps objects as they are"));
      }
      if (column == cells->size()) {
        cells->push_back({.missing = true});
        seen_.push_back(false);
      }
      if (seen_[column]) return Wrong(Str("'", name, "' comes twice in a row"));
      seen_[column] = true;
      (*cells)[column] = CellOf(value);
    }
    names_within_.pop_back();
    return {};
  }

  // Columns of what was null in every row.
  void AddNulls() {
    for (const std::string& name : nulls_) {
      if (!columns_.contains(name) && std::ranges::none_of(names_, [&](const std::string& one) { return LiesWithin(one, name); })) ColumnOf(name, names_.size());
    }
    nulls_.clear();
  }

  Cell At(simdjson::dom::element at, const Path& path) {
    for (const Path::Part& part : path.parts) {
      simdjson::dom::object object;
      simdjson::dom::array list;
      const bool found = part.key.empty() ? at.get(list) == simdjson::SUCCESS && list.at(part.index).get(at) == simdjson::SUCCESS
                                          : at.get(object) == simdjson::SUCCESS && object.at_key(part.key).get(at) == simdjson::SUCCESS;
      if (!found) return {.missing = true};
    }
    return CellOf(at);
  }

  std::size_t ColumnOf(std::string_view key, std::size_t expected) {
    if (expected < names_.size() && names_[expected] == key) return expected;
    const auto [it, fresh] = columns_.try_emplace(std::string(key), names_.size());
    if (fresh) names_.emplace_back(key);
    return it->second;
  }

  // Text that lasts until the next row.
  std::string_view Keep(std::string text) {
    if (texts_used_ == texts_.size()) texts_.emplace_back();
    texts_[texts_used_] = std::move(text);
    return texts_[texts_used_++];
  }

  Cell CellOf(simdjson::dom::element value) {
    using simdjson::dom::element_type;
    switch (value.type()) {
      case element_type::NULL_VALUE: return {.missing = true};
      case element_type::BOOL: return {.text = value.get_bool().value_unsafe() ? "true" : "false"};
      case element_type::INT64: return {.text = Keep(std::to_string(value.get_int64().value_unsafe()))};
      case element_type::UINT64: return {.text = Keep(std::to_string(value.get_uint64().value_unsafe()))};
      case element_type::DOUBLE: return {.text = Keep(FormatNumber(value.get_double().value_unsafe()))};
      case element_type::STRING: {
        const std::string_view text = value.get_string().value_unsafe();
        const bool number_word = text == "NaN" || text == "Infinity" || text == "-Infinity";  // what JSON has no number for
        return {.text = text, .words = !number_word, .exact = true};
      }
      default: return {.text = Keep(simdjson::minify(value)), .words = true, .exact = true};
    }
  }

  // A number with a fraction stays one: 1.0 is no integer.
  static std::string FormatNumber(double number) {
    std::string text = FormatDouble(number);
    if (text.find_first_of(".eIN") == std::string::npos) text += ".0";
    return text;
  }

  Call call_;
  std::vector<std::string> paths_;
  JsonOptions options_;
  Text text_;
  std::size_t file_ = 0;
  std::size_t at_ = 0, forgotten_ = 0;  // forgotten: its pages are given back
  std::int64_t line_ = 1, row_line_ = 1;
  bool list_ = false, first_ = true;
  simdjson::dom::parser parser_;
  std::vector<std::string> names_;
  std::vector<bool> seen_;
  std::size_t expected_ = 0;         // the column that most likely comes next
  std::deque<std::string> names_within_;  // of the object that is read and those around it: columns
  std::vector<std::string> nulls_;   // keys that had no value yet
  std::unordered_map<std::string, std::size_t> columns_;
  std::deque<std::string> texts_;
  std::size_t texts_used_ = 0;
  std::vector<Declared> declared_;
};

class JsonLines final : public Reader {
 public:
  explicit JsonLines(JsonOptions options) : options_(std::move(options)) {}
  Result<std::unique_ptr<table::BatchReader>> Open(const Call& call, const std::vector<std::string>& paths,
                                                   const SourceSpec& spec) override {
    auto records = std::make_unique<JsonRecords>(call, paths, options_);
    TENON_TRY(records->Load(0));
    return ReadRecords(call, std::move(records), spec);
  }

 private:
  JsonOptions options_;
};

Result<std::unique_ptr<Reader>> MakeJsonLines(const Options& options) {
  JsonOptions out;
  out.encoding = options.Text("encoding");
  out.flatten = options.Text("nested") == "flatten";
  if (options.Has("paths")) {
    const Json& paths = options.Any("paths");
    if (!paths.is_object()) return Error(Code::kInvalidArgument, Str("paths: expected columns and where they are, {city: address.city}, not ", paths.KindName()));
    for (const auto& [column, path] : paths.object()) {
      if (!path.is_string()) return Error(Code::kInvalidArgument, Str("paths: ", column, ": expected a path such as address.city, not ", path.KindName()));
      TENON_ASSIGN(Path parsed, ParsePath(column, path.String()));
      out.paths.push_back(std::move(parsed));
    }
  }
  return std::make_unique<JsonLines>(std::move(out));
}

}  // namespace

Result<void> AddJsonLines(Kinds<Reader>& kinds) {
  using Type = Option::Type;
  return kinds.Add("json_lines",
                   {.summary = "Read rows written as JSON objects",
                    .when = "Files of one object a line, or of a list of objects, also packed with gzip or zstd. What is within objects comes as columns "
                            "such as address.city, lists as JSON text; a key that a row lacks is missing there.",
                    .example = R"({"paths": {"first_tag": "tags[0]"}})",
                    .options = {{.name = "nested", .type = Type::kText, .fallback = "flatten", .help = "Objects within a row: columns of their own, or JSON text", .choices = {"flatten", "text"}},
                                {.name = "paths", .type = Type::kAny, .fallback = nullptr, .help = "Columns by where they are: {city: address.city, first: tags[0]}"},
                                {.name = "encoding", .type = Type::kText, .fallback = "auto", .help = "The characters' code",
                                 .choices = {"auto", "utf-8", "utf-16", "latin-1", "windows-1252"}}}},
                   MakeJsonLines);
}

}  // namespace tenon::ingest
