#include "dataset/split.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"

namespace tenon::dataset {
namespace {

constexpr std::array<std::string_view, 7> kWays = {"auto", "key", "stratified", "group", "time", "column", "folds"};
constexpr std::string_view kMagic = "TENONSPL";
constexpr std::uint64_t kVersion = 1;

// A part is given as a share (0.7), a duration (60d) or dates ({from: 2018-07-25, until: 2018-08-01}).
Result<bool> ReadPart(Fields* fields, std::string_view key, double* share, std::string* span, std::string* from, std::string* until) {
  const Json* json = fields->Find(key);
  if (json == nullptr || json->is_null()) return false;
  if (json->is_number()) {
    *share = json->Number();
    if (!(*share >= 0 && *share <= 1)) return fields->Wrong(key, Str("a share is between 0 and 1, not ", json->Dump()));
    return true;
  }
  if (json->is_string()) {
    if (auto duration = ParseDuration(json->String()); !duration.ok() || duration->count() <= 0) {
      return fields->Wrong(key, Str("a share such as 0.7 or a duration such as 60d, not '", json->String(), "'"));
    }
    *span = json->String();
    return true;
  }
  if (!json->is_object() || from == nullptr) return fields->Wrong(key, Str("a share or a duration, not ", json->KindName()));
  TENON_ASSIGN(Fields dates, Fields::Of(*json, Str("split.", key)));
  TENON_TRY(dates.Read("from", from));
  TENON_TRY(dates.Read("until", until));
  TENON_TRY(dates.Done());
  for (const std::string* date : {from, until}) {
    Micros at = 0;
    if (!date->empty() && !ParseTimestamp(*date, &at)) return fields->Wrong(key, Str("'", *date, "' is no date such as 2024-02-29"));
  }
  return true;
}

// Shares that are not given are what the given ones leave.
Result<void> FillShares(const Fields& fields, bool train, bool validation, bool test, SplitSpec* spec) {
  const SplitSpec usual;
  if (!validation) spec->validation = train && test ? 1 - spec->train - spec->test : train ? (1 - spec->train) / 2 : usual.validation;
  if (!test) spec->test = train ? 1 - spec->train - spec->validation : usual.test;
  if (!train) spec->train = 1 - spec->validation - spec->test;
  // Differences of decimals leave dust.
  for (double* share : {&spec->train, &spec->validation, &spec->test}) *share = std::round(*share * 1e12) / 1e12 + 0.0;
  if (spec->train > 0 && spec->validation >= 0 && spec->test >= 0 && spec->train + spec->validation + spec->test <= 1 + 1e-9) return {};
  return fields.Wrong("", Str("shares of ", FormatShort(spec->train), ", ", FormatShort(spec->validation), " and ", FormatShort(spec->test),
                              "; they are positive and add up to at most 1"));
}

void PutWord(std::string* out, std::uint64_t value) { out->append(reinterpret_cast<const char*>(&value), sizeof value); }

std::uint64_t TakeWord(std::string_view* in) {
  std::uint64_t value = 0;
  std::memcpy(&value, in->data(), sizeof value);
  in->remove_prefix(sizeof value);
  return value;
}

}  // namespace

Result<SplitSpec> SplitSpec::Parse(const Json& json, std::string_view file) {
  SplitSpec spec;
  if (json.is_null()) return spec;
  const Json whole = json.is_string() ? Json(Json::Object{{"by", json}}) : json;
  TENON_ASSIGN(Fields fields, Fields::Of(whole, "split", file));
  TENON_TRY(fields.Read("by", &spec.by));
  TENON_TRY(fields.Read("column", &spec.column));
  TENON_ASSIGN(const bool train, ReadPart(&fields, "train", &spec.train, &spec.train_span, &spec.train_from, &spec.train_until));
  TENON_ASSIGN(const bool validation, ReadPart(&fields, "validation", &spec.validation, &spec.validation_span, nullptr, nullptr));
  TENON_ASSIGN(const bool test, ReadPart(&fields, "test", &spec.test, &spec.test_span, &spec.test_from, &spec.test_until));
  TENON_TRY(fields.Read("gap", &spec.gap));
  TENON_TRY(fields.Read("folds", &spec.folds));
  std::int64_t seed = 1;
  TENON_TRY(fields.Read("seed", &seed));
  spec.seed = static_cast<std::uint64_t>(seed);
  TENON_TRY(fields.Done());
  if (std::ranges::find(kWays, spec.by) == kWays.end()) {
    const std::vector<std::string> ways(kWays.begin(), kWays.end());
    return fields.Wrong("by", Str("no way '", spec.by, "'", DidYouMean(spec.by, ways)));
  }
  if (spec.folds < 2 || spec.folds > 255) return fields.Wrong("folds", Str("between 2 and 255, not ", spec.folds));
  if (!spec.gap.empty()) {
    if (auto gap = ParseDuration(spec.gap); !gap.ok() || gap->count() < 0) return fields.Wrong("gap", Str("a duration such as 7d, not '", spec.gap, "'"));
  }
  const bool dated = !spec.train_span.empty() || !spec.validation_span.empty() || !spec.test_span.empty() || !spec.train_from.empty() ||
                     !spec.train_until.empty() || !spec.test_from.empty() || !spec.test_until.empty();
  if ((dated || !spec.gap.empty()) && spec.by != "time" && spec.by != "auto") {
    return fields.Wrong("by", Str("durations, dates and a gap part rows `by: time`, not by ", spec.by));
  }
  if (!dated) TENON_TRY(FillShares(fields, train, validation, test, &spec));
  if (dated && spec.test_span.empty() && spec.test_from.empty()) {
    return fields.Wrong("test", "with durations or dates, `test` is one too: 14d, or {from: 2024-02-01}");
  }
  return spec;
}

Json SplitSpec::ToJson() const {
  Json out = Json::MakeObject();
  out["by"] = by;
  if (!column.empty()) out["column"] = column;
  const auto part = [&](std::string_view key, double share, const std::string& span, const std::string& from, const std::string& until) {
    if (!from.empty() || !until.empty()) {
      if (!from.empty()) out[key]["from"] = from;
      if (!until.empty()) out[key]["until"] = until;
    } else if (!span.empty()) {
      out[key] = span;
    } else if (test_span.empty() && test_from.empty()) {
      out[key] = share;
    }
  };
  part("train", train, train_span, train_from, train_until);
  part("validation", validation, validation_span, "", "");
  part("test", test, test_span, test_from, test_until);
  if (!gap.empty()) out["gap"] = gap;
  if (!known_after.empty()) out["known_after"] = known_after;
  out["folds"] = folds;
  out["seed"] = static_cast<std::int64_t>(seed);
  return out;
}

std::vector<std::int64_t> Split::RowsOf(Part which) const {
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] == which) rows.push_back(static_cast<std::int64_t>(i));
  }
  return rows;
}

