#include "model/onnx_model.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/text.h"
#include "model/onnx_tensors_internal.h"
#include "model/payload_internal.h"

namespace tenon::model {
namespace {

using platform::TensorProgram;

constexpr std::array<std::string_view, 3> kAnswers = {"value", "positive", "by_class"};
constexpr std::array<std::string_view, 4> kLinks = {"of_task", "identity", "logistic", "exp"};
constexpr std::size_t kRowsARun = 256;  // of explanations, whose rows need not have the bits of rows alone

Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, Str("the ONNX model: ", what)); }

template <typename List>
Result<int> PlaceOf(const List& names, std::string_view name, std::string_view what) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<int>(i);
  }
  const std::vector<std::string> known(names.begin(), names.end());
  return Wrong(Str("no ", what, " '", name, "'", DidYouMean(name, known)));
}

// A stream of whole numbers from a seed (Steele, Lea, Flood 2014), the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::size_t Below(std::size_t bound) {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return static_cast<std::size_t>((z ^ (z >> 31)) % bound);
  }

 private:
  std::uint64_t state_;
};

// Slots of rows under way from a background row to the one explained.
struct Walk {
  std::size_t width;
  std::vector<double> numbers;
  std::vector<std::string_view> texts;
  ColumnRows Rows(std::size_t from, std::size_t n) const {
    return {numbers.data() + from * width, texts.data() + from * width, static_cast<std::int64_t>(n)};
  }
  std::size_t rows() const { return numbers.size() / width; }
  void Add(const double* n, const std::string_view* t) {
    numbers.insert(numbers.end(), n, n + width);
    texts.insert(texts.end(), t, t + width);
  }
};

class Onnx final : public Model, public ColumnModel {
 public:
  Onnx(OnnxSpec spec, std::shared_ptr<const TensorProgram> program) : spec_(std::move(spec)), program_(std::move(program)) {
    for (const OnnxSpec::Column& column : spec_.columns) fields_.push_back(column.field);
    const std::size_t width = fields_.size();
    for (const Json& row : spec_.background) {
      for (std::size_t i = 0; i < width; ++i) {
        const Json& value = row.array()[i];
        const bool text = fields_[i].type == table::Type::kString;
        numbers_.push_back(text || value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.Number());
        texts_.push_back(text && value.is_string() ? std::string_view(value.String()) : std::string_view());
      }
    }
    alone_ = std::ranges::any_of(program_->inputs(), [](const auto& port) { return !port.shape.empty() && port.shape[0] == 1; });
  }

  std::string_view format() const override { return "onnx"; }
  Task task() const override { return spec_.task; }
  int features() const override { return 0; }
  int outputs() const override { return spec_.outputs; }
  const ColumnModel* by_columns() const override { return this; }

  // There are no features to predict from.
  void Predict(const float*, std::int64_t n, std::int64_t, float* out) const override {
    std::fill_n(out, n * spec_.outputs, std::numeric_limits<float>::quiet_NaN());
  }
  void Margin(const float* rows, std::int64_t n, std::int64_t stride, float* out) const override { Predict(rows, n, stride, out); }
  void Contributions(const float*, double* out) const override {
    std::fill_n(out, spec_.outputs, std::numeric_limits<double>::quiet_NaN());
  }

  const std::vector<table::Field>& columns() const override { return fields_; }

  // One row a run: what a row gets must not hang on the rows beside it, and the runtime's kernels differ by their number.
  Result<void> PredictColumns(const ColumnRows& rows, float* out) const override {
    const std::size_t width = fields_.size();
    for (std::int64_t i = 0; i < rows.n; ++i) {
      const std::size_t at = static_cast<std::size_t>(i) * width;
      TENON_TRY(Run({rows.numbers + at, rows.texts + at, 1}, out + i * spec_.outputs, {}));
    }
    return {};
  }

  Result<void> PredictTogether(const ColumnRows& rows, float* out) const override { return alone_ ? PredictColumns(rows, out) : Run(rows, out, {}); }
  bool takes_many() const override {
    return std::ranges::all_of(program_->inputs(), [](const auto& port) { return !port.shape.empty() && port.shape[0] < 0; });
  }

