// ONNX Runtime through its C API, and forests compiled by tl2cgen.

#include "bench/native/forest_peers.h"
#include "platform/library.h"
#include "base/text.h"

#include <cmath>
#include <memory>

#if __has_include(<onnxruntime_c_api.h>)
#include <onnxruntime_c_api.h>
#define TENON_HAS_ONNXRUNTIME 1
#endif

namespace tenon::bench {

#ifdef TENON_HAS_ONNXRUNTIME

Result<Side> OnnxSide(const std::string& path, const std::string& folder, const ForestWork& work) {
  TENON_ASSIGN(const platform::Library library, platform::Library::Open(path));
  const OrtApiBase* (*base)() = nullptr;
  TENON_TRY(library.Bind("OrtGetApiBase", &base));
  const OrtApi* const api = base()->GetApi(ORT_API_VERSION);
  if (api == nullptr) return Error(Code::kUnavailable, Str("the library is older than its header: ", base()->GetVersionString()));
  const auto check = [api](OrtStatus* status) -> Result<void> {
    if (status == nullptr) return {};
    Error error(Code::kInternal, api->GetErrorMessage(status));
    api->ReleaseStatus(status);
    return error;
  };
  // These live as long as the process: it measures, and ends.
  OrtEnv* env = nullptr;
  OrtSessionOptions* options = nullptr;
  OrtSession* session = nullptr;
  OrtMemoryInfo* memory = nullptr;
  TENON_TRY(check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bench", &env)));
  TENON_TRY(check(api->CreateSessionOptions(&options)));
  TENON_TRY(check(api->SetIntraOpNumThreads(options, 1)));
  TENON_TRY(check(api->SetInterOpNumThreads(options, 1)));
  TENON_TRY(check(api->CreateSession(env, (folder + "/model.onnx").c_str(), options, &session)));
  TENON_TRY(check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory)));
  Side side;
  side.version = base()->GetVersionString();
  side.cases = MarginCases(work, [=, &work](std::int64_t from, std::int64_t n, float* out) -> Result<void> {
    const std::int64_t shape[] = {n, work.features};
    const std::int64_t out_shape[] = {n, 1};
    OrtValue* in = nullptr;
    OrtValue* result = nullptr;
    float* const rows = const_cast<float*>(work.rows.data()) + from * work.features;
    TENON_TRY(check(api->CreateTensorWithDataAsOrtValue(memory, rows, static_cast<std::size_t>(n * work.features) * sizeof(float), shape,
                                                        2, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &in)));
    TENON_TRY(check(api->CreateTensorWithDataAsOrtValue(memory, out, static_cast<std::size_t>(n) * sizeof(float), out_shape, 2,
                                                        ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &result)));
    const char* const in_names[] = {"x"};
    const char* const out_names[] = {"margin"};
    auto done = check(api->Run(session, nullptr, in_names, &in, 1, out_names, 1, &result));
    api->ReleaseValue(in);
    api->ReleaseValue(result);
    return done;
  });
  return side;
}

#else

Result<Side> OnnxSide(const std::string&, const std::string&, const ForestWork&) {
  return Error(Code::kUnavailable, "built without onnxruntime_c_api.h: put ONNX Runtime's header into $TENON_DEPS/include and build again");
}

#endif

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
  side.version = "compiled";
  side.cases = MarginCases(work, [=, &work](std::int64_t from, std::int64_t n, float* out) -> Result<void> {
    const float* in = work.rows.data() + from * work.features;
    for (std::int64_t i = 0; i < n; ++i, in += work.features) {
      for (std::size_t f = 0; f < row->size(); ++f) {
        if (std::isnan(in[f])) (*row)[f].missing = -1;
        else (*row)[f].value = in[f];
      }
      out[i] = 0;
      predict(row->data(), 1, out + i);
    }
    return {};
  });
  return side;
}

}  // namespace tenon::bench
