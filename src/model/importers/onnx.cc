// ONNX files of any maker (scikit-learn's through skl2onnx among them): which columns they take, what they answer, and
// whether our own engines can answer in their place.

#include <algorithm>
#include <cmath>

#include "model/importers_internal.h"
#include "model/onnx_model.h"
#include "model/onnx_native_internal.h"
#include "platform/tensor_program.h"

namespace tenon::model {
namespace {

using platform::TensorType;

constexpr std::size_t kMostBackground = 32;

Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, Str("the ONNX model cannot be imported: ", what)); }

table::Type TypeOf(std::int64_t tensor_type) {
  switch (static_cast<TensorType>(tensor_type)) {
    case TensorType::kString: return table::Type::kString;
    case TensorType::kBool: return table::Type::kBool;
    case TensorType::kFloat: case TensorType::kDouble: return table::Type::kFloat64;
    default: return table::Type::kInt64;
  }
}

// Puts names to the columns of the inputs, one input after another.
class Columns {
 public:
  Columns(const OnnxFile& file, const table::Batch* samples) : file_(file) {
    if (samples == nullptr) return;
    for (const std::string& name : samples->schema().Names()) {
      const bool taken = std::ranges::any_of(file.inputs, [&](const OnnxPort& port) { return port.name == name; });
      if (!taken) free_.push_back(name);
    }
    sampled_ = true;
  }

  Result<void> Place(OnnxSpec* spec, Json* facts) {
    for (const OnnxPort& port : file_.inputs) {
      if (!platform::KnownTensorType(port.type)) {
        return Wrong(Str("its input '", port.name, "' has elements of type ", port.type, ", which cannot be handed over"));
      }
      if (!port.ranked || port.shape.empty()) return Wrong(Str("its input '", port.name, "' says no shape; [rows] or [rows, columns] was expected"));
      OnnxSpec::Input input{.name = port.name};
      const bool tensor = port.shape.size() > 2;
      std::int64_t width = tensor || port.shape.size() == 1 ? 1 : port.shape[1];
      if (width < 0) width = sampled_ ? static_cast<std::int64_t>(free_.size() - next_) : 0;
      if (width < 1 || width > 1 << 20) {
        return Wrong(Str("its input '", port.name, "' takes any number of columns; --samples says which they are"));
      }
      for (std::int64_t i = 0; i < width; ++i) {
        TENON_ASSIGN(std::string name, Name(port, width, i));
        OnnxSpec::Column column{.field = {.name = name, .type = TypeOf(port.type)}};
        if (tensor) TENON_TRY(SetShape(port, &column));
        Json about;
        about["required"] = column.field.type != table::Type::kFloat64;
        if (tensor) about["shape"] = Json::ListOf(column.shape);
        if (tensor) about["element"] = NameOf(static_cast<TensorType>(port.type));
        (*facts)[name] = std::move(about);
        input.columns.push_back(static_cast<int>(spec->columns.size()));
        spec->columns.push_back(std::move(column));
      }
      spec->inputs.push_back(std::move(input));
    }
    return {};
  }

 private:
  static Result<void> SetShape(const OnnxPort& port, OnnxSpec::Column* column) {
    if (port.type == static_cast<std::int64_t>(TensorType::kString)) return Wrong(Str("its input '", port.name, "' is a tensor of texts"));
    column->field.type = table::Type::kString;
    column->shape.assign(port.shape.begin() + 1, port.shape.end());
    if (std::ranges::any_of(column->shape, [](std::int64_t size) { return size < 1; })) {
      return Wrong(Str("its input '", port.name, "' leaves a dimension open beside the first; fix it in the file"));
    }
    return {};
  }
  Result<std::string> Name(const OnnxPort& port, std::int64_t width, std::int64_t i) {
    if (width == 1 && (!sampled_ || free_.size() == next_ || file_.inputs.size() > 1)) return port.name;
    if (!sampled_) return Str(port.name, "_", i);
    if (next_ >= free_.size()) {
      return Wrong(Str("its input '", port.name, "' takes ", width, " columns, the sample rows have only ", free_.size(), ": ", Join(free_, ", ")));
    }
    return free_[next_++];
  }
  const OnnxFile& file_;
  std::vector<std::string> free_;  // columns of the samples that are no input by name
  std::size_t next_ = 0;
  bool sampled_ = false;
};