  Result<Attribution> ExplainColumns(const ColumnRows& row, int output, double* by_column, double* base) const override;

  Json Describe() const override {
    Json json;
    json["format"] = format();
    json["columns"] = fields_.size();
    json["outputs"] = spec_.outputs;
    json["bytes"] = spec_.onnx.size();
    return json;
  }

  std::string Save() const override {
    PayloadWriter writer("TNONNX__", 1);
    writer.PutBytes(spec_.ToJson().Canonical());
    writer.PutBytes(spec_.onnx);
    return std::move(writer).Finish();
  }

  Result<void> Run(const ColumnRows& rows, float* out, const std::stop_token& stop) const {
    std::vector<platform::Tensor> in;
    for (std::size_t i = 0; i < spec_.inputs.size(); ++i) {
      TENON_ASSIGN(auto tensor, FillTensor(program_->inputs()[i], spec_.inputs[i], spec_.columns, rows));
      in.push_back(std::move(tensor));
    }
    TENON_ASSIGN(const auto answered, program_->Run(in, {&spec_.output, 1}, stop));
    TENON_ASSIGN(const std::vector<float> values, FloatsOf(answered[0], spec_.output));
    const std::size_t n = static_cast<std::size_t>(rows.n);
    const bool two = spec_.task == Task::kBinary && spec_.answer == OnnxSpec::Answer::kByClass;
    const std::size_t wanted = two ? 2 : static_cast<std::size_t>(spec_.outputs);
    if (values.size() != n * wanted) {
      return Wrong(Str("its output '", spec_.output, "' has ", values.size(), " numbers for ", n, " rows; ", n * wanted, " were expected"));
    }
    if (!two) {
      std::ranges::copy(values, out);
    } else {
      for (std::size_t i = 0; i < n; ++i) out[i] = values[2 * i + 1];
      if (spec_.link == Link::kOfTask) {  // a softmax of two is the logistic of their difference
        for (std::size_t i = 0; i < n; ++i) out[i] -= values[2 * i];
      }
    }
    ApplyLink(spec_.task, spec_.outputs, out, rows.n, spec_.link);
    return {};
  }

 private:
  Result<std::vector<double>> Values(const Walk& walk, int output) const;

  OnnxSpec spec_;
  std::shared_ptr<const TensorProgram> program_;
  std::vector<table::Field> fields_;
  std::vector<double> numbers_;        // of the background rows
  std::vector<std::string_view> texts_;
  bool alone_ = false;                 // the file takes one row a run
};

Result<std::vector<double>> Onnx::Values(const Walk& walk, int output) const {
  const auto outputs = static_cast<std::size_t>(spec_.outputs);
  std::vector<float> predicted(walk.rows() * outputs);
  const std::size_t step = alone_ ? 1 : kRowsARun;
  for (std::size_t from = 0; from < walk.rows(); from += step) {
    TENON_TRY(Run(walk.Rows(from, std::min(step, walk.rows() - from)), predicted.data() + from * outputs, {}));
  }
  std::vector<double> values;
  for (std::size_t i = 0; i < walk.rows(); ++i) values.push_back(static_cast<double>(predicted[i * outputs + static_cast<std::size_t>(output)]));
  return values;
}

