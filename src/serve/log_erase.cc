#include "serve/log_erase.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "base/time.h"
#include "platform/file_time.h"
#include "serve/log_counts_internal.h"
#include "serve/log_format_internal.h"

namespace tenon::serve {
namespace {

using Found = SegmentReader::Found;
constexpr std::chrono::milliseconds kPatience{4000};  // a log looks once a second whether its segments are wanted

bool IsNumber(const Served::Field& field, double value, const std::string& text) {
  double number = 0;
  Micros at = 0;
  if (field.type == table::Type::kTimestamp) return ParseTimestamp(text, &at) && static_cast<double>(at) == value;
  if (field.type == table::Type::kBool && (text == "true" || text == "false")) return value == (text == "true" ? 1.0 : 0.0);
  return ParseDouble(text, &number) && number == value;
}

class Eraser {
 public:
  explicit Eraser(const LogEraseWish& wish) : wish_(wish) {
    for (const std::string& text : wish.texts) {
      if (!wish.hash_key.empty()) hashes_.push_back(ShortKeyedHash(wish.hash_key, text));
    }
  }

  // One segment; what stays of it goes to `out`.
  Result<void> Look(const Call& call, std::string_view bytes, const std::string& path, std::string* out) {
    SegmentReader reader(bytes);
    answers_ = kept_ = 0;
    out->assign(kLogMagic);
    for (std::int64_t n = 0;; ++n) {
      if (n % 4096 == 0) TENON_TRY(call.Check());
      const Found found = reader.Next();
      if (found == Found::kEnd) return {};
      if (found == Found::kDamaged) return Error(Code::kDataLoss, Str("the inference log ", path, " is damaged at byte ", reader.at(), "; remove it to be rid of what is in it"));
      if (found == Found::kTorn) {
        // Half a record may be one of those: it is read by nobody, and goes with them.
        const std::string_view tail = bytes.substr(reader.at());
        const bool named = std::ranges::any_of(wish_.texts, [&](const std::string& text) { return tail.find(text) != std::string_view::npos; });
        answers_ += named ? 1 : 0;
        if (answers_ == 0) out->append(tail);
        return {};
      }
      if (found == Found::kAnswer && Wanted(reader.fields(), reader.entry())) {
        ++answers_;
        continue;
      }
      kept_ += found == Found::kAnswer ? 1 : 0;
      out->append(reader.record());
    }
  }

  std::int64_t answers() const { return answers_; }
  std::int64_t kept() const { return kept_; }
  std::int64_t hashed() const { return hashed_; }

 private:
  bool Wanted(const std::vector<Served::Field>& fields, const LogEntry& entry) {
    if (std::ranges::find(wish_.texts, entry.request_id) != wish_.texts.end()) return true;
    const auto field = std::ranges::find(fields, wish_.column, &Served::Field::name);
    if (field == fields.end()) return false;
    const auto at = static_cast<std::size_t>(field - fields.begin());
    if (field->type != table::Type::kString) return std::ranges::any_of(wish_.texts, [&](const std::string& text) { return IsNumber(*field, entry.numbers[at], text); });
    if (entry.text_missing[at]) return false;
    hashed_ += field->hashed && hashes_.empty() ? 1 : 0;
    const std::vector<std::string>& texts = field->hashed ? hashes_ : wish_.texts;
    return std::ranges::find(texts, entry.texts[at]) != texts.end();
  }

  const LogEraseWish& wish_;
  std::vector<std::string> hashes_;
  std::int64_t answers_ = 0, kept_ = 0;  // of the segment looked at last
  std::int64_t hashed_ = 0;
};

}  // namespace

Result<LogErased> EraseFromLog(const Call& call, platform::Files& files, const std::string& folder, const LogEraseWish& wish, bool apply) {
  LogErased out;
  if (!files.Exists(folder)) return out;
  std::vector<std::string> held;
  if (apply) {
    TENON_ASSIGN(const auto settled, SettleLog(files, folder), "what processes before did not write");  // by what stands in the segments now
    (void)settled;
  }
  Eraser eraser(wish);
  TENON_ASSIGN(std::vector<std::string> names, files.List(folder));
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(".log"); });
  bool closed = false;
  for (const std::string& name : names) {
    const std::string path = platform::JoinPath(folder, name);
    std::string rest;
    auto look = [&]() -> Result<void> {
      TENON_ASSIGN(const auto bytes, files.Map(path), "reading the inference log");
      return eraser.Look(call, bytes->view(), path, &rest);
    };
    if (auto looked = look(); !looked.ok()) {
      if (looked.error().code() == Code::kNotFound) continue;  // removed by age meanwhile
      return std::move(looked).error();
    }
    if (eraser.answers() == 0) continue;
    if (apply && !closed) {
      TENON_ASSIGN(held, CloseSegments(files, folder, kPatience), "asking for the segments that are being written");
      closed = true;
      TENON_TRY(look());  // it may have grown until then
    }
    ++out.segments;
    out.answers += eraser.answers();
    if (!apply) continue;
    if (std::ranges::find(held, path) != held.end()) {
      out.held.push_back(path);
      continue;
    }
    if (eraser.kept() == 0) {
      TENON_TRY(files.Remove(path));
      continue;
    }
    TENON_ASSIGN(const platform::FileInfo info, files.Info(path));
    TENON_TRY(files.Write(path, rest), "writing a segment anew");
    // It is removed by age as before; files in memory, which tests have, know no times.
    if (auto dated = platform::SetModified(path, info.modified); !dated.ok() && dated.error().code() != Code::kNotFound) return std::move(dated).error();
  }
  out.hashed = eraser.hashed();
  return out;
}

}  // namespace tenon::serve