// Magic, version, rows, then per row part and fold, then the sentence, then XXH3-64 of all before it.
std::string Split::Save() const {
  std::string out(kMagic);
  PutWord(&out, kVersion);
  PutWord(&out, part.size());
  for (const Part one : part) out.push_back(static_cast<char>(one));
  for (const std::uint8_t one : fold) out.push_back(static_cast<char>(one));
  out += how;
  PutWord(&out, Hash64(out));
  return out;
}

Result<Split> Split::Load(std::string_view bytes) {
  constexpr std::size_t kHead = 24, kTail = 8;
  const auto damaged = [](std::string_view what) { return Error(Code::kDataLoss, Str("damaged split: ", what)); };
  if (bytes.size() < kHead + kTail || !bytes.starts_with(kMagic)) return damaged("it does not begin as one");
  std::string_view tail = bytes.substr(bytes.size() - kTail);
  bytes.remove_suffix(kTail);
  if (TakeWord(&tail) != Hash64(bytes)) return damaged("it does not match its checksum");
  bytes.remove_prefix(kMagic.size());
  if (const std::uint64_t version = TakeWord(&bytes); version != kVersion) {
    return Error(Code::kFailedPrecondition, Str("split of version ", version, ", this program reads version ", kVersion));
  }
  const std::uint64_t rows = TakeWord(&bytes);
  if (rows > bytes.size() / 2) return damaged("fewer rows than it says");
  Split split;
  for (const char one : bytes.substr(0, rows)) {
    if (static_cast<unsigned char>(one) > 3) return damaged("an unknown part");
    split.part.push_back(static_cast<Part>(one));
    ++split.count[static_cast<std::size_t>(one)];
  }
  for (const char one : bytes.substr(rows, rows)) split.fold.push_back(static_cast<std::uint8_t>(one));
  split.how = bytes.substr(2 * rows);
  return split;
}

}  // namespace tenon::dataset