// Shapley values by random orders of the columns (Castro, Gomez, Tejada 2009), each with its reverse, which halves the noise
// (Mitchell et al. 2022). In every order the columns are changed one after another from a background row's to this row's.
Result<Attribution> Onnx::ExplainColumns(const ColumnRows& row, int output, double* by_column, double* base) const {
  const std::size_t width = fields_.size();
  const std::size_t backgrounds = width == 0 ? 0 : numbers_.size() / width;
  if (backgrounds == 0) return Wrong("it has no background rows to explain against; import it again with --samples");
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(spec_.deadline_ms);
  Random random(spec_.seed);
  std::vector<std::size_t> order(width);
  std::vector<double> sum(width), squares(width);
  double base_sum = 0;
  int pairs = 0;
  const int wanted = std::max(1, spec_.samples / 2);
  for (; pairs < wanted; ++pairs) {
    if (pairs > 0 && std::chrono::steady_clock::now() > until) break;
    const std::size_t from = static_cast<std::size_t>(pairs) % backgrounds;
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = width; i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
    Walk walk{.width = width};
    walk.Add(numbers_.data() + from * width, texts_.data() + from * width);
    const auto change = [&](std::vector<double>& n, std::vector<std::string_view>& t, std::size_t column) {
      n[column] = row.numbers[column];
      t[column] = row.texts[column];
      walk.Add(n.data(), t.data());
    };
    for (const bool back : {false, true}) {
      std::vector<double> n(walk.numbers.begin(), walk.numbers.begin() + static_cast<std::ptrdiff_t>(width));
      std::vector<std::string_view> t(walk.texts.begin(), walk.texts.begin() + static_cast<std::ptrdiff_t>(width));
      for (std::size_t i = 0; i < width; ++i) change(n, t, order[back ? width - 1 - i : i]);
    }
    TENON_ASSIGN(const std::vector<double> values, Values(walk, output));
    base_sum += values[0];
    std::vector<double> here(width);
    for (const bool back : {false, true}) {
      double before = values[0];
      for (std::size_t i = 0; i < width; ++i) {
        const double after = values[1 + (back ? width : 0) + i];
        here[order[back ? width - 1 - i : i]] += (after - before) / 2;
        before = after;
      }
    }
    for (std::size_t i = 0; i < width; ++i) {
      sum[i] += here[i];
      squares[i] += here[i] * here[i];
    }
  }
  Attribution found{.exact = false, .samples = 2 * pairs, .seed = spec_.seed, .whole = pairs == wanted};
  for (std::size_t i = 0; i < width; ++i) {
    by_column[i] = sum[i] / pairs;
    const double spread = std::max(0.0, squares[i] / pairs - by_column[i] * by_column[i]);
    if (pairs > 1) found.error = std::max(found.error, std::sqrt(spread / (pairs - 1)));
  }
  *base = base_sum / pairs;
  return found;
}

Result<void> CheckSpec(const OnnxSpec& spec, const TensorProgram& program) {
  const bool many = spec.task == Task::kMulticlass;
  if (spec.columns.empty() || spec.outputs < 1 || many != (spec.outputs > 1)) {
    return Wrong(Str("a ", NameOf(spec.task), " model of ", spec.columns.size(), " columns and ", spec.outputs, " outputs cannot be"));
  }
  if (spec.inputs.size() != program.inputs().size()) {
    return Wrong(Str("it has ", program.inputs().size(), " inputs, ", spec.inputs.size(), " are described"));
  }
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    const OnnxSpec::Input& input = spec.inputs[i];
    const TensorProgram::Port& port = program.inputs()[i];
    if (input.name != port.name || input.columns.empty()) return Wrong(Str("its input ", i, " is '", port.name, "', described is '", input.name, "'"));
    for (const int column : input.columns) {
      if (column < 0 || static_cast<std::size_t>(column) >= spec.columns.size()) return Wrong(Str("it has no column ", column));
      const OnnxSpec::Column& from = spec.columns[static_cast<std::size_t>(column)];
      const bool text = from.field.type == table::Type::kString;
      const bool wants_text = port.type == platform::TensorType::kString || !from.shape.empty();
      if (text != wants_text) {
        return Wrong(Str("the column '", from.field.name, "' is ", NameOf(from.field.type), ", its input '", port.name, "' takes ", NameOf(port.type)));
      }
      if (!from.shape.empty() && input.columns.size() != 1) return Wrong(Str("the tensor '", from.field.name, "' shares an input with other columns"));
      if (!from.shape.empty() && port.type == platform::TensorType::kString) return Wrong("tensors of texts are not read");
    }
  }
  if (std::ranges::find(program.outputs(), spec.output, &TensorProgram::Port::name) == program.outputs().end()) {
    std::vector<std::string> names;
    for (const auto& port : program.outputs()) names.push_back(port.name);
    return Wrong(Str("it has no output '", spec.output, "'", DidYouMean(spec.output, names)));
  }
  for (const Json& row : spec.background) {
    if (!row.is_array() || row.array().size() != spec.columns.size()) return Wrong("a background row has not as many values as there are columns");
  }
  return {};
}

}  // namespace

