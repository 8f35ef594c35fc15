// XGBoost through its C API, the version that is in the library told.

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/json.h"
#include "base/text.h"
#include "bench/native/forest_peers.h"
#include "platform/library.h"

namespace tenon::bench {
namespace {

class Xgboost {
 public:
  using Handle = void*;

  static Result<Xgboost> Open(const std::string& path) {
    TENON_ASSIGN(const platform::Library library, platform::Library::Open(path));
    Xgboost out;
    TENON_TRY(library.Bind("XGBGetLastError", &out.last_error_));
    TENON_TRY(library.Bind("XGBoostVersion", &out.version_));
    TENON_TRY(library.Bind("XGDMatrixCreateFromDense", &out.from_dense_));
    TENON_TRY(library.Bind("XGDMatrixFree", &out.free_matrix_));
    TENON_TRY(library.Bind("XGDMatrixSetFloatInfo", &out.set_floats_));
    TENON_TRY(library.Bind("XGBoosterCreate", &out.create_));
    TENON_TRY(library.Bind("XGBoosterSetParam", &out.set_parameter_));
    TENON_TRY(library.Bind("XGBoosterUpdateOneIter", &out.update_));
    TENON_TRY(library.Bind("XGBoosterSaveModel", &out.save_));
    TENON_TRY(library.Bind("XGBoosterLoadModel", &out.load_));
    TENON_TRY(library.Bind("XGBoosterPredictFromDMatrix", &out.predict_));
    TENON_TRY(library.Bind("XGBoosterPredictFromDense", &out.predict_dense_));
    return out;
  }

  std::string Version() const {
    int parts[3] = {};
    version_(&parts[0], &parts[1], &parts[2]);
    return Str(parts[0], ".", parts[1], ".", parts[2]);
  }
  static std::string Array(const float* data, std::int64_t rows, std::int64_t columns) {
    return Str(R"({"data":[)", reinterpret_cast<std::uintptr_t>(data), R"(,true],"shape":[)", rows, ",", columns,
               R"(],"typestr":"<f4","version":3})");
  }
  Result<Handle> Matrix(const float* rows, std::int64_t n, std::int64_t columns) const {
    Handle matrix = nullptr;
    TENON_TRY(Check(from_dense_(Array(rows, n, columns).c_str(), R"({"missing":NaN,"nthread":1})", &matrix)));
    return matrix;
  }
  void Free(Handle matrix) const { free_matrix_(matrix); }
  Result<Handle> Booster(Handle matrix) const {
    Handle booster = nullptr;
    TENON_TRY(Check(create_(&matrix, matrix == nullptr ? 0 : 1, &booster)));
    TENON_TRY(Set(booster, "nthread", "1"));
    return booster;
  }
  Result<void> Set(Handle booster, const char* name, const std::string& value) const {
    return Check(set_parameter_(booster, name, value.c_str()));
  }
  Result<void> Labels(Handle matrix, const std::vector<float>& labels) const {
    return Check(set_floats_(matrix, "label", labels.data(), labels.size()));
  }
  Result<void> Update(Handle booster, int round, Handle matrix) const { return Check(update_(booster, round, matrix)); }
  Result<void> Save(Handle booster, const std::string& path) const { return Check(save_(booster, path.c_str())); }
  Result<Handle> Load(const std::string& path) const {
    TENON_ASSIGN(Handle booster, Booster(nullptr));
    TENON_TRY(Check(load_(booster, path.c_str())), "loading the model");
    TENON_TRY(Set(booster, "nthread", "1"));
    return booster;
  }
  // The margins, without a matrix, valid until the next call: what a server would call.
  Result<const float*> InPlace(Handle booster, const std::string& array) const {
    constexpr const char* kConfig =
        R"({"type":1,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":true,"cache_id":0,"missing":NaN})";
    const std::uint64_t* shape = nullptr;
    std::uint64_t dimensions = 0;
    const float* values = nullptr;
    TENON_TRY(Check(predict_dense_(booster, array.c_str(), kConfig, nullptr, &shape, &dimensions, &values)));
    return values;
  }
  Result<const float*> Contributions(Handle booster, Handle matrix) const {
    constexpr const char* kConfig = R"({"type":2,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":false})";
    const std::uint64_t* shape = nullptr;
    std::uint64_t dimensions = 0;
    const float* values = nullptr;
    TENON_TRY(Check(predict_(booster, matrix, kConfig, &shape, &dimensions, &values)));
    return values;
  }

 private:
  Result<void> Check(int status) const {
    if (status == 0) return {};
    return Error(Code::kInternal, last_error_());
  }

  const char* (*last_error_)() = nullptr;
  void (*version_)(int*, int*, int*) = nullptr;
  int (*from_dense_)(const char*, const char*, Handle*) = nullptr;
  int (*free_matrix_)(Handle) = nullptr;
  int (*set_floats_)(Handle, const char*, const float*, std::uint64_t) = nullptr;
  int (*create_)(const Handle*, std::uint64_t, Handle*) = nullptr;
  int (*set_parameter_)(Handle, const char*, const char*) = nullptr;
  int (*update_)(Handle, int, Handle) = nullptr;
  int (*save_)(Handle, const char*) = nullptr;
  int (*load_)(Handle, const char*) = nullptr;
  int (*predict_)(Handle, Handle, const char*, const std::uint64_t**, std::uint64_t*, const float**) = nullptr;
  int (*predict_dense_)(Handle, const char*, const char*, Handle, const std::uint64_t**, std::uint64_t*, const float**) = nullptr;
};

