// The only file that names ONNX Runtime. Its C API is a table of functions to which each version only appends, so that a
// function's place in it is as good as its name. Declared here is what is called, with the places of version 17 and later
// (docs/decisions/0008-onnx.md).

#include <array>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "platform/library.h"
#include "platform/tensor_program.h"

namespace tenon::platform {
namespace {

constexpr std::uint32_t kApiVersion = 17;
constexpr std::size_t kMostMemory = std::size_t{4} << 30;  // of all models of the process
constexpr int kOnlyErrors = 3;                             // of its logging levels
constexpr int kSameAsRequested = 1;
constexpr int kExtended = 2;                               // of its optimizations: not those that depend on the processor's caches

using Status = void;
using Handle = void;

struct ApiBase {
  const void* const* (*get)(std::uint32_t version);
  const char* (*version)();
};

template <typename... Arguments>
struct Function {
  std::size_t at;
  using Type = Status* (*)(Arguments...);
};
template <typename Argument = Handle*>
struct Release {
  std::size_t at;
  using Type = void (*)(Argument);
};

constexpr Function<int, const char*, Handle**> kCreateEnv{3};
constexpr Function<const Handle*, const void*, std::size_t, const Handle*, Handle**> kCreateSession{8};
constexpr Function<Handle*, const Handle*, const char* const*, const Handle* const*, std::size_t, const char* const*, std::size_t,
                   Handle**> kRun{9};
constexpr Function<Handle**> kCreateOptions{10};
constexpr Function<Handle*> kDisableMemoryPattern{17};
constexpr Function<Handle*, int> kSetOptimization{23};
constexpr Function<Handle*, int> kSetThreadsWithin{24};
constexpr Function<Handle*, int> kSetThreadsBetween{25};
constexpr Function<const Handle*, std::size_t*> kInputCount{30};
constexpr Function<const Handle*, std::size_t*> kOutputCount{31};
constexpr Function<const Handle*, std::size_t, Handle**> kInputType{33};
constexpr Function<const Handle*, std::size_t, Handle**> kOutputType{34};
constexpr Function<const Handle*, std::size_t, Handle*, char**> kInputName{36};
constexpr Function<const Handle*, std::size_t, Handle*, char**> kOutputName{37};
constexpr Function<Handle**> kCreateRunOptions{39};
constexpr Function<Handle*> kStopRun{46};
constexpr Function<Handle*, const std::int64_t*, std::size_t, int, Handle**> kCreateTensor{48};
constexpr Function<const Handle*, void*, std::size_t, const std::int64_t*, std::size_t, int, Handle**> kCreateTensorOver{49};
constexpr Function<const Handle*, int*> kIsTensor{50};
constexpr Function<Handle*, void**> kTensorData{51};
constexpr Function<const Handle*, std::size_t*> kTextsLength{53};
constexpr Function<const Handle*, void*, std::size_t, std::size_t*, std::size_t> kTextsContent{54};
constexpr Function<const Handle*, const Handle**> kTensorInfoOf{55};
constexpr Function<const Handle*, int*> kElementType{60};
constexpr Function<const Handle*, std::size_t*> kDimensionsCount{61};
constexpr Function<const Handle*, std::int64_t*, std::size_t> kDimensions{62};
constexpr Function<const Handle*, std::size_t*> kElementCount{64};
constexpr Function<const Handle*, Handle**> kTypeAndShape{65};
constexpr Function<int, int, Handle**> kCreateMemoryInfo{69};
constexpr Function<Handle*, void*> kFreeBy{76};
constexpr Function<Handle**> kDefaultAllocator{78};
constexpr Function<Handle*, const char*, const char*> kAddSetting{130};
constexpr Function<Handle*, const Handle*, const Handle*> kRegisterAllocator{144};
constexpr Function<std::size_t, int, int, int, Handle**> kCreateArena{156};
constexpr Function<Handle*, std::size_t, std::size_t, char**> kTextBuffer{252};
constexpr Release<> kReleaseEnv{92}, kReleaseStatus{93}, kReleaseMemoryInfo{94}, kReleaseSession{95}, kReleaseValue{96},
    kReleaseRunOptions{97}, kReleaseType{98}, kReleaseShape{99}, kReleaseOptions{100}, kReleaseArena{157};

// The table, and the environment that all sessions of a process share.
class Runtime {
 public:
  static Result<std::shared_ptr<const Runtime>> Open() {
    auto library = Library::Open("libonnxruntime.so.1");
    if (!library) {
      return Error(Code::kUnavailable, Str("this model is run by ONNX Runtime, which is not installed: `tools/setup.sh onnx` does it (",
                                           library.error().message(), ")"));
    }
    const ApiBase* (*base)() = nullptr;
    TENON_TRY(library->Bind("OrtGetApiBase", &base));
    const void* const* table = base()->get(kApiVersion);
    if (table == nullptr) {
      return Error(Code::kUnavailable, Str("ONNX Runtime ", base()->version(), " is too old, 1.", kApiVersion,
                                           " is the least; tools/setup.sh onnx installs a newer one"));
    }
    auto runtime = std::make_shared<Runtime>();
    runtime->table_ = table;
    runtime->version_ = base()->version();
    TENON_TRY(runtime->Call(kCreateEnv, kOnlyErrors, "tenon", &runtime->env_));
    TENON_TRY(runtime->Call(kCreateMemoryInfo, 0, 0, &runtime->memory_));
    TENON_TRY(runtime->LimitMemory());
    return std::shared_ptr<const Runtime>(std::move(runtime));
  }
  Runtime() = default;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime() {
    if (memory_ != nullptr) Free(kReleaseMemoryInfo, memory_);
    if (env_ != nullptr) Free(kReleaseEnv, env_);
  }

