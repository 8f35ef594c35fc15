// The only file that names XGBoost's functions. Its C API passes arrays as JSON that holds their addresses (NumPy's
// __array_interface__).

#include <cstdio>
#include <cstdlib>

#include "base/text.h"
#include "platform/library.h"
#include "train/xgboost_internal.h"

namespace tenon::train {
namespace {

using Handle = void*;
using Length = std::uint64_t;

std::string ArrayOf(const float* values, std::int64_t rows, std::int64_t columns) {
  std::string shape = columns > 0 ? Str(rows, ",", columns) : Str(rows);
  return Str(R"({"data":[)", reinterpret_cast<std::uintptr_t>(values), R"(,true],"shape":[)", shape,
             R"(],"typestr":"<f4","version":3})");
}

void Silence(const char*) {}

}  // namespace

struct Xgboost::Functions {
  void (*version)(int*, int*, int*);
  const char* (*last_error)();
  int (*register_log)(void (*)(const char*));
  int (*rows_from_dense)(const char*, const char*, Handle*);
  int (*rows_set)(Handle, const char*, const char*);
  int (*rows_free)(Handle);
  int (*create)(const Handle*, Length, Handle*);
  int (*free)(Handle);
  int (*set)(Handle, const char*, const char*);
  int (*train)(Handle, Handle, int, const char*, const char*);
  int (*predict)(Handle, Handle, const char*, const Length**, Length*, const float**);
  int (*save)(Handle, const char*, Length*, const char**);
};

Xgboost::Xgboost(std::unique_ptr<const Functions> functions, std::string version)
    : functions_(std::move(functions)), version_(std::move(version)) {}
Xgboost::~Xgboost() = default;

Result<std::shared_ptr<const Xgboost>> Xgboost::Load() {
  // Threads that wait without work must not burn the cores that others need: on a busy machine spinning at every barrier
  // makes training many times slower. Read once by the OpenMP runtime when it is loaded; what the user set stays.
  setenv("OMP_WAIT_POLICY", "passive", 0);
  TENON_ASSIGN(const platform::Library library, platform::Library::Open("libxgboost.so"));
  auto functions = std::make_unique<Functions>();
  TENON_TRY(library.Bind("XGBoostVersion", &functions->version));
  int major = 0, minor = 0, patch = 0;
  functions->version(&major, &minor, &patch);
  if (major < 2 || (major == 2 && minor < 1)) {
    return Error(Code::kUnavailable, Str("XGBoost ", major, ".", minor, ".", patch,
                                         " is too old, 2.1 is the least; tools/setup.sh installs a newer one"));
  }
  TENON_TRY(library.Bind("XGBGetLastError", &functions->last_error));
  TENON_TRY(library.Bind("XGBRegisterLogCallback", &functions->register_log));
  TENON_TRY(library.Bind("XGDMatrixCreateFromDense", &functions->rows_from_dense));
  TENON_TRY(library.Bind("XGDMatrixSetInfoFromInterface", &functions->rows_set));
  TENON_TRY(library.Bind("XGDMatrixFree", &functions->rows_free));
  TENON_TRY(library.Bind("XGBoosterCreate", &functions->create));
  TENON_TRY(library.Bind("XGBoosterFree", &functions->free));
  TENON_TRY(library.Bind("XGBoosterSetParam", &functions->set));
  TENON_TRY(library.Bind("XGBoosterTrainOneIter", &functions->train));
  TENON_TRY(library.Bind("XGBoosterPredictFromDMatrix", &functions->predict));
  TENON_TRY(library.Bind("XGBoosterSaveModelToBuffer", &functions->save));
  return std::shared_ptr<const Xgboost>(new Xgboost(std::move(functions), Str(major, ".", minor, ".", patch)));
}

Result<void> Xgboost::Checked(int status) const {
  if (status == 0) return {};
  // The first line says what; the rest is a stack of addresses.
  const std::string_view said = functions_->last_error();
  return Error(Code::kInvalidArgument, Str("XGBoost: ", said.substr(0, said.find("\nStack trace"))));
}

Result<Xgboost::Rows> Xgboost::MakeRows(const std::shared_ptr<const Xgboost>& library, const float* values,
                                        std::int64_t rows, int features, std::span<const double> base_margin,
                                        int threads) {
  library->functions_->register_log(&Silence);  // it is kept by thread
  Handle handle = nullptr;
  const std::string config = Str(R"({"missing":NaN,"nthread":)", threads, "}");
  TENON_TRY(library->Checked(
      library->functions_->rows_from_dense(ArrayOf(values, rows, features).c_str(), config.c_str(), &handle)));
  Rows made(library, handle);
  std::vector<float> margins;
  margins.reserve(static_cast<std::size_t>(rows) * base_margin.size());
  for (std::int64_t i = 0; i < rows; ++i) {
    for (const double margin : base_margin) margins.push_back(static_cast<float>(margin));
  }
  const auto outputs = static_cast<std::int64_t>(base_margin.size());
  TENON_TRY(library->Checked(
      library->functions_->rows_set(handle, "base_margin", ArrayOf(margins.data(), rows, outputs).c_str())));
  return made;
}

Result<Xgboost::Booster> Xgboost::MakeBooster(const std::shared_ptr<const Xgboost>& library,
                                              std::span<const Rows* const> known,
                                              const std::vector<std::pair<std::string, std::string>>& parameters) {
  std::vector<Handle> handles;
  for (const Rows* rows : known) handles.push_back(rows->handle_);
  Handle handle = nullptr;
  TENON_TRY(library->Checked(library->functions_->create(handles.data(), handles.size(), &handle)));
  Booster made(library, handle);
  for (const auto& [name, value] : parameters) {
    TENON_TRY(library->Checked(library->functions_->set(handle, name.c_str(), value.c_str())));
  }
  return made;
}

Xgboost::Rows::Rows(std::shared_ptr<const Xgboost> library, void* handle)
    : library_(std::move(library)), handle_(handle) {}
Xgboost::Rows::Rows(Rows&& other) noexcept
    : library_(std::move(other.library_)), handle_(std::exchange(other.handle_, nullptr)) {}
Xgboost::Rows::~Rows() {
  if (handle_ != nullptr) library_->functions_->rows_free(handle_);
}

Xgboost::Booster::Booster(std::shared_ptr<const Xgboost> library, void* handle)
    : library_(std::move(library)), handle_(handle) {}
Xgboost::Booster::Booster(Booster&& other) noexcept
    : library_(std::move(other.library_)), handle_(std::exchange(other.handle_, nullptr)) {}
Xgboost::Booster::~Booster() {
  if (handle_ != nullptr) library_->functions_->free(handle_);
}

Result<void> Xgboost::Booster::Grow(const Rows& rows, int round, std::span<const float> gradient,
                                    std::span<const float> hessian, int outputs) {
  const auto n = static_cast<std::int64_t>(gradient.size()) / outputs;
  return library_->Checked(library_->functions_->train(handle_, rows.handle_, round,
                                                       ArrayOf(gradient.data(), n, outputs).c_str(),
                                                       ArrayOf(hessian.data(), n, outputs).c_str()));
}

Result<std::span<const float>> Xgboost::Booster::Margins(const Rows& rows) {
  const Length* shape = nullptr;
  Length dimensions = 0;
  const float* values = nullptr;
  TENON_TRY(library_->Checked(library_->functions_->predict(
      handle_, rows.handle_, R"({"type":1,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":true})",
      &shape, &dimensions, &values)));
  Length size = 1;
  for (Length i = 0; i < dimensions; ++i) size *= shape[i];
  return std::span<const float>(values, size);
}

Result<std::string> Xgboost::Booster::SaveJson() const {
  Length size = 0;
  const char* bytes = nullptr;
  TENON_TRY(library_->Checked(library_->functions_->save(handle_, R"({"format":"json"})", &size, &bytes)));
  return std::string(bytes, size);
}

}  // namespace tenon::train