// The labels that a classifier among the nodes has; empty: none does.
std::vector<std::string> LabelsIn(const OnnxFile& file) {
  for (const char* name : {"classlabels_strings", "classlabels_int64s", "classlabels_ints"}) {
    for (const OnnxNode& node : file.nodes) {
      if (node.op != "ZipMap" && !node.op.ends_with("Classifier")) continue;
      std::vector<std::string> labels = node.Texts(name);
      for (const std::int64_t label : node.Ints(name)) labels.push_back(Str(label));
      if (!labels.empty()) return labels;
    }
  }
  return {};
}

struct Answer {
  std::string output;
  std::int64_t width = -1;  // numbers a row, when the file says so
};

// The output of scores: the last float one that is no label.
Result<Answer> AnswerIn(const OnnxFile& file) {
  Answer answer;
  for (const OnnxPort& port : file.outputs) {
    const OnnxNode* maker = file.Maker(port.name);
    std::string name = port.name;
    std::int64_t width = port.shape.size() == 1 ? 1 : port.shape.size() == 2 ? port.shape[1] : -1;
    if (maker != nullptr && maker->op == "ZipMap") {
      name = maker->in.empty() ? "" : maker->in[0];
    } else if (port.type != 1 && port.type != 11) {
      continue;
    }
    if (!answer.output.empty() && name.find("prob") == std::string::npos) continue;
    answer = {name, width};
  }
  if (answer.output.empty()) return Wrong("none of its outputs is a tensor of floats");
  return answer;
}

class OnnxImporter final : public Importer {
 public:
  bool Knows(std::string_view bytes) const override {
    // A ModelProto begins with its first field, the version of the IR; no other format here begins with that byte.
    return bytes.size() > 2 && bytes[0] == '\x08' && bytes[1] > 0 && bytes[1] < 32;
  }

  Result<Imported> Import(const ImportRequest& request) const override {
    TENON_ASSIGN(const OnnxFile file, OnnxFile::Read(request.bytes));
    Imported out;
    OnnxSpec spec;
    TENON_TRY(Columns(file, request.samples).Place(&spec, &out.inputs));
    TENON_ASSIGN(const Answer answer, AnswerIn(file));
    std::vector<std::string> labels = LabelsIn(file);
    TENON_TRY(SetTask(request, labels, answer, &spec));
    TENON_ASSIGN(out.classes, ClassNames(request, std::move(labels), spec.task, spec.outputs));
    spec.output = answer.output;
    spec.onnx = file.WithoutMaps();
    for (const OnnxSpec::Column& column : spec.columns) {
      out.graph.inputs.push_back(column.field);
      out.values.emplace_back();
    }
    if (request.samples != nullptr) TENON_TRY(SetBackground(*request.samples, &spec));
    out.about["maker"] = file.producer.empty() ? "ONNX" : Str("ONNX by ", file.producer);
    out.about["nodes"] = file.nodes.size();
    out.tolerance = 1e-5;  // bits hang on the processor that the runtime finds
    const int features = static_cast<int>(spec.columns.size());
    const bool one = spec.inputs.size() == 1 && spec.columns[0].shape.empty() && spec.columns[0].field.type == table::Type::kFloat64;
    Result<OnnxNative> native = one ? ReadNative(file, answer.output, spec.task, spec.outputs, features)
                                    : Result<OnnxNative>(Error(Code::kFailedPrecondition, "it takes more than one input of numbers"));
    auto run = MakeOnnx(std::move(spec));
    if (!native) {
      out.notes.push_back(Str("run by ONNX Runtime, as it is not said in ours: ", native.error().message()));
      if (!run) return std::move(run).error();
      out.model = std::move(*run);
      return out;
    }
    out.model = std::move(native->model);
    out.tolerance = native->tolerance;
    for (const table::Field& field : out.graph.inputs) out.graph.features.push_back(field.name);
    if (run) {
      out.reference = std::move(*run);
    } else if (run.error().code() == Code::kUnavailable) {
      out.reference_problem = run.error().message();
    } else {
      return std::move(run).error();
    }
    return out;
  }

