#include "pipeline/export_log.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "base/text.h"
#include "ingest/read.h"
#include "serve/feedback.h"

namespace tenon::pipeline {
namespace {

using serve::LogEntry;
using LogFields = std::vector<serve::Served::Field>;
constexpr std::int64_t kBatchRows = 65536;

std::string FreeName(std::string name, const std::vector<table::Field>& taken) {
  while (std::ranges::find(taken, name, &table::Field::name) != taken.end()) name = "field_" + name;
  return name;
}

// What was said later of answers. The last word on an instance counts.
class Labels {
 public:
  Result<void> Read(platform::Files& files, const std::string& folder, std::string_view endpoint, Micros from) {
    return serve::ReadFeedback(files, folder, endpoint, from, [this](serve::Feedback said) { said_[said.request_id][said.instance] = std::move(said.label); });
  }
  // Of the next row of that request: rows of one are logged in their order. Null: nothing was said.
  const std::string* Next(const std::string& request) {
    const auto at = said_.find(request);
    if (at == said_.end()) return nullptr;
    const auto label = at->second.find(next_[request]++);
    return label == at->second.end() ? nullptr : &label->second;
  }

 private:
  std::unordered_map<std::string, std::unordered_map<int, std::string>> said_;
  std::unordered_map<std::string, int> next_;
};

// The columns of the whole: those that every answer has, then the fields of all versions.
struct Layout {
  std::size_t values = 0;       // most numbers an answer has
  bool staged = false;          // whether some answer is of a cascade
  bool labels = false;
  std::vector<table::Field> fields;
  std::size_t before() const { return 5 + values; }

  Result<void> Take(const LogFields& more) {
    for (const auto& field : more) {
      const auto at = std::ranges::find(fields, field.name, &table::Field::name);
      if (at == fields.end()) {
        fields.push_back({.name = field.name, .type = field.type});
      } else if (at->type != field.type) {
        return Error(Code::kInvalidArgument, Str("the field '", field.name, "' is ", table::NameOf(at->type), " in one version and ", table::NameOf(field.type),
                                                 " in another; export a time in which only one answered"));
      }
    }
    return {};
  }

  std::vector<table::Field> All() const {
    std::vector<table::Field> all = {{.name = "at", .type = table::Type::kTimestamp}, {.name = "request_id", .type = table::Type::kString},
                                     {.name = "model", .type = table::Type::kString}, {.name = "rung", .type = table::Type::kString},
                                     {.name = "decision", .type = table::Type::kInt64}};
    for (std::size_t k = 0; k < values; ++k) all.push_back({.name = values == 1 ? std::string("prediction") : Str("prediction_", k), .type = table::Type::kFloat64});
    for (const table::Field& field : fields) {
      table::Field free = field;
      free.name = FreeName(field.name, all);
      all.push_back(std::move(free));
    }
    if (staged) all.push_back({.name = "stage", .type = table::Type::kString});
    if (labels) all.push_back({.name = FreeName("label", all), .type = table::Type::kString});
    return all;
  }
};

class LogTable {
 public:
  LogTable(const Layout& layout, std::shared_ptr<const table::Schema> schema) : layout_(layout), schema_(std::move(schema)) {
    for (const table::Field& field : schema_->fields()) builders_.emplace_back(field.type);
  }

  void Add(const LogFields& fields, const LogEntry& entry, const std::string* label) {
    builders_[0].AddInt(entry.at);
    builders_[1].AddText(entry.request_id);
    builders_[2].AddText(entry.model);
    builders_[3].AddText(serve::NameOf(entry.rung));
    entry.decision < 0 ? builders_[4].AddNull() : builders_[4].AddInt(entry.decision);
    for (std::size_t k = 0; k < layout_.values; ++k) {
      k < entry.values.size() ? builders_[5 + k].Add(static_cast<double>(entry.values[k])) : builders_[5 + k].AddNull();
    }
    for (std::size_t i = 0; i < layout_.fields.size(); ++i) {
      const auto at = std::ranges::find(fields, layout_.fields[i].name, &serve::Served::Field::name);
      AddField(at == fields.end() ? std::nullopt : std::optional(static_cast<std::size_t>(at - fields.begin())), layout_.fields[i].type, entry,
               builders_[layout_.before() + i]);
    }
    std::size_t at = layout_.before() + layout_.fields.size();
    if (layout_.staged) entry.stage.empty() ? builders_[at++].AddNull() : builders_[at++].AddText(entry.stage);
    if (layout_.labels) label == nullptr ? builders_[at].AddNull() : builders_[at].AddText(*label);
    ++rows_;
  }

  std::int64_t rows() const { return rows_; }
  table::Batch Finish() {
    std::vector<table::Column> columns;
    for (table::ColumnBuilder& builder : builders_) columns.push_back(builder.Finish());
    rows_ = 0;
    return table::Batch(schema_, std::move(columns));
  }

 private:
  static void AddField(std::optional<std::size_t> slot, table::Type type, const LogEntry& entry, table::ColumnBuilder& to) {
    if (!slot) return to.AddNull();
    if (type == table::Type::kString) return entry.text_missing[*slot] ? to.AddNull() : to.AddText(entry.texts[*slot]);
    const double number = entry.numbers[*slot];
    if (std::isnan(number)) return to.AddNull();
    if (type == table::Type::kFloat64) return to.Add(number);
    to.AddInt(static_cast<std::int64_t>(number));
  }

  const Layout& layout_;
  std::shared_ptr<const table::Schema> schema_;
  std::vector<table::ColumnBuilder> builders_;
  std::int64_t rows_ = 0;
};

}  // namespace

Result<serve::LogReport> ExportLog(const Call& call, platform::Files& files, const std::string& folder, std::string_view endpoint,
                                   Micros from, Micros until, const std::string& out, bool labels) {
  Layout layout;
  layout.labels = labels;
  Labels said;
  if (labels) TENON_TRY(said.Read(files, folder, endpoint, from), "reading what was said of the answers");
  std::optional<Error> wrong;
  TENON_ASSIGN(const auto seen, serve::ReadInferenceLog(call, files, folder, endpoint, from, until, [&](const LogFields& fields, const LogEntry& entry) {
    layout.values = std::max(layout.values, entry.values.size());
    layout.staged = layout.staged || !entry.stage.empty();
    if (auto taken = layout.Take(fields); !taken) wrong = std::move(taken).error();
    return !wrong;
  }));
  if (wrong) return std::move(*wrong);
  if (seen.entries == 0) return Error(Code::kNotFound, Str("the inference log has no answers of '", endpoint, "' in that time"));
  auto schema = std::make_shared<const table::Schema>(layout.All());
  TENON_ASSIGN(auto writer, ingest::OpenWriter(out, schema), out);
  LogTable rows(layout, schema);
  const auto hand_over = [&]() -> Result<void> { return rows.rows() == 0 ? Result<void>() : writer->Write(call, rows.Finish()); };
  // No more than was looked at: a service may be writing.
  std::int64_t left = seen.entries;
  TENON_ASSIGN(auto report, serve::ReadInferenceLog(call, files, folder, endpoint, from, until, [&](const LogFields& fields, const LogEntry& entry) {
    rows.Add(fields, entry, said.Next(entry.request_id));
    if (rows.rows() == kBatchRows) {
      if (auto written = hand_over(); !written) wrong = std::move(written).error();
    }
    return !wrong && --left > 0;
  }));
  if (wrong) return std::move(*wrong);
  TENON_TRY(hand_over(), out);
  TENON_TRY(writer->Finish(), out);
  report.torn_bytes = seen.torn_bytes;
  return report;
}

}  // namespace tenon::pipeline
