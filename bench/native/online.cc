// Our embedded online store, for bench/online.
//   bench_online ENTITIES [FOLDER]     in this process alone, or with files in FOLDER

#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "bench/native/online.h"
#include "bench/native/worker.h"
#include "feature/online_store.h"

namespace tenon::bench {
namespace {

constexpr std::size_t kQuestions = 1 << 16;

Result<std::unique_ptr<feature::OnlineTable>> Fill(feature::OnlineStore& store, const feature::RecordLayout& layout, std::uint64_t entities) {
  TENON_ASSIGN(auto table, store.Open("customers", layout));
  feature::RecordPacker packer(layout);
  for (std::uint64_t i = 0; i < entities; ++i) {
    packer.Start();
    for (std::size_t f = 0; f < kFeatures; ++f) packer.Set(f, FeatureValue(i, f));
    const std::string key = EntityName(i);
    const feature::OnlineEntry entry{key, 1, 1, packer.words(), packer.texts()};
    TENON_ASSIGN(const std::int64_t stored, table->Put({&entry, 1}, feature::Newest::kEvent));
    if (stored != 1) return Error(Code::kInternal, "an entity was refused");
  }
  return table;
}

Result<int> Run(const std::vector<std::string>& words) {
  if (words.empty()) return Error(Code::kInvalidArgument, "usage: bench_online ENTITIES [FOLDER]");
  const auto entities = static_cast<std::uint64_t>(std::atoll(words[0].c_str()));
  std::vector<table::Field> fields;
  for (std::size_t f = 0; f < kFeatures; ++f) fields.push_back({Str("f", f), table::Type::kFloat64});
  TENON_ASSIGN(const feature::RecordLayout layout, feature::RecordLayout::Of(std::make_shared<const table::Schema>(fields)));
  const auto files = platform::RealFiles();
  Kinds<feature::OnlineStoreKind> kinds;
  TENON_TRY(feature::AddAll(kinds));
  Json settings = Json::MakeObject();
  settings["reserve"] = static_cast<std::int64_t>(std::max<std::uint64_t>(entities, 16));
  settings["disk"] = words.size() > 1;
  settings["sync"] = "never";
  TENON_ASSIGN(auto store, feature::StartOnlineStore(kinds, "embedded", settings, *files, words.size() > 1 ? words[1] : ""));
  TENON_ASSIGN(auto table, Fill(*store, layout, entities));
  const std::vector<std::string> names = Questions(entities, kQuestions);
  const std::vector<std::string_view> keys(names.begin(), names.end());
  feature::Records records;
  double sum = 0;
  const auto ask = [&](std::size_t together) -> Result<void> {
    for (std::size_t at = 0; at + together <= keys.size(); at += together) {
      TENON_TRY(table->Get(std::span<const std::string_view>(keys).subspan(at, together), &records));
      for (std::size_t i = 0; i < together; ++i) {
        for (std::size_t f = 0; f < kFeatures; ++f) sum += records.Number(i, f);  // all of them are read
      }
    }
    return {};
  };
  std::vector<Case> cases;
  for (const std::size_t together : {std::size_t{1}, std::size_t{100}}) {
    Case one;
    one.name = together == 1 ? "one" : "hundred";
    one.rows = static_cast<std::int64_t>(keys.size() / together * together);
    one.work = [&ask, together]() { return ask(together); };
    one.answer = [&ask, &sum, together]() -> Result<std::vector<double>> {
      sum = 0;
      TENON_TRY(ask(together));
      return std::vector<double>{sum};
    };
    cases.push_back(std::move(one));
  }
  return Obey(TENON_VERSION, cases);
}

}  // namespace
}  // namespace tenon::bench

int main(int count, char** arguments) { return tenon::bench::Main(count, arguments, tenon::bench::Run); }
