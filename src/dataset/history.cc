#include "dataset/history.h"

#include "base/text.h"

namespace tenon::dataset {
namespace {

constexpr std::string_view kKind = "source_history";

}  // namespace

Result<std::vector<SourceVersion>> HistoryOf(const store::Store& store, const std::string& source) {
  std::vector<SourceVersion> out;
  TENON_ASSIGN(const auto noted, store.FindRecord(kKind, source));
  if (noted) {
    const Json* versions = noted->body.Find("versions");
    if (versions == nullptr || !versions->is_array()) return Error(Code::kDataLoss, Str("the history of source ", source, " is no list"));
    for (const Json& item : versions->array()) {
      out.push_back({static_cast<std::int64_t>(out.size()) + 1, item.IntAt("at"), item.StringAt("snapshot")});
    }
    return out;
  }
  TENON_ASSIGN(const auto snapshots, store.Records("snapshot"));
  for (const auto& record : snapshots) {
    if (record.body.StringAt("source") == source) out.push_back({static_cast<std::int64_t>(out.size()) + 1, record.at, record.name});
  }
  return out;
}

Result<void> NoteVersion(const Call& call, store::Store& store, const std::string& source, const std::string& snapshot) {
  return store.Transaction([&]() -> Result<void> {
    TENON_ASSIGN(const auto noted, store.FindRecord(kKind, source));
    TENON_ASSIGN(std::vector<SourceVersion> versions, HistoryOf(store, source));
    const bool known = !versions.empty() && versions.back().snapshot == snapshot;
    if (known && noted) return {};
    if (!known) versions.push_back({0, call.Now(), snapshot});
    Json list = Json::MakeArray();
    for (const SourceVersion& version : versions) {
      Json item;
      item["at"] = version.at;
      item["snapshot"] = version.snapshot;
      list.Push(std::move(item));
    }
    Json body;
    body["versions"] = std::move(list);
    return store.PutRecord(kKind, source, body);
  });
}

Result<SourceVersion> AsOf(const store::Store& store, const std::string& source, std::string_view when) {
  TENON_ASSIGN(const std::vector<SourceVersion> versions, HistoryOf(store, source));
  if (versions.empty()) return Error(Code::kNotFound, Str("nothing was read of source ", source, " yet; `tenon data add` or `tenon run` does"));
  std::int64_t number = 0;
  if (ParseInt64(when, &number)) {
    if (number >= 1 && number <= static_cast<std::int64_t>(versions.size())) return versions[static_cast<std::size_t>(number - 1)];
    return Error(Code::kNotFound, Str("no version ", number, " of source ", source, "; there are 1 to ", versions.size()));
  }
  Micros at = 0;
  if (!ParseTimestamp(when, &at)) {
    return Error(Code::kInvalidArgument, Str("'", when, "' is neither a time, such as 2024-02-29T12:00:00Z, nor the number of a version (`tenon data history` shows them)"));
  }
  for (auto it = versions.rbegin(); it != versions.rend(); ++it) {
    if (it->at <= at) return *it;
  }
  return Error(Code::kNotFound, Str("source ", source, " was first read at ", FormatTimestamp(versions[0].at), ", after ", FormatTimestamp(at)));
}

}  // namespace tenon::dataset
