// Attribute-relation files (Weka's ARFF): a header with types, then rows separated by commas.

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "base/text.h"
#include "ingest/records_internal.h"
#include "ingest/text_internal.h"

namespace tenon::ingest {
namespace {

using table::Type;

constexpr std::size_t kMostLevels = 60000;

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Words and quoted texts of one line. Backslashes escape within quotes.
class Line {
 public:
  Line(std::string_view text, std::deque<std::string>* kept) : text_(text), kept_(kept) {}
  void EatBlanks() {
    while (!text_.empty() && IsBlank(text_.front())) text_.remove_prefix(1);
  }
  bool Eat(char c) {
    EatBlanks();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool empty() {
    EatBlanks();
    return text_.empty() || text_.front() == '%';
  }
  std::string_view rest() const { return text_; }
  // Up to one of `ends`, or what is in quotes. False when a quote is not closed.
  bool Value(std::string_view ends, std::string_view* out, bool* quoted) {
    EatBlanks();
    *quoted = !text_.empty() && (text_.front() == '\'' || text_.front() == '"');
    if (!*quoted) {
      const std::size_t end = std::min(text_.size(), text_.find_first_of(ends));
      *out = Trim(text_.substr(0, end));
      text_.remove_prefix(end);
      return true;
    }
    const char quote = text_.front();
    std::string value;
    for (std::size_t i = 1; i < text_.size(); ++i) {
      if (text_[i] == '\\' && i + 1 < text_.size()) {
        value.push_back(text_[++i]);
      } else if (text_[i] == quote) {
        kept_->push_back(std::move(value));
        *out = kept_->back();
        text_.remove_prefix(i + 1);
        return true;
      } else {
        value.push_back(text_[i]);
      }
    }
    return false;
  }

 private:
  std::string_view text_;
  std::deque<std::string>* kept_;
};

class ArffRecords final : public Records {
 public:
  ArffRecords(Text text, std::string path) : text_(std::move(text)), path_(std::move(path)) {}

  Result<void> ReadHeader() {
    std::string_view raw;
    while (NextLine(&raw)) {
      kept_.clear();
      Line line(raw, &kept_);
      if (line.empty()) continue;
      const std::string word = ToLower(line.rest().substr(0, std::min(line.rest().size(), line.rest().find_first_of(" \t\r"))));
      if (word == "@relation") continue;
      if (word == "@data") {
        if (names_.empty()) return Wrong("@data before any @attribute");
        data_at_ = at_;
        data_line_ = line_;
        return {};
      }
      if (word != "@attribute") return Wrong(Str("@relation, @attribute or @data is expected, not ", Quoted(Trim(line.rest()))));
      TENON_TRY(ReadAttribute(Line(line.rest().substr(word.size()), &kept_)));
    }
    return Wrong("there is no @data line");
  }

  Result<void> Rewind() override {
    at_ = data_at_;
    line_ = data_line_;
    return {};
  }

  Result<bool> Next(std::vector<Cell>* cells) override {
    std::string_view raw;
    while (NextLine(&raw)) {
      kept_.clear();
      Line line(raw, &kept_);
      if (line.empty()) continue;
      if (line.Eat('{')) return Wrong("sparse rows ({index value, ...}) are not read; write the rows out in full");
      return Row(line, cells);
    }
    return false;
  }

  const std::vector<std::string>& names() const override { return names_; }
  const std::vector<Declared>& declared() const override { return declared_; }
  std::string Where() const override { return Str(path_, ":", line_); }

 private:
  Error Wrong(std::string_view what) const { return Error(Code::kInvalidArgument, Str(Where(), ": ", what)); }

  bool NextLine(std::string_view* out) {
    if (at_ >= text_.view.size()) return false;
    const std::size_t end = std::min(text_.view.size(), text_.view.find('\n', at_));
    *out = text_.view.substr(at_, end - at_);
    at_ = end + 1;
    ++line_;
    return true;
  }

  Result<bool> Row(Line line, std::vector<Cell>* cells) {
    cells->clear();
    do {
      std::string_view value;
      bool quoted = false;
      if (!line.Value(",", &value, &quoted)) return Wrong("a quote is not closed");
      cells->push_back({.text = value, .missing = !quoted && value == "?", .exact = quoted});
    } while (line.Eat(','));
    if (!line.empty()) return Wrong(Str("a comma is missing before ", Quoted(Trim(line.rest()))));
    if (cells->size() != names_.size()) {
      return Wrong(Str(cells->size(), cells->size() == 1 ? " value" : " values", ", but ", names_.size(), " attributes"));
    }
    return true;
  }