  template <typename... Arguments, typename... Given>
  Result<void> Call(Function<Arguments...> function, Given&&... given) const {
    Status* status = At<typename Function<Arguments...>::Type>(function.at)(std::forward<Given>(given)...);
    if (status == nullptr) return {};
    const std::string said = At<const char* (*)(const Status*)>(2)(status);
    Free(kReleaseStatus, status);
    const bool memory = said.find("Failed to allocate memory") != std::string::npos || said.find("bad_alloc") != std::string::npos ||
                        said.find("exceeding the") != std::string::npos;
    return Error(memory ? Code::kResourceExhausted : Code::kInvalidArgument, Str("ONNX Runtime: ", said.substr(0, 1000)));
  }
  void Free(Release<> release, Handle* handle) const { At<Release<>::Type>(release.at)(handle); }

  Handle* env() const { return env_; }
  const Handle* memory() const { return memory_; }
  const std::string& version() const { return version_; }

 private:
  template <typename Type>
  Type At(std::size_t at) const {
    return reinterpret_cast<Type>(const_cast<void*>(table_[at]));
  }
  // A model that asks for a petabyte is to get an answer, and the process to live.
  Result<void> LimitMemory() {
    Handle* arena = nullptr;
    TENON_TRY(Call(kCreateArena, kMostMemory, kSameAsRequested, -1, -1, &arena));
    Handle* info = nullptr;
    auto made = Call(kCreateMemoryInfo, 1, 0, &info);
    // Refused when an earlier session's environment, which is the same one, has it already.
    if (made) static_cast<void>(Call(kRegisterAllocator, env_, info, arena));
    if (info != nullptr) Free(kReleaseMemoryInfo, info);
    Free(kReleaseArena, arena);
    return made;
  }

  const void* const* table_ = nullptr;
  std::string version_;
  Handle* env_ = nullptr;
  Handle* memory_ = nullptr;
};

// A handle and what frees it.
class Held {
 public:
  Held(const Runtime& runtime, Release<> release) : runtime_(&runtime), release_(release) {}
  Held(Held&& other) noexcept : runtime_(other.runtime_), release_(other.release_), handle_(std::exchange(other.handle_, nullptr)) {}
  Held& operator=(Held&&) = delete;
  ~Held() {
    if (handle_ != nullptr) runtime_->Free(release_, handle_);
  }
  Handle** out() { return &handle_; }
  Handle* get() const { return handle_; }

 private:
  const Runtime* runtime_;
  Release<> release_;
  Handle* handle_ = nullptr;
};

Result<std::pair<TensorType, std::vector<std::int64_t>>> ReadShape(const Runtime& runtime, const Handle* info, std::string_view what) {
  int type = 0;
  std::size_t count = 0;
  TENON_TRY(runtime.Call(kElementType, info, &type));
  TENON_TRY(runtime.Call(kDimensionsCount, info, &count));
  std::vector<std::int64_t> shape(count);
  TENON_TRY(runtime.Call(kDimensions, info, shape.data(), count));
  if (!KnownTensorType(type)) return Error(Code::kInvalidArgument, Str(what, " has elements of type ", type, ", which cannot be handed over"));
  return std::pair(static_cast<TensorType>(type), std::move(shape));
}

class OnnxProgram final : public TensorProgram {
 public:
  explicit OnnxProgram(std::shared_ptr<const Runtime> runtime) : runtime_(std::move(runtime)), session_(*runtime_, kReleaseSession) {}

