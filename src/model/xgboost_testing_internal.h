#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/text.h"
#include "platform/library.h"

// XGBoost through its C API, for tests that compare with it. Loaded when used.
namespace tenon::model {

class XgboostLibrary {
 public:
  using Handle = void*;

  static Result<XgboostLibrary> Open() {
    TENON_ASSIGN(const platform::Library library, platform::Library::Open("libxgboost.so"));
    XgboostLibrary out;
    TENON_TRY(library.Bind("XGBGetLastError", &out.last_error_));
    TENON_TRY(library.Bind("XGDMatrixCreateFromDense", &out.from_dense_));
    TENON_TRY(library.Bind("XGDMatrixSetInfoFromInterface", &out.set_info_));
    TENON_TRY(library.Bind("XGDMatrixSetStrFeatureInfo", &out.set_types_));
    TENON_TRY(library.Bind("XGDMatrixFree", &out.free_matrix_));
    TENON_TRY(library.Bind("XGBoosterCreate", &out.create_));
    TENON_TRY(library.Bind("XGBoosterFree", &out.free_));
    TENON_TRY(library.Bind("XGBoosterSetParam", &out.set_param_));
    TENON_TRY(library.Bind("XGBoosterUpdateOneIter", &out.update_));
    TENON_TRY(library.Bind("XGBoosterPredictFromDMatrix", &out.predict_));
    TENON_TRY(library.Bind("XGBoosterPredictFromDense", &out.predict_dense_));
    TENON_TRY(library.Bind("XGBoosterSaveModelToBuffer", &out.save_));
    TENON_TRY(library.Bind("XGBoosterSetAttr", &out.set_attribute_));
    TENON_TRY(library.Bind("XGBoosterLoadModelFromBuffer", &out.load_));
    return out;
  }

  static std::string Array(const float* data, std::int64_t rows, std::int64_t columns) {
    return Str(R"({"data":[)", reinterpret_cast<std::uintptr_t>(data), R"(,true],"shape":[)", rows, ",", columns,
               R"(],"typestr":"<f4","version":3})");
  }

  // Rows, labels and types ("q" or "c" a column); free it with FreeMatrix.
  Result<Handle> Matrix(const std::vector<float>& rows, std::int64_t columns, const std::vector<float>& labels,
                        const std::vector<const char*>& types = {}) const {
    const auto n = static_cast<std::int64_t>(rows.size()) / columns;
    Handle matrix = nullptr;
    TENON_TRY(Check(from_dense_(Array(rows.data(), n, columns).c_str(), R"({"missing":NaN,"nthread":1})", &matrix)));
    if (!types.empty()) {
      std::vector<const char*> copy = types;
      TENON_TRY(Check(set_types_(matrix, "feature_type", copy.data(), copy.size())));
    }
    if (!labels.empty()) TENON_TRY(Check(set_info_(matrix, "label",
                                                         Str(R"({"data":[)", reinterpret_cast<std::uintptr_t>(labels.data()),
                                                             R"(,true],"shape":[)", labels.size(),
                                                             R"(],"typestr":"<f4","version":3})").c_str())));
    return matrix;
  }
  void FreeMatrix(Handle matrix) const { free_matrix_(matrix); }

  Result<Handle> Train(Handle matrix, const std::vector<std::pair<const char*, std::string>>& parameters, int rounds) const {
    Handle booster = nullptr;
    TENON_TRY(Check(create_(&matrix, 1, &booster)));
    for (const auto& [name, value] : parameters) TENON_TRY(Check(set_param_(booster, name, value.c_str())));
    for (int round = 0; round < rounds; ++round) TENON_TRY(Check(update_(booster, round, matrix)));
    return booster;
  }
  Result<void> SetParameter(Handle booster, const char* name, const char* value) const {
    return Check(set_param_(booster, name, value));
  }
  Result<void> SetAttribute(Handle booster, const char* name, const char* value) const {
    return Check(set_attribute_(booster, name, value));
  }
  void Free(Handle booster) const { free_(booster); }

  // type: 0 value, 1 margin, 2 contributions, 6 leaf; rounds: 0 for all.
  Result<std::vector<float>> Predict(Handle booster, Handle matrix, int type, int rounds = 0) const {
    const std::string config = Str(R"({"type":)", type, R"(,"training":false,"iteration_begin":0,"iteration_end":)", rounds,
                                   R"(,"strict_shape":true})");
    const std::uint64_t* shape = nullptr;
    std::uint64_t dimensions = 0;
    const float* values = nullptr;
    TENON_TRY(Check(predict_(booster, matrix, config.c_str(), &shape, &dimensions, &values)));
    std::uint64_t count = 1;
    for (std::uint64_t i = 0; i < dimensions; ++i) count *= shape[i];
    return std::vector<float>(values, values + count);
  }

  // Without a matrix: what a server would call. `config` from InPlaceConfig.
  static constexpr const char* kInPlaceConfig =
      R"({"type":1,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":true,"cache_id":0,"missing":NaN})";
  Result<const float*> PredictInPlace(Handle booster, const std::string& array) const {
    const std::uint64_t* shape = nullptr;
    std::uint64_t dimensions = 0;
    const float* values = nullptr;
    TENON_TRY(Check(predict_dense_(booster, array.c_str(), kInPlaceConfig, nullptr, &shape, &dimensions, &values)));
    return values;
  }

  // A booster from its saved form; free it with Free.
  Result<Handle> Load(std::string_view saved) const {
    Handle booster = nullptr;
    TENON_TRY(Check(create_(nullptr, 0, &booster)));
    TENON_TRY(Check(load_(booster, saved.data(), saved.size())));
    return booster;
  }
  // One row after another, `outputs` numbers each.
  Result<void> SetBaseMargins(Handle matrix, const std::vector<float>& margins, std::int64_t outputs) const {
    return Check(set_info_(matrix, "base_margin", Array(margins.data(), static_cast<std::int64_t>(margins.size()) / outputs, outputs).c_str()));
  }

  Result<std::string> Save(Handle booster) const {
    std::uint64_t size = 0;
    const char* bytes = nullptr;
    TENON_TRY(Check(save_(booster, R"({"format":"json"})", &size, &bytes)));
    return std::string(bytes, size);
  }

 private:
  Result<void> Check(int status) const {
    if (status == 0) return {};
    return Error(Code::kInternal, last_error_());
  }

  const char* (*last_error_)() = nullptr;
  int (*from_dense_)(const char*, const char*, Handle*) = nullptr;
  int (*set_info_)(Handle, const char*, const char*) = nullptr;
  int (*set_types_)(Handle, const char*, const char**, std::uint64_t) = nullptr;
  int (*free_matrix_)(Handle) = nullptr;
  int (*create_)(const Handle*, std::uint64_t, Handle*) = nullptr;
  int (*free_)(Handle) = nullptr;
  int (*set_param_)(Handle, const char*, const char*) = nullptr;
  int (*set_attribute_)(Handle, const char*, const char*) = nullptr;
  int (*update_)(Handle, int, Handle) = nullptr;
  int (*predict_)(Handle, Handle, const char*, const std::uint64_t**, std::uint64_t*, const float**) = nullptr;
  int (*predict_dense_)(Handle, const char*, const char*, Handle, const std::uint64_t**, std::uint64_t*, const float**) = nullptr;
  int (*load_)(Handle, const void*, std::uint64_t) = nullptr;
  int (*save_)(Handle, const char*, std::uint64_t*, const char**) = nullptr;
};

}  // namespace tenon::model