Json OnnxSpec::ToJson() const {
  Json json;
  json["task"] = NameOf(task);
  json["outputs"] = outputs;
  for (const Column& column : columns) {
    Json item;
    item["name"] = column.field.name;
    item["type"] = NameOf(column.field.type);
    if (!column.shape.empty()) item["shape"] = Json::ListOf(column.shape);
    json["columns"].Push(std::move(item));
  }
  for (const Input& input : inputs) {
    Json item;
    item["name"] = input.name;
    item["columns"] = Json::ListOf(input.columns);
    json["inputs"].Push(std::move(item));
  }
  json["output"] = output;
  json["answer"] = kAnswers[static_cast<std::size_t>(answer)];
  json["link"] = kLinks[static_cast<std::size_t>(link)];
  json["background"] = Json(background);
  json["samples"] = samples;
  json["seed"] = static_cast<std::int64_t>(seed);
  json["deadline_ms"] = deadline_ms;
  return json;
}

Result<OnnxSpec> OnnxSpec::FromJson(const Json& json) {
  OnnxSpec spec;
  TENON_ASSIGN(Fields fields, Fields::Of(json, "onnx"));
  std::string task, answer, link;
  std::int64_t seed = 1;
  TENON_TRY(fields.Read("task", &task));
  TENON_TRY(fields.Read("outputs", &spec.outputs));
  TENON_TRY(fields.Read("output", &spec.output));
  TENON_TRY(fields.Read("answer", &answer));
  TENON_TRY(fields.Read("link", &link));
  TENON_TRY(fields.Read("samples", &spec.samples));
  TENON_TRY(fields.Read("seed", &seed));
  TENON_TRY(fields.Read("deadline_ms", &spec.deadline_ms));
  spec.seed = static_cast<std::uint64_t>(seed);
  TENON_ASSIGN(spec.task, TaskNamed(task));
  TENON_ASSIGN(const int answer_at, PlaceOf(kAnswers, answer, "answer"));
  TENON_ASSIGN(const int link_at, PlaceOf(kLinks, link, "link"));
  spec.answer = static_cast<Answer>(answer_at);
  spec.link = static_cast<Link>(link_at);
  for (const char* key : {"columns", "inputs", "background"}) {
    const Json* list = fields.Find(key);
    if (list == nullptr || !list->is_array()) return fields.Wrong(key, "expected a list");
  }
  for (const Json& item : json.Find("columns")->array()) {
    Column column;
    column.field.name = item.StringAt("name");
    TENON_ASSIGN(column.field.type, table::TypeNamed(item.StringAt("type")));
    if (const Json* shape = item.Find("shape"); shape != nullptr && shape->is_array()) {
      for (const Json& dim : shape->array()) {
        if (!dim.is_int() || dim.Int() < 1 || dim.Int() > 1 << 20) return Wrong(Str("the column '", column.field.name, "' has the shape ", shape->Dump()));
        column.shape.push_back(dim.Int());
      }
    }
    spec.columns.push_back(std::move(column));
  }
  for (const Json& item : json.Find("inputs")->array()) {
    Input input{.name = item.StringAt("name")};
    const Json* columns = item.Find("columns");
    if (columns == nullptr || !columns->is_array()) return Wrong("an input names no columns");
    for (const Json& column : columns->array()) input.columns.push_back(column.is_int() ? static_cast<int>(column.Int()) : -1);
    spec.inputs.push_back(std::move(input));
  }
  spec.background = json.Find("background")->array();
  TENON_TRY(fields.Done());
  return spec;
}

Result<std::unique_ptr<Model>> MakeOnnx(OnnxSpec spec) {
  TENON_ASSIGN(auto program, TensorProgram::Load(spec.onnx));
  TENON_TRY(CheckSpec(spec, *program));
  return std::make_unique<Onnx>(std::move(spec), std::move(program));
}

}  // namespace tenon::model
