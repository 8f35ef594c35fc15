#include "pipeline/erase_served.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "dataset/sensitive.h"
#include "feature/stream.h"
#include "ingest/read.h"
#include "pipeline/online.h"
#include "platform/database.h"

namespace tenon::pipeline {
namespace {

// The key of an entity of one column; "" when the value is no such entity.
std::string KeyOf(const feature::ViewPlan& plan, const std::string& value) {
  Json one(value);
  if (plan.entity_types()[0] != table::Type::kString) {
    std::int64_t whole = 0;
    double number = 0;
    if (ParseInt64(value, &whole)) one = Json(whole);
    else if (ParseDouble(value, &number)) one = Json(number);
    else return "";
  }
  const Json list(Json::Array{one});
  const auto keys = OnlineFeatures::KeysOf(plan, {&list});
  return keys.ok() ? keys->front() : "";
}

class Eraser {
 public:
  Eraser(const Call& call, platform::Files& files, const Project& project, const Kits& kits, const ErasePlan& plan, const std::string& value, bool apply)
      : call_(call), files_(files), project_(project), kits_(kits), plan_(plan), value_(value), apply_(apply) {}

  Result<void> Online(const std::string& source) {
    for (const feature::FeatureView& view : project_.features.views) {
      if (view.from == source && view.entity != std::vector<std::string>{plan_.column}) out_.counted.push_back(view.name);
    }
    // Written when anything was first made online.
    if (project_.features.views.empty() || !files_.Exists(platform::JoinPath(OnlineFolder(project_), "sources.json"))) return {};
    TENON_ASSIGN(const auto schemas, ReadFeatureSchemas(call_, files_, project_, kits_));
    TENON_ASSIGN(const auto online, OnlineFeatures::Open(files_, project_, schemas));
    std::vector<feature::EntityKey> keys;
    for (const OnlineView& view : online->views()) {
      const feature::FeatureView& spec = view.plan->view();
      if (spec.from != source || spec.entity != std::vector<std::string>{plan_.column}) continue;
      const std::string key = KeyOf(*view.plan, value_);
      if (!key.empty()) keys.push_back({spec.name, key});
    }
    // The streams' states first: whoever goes on from one writes records anew.
    TENON_TRY(States(keys));
    for (const feature::EntityKey& one : keys) {
      TENON_ASSIGN(const OnlineView* view, online->View(one.view));
      const std::string_view key = one.key;
      feature::Records records;
      TENON_TRY(view->table->Get({&key, 1}, &records), Str("view ", one.view));
      out_.online.push_back({one.view, records.Found(0) ? 1 : 0});
      if (!apply_) continue;
      if (view->states != nullptr) {
        TENON_ASSIGN(const std::int64_t states, view->states->Erase({&key, 1}), Str("view ", one.view));
        (void)states;
      }
      TENON_ASSIGN(const std::int64_t gone, view->table->Erase({&key, 1}), Str("view ", one.view));
      (void)gone;
    }
    return {};
  }

  Result<void> Log() {
    const std::string folder = platform::JoinPath(project_.data_folder(), "inference");
    serve::LogEraseWish wish{.column = plan_.column, .texts = plan_.texts, .hash_key = {}};
    if (const char* key = std::getenv("TENON_LOG_KEY"); key != nullptr) wish.hash_key = key;
    TENON_ASSIGN(out_.log, serve::EraseFromLog(call_, files_, folder, wish, apply_), "the inference log");
    return Archives(platform::JoinPath(folder, "parquet"));
  }

  ErasedServed& out() { return out_; }

 private:
  Result<void> States(const std::vector<feature::EntityKey>& keys) {
    TENON_ASSIGN(const std::vector<std::string> names, files_.List(OnlineFolder(project_)));
    for (const std::string& name : names) {
      if (!name.starts_with("stream") || !name.ends_with(".db")) continue;
      const std::string path = platform::JoinPath(OnlineFolder(project_), name);
      const std::string lock_path = name == "stream.db" ? platform::JoinPath(OnlineFolder(project_), "stream.lock") : path + ".lock";
      const auto lock = files_.Lock(lock_path);
      if (!lock.ok()) {
        out_.busy.push_back(path);
        continue;
      }
      if (!apply_) continue;
      TENON_ASSIGN(const auto database, platform::OpenSqlite(path));
      TENON_ASSIGN(const std::int64_t gone, feature::EraseFromState(*database, keys, plan_.column, value_), path);
      out_.streamed += gone;
    }
    return {};
  }

  Result<void> Archives(const std::string& folder) {
    for (const std::string& path : platform::Glob(platform::JoinPath(folder, "*/date=*/*.parquet"))) {
      TENON_TRY(call_.Check());
      ingest::SourceSpec spec;
      spec.files = {path};
      spec.format = "parquet";
      spec.missing.clear();
      TENON_ASSIGN(auto reader, ingest::Read(call_, spec, kits_.readers), path);
      std::vector<table::Batch> stay;
      std::int64_t gone = 0, rows = 0;
      while (true) {
        TENON_ASSIGN(auto batch, reader->Next(call_), path);
        if (!batch) break;
        std::vector<std::int64_t> kept;
        for (std::int64_t i = 0; i < batch->rows(); ++i) {
          if (!Names(*batch, i)) kept.push_back(i);
        }
        gone += batch->rows() - static_cast<std::int64_t>(kept.size());
        rows += static_cast<std::int64_t>(kept.size());
        stay.push_back(static_cast<std::int64_t>(kept.size()) == batch->rows() ? *batch : batch->Take(kept));
      }
      if (gone == 0) continue;
      out_.archived += gone;
      ++out_.archives;
      if (!apply_) continue;
      if (rows == 0) {
        TENON_TRY(files_.Remove(path));
        continue;
      }
      TENON_ASSIGN(auto writer, ingest::OpenWriter(path, reader->schema()), path);
      for (const table::Batch& batch : stay) TENON_TRY(writer->Write(call_, batch), path);
      TENON_TRY(writer->Finish(), path);
    }
    return {};
  }

  bool Names(const table::Batch& batch, std::int64_t row) const {
    for (const std::string& name : {plan_.column, "field_" + plan_.column, std::string("request_id")}) {
      const int at = batch.schema().Find(name);
      if (at < 0 || batch.column(at).IsNull(row)) continue;
      if (std::ranges::find(plan_.texts, dataset::KeyText(batch.column(at), row)) != plan_.texts.end()) return true;
    }
    return false;
  }

  const Call& call_;
  platform::Files& files_;
  const Project& project_;
  const Kits& kits_;
  const ErasePlan& plan_;
  const std::string& value_;
  const bool apply_;
  ErasedServed out_;
};

}  // namespace

Result<ErasedServed> EraseServed(const Call& call, platform::Files& files, const Project& project, const Kits& kits, const std::string& source, const ErasePlan& plan,
                                 const std::string& value, bool apply) {
  Eraser eraser(call, files, project, kits, plan, value, apply);
  TENON_TRY(eraser.Online(source), "erasing what is online");
  TENON_TRY(eraser.Log(), "erasing what was asked");
  return std::move(eraser.out());
}

}  // namespace tenon::pipeline