  Result<void> ReadAttribute(Line line) {
    std::string_view name;
    bool quoted = false;
    if (!line.Value(" \t\r{", &name, &quoted)) return Wrong("a quote is not closed");
    if (name.empty()) return Wrong("an @attribute without a name");
    if (std::ranges::find(names_, name) != names_.end()) return Wrong(Str("two attributes are named '", name, "'"));
    names_.emplace_back(name);
    if (line.Eat('{')) return ReadLevels(line);
    std::string_view type;
    if (!line.Value(" \t\r", &type, &quoted)) return Wrong("a quote is not closed");
    const std::string kind = ToLower(type);
    if (kind == "numeric" || kind == "real") {
      declared_.push_back({names_.back(), Type::kFloat64, nullptr});
    } else if (kind == "integer") {
      declared_.push_back({names_.back(), Type::kInt64, nullptr});
    } else if (kind == "string") {
      declared_.push_back({names_.back(), Type::kString, nullptr});
    } else if (kind == "date") {
      // ISO is the default; dates of another shape stay texts.
      std::string_view shape;
      if (!line.Value(" \t\r", &shape, &quoted)) return Wrong("a quote is not closed");
      const bool iso = shape.empty() || shape.starts_with("yyyy-MM-dd");
      declared_.push_back({names_.back(), iso ? Type::kTimestamp : Type::kString, nullptr});
    } else {
      return Wrong(Str("attribute '", names_.back(), "': type ", Quoted(type), " is none of numeric, real, integer, string, date and {values}"));
    }
    return {};
  }

  Result<void> ReadLevels(Line line) {
    auto levels = std::make_shared<table::Dictionary>();
    std::set<std::string, std::less<>> seen;
    while (!line.Eat('}')) {
      std::string_view level;
      bool quoted = false;
      if (!line.Value(",}", &level, &quoted)) return Wrong("a quote is not closed");
      if (line.empty()) return Wrong(Str("the values of '", names_.back(), "' are not closed with }"));
      if (seen.insert(std::string(level)).second) levels->emplace_back(level);
      if (!line.Eat(',') && !line.rest().starts_with("}")) return Wrong(Str("a comma is missing before ", Quoted(line.rest())));
    }
    const bool few = !levels->empty() && levels->size() <= kMostLevels;
    declared_.push_back({names_.back(), Type::kString, few ? std::shared_ptr<const table::Dictionary>(levels) : nullptr});
    return {};
  }

  Text text_;
  std::string path_;
  std::size_t at_ = 0, data_at_ = 0;
  std::int64_t line_ = 0, data_line_ = 0;
  std::vector<std::string> names_;
  std::vector<Declared> declared_;
  std::deque<std::string> kept_;
};

class Arff final : public Reader {
 public:
  Result<std::unique_ptr<table::BatchReader>> Open(const Call& call, const std::vector<std::string>& paths,
                                                   const SourceSpec& spec) override {
    if (paths.size() > 1) return Error(Code::kInvalidArgument, Str("one ARFF file is read at a time, not ", paths.size()));
    TENON_ASSIGN(Text text, LoadText(call, paths[0], "auto"));
    auto records = std::make_unique<ArffRecords>(std::move(text), paths[0]);
    TENON_TRY(records->ReadHeader());
    // The format has its own sign for a missing value; only words that the user added count beside it.
    SourceSpec own = spec;
    const std::vector<std::string> usual = SourceSpec().missing;
    std::erase_if(own.missing, [&](const std::string& word) { return std::ranges::find(usual, word) != usual.end(); });
    return ReadRecords(call, std::move(records), own);
  }
};

}  // namespace

Result<void> AddArff(Kinds<Reader>& kinds) {
  return kinds.Add("arff",
                   {.summary = "Read attribute-relation files",
                    .when = "Data sets of Weka and OpenML: a header with the types, `?` for a missing value.",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Reader>> { return std::make_unique<Arff>(); });
}

}  // namespace tenon::ingest
