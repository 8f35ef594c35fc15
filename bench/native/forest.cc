// Forests, ours and others', for bench/forest and bench/attributions.
//   bench_forest make LIBXGBOOST FOLDER TREES DEPTH FEATURES missing|whole
//   bench_forest tenon|xgboost|onnxruntime|tl2cgen LIBRARY FOLDER margins|contributions    (LIBRARY of tenon: -)

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/json.h"
#include "base/text.h"
#include "bench/native/forest_peers.h"
#include "model/forest.h"

namespace tenon::bench {

std::vector<Case> MarginCases(const ForestWork& work, const MarginOf& margin) {
  std::vector<Case> cases;
  const std::int64_t all = work.count();
  for (const std::int64_t n : {std::int64_t{1}, std::int64_t{16}, std::int64_t{4096}, all}) {
    Case one;
    one.name = n == 1 ? "one" : Str("batch", n);
    one.rows = n;
    // Different rows each time: a processor that is asked the same row learns its branches.
    one.work = [n, all, margin, next = std::int64_t{0}, out = std::vector<float>(static_cast<std::size_t>(n))]() mutable {
      if (next + n > all) next = 0;
      const std::int64_t from = next;
      next += n;
      return margin(from, n, out.data());
    };
    one.answer = [n, all, margin]() -> Result<std::vector<double>> {
      const std::int64_t some = std::min<std::int64_t>(all, std::max<std::int64_t>(n, 4096));
      std::vector<float> out(static_cast<std::size_t>(some));
      for (std::int64_t i = 0; i + n <= some; i += n) TENON_TRY(margin(i, n, out.data() + i));
      return std::vector<double>(out.begin(), out.end());
    };
    cases.push_back(std::move(one));
  }
  return cases;
}

std::vector<Case> ContributionCases(const ForestWork& work, const ContributionsOf& contributions) {
  std::vector<Case> cases;
  const std::int64_t all = work.count();
  for (const std::int64_t n : {std::int64_t{1}, std::int64_t{256}}) {
    Case one;
    one.name = n == 1 ? "one" : Str("batch", n);
    one.rows = n;
    one.work = [n, all, contributions, next = std::int64_t{0}, out = std::vector<double>()]() mutable {
      if (next + n > all) next = 0;
      const std::int64_t from = next;
      next += n;
      return contributions(from, n, &out);
    };
    one.answer = [n, contributions]() -> Result<std::vector<double>> {
      std::vector<double> values, part;
      for (std::int64_t i = 0; i < std::max<std::int64_t>(n, 16); i += n) {
        TENON_TRY(contributions(i, n, &part));
        values.insert(values.end(), part.begin(), part.end());
      }
      return values;
    };
    cases.push_back(std::move(one));
  }
  return cases;
}

namespace {

Result<Side> TenonSide(const std::string& folder, const ForestWork& work, const std::string& what) {
  TENON_ASSIGN(const std::string json, ReadText(folder + "/model.json"));
  TENON_ASSIGN(model::ForestSpec spec, model::ReadXgboost(json));
  TENON_ASSIGN(std::shared_ptr<const model::Model> forest, model::MakeForest(std::move(spec)));
  const std::int64_t width = work.features;
  Side side;
  side.version = Str(TENON_VERSION, " ", forest->Describe().Dump());
  if (what == "contributions") {
    side.cases = ContributionCases(work, [forest, width, &work](std::int64_t from, std::int64_t n, std::vector<double>* out) -> Result<void> {
      out->resize(static_cast<std::size_t>(n * (width + 1)));
      forest->ContributionsOfRows(work.rows.data() + from * width, n, width, out->data());
      return {};
    });
  } else {
    side.cases = MarginCases(work, [forest, width, &work](std::int64_t from, std::int64_t n, float* out) -> Result<void> {
      forest->Margin(work.rows.data() + from * width, n, width, out);
      return {};
    });
  }
  return side;
}

Result<int> Run(const std::vector<std::string>& words) {
  if (words.size() == 7 && words[0] == "make") {
    TENON_TRY(TrainForest(words[1], words[2], std::atoi(words[3].c_str()), std::atoi(words[4].c_str()),
                          std::atoi(words[5].c_str()), words[6] == "missing"));
    return 0;
  }
  if (words.size() != 4) return Error(Code::kInvalidArgument, "usage: see the head of bench/native/forest.cc");
  const std::string &library = words[1], &folder = words[2], &what = words[3];
  TENON_ASSIGN(const std::string text, ReadText(folder + "/meta.json"));
  TENON_ASSIGN(const Json meta, Json::Parse(text, folder + "/meta.json"));
  ForestWork work;
  work.features = meta.Find("features")->Int();
  TENON_ASSIGN(work.rows, ReadFloats(folder + "/rows.f32"));
  Result<Side> side = Error(Code::kInvalidArgument, Str("no side '", words[0], "'; there are: tenon xgboost onnxruntime tl2cgen"));
  if (words[0] == "tenon") side = TenonSide(folder, work, what);
  if (words[0] == "xgboost") side = XgboostSide(library, folder, work, what);
  if (words[0] == "onnxruntime") side = OnnxSide(library, folder, work);
  if (words[0] == "tl2cgen") side = CompiledSide(library, work);
  if (!side.ok()) return std::move(side).error();
  return Obey(side->version, side->cases);
}

}  // namespace
}  // namespace tenon::bench

int main(int count, char** arguments) { return tenon::bench::Main(count, arguments, tenon::bench::Run); }
