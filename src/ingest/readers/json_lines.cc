// Rows as JSON objects: one a line, one after another, or in a list.

#include <simdjson.h>

#include <deque>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "ingest/records_internal.h"
#include "ingest/text_internal.h"

namespace tenon::ingest {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class JsonRecords final : public Records {
 public:
  JsonRecords(const Call& call, std::vector<std::string> paths, std::string encoding)
      : call_(call), paths_(std::move(paths)), encoding_(std::move(encoding)) {}

  Result<void> Load(std::size_t file) {
    if (file != file_ || text_.owner == nullptr) {
      TENON_ASSIGN(text_, LoadText(call_, paths_[file], encoding_));
    }
    file_ = file;
    at_ = 0;
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
      if (more) break;
      if (file_ + 1 == paths_.size()) return false;
      TENON_TRY(Load(file_ + 1));
    }
    simdjson::dom::element element;
    simdjson::dom::object object;
    if (const auto error = parser_.parse(row.data(), row.size()).get(element)) return Wrong(simdjson::error_message(error));
    if (element.get(object)) return Wrong(Str("a row is an object, not ", Quoted(row)));
    cells->assign(names_.size(), Cell{.missing = true});
    seen_.assign(names_.size(), false);
    texts_used_ = 0;
    std::size_t expected = 0;
    for (const auto [key, value] : object) {
      const std::size_t column = ColumnOf(key, expected);
      expected = column + 1;
      if (column == cells->size()) {
        cells->push_back({.missing = true});
        seen_.push_back(false);
      }
      if (seen_[column]) return Wrong(Str("'", key, "' comes twice in a row"));
      seen_[column] = true;
      (*cells)[column] = CellOf(value);
    }
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
  std::string encoding_;
  Text text_;
  std::size_t file_ = 0;
  std::size_t at_ = 0;
  std::int64_t line_ = 1, row_line_ = 1;
  bool list_ = false, first_ = true;
  simdjson::dom::parser parser_;
  std::vector<std::string> names_;
  std::vector<bool> seen_;
  std::unordered_map<std::string, std::size_t> columns_;
  std::deque<std::string> texts_;
  std::size_t texts_used_ = 0;
  std::vector<Declared> declared_;
};

class JsonLines final : public Reader {
 public:
  explicit JsonLines(std::string encoding) : encoding_(std::move(encoding)) {}
  Result<std::unique_ptr<table::BatchReader>> Open(const Call& call, const std::vector<std::string>& paths,
                                                   const SourceSpec& spec) override {
    auto records = std::make_unique<JsonRecords>(call, paths, encoding_);
    TENON_TRY(records->Load(0));
    return ReadRecords(call, std::move(records), spec);
  }

 private:
  std::string encoding_;
};

}  // namespace

Result<void> AddJsonLines(Kinds<Reader>& kinds) {
  return kinds.Add("json_lines",
                   {.summary = "Read rows written as JSON objects",
                    .when = "Files of one object a line, or of a list of objects, also packed with gzip or zstd. Nested values come as JSON text; "
                            "a key that a row lacks is missing there.",
                    .example = "{}",
                    .options = {{.name = "encoding", .type = Option::Type::kText, .fallback = "auto", .help = "The characters' code",
                                 .choices = {"auto", "utf-8", "utf-16", "latin-1", "windows-1252"}}}},
                   [](const Options& options) -> Result<std::unique_ptr<Reader>> { return std::make_unique<JsonLines>(options.Text("encoding")); });
}

}  // namespace tenon::ingest
