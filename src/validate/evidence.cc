#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "validate/evidence_internal.h"

namespace tenon::validate {
namespace {

constexpr std::size_t kMostNumericClasses = 20;  // as the problem card has it

bool Numeric(table::Type type) { return type != table::Type::kString && type != table::Type::kEmbedding; }

// Class numbers by name, sorted: numbers by value, texts by letter.
void MakeClasses(const table::Column& label, Target* target) {
  std::map<std::string, std::int64_t> counts;
  for (std::int64_t i = 0; i < label.size(); ++i) {
    if (!IsMissing(label, i)) ++counts[TextOf(label, i)];
  }
  for (const auto& [name, count] : counts) target->names.push_back(name);
  std::sort(target->names.begin(), target->names.end(), [](const std::string& a, const std::string& b) {
    double x = 0;
    double y = 0;
    if (ParseDouble(a, &x) && ParseDouble(b, &y) && x != y) return x < y;
    return a < b;
  });
  std::map<std::string, double> number;
  for (const std::string& name : target->names) {
    number[name] = static_cast<double>(target->rows.size());
    target->rows.push_back(counts[name]);
  }
  for (std::int64_t i = 0; i < label.size(); ++i) {
    if (!IsMissing(label, i)) target->values[static_cast<std::size_t>(i)] = number[TextOf(label, i)];
  }
}

// Prose and pictures are cut: a finding is read by people.
Json Short(Json value) {
  constexpr std::size_t kMost = 200;
  if (!value.is_string() || value.String().size() <= kMost) return value;
  std::string text = value.String().substr(0, kMost);
  while (!text.empty() && !IsUtf8(text)) text.pop_back();
  return Json(text + "...");
}

}  // namespace

bool UserWrote(const Evidence& evidence, std::string_view column, std::string_view key) {
  if (evidence.spec == nullptr) return false;
  for (const auto& [name, json] : evidence.spec->columns) {
    if (name == column && json.Find(key) != nullptr) return true;
  }
  return false;
}

double MostlyOf(const Evidence& evidence, std::string_view column) {
  if (evidence.spec == nullptr) return 1;
  for (const auto& [name, json] : evidence.spec->columns) {
    if (name == column && json.is_object()) return json.NumberAt("mostly", 1);
  }
  return 1;
}

Severity SeverityOf(const Evidence& evidence, std::string_view column, std::string_view key) {
  return UserWrote(evidence, column, key) ? Severity::kError : Severity::kWarning;
}

Json ShownRow(const table::Batch& batch, std::int64_t row, const ingest::Sensitive& hidden) {
  Json out = Json::MakeObject();
  for (int i = 0; i < batch.columns(); ++i) {
    const table::Field& field = batch.schema()[i];
    if (field.type == table::Type::kEmbedding) continue;
    out[field.name] = hidden.contains(field.name) ? Json("***") : Short(batch.column(i).ValueAt(row));
  }
  return out;
}

bool IsMissing(const table::Column& column, std::int64_t row) {
  return column.IsNull(row) ||
         (column.type() == table::Type::kFloat64 && std::isnan(column.doubles()[static_cast<std::size_t>(row)]));
}

std::string TextOf(const table::Column& column, std::int64_t row) {
  const auto at = static_cast<std::size_t>(row);
  switch (column.type()) {
    case table::Type::kString: return std::string(column.Text(row));
    case table::Type::kBool: return column.bools()[at] != 0 ? "true" : "false";
    case table::Type::kInt64: return std::to_string(column.ints()[at]);
    case table::Type::kTimestamp: return FormatTimestamp(column.ints()[at]);
    case table::Type::kFloat64: return FormatDouble(column.doubles()[at]);
    case table::Type::kEmbedding: return "an embedding";
  }
  return "";
}

Result<Target> TargetOf(const Evidence& evidence) {
  Target target;
  if (evidence.label.empty() || evidence.snapshot->schema().Find(evidence.label) < 0) return target;
  TENON_ASSIGN(const table::Column label, evidence.snapshot->Column(evidence.label));
  if (label.type() == table::Type::kEmbedding) return target;
  target.found = true;
  target.values.assign(static_cast<std::size_t>(label.size()), std::numeric_limits<double>::quiet_NaN());
  bool whole = true;
  std::vector<double> different;  // at most kMostNumericClasses + 1 of them
  for (std::int64_t i = 0; i < label.size(); ++i) {
    if (IsMissing(label, i)) {
      ++target.missing;
      continue;
    }
    if (!Numeric(label.type())) continue;
    const double value = label.Number(i);
    if (std::isinf(value)) ++target.infinite;
    if (value != std::floor(value)) whole = false;
    if (different.size() <= kMostNumericClasses && std::find(different.begin(), different.end(), value) == different.end()) {
      different.push_back(value);
    }
    target.values[static_cast<std::size_t>(i)] = value;
  }
  target.classes = !Numeric(label.type()) || label.type() == table::Type::kBool ||
                   (whole && target.infinite == 0 && different.size() <= kMostNumericClasses);
  if (target.classes) MakeClasses(label, &target);
  return target;
}

Result<std::vector<std::uint64_t>> RowHashes(const Call& call, const dataset::DatasetSnapshot& snapshot,
                                             const std::vector<std::string>& without) {
  std::vector<std::uint64_t> out;
  out.reserve(static_cast<std::size_t>(snapshot.rows()));
  for (const table::Batch& batch : snapshot.batches()) {
    TENON_TRY(call.Check());
    const std::size_t first = out.size();
    out.resize(first + static_cast<std::size_t>(batch.rows()), 0);
    for (int c = 0; c < batch.columns(); ++c) {
      if (std::find(without.begin(), without.end(), batch.schema()[c].name) != without.end()) continue;
      const table::Column& column = batch.column(c);
      for (std::int64_t i = 0; i < batch.rows(); ++i) {
        std::uint64_t& hash = out[first + static_cast<std::size_t>(i)];
        if (IsMissing(column, i)) {
          hash = Hash64(hash, 1);
        } else if (column.type() == table::Type::kString) {
          hash = Hash64(column.Text(i), hash + 2);
        } else if (column.type() == table::Type::kEmbedding) {
          const auto width = static_cast<std::size_t>(column.width());
          const auto floats = column.floats().subspan(static_cast<std::size_t>(i) * width, width);
          hash = Hash64(std::string_view(reinterpret_cast<const char*>(floats.data()), floats.size_bytes()), hash + 2);
        } else if (column.type() == table::Type::kFloat64) {
          hash = Hash64(std::bit_cast<std::uint64_t>(column.Number(i) + 0.0), hash + 2);
        } else if (column.type() == table::Type::kBool) {
          hash = Hash64(column.bools()[static_cast<std::size_t>(i)], hash + 2);
        } else {
          hash = Hash64(static_cast<std::uint64_t>(column.ints()[static_cast<std::size_t>(i)]), hash + 2);
        }
      }
    }
  }
  return out;
}

std::vector<std::string> KeyOf(const dataset::DatasetSnapshot& snapshot) {
  std::vector<std::string> out;
  const Json* key = snapshot.about().Find("key");
  if (key == nullptr) return out;
  if (key->is_string() && !key->String().empty()) out.push_back(key->String());
  if (key->is_array()) {
    for (const Json& one : key->array()) {
      if (one.is_string()) out.push_back(one.String());
    }
  }
  return out;
}

std::vector<std::string> FeatureColumns(const Evidence& evidence) {
  const Json& about = evidence.snapshot->about();
  const ingest::Sensitive sensitive = dataset::SensitiveOf(about);
  std::vector<std::string> out;
  for (const table::Field& field : evidence.snapshot->schema().fields()) {
    const std::string& name = field.name;
    if (name == evidence.label || name == about.StringAt("key") || name == about.StringAt("time") || name == about.StringAt("group")) continue;
    if (const auto at = sensitive.find(name); at != sensitive.end() && at->second == ingest::Treatment::kPseudonymise) continue;
    if (std::ranges::find(evidence.spec->left_out, name) == evidence.spec->left_out.end()) out.push_back(name);
  }
  return out;
}

std::string Percent(double share) { return Str(FormatShort(100 * share, 3), " %"); }

std::string Some(const std::vector<std::string>& values, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < std::min(values.size(), most); ++i) {
    std::string value = values[i];
    if (value.size() > 60) {
      value.resize(57);
      while (!value.empty() && !IsUtf8(value)) value.pop_back();
      value += "...";
    }
    out += Str(i > 0 ? ", " : "", "'", value, "'");
  }
  if (values.size() > most) out += Str(" and ", values.size() - most, " more");
  return out;
}

std::vector<std::int64_t> SomeRows(const Evidence& evidence, std::size_t most) {
  const std::int64_t all = evidence.snapshot->rows();
  const auto kept = std::min<std::int64_t>(all, static_cast<std::int64_t>(most));
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < kept; ++i) rows.push_back(i * all / kept);
  return rows;
}

std::vector<std::int64_t> TrainingRows(const Evidence& evidence, const Target& target, std::size_t most) {
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < target.values.size(); ++i) {
    const bool training = evidence.split == nullptr || i >= evidence.split->part.size() ||
                          evidence.split->part[i] == dataset::Part::kTrain;
    if (training && std::isfinite(target.values[i])) out.push_back(static_cast<std::int64_t>(i));
  }
  if (out.size() > most) {
    std::vector<std::int64_t> thinned;
    for (std::size_t i = 0; i < most; ++i) thinned.push_back(out[i * out.size() / most]);
    return thinned;
  }
  return out;
}

}  // namespace tenon::validate