  Result<void> Open(std::string_view onnx) {
    const Runtime& runtime = *runtime_;
    Held options(runtime, kReleaseOptions);
    TENON_TRY(runtime.Call(kCreateOptions, options.out()));
    // One thread a run: requests come on many, and sums in one order have the same bits.
    TENON_TRY(runtime.Call(kSetThreadsWithin, options.get(), 1));
    TENON_TRY(runtime.Call(kSetThreadsBetween, options.get(), 1));
    TENON_TRY(runtime.Call(kSetOptimization, options.get(), kExtended));
    TENON_TRY(runtime.Call(kDisableMemoryPattern, options.get()));
    TENON_TRY(runtime.Call(kAddSetting, options.get(), "session.use_env_allocators", "1"));
    TENON_TRY(runtime.Call(kCreateSession, runtime.env(), onnx.data(), onnx.size(), options.get(), session_.out()));
    TENON_TRY(ReadPorts(kInputCount, kInputName, kInputType, &inputs_), "reading the model's inputs");
    TENON_TRY(ReadPorts(kOutputCount, kOutputName, kOutputType, &outputs_), "reading the model's outputs");
    return {};
  }

  const std::vector<Port>& inputs() const override { return inputs_; }
  const std::vector<Port>& outputs() const override { return outputs_; }

  Result<std::vector<Tensor>> Run(std::span<const Tensor> in, std::span<const std::string> wanted,
                                  const std::stop_token& stop) const override {
    const Runtime& runtime = *runtime_;
    if (in.size() != inputs_.size()) return Error(Code::kInternal, Str("the program takes ", inputs_.size(), " tensors, got ", in.size()));
    std::vector<Held> held;
    std::vector<const char*> in_names, out_names;
    std::vector<const Handle*> in_values;
    for (std::size_t i = 0; i < in.size(); ++i) {
      TENON_ASSIGN(Held value, ValueOf(in[i]), inputs_[i].name);
      in_names.push_back(inputs_[i].name.c_str());
      in_values.push_back(value.get());
      held.push_back(std::move(value));
    }
    for (const std::string& name : wanted) out_names.push_back(name.c_str());
    std::vector<Handle*> out_values(wanted.size());
    Result<void> ran = RunValues(in_names, in_values, out_names, out_values, stop);
    for (Handle* value : out_values) {
      if (value == nullptr) continue;
      held.emplace_back(runtime, kReleaseValue);
      *held.back().out() = value;
    }
    TENON_TRY(std::move(ran));
    std::vector<Tensor> out;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      TENON_ASSIGN(Tensor tensor, TensorOf(out_values[i], wanted[i]));
      out.push_back(std::move(tensor));
    }
    return out;
  }

 private:
  Result<void> RunValues(const std::vector<const char*>& in_names, const std::vector<const Handle*>& in,
                         const std::vector<const char*>& out_names, std::vector<Handle*>& out, const std::stop_token& stop) const {
    const Runtime& runtime = *runtime_;
    Held options(runtime, kReleaseRunOptions);
    TENON_TRY(runtime.Call(kCreateRunOptions, options.out()));
    const std::stop_callback on_stop(stop, [&] { static_cast<void>(runtime.Call(kStopRun, options.get())); });
    auto ran = runtime.Call(kRun, session_.get(), options.get(), in_names.data(), in.data(), in.size(), out_names.data(),
                            out_names.size(), out.data());
    if (!ran && stop.stop_requested()) return Error(Code::kCancelled, "the model was stopped while it ran");
    return ran;
  }

  template <typename Count, typename Name, typename TypeOf>
  Result<void> ReadPorts(Count count_of, Name name_of, TypeOf type_of, std::vector<Port>* out) const {
    const Runtime& runtime = *runtime_;
    std::size_t count = 0;
    TENON_TRY(runtime.Call(count_of, session_.get(), &count));
    Handle* allocator = nullptr;
    TENON_TRY(runtime.Call(kDefaultAllocator, &allocator));
    for (std::size_t i = 0; i < count; ++i) {
      char* name = nullptr;
      TENON_TRY(runtime.Call(name_of, session_.get(), i, allocator, &name));
      Port port{.name = name};
      TENON_TRY(runtime.Call(kFreeBy, allocator, name));
      Held type(runtime, kReleaseType);
      TENON_TRY(runtime.Call(type_of, session_.get(), i, type.out()));
      const Handle* info = nullptr;
      TENON_TRY(runtime.Call(kTensorInfoOf, type.get(), &info));
      if (info == nullptr) {
        return Error(Code::kInvalidArgument, Str("'", port.name, "' is a sequence or a map, not a tensor; export the model without them (zipmap=False)"));
      }
      TENON_ASSIGN(auto shape, ReadShape(runtime, info, Str("'", port.name, "'")));
      port.type = shape.first;
      port.shape = std::move(shape.second);
      out->push_back(std::move(port));
    }
    return {};
  }

