#include "pipeline/saved_model.h"

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <utility>

#include "base/text.h"
#include "platform/onnx_file.h"
#include "platform/process.h"

namespace tenon::pipeline {
namespace {

// A folder for what passes between us and Python; gone with its owner.
class Scratch {
 public:
  static Result<Scratch> Make() {
    std::error_code failed;
    std::string name = platform::JoinPath(std::filesystem::temp_directory_path(failed).string(), "tenon-saved-model-XXXXXX");
    if (failed || ::mkdtemp(name.data()) == nullptr) return Error(Code::kUnavailable, Str("no temporary folder ", name, " can be made"));
    return Scratch(std::move(name));
  }
  Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  std::string At(std::string_view name) const { return platform::JoinPath(path_, name); }

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Asks the signature that serves; an input of the ONNX file is the signature's of the same name, or the only one.
constexpr const char* kAsk = R"(
import json, sys
import numpy as np
import tensorflow as tf
folder, asked, told = sys.argv[1:4]
job = json.load(open(asked))
model = tf.saved_model.load(folder)
names = list(model.signatures)
sign = model.signatures["serving_default" if "serving_default" in names else names[0]]
wanted = sign.structured_input_signature[1]
feeds = {}
for one in job["inputs"]:
    plain = one["name"].split(":")[0]
    name = next((n for n in wanted if n == plain or plain == "serving_default_" + n), None)
    if name is None:
        if len(wanted) != 1 or len(job["inputs"]) != 1:
            sys.exit("the signature has no input " + plain + "; it has " + ", ".join(wanted))
        name = next(iter(wanted))
    kind = wanted[name]
    cells = [[row[c] for c in one["columns"]] for row in job["rows"]]
    if kind.dtype == tf.string:
        values = np.array([["" if v is None else str(v) for v in row] for row in cells], dtype=object)
    else:
        values = np.array([[np.nan if v is None else v for v in row] for row in cells], dtype=float).astype(kind.dtype.as_numpy_dtype)
    if kind.shape.rank == 1:
        values = values[:, 0]
    feeds[name] = tf.constant(values, dtype=kind.dtype)
answers = {k: v.numpy() for k, v in sign(**feeds).items()}
floats = {k: v for k, v in answers.items() if v.dtype.kind == "f"}
chosen = next((floats[n.split(":")[0]] for n in job["outputs"] if n.split(":")[0] in floats), None)
if chosen is None:
    chosen = list(floats.values())[-1]
chosen = chosen.reshape(len(job["rows"]), -1).astype(float)
json.dump({"version": tf.__version__, "width": chosen.shape[1], "values": [v if np.isfinite(v) else None for v in chosen.ravel().tolist()]}, open(told, "w"))
)";

std::string LastLines(const std::string& said) {
  const std::string_view text = Trim(said);
  return std::string(text.size() <= 1500 ? text : text.substr(text.size() - 1500));
}

}  // namespace

bool IsSavedModel(const platform::Files& files, const std::string& path) { return files.Exists(platform::JoinPath(path, "saved_model.pb")); }

Result<std::string> ConvertSavedModel(const Call& call, const platform::Files& files, const std::string& folder, const std::string& python) {
  const std::string by_hand = Str("bring it with `", python, " -m pip install tensorflow tf2onnx`, or name a Python that has it with --python; or do it elsewhere with `python3 -m tf2onnx.convert --saved-model ",
                                  folder, " --output model.onnx` and import model.onnx");
  auto there = platform::RunProgram(call, {python, "-c", "import importlib.util as u, sys; sys.exit(3 if u.find_spec('tf2onnx') is None or u.find_spec('tensorflow') is None else 0)"});
  if (!there.ok() && there.error().code() != Code::kNotFound) return std::move(there).error();
  if (!there.ok()) return Error(Code::kFailedPrecondition, Str("a SavedModel goes through tf2onnx in Python, and ", there.error().message(), "; ", by_hand));
  if (there->status != 0) return Error(Code::kFailedPrecondition, Str("a SavedModel goes through tf2onnx, which ", python, " does not have (with TensorFlow); ", by_hand));
  TENON_ASSIGN(const Scratch scratch, Scratch::Make());
  const std::string out = scratch.At("model.onnx");
  TENON_ASSIGN(const platform::Ran ran, platform::RunProgram(call, {python, "-m", "tf2onnx.convert", "--saved-model", folder, "--output", out, "--opset", "17"}), "converting the SavedModel");
  if (ran.status != 0 || !files.Exists(out)) return Error(Code::kInvalidArgument, Str("tf2onnx cannot convert ", folder, " (exit ", ran.status, "): ", LastLines(ran.said)));
  return files.Read(out);
}

Result<SavedAnswers> AskSavedModel(const Call& call, platform::Files& files, const std::string& folder, const std::string& python, std::string_view onnx, const table::Batch& rows) {
  TENON_ASSIGN(const auto file, platform::OnnxFile::Read(onnx));
  SavedAnswers out;
  Json job;
  job["inputs"] = Json::MakeArray();
  int next = 0;
  for (const platform::OnnxPort& port : file.inputs) {
    if (port.shape.size() > 2) {
      out.problem = Str("its input '", port.name, "' has more than two dimensions");
      return out;
    }
    const std::int64_t left = rows.columns() - next;
    const std::int64_t width = port.shape.size() < 2 ? 1 : port.shape[1] < 0 ? left : port.shape[1];
    if (width > left) return Error(Code::kInternal, "the converted model has more inputs than columns");
    Json input;
    input["name"] = port.name;
    input["columns"] = Json::MakeArray();
    for (std::int64_t i = 0; i < width; ++i) input["columns"].Push(next++);
    job["inputs"].Push(std::move(input));
  }
  job["outputs"] = Json::MakeArray();
  for (const platform::OnnxPort& port : file.outputs) job["outputs"].Push(port.name);
  job["rows"] = Json::MakeArray();
  for (std::int64_t i = 0; i < rows.rows(); ++i) {
    Json row = Json::MakeArray();
    for (int c = 0; c < rows.columns(); ++c) row.Push(rows.column(c).ValueAt(i));
    job["rows"].Push(std::move(row));
  }
  TENON_ASSIGN(const Scratch scratch, Scratch::Make());
  TENON_TRY(files.Write(scratch.At("asked.json"), job.Dump()));
  TENON_ASSIGN(const platform::Ran ran, platform::RunProgram(call, {python, "-c", kAsk, folder, scratch.At("asked.json"), scratch.At("told.json")}), "asking the SavedModel");
  if (ran.status != 0) return Error(Code::kInvalidArgument, Str("the SavedModel itself cannot be asked about the rows (exit ", ran.status, "): ", LastLines(ran.said)));
  TENON_ASSIGN(const std::string told, files.Read(scratch.At("told.json")));
  TENON_ASSIGN(const Json answers, Json::Parse(told, "the SavedModel's answers"));
  out.version = answers.StringAt("version");
  out.width = static_cast<std::size_t>(answers.IntAt("width", 1));
  if (const Json* values = answers.Find("values"); values != nullptr && values->is_array()) {
    for (const Json& value : values->array()) out.values.push_back(value.is_number() ? value.Number() : std::numeric_limits<double>::quiet_NaN());
  }
  if (out.width == 0 || out.values.size() != static_cast<std::size_t>(rows.rows()) * out.width) return Error(Code::kInvalidArgument, "the SavedModel does not give an answer for each row");
  return out;
}

}  // namespace tenon::pipeline
