// ONNX Runtime through its C API, and forests compiled by tl2cgen.

#include <cmath>
#include <memory>

#include "base/text.h"
#include "bench/native/forest_peers.h"
#include "platform/library.h"

namespace tenon::bench {
namespace {

// Its C API is a table of functions to which each version only appends: a function's place is as good as its name, and
// the wheel, which brings the library, brings no header.
using Status = void;
using Handle = void;
constexpr std::uint32_t kApiVersion = 17;
constexpr int kErrorsOnly = 3, kArena = 1, kDefaultMemory = 0, kFloat = 1;

struct ApiBase {
  const void* const* (*get)(std::uint32_t version);
  const char* (*version)();
};

struct Api {
  const void* const* table = nullptr;

  template <typename Answer, typename... Arguments>
  auto At(std::size_t place) const {
    return reinterpret_cast<Answer (*)(Arguments...)>(const_cast<void*>(table[place]));
  }
  Result<void> Check(Status* status) const {
    if (status == nullptr) return {};
    Error error(Code::kInternal, At<const char*, Status*>(2)(status));
    At<void, Status*>(93)(status);
    return error;
  }
  template <typename... Arguments>
  Result<void> Call(std::size_t place, Arguments... arguments) const {
    return Check(At<Status*, Arguments...>(place)(arguments...));
  }
  void ReleaseValue(Handle* value) const { At<void, Handle*>(96)(value); }
};

constexpr std::size_t kCreateEnv = 3, kCreateSession = 7, kRun = 9, kCreateOptions = 10, kThreadsWithin = 24,
                      kThreadsBetween = 25, kTensorOver = 49, kCpuMemory = 69;

}  // namespace

Result<Side> OnnxSide(const std::string& path, const std::string& folder, const ForestWork& work) {
  TENON_ASSIGN(const platform::Library library, platform::Library::Open(path));
  const ApiBase* (*base)() = nullptr;
  TENON_TRY(library.Bind("OrtGetApiBase", &base));
  const Api api{base()->get(kApiVersion)};
  if (api.table == nullptr) return Error(Code::kUnavailable, Str("too old: ", base()->version()));
  // These live as long as the process: it measures, and ends.
  Handle *env = nullptr, *options = nullptr, *session = nullptr, *memory = nullptr;
  TENON_TRY(api.Call(kCreateEnv, kErrorsOnly, "bench", &env));
  TENON_TRY(api.Call(kCreateOptions, &options));
  TENON_TRY(api.Call(kThreadsWithin, options, 1));
  TENON_TRY(api.Call(kThreadsBetween, options, 1));
  TENON_TRY(api.Call(kCreateSession, static_cast<const Handle*>(env), (folder + "/model.onnx").c_str(),
                     static_cast<const Handle*>(options), &session));
  TENON_TRY(api.Call(kCpuMemory, kArena, kDefaultMemory, &memory));
  Side side;
  side.version = base()->version();
  side.cases = MarginCases(work, [=, &work](std::int64_t from, std::int64_t n, float* out) -> Result<void> {
    const std::int64_t shape[] = {n, work.features};
    const std::int64_t out_shape[] = {n, 1};
    const auto tensor = [&](const void* data, std::int64_t values, const std::int64_t* sizes, Handle** value) {
      return api.Call(kTensorOver, static_cast<const Handle*>(memory), const_cast<void*>(data),
                      static_cast<std::size_t>(values) * sizeof(float), sizes, std::size_t{2}, kFloat, value);
    };
    Handle *in = nullptr, *result = nullptr;
    TENON_TRY(tensor(work.rows.data() + from * work.features, n * work.features, shape, &in));
    TENON_TRY(tensor(out, n, out_shape, &result));
    const char* const in_names[] = {"x"};
    const char* const out_names[] = {"margin"};
    const Handle* const inputs[] = {in};
    auto done = api.Call(kRun, session, static_cast<const Handle*>(nullptr), static_cast<const char* const*>(in_names),
                         static_cast<const Handle* const*>(inputs), std::size_t{1}, static_cast<const char* const*>(out_names),
                         std::size_t{1}, &result);
    api.ReleaseValue(in);
    api.ReleaseValue(result);
    return done;
  });
  return side;
}

Result<Side> CompiledSide(const std::string& path, const ForestWork& work) {
  union Entry {
    int missing;  // -1
    float value;
    int code;
  };
  TENON_ASSIGN(const platform::Library library, platform::Library::Open(path));
  void (*predict)(Entry*, int, float*) = nullptr;
  TENON_TRY(library.Bind("predict", &predict));
  auto row = std::make_shared<std::vector<Entry>>(static_cast<std::size_t>(work.features));
  Side side;
  side.version = "compiled by gcc";
  side.cases = MarginCases(work, [=, &work](std::int64_t from, std::int64_t n, float* out) -> Result<void> {
    const float* in = work.rows.data() + from * work.features;
    for (std::int64_t i = 0; i < n; ++i, in += work.features) {
      for (std::size_t f = 0; f < row->size(); ++f) {
        if (std::isnan(in[f])) {
          (*row)[f].missing = -1;
        } else {
          (*row)[f].value = in[f];
        }
      }
      out[i] = 0;
      predict(row->data(), 1, out + i);
    }
    return {};
  });
  return side;
}

}  // namespace tenon::bench