  Result<Held> ValueOf(const Tensor& tensor) const {
    const Runtime& runtime = *runtime_;
    Held value(runtime, kReleaseValue);
    if (tensor.type != TensorType::kString) {
      TENON_TRY(runtime.Call(kCreateTensorOver, runtime.memory(), const_cast<std::byte*>(tensor.bytes.data()), tensor.bytes.size(),
                             tensor.shape.data(), tensor.shape.size(), static_cast<int>(tensor.type), value.out()));
      return value;
    }
    Handle* allocator = nullptr;
    TENON_TRY(runtime.Call(kDefaultAllocator, &allocator));
    TENON_TRY(runtime.Call(kCreateTensor, allocator, tensor.shape.data(), tensor.shape.size(), static_cast<int>(tensor.type), value.out()));
    for (std::size_t i = 0; i < tensor.texts.size(); ++i) {
      if (tensor.texts[i].empty()) continue;
      char* buffer = nullptr;
      TENON_TRY(runtime.Call(kTextBuffer, value.get(), i, tensor.texts[i].size(), &buffer));
      std::memcpy(buffer, tensor.texts[i].data(), tensor.texts[i].size());
    }
    return value;
  }

  Result<Tensor> TensorOf(Handle* value, const std::string& name) const {
    const Runtime& runtime = *runtime_;
    int is_tensor = 0;
    TENON_TRY(runtime.Call(kIsTensor, value, &is_tensor));
    if (is_tensor == 0) return Error(Code::kInvalidArgument, Str("the output '", name, "' is no tensor"));
    Held info(runtime, kReleaseShape);
    TENON_TRY(runtime.Call(kTypeAndShape, value, info.out()));
    TENON_ASSIGN(auto shape, ReadShape(runtime, info.get(), Str("the output '", name, "'")));
    std::size_t count = 0;
    TENON_TRY(runtime.Call(kElementCount, info.get(), &count));
    Tensor tensor{.type = shape.first, .shape = std::move(shape.second)};
    if (tensor.type != TensorType::kString) {
      void* data = nullptr;
      TENON_TRY(runtime.Call(kTensorData, value, &data));
      tensor.bytes.resize(count * BytesOf(tensor.type));
      if (!tensor.bytes.empty()) std::memcpy(tensor.bytes.data(), data, tensor.bytes.size());
      return tensor;
    }
    std::size_t length = 0;
    TENON_TRY(runtime.Call(kTextsLength, value, &length));
    std::string all(length, '\0');
    std::vector<std::size_t> offsets(count);
    TENON_TRY(runtime.Call(kTextsContent, value, all.data(), all.size(), offsets.data(), offsets.size()));
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t end = i + 1 < count ? offsets[i + 1] : length;
      tensor.made.push_back(all.substr(offsets[i], end - offsets[i]));
    }
    return tensor;
  }

  std::shared_ptr<const Runtime> runtime_;  // before the session, which it outlives
  Held session_;
  std::vector<Port> inputs_, outputs_;
};

struct TypeRow {
  TensorType type;
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array<TypeRow, 12> kTypes = {{{TensorType::kFloat, "float", 4}, {TensorType::kUint8, "uint8", 1}, {TensorType::kInt8, "int8", 1},
                                             {TensorType::kUint16, "uint16", 2}, {TensorType::kInt16, "int16", 2},
                                             {TensorType::kInt32, "int32", 4}, {TensorType::kInt64, "int64", 8},
                                             {TensorType::kString, "string", 0}, {TensorType::kBool, "bool", 1},
                                             {TensorType::kDouble, "double", 8}, {TensorType::kUint32, "uint32", 4},
                                             {TensorType::kUint64, "uint64", 8}}};

const TypeRow* RowOfType(std::int64_t number) {
  for (const TypeRow& row : kTypes) {
    if (static_cast<std::int64_t>(row.type) == number) return &row;
  }
  return nullptr;
}

}  // namespace

std::string_view NameOf(TensorType type) { return RowOfType(static_cast<std::int64_t>(type))->name; }
std::size_t BytesOf(TensorType type) { return RowOfType(static_cast<std::int64_t>(type))->bytes; }
bool KnownTensorType(std::int64_t onnx_number) { return RowOfType(onnx_number) != nullptr; }

Result<std::shared_ptr<const TensorProgram>> TensorProgram::Load(std::string_view onnx) {
  TENON_ASSIGN(auto runtime, Runtime::Open());
  auto program = std::make_shared<OnnxProgram>(std::move(runtime));
  TENON_TRY(program->Open(onnx));
  return std::shared_ptr<const TensorProgram>(std::move(program));
}

Result<std::string> TensorProgram::Version() {
  TENON_ASSIGN(auto runtime, Runtime::Open());
  return runtime->version();
}

}  // namespace tenon::platform