 private:
  static Result<void> SetTask(const ImportRequest& request, const std::vector<std::string>& labels, const Answer& answer, OnnxSpec* spec) {
    std::int64_t classes = !request.classes.empty() ? static_cast<std::int64_t>(request.classes.size()) : static_cast<std::int64_t>(labels.size());
    if (classes == 0 && request.task == "multiclass") classes = answer.width;
    if (!request.task.empty()) {
      TENON_ASSIGN(spec->task, TaskNamed(request.task));
    } else if (classes > 0) {
      spec->task = classes == 2 ? Task::kBinary : Task::kMulticlass;
    } else if (answer.width != 1) {
      return Wrong(Str("its output '", answer.output, "' has ", answer.width < 0 ? "an open number of" : Str(answer.width), " values a row; say what they are: --task and --labels"));
    }
    if (spec->task == Task::kMulticlass && classes < 2) return Wrong("its classes are not named; --labels a,b,c names them in the order of its outputs");
    spec->outputs = spec->task == Task::kMulticlass ? static_cast<int>(classes) : 1;
    spec->answer = spec->task == Task::kRegression ? OnnxSpec::Answer::kValue
                   : spec->task == Task::kBinary && answer.width == 1 ? OnnxSpec::Answer::kPositive
                                                                      : OnnxSpec::Answer::kByClass;
    const std::string& link = request.link;
    if (link == "logistic") {
      spec->link = spec->task == Task::kBinary && spec->answer == OnnxSpec::Answer::kPositive ? Link::kOfTask : Link::kLogistic;
    } else if (link == "softmax") {
      if (spec->task == Task::kRegression) return Wrong("a regression has no softmax");
      spec->link = Link::kOfTask;
    } else if (!link.empty() && link != "identity") {
      return Error(Code::kInvalidArgument, Str("no link '", link, "'", DidYouMean(link, std::vector<std::string>{"identity", "logistic", "softmax"})));
    }
    return {};
  }

  static Result<void> SetBackground(const table::Batch& samples, OnnxSpec* spec) {
    std::vector<table::Column> columns;
    for (const OnnxSpec::Column& column : spec->columns) {
      TENON_ASSIGN(table::Column values, samples.Named(column.field.name), "the sample rows");
      columns.push_back(std::move(values));
    }
    const auto n = std::min<std::int64_t>(static_cast<std::int64_t>(kMostBackground), samples.rows());
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t row = i * samples.rows() / n;
      Json values = Json::MakeArray();
      for (std::size_t c = 0; c < columns.size(); ++c) {
        const bool text = spec->columns[c].field.type == table::Type::kString;
        const Json value = columns[c].ValueAt(row);
        if (value.is_null()) values.Push(value);
        else if (text) values.Push(value.is_string() ? value : Json(value.Dump()));
        else values.Push(Json(columns[c].Number(row)));
      }
      spec->background.push_back(std::move(values));
    }
    return {};
  }
};

}  // namespace

Result<void> AddOnnx(Kinds<Importer>& kinds) {
  return kinds.Add("onnx",
                   {.summary = "Take an ONNX file: read into our engines where that is shown to be the same, run by ONNX Runtime else",
                    .when = "Pipelines of scikit-learn (skl2onnx), neural networks, anything that ONNX says: numbers, texts, tensors",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Importer>> { return std::make_unique<OnnxImporter>(); });
}

}  // namespace tenon::model