// Normal values, one in fifty missing when asked for.
std::vector<float> Rows(std::int64_t n, int features, bool missing, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> rows(static_cast<std::size_t>(n * features));
  for (float& x : rows) x = missing && random() % 50 == 0 ? std::numeric_limits<float>::quiet_NaN() : normal(random);
  return rows;
}

float Score(const float* row) {
  float x[8];
  for (int i = 0; i < 8; ++i) x[i] = std::isnan(row[i]) ? 0.5F : row[i];
  return x[0] * x[1] + x[2] - x[3] * x[3] + std::sin(3 * x[4]) + x[5] * x[6] * x[7];
}

}  // namespace

Result<void> TrainForest(const std::string& library, const std::string& folder, int trees, int depth, int features,
                         bool missing) {
  if (features < 8) return Error(Code::kInvalidArgument, "at least 8 features");
  TENON_ASSIGN(const Xgboost xgboost, Xgboost::Open(library));
  std::mt19937 random(1);
  constexpr std::int64_t kTraining = 20000;
  constexpr std::int64_t kAsked = 65536;
  const std::vector<float> training = Rows(kTraining, features, missing, random);
  std::vector<float> labels;
  for (std::int64_t i = 0; i < kTraining; ++i) {
    const float noise = static_cast<float>(random() % 1000) / 500.0F - 1;
    labels.push_back(Score(training.data() + i * features) + noise > 0 ? 1.0F : 0.0F);
  }
  TENON_ASSIGN(void* const matrix, xgboost.Matrix(training.data(), kTraining, features));
  TENON_TRY(xgboost.Labels(matrix, labels));
  TENON_ASSIGN(void* const booster, xgboost.Booster(matrix));
  for (const auto& [name, value] : std::vector<std::pair<const char*, std::string>>{
           {"objective", "binary:logistic"}, {"base_score", "0.5"}, {"max_depth", Str(depth)}, {"eta", "0.1"},
           {"min_child_weight", "0"}, {"tree_method", "hist"}}) {
    TENON_TRY(xgboost.Set(booster, name, value));
  }
  for (int round = 0; round < trees; ++round) TENON_TRY(xgboost.Update(booster, round, matrix), "training");
  TENON_TRY(xgboost.Save(booster, folder + "/model.json"));
  const std::vector<float> asked = Rows(kAsked, features, missing, random);
  TENON_TRY(WriteBytes(folder + "/rows.f32", asked.data(), asked.size() * sizeof(float)));
  Json meta;
  meta["trees"] = trees;
  meta["depth"] = depth;
  meta["features"] = features;
  meta["trainer"] = "xgboost " + xgboost.Version();
  const std::string text = meta.Dump();
  return WriteBytes(folder + "/meta.json", text.data(), text.size());
}

Result<Side> XgboostSide(const std::string& library, const std::string& folder, const ForestWork& work, const std::string& what) {
  TENON_ASSIGN(const Xgboost xgboost, Xgboost::Open(library));
  TENON_ASSIGN(void* const booster, xgboost.Load(folder + "/model.json"));
  const std::int64_t width = work.features;
  Side side;
  side.version = xgboost.Version();
  if (what == "contributions") {
    side.cases = ContributionCases(work, [=, &work](std::int64_t from, std::int64_t n, std::vector<double>* out) -> Result<void> {
      // Its contributions want a matrix; a served row has to be made into one.
      TENON_ASSIGN(void* const matrix, xgboost.Matrix(work.rows.data() + from * width, n, width));
      auto values = xgboost.Contributions(booster, matrix);
      if (values.ok()) out->assign(*values, *values + n * (width + 1));
      xgboost.Free(matrix);
      return values.ok() ? Result<void>() : Result<void>(std::move(values).error());
    });
    return side;
  }
  // The description of one row's place is made once, as a server can do that keeps its buffer.
  auto row = std::make_shared<std::vector<float>>(static_cast<std::size_t>(width));
  const std::string place = Xgboost::Array(row->data(), 1, width);
  side.cases = MarginCases(work, [=, &work](std::int64_t from, std::int64_t n, float* out) -> Result<void> {
    const float* const rows = work.rows.data() + from * width;
    if (n == 1) {
      std::copy_n(rows, width, row->data());
      TENON_ASSIGN(const float* const value, xgboost.InPlace(booster, place));
      *out = *value;
      return {};
    }
    TENON_ASSIGN(const float* const values, xgboost.InPlace(booster, Xgboost::Array(rows, n, width)));
    std::copy_n(values, n, out);
    return {};
  });
  return side;
}

}  // namespace tenon::bench
