#include "serve/endpoint.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/text.h"
#include "serve/session.h"

namespace tenon::serve {
namespace {

Result<std::vector<Served::Field>> ReadFields(const model::Predictor& predictor, const Json& manifest) {
  std::vector<Served::Field> fields;
  for (const table::Field& input : predictor.graph().inputs()) {
    if (input.type == table::Type::kEmbedding) {
      return Error(Code::kFailedPrecondition,
                   Str("input '", input.name, "' is an embedding, which requests cannot bring row by row"));
    }
    Served::Field field;
    field.name = input.name;
    field.type = input.type;
    field.required = false;
    field.bytes = predictor.graph().TakesBytes(fields.size());
    fields.push_back(std::move(field));
  }
  const Json* inputs = manifest.Find("inputs");
  if (inputs == nullptr) return fields;
  if (!inputs->is_array()) return Error(Code::kDataLoss, Str("manifest.inputs is ", inputs->KindName(), ", not a list"));
  for (const Json& input : inputs->array()) {
    const std::string name = input.StringAt("name");
    const auto at = std::ranges::find(fields, name, &Served::Field::name);
    if (at == fields.end()) continue;  // a column that the graph does not read
    at->required = input.BoolAt("required", false);
    at->masked = input.BoolAt("masked", false);
    at->least = input.NumberAt("least", 0);
    at->most = input.NumberAt("most", 0);
    if (const Json* shape = input.Find("shape"); shape != nullptr && shape->is_array()) {
      for (const Json& size : shape->array()) at->shape.push_back(size.is_int() ? size.Int() : 0);
      at->element = input.StringAt("element");
    }
    const Json* domain = input.Find("domain");
    if (domain == nullptr || !domain->is_array()) continue;
    for (const Json& value : domain->array()) {
      if (value.is_string()) at->domain.push_back(value.String());
    }
  }
  return fields;
}

// Bit by bit; within a part of its size where the manifest allows it, for models whose bits hang on the machine.
bool Same(float want, float got, double tolerance) {
  if (std::bit_cast<std::uint32_t>(want) == std::bit_cast<std::uint32_t>(got)) return true;
  const double a = static_cast<double>(want), b = static_cast<double>(got);
  return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(a));
}

// Whether the golden rows' labels are met as well as when the bundle was made. Equal bits alone would also be given by
// answers that were recorded with the same fault.
Result<void> CheckLabels(const Json& golden, const std::vector<std::string>& classes, const std::vector<double>& said, std::string* score) {
  const Json* labels = golden.Find("labels");
  const Json* wanted = golden.Find("score");
  if (labels == nullptr || wanted == nullptr) return {};
  if (!labels->is_array() || labels->array().size() != said.size()) {
    return Error(Code::kDataLoss, Str("the golden section needs as many 'labels' as rows, ", said.size()));
  }
  const auto n = static_cast<double>(said.size());
  std::int64_t right = 0;
  double error = 0;
  for (std::size_t i = 0; i < said.size(); ++i) {
    const Json& label = labels->array()[i];
    if (classes.empty()) {
      error += std::abs(said[i] - (label.is_number() ? label.Number() : std::nan(""))) / n;
    } else {
      right += label.is_string() && classes[static_cast<std::size_t>(said[i])] == label.String() ? 1 : 0;
    }
  }
  if (classes.empty()) {
    const double was = wanted->NumberAt("value"), most = wanted->NumberAt("most");
    *score = Str("mean absolute error ", FormatShort(error, 4));
    if (error <= most) return {};
    return Error(Code::kFailedPrecondition, Str("on its labelled golden rows the mean absolute error is ", error, " where it was ", was, " when it was made, and ",
                                                most, " is the most allowed: it would answer worse than was evaluated"));
  }
  const std::int64_t was = wanted->IntAt("value"), least = wanted->IntAt("least");
  *score = Str(right, " of ", said.size(), " right");
  if (right >= least) return {};
  return Error(Code::kFailedPrecondition, Str(right, " of its ", said.size(), " labelled golden rows are decided right where ", was, " were when it was made, and ",
                                              least, " are the least allowed: it would answer worse than was evaluated"));
}

Result<void> CheckGolden(const std::shared_ptr<Served>& served, std::string_view section, double tolerance) {
  TENON_ASSIGN(Json golden, Json::Parse(section, "golden"), "reading the bundle's golden rows");
  const Json* rows = golden.Find("rows");
  const Json* predictions = golden.Find("predictions");
  if (rows == nullptr || predictions == nullptr || !rows->is_array() || !predictions->is_array() ||
      rows->array().size() != predictions->array().size()) {
    return Error(Code::kDataLoss, "the golden section needs 'rows' and as many 'predictions'");
  }
  // The rows come from the table as it was; ranges, domains and what has to be there are rules for requests.
  auto lenient = std::make_shared<Served>(*served);
  lenient->strict = false;
  for (Served::Field& field : lenient->fields) field.required = field.bytes = false;  // as is that each picture can be read
  Session session(lenient);
  std::vector<double> said;  // class index or value
  for (std::size_t i = 0; i < rows->array().size(); ++i) {
    const Json& row = rows->array()[i];
    const Json& expected = predictions->array()[i];
    if (!row.is_object() || !expected.is_array()) return Error(Code::kDataLoss, Str("golden row ", i, " is not a row"));
    session.reader().Begin(static_cast<int>(i));
    ReadGoldenRow(row, session.reader());
    if (!session.reader().End()) {
      const FieldError& error = session.reader().errors().front();
      return Error(Code::kFailedPrecondition, Str("golden row ", i, ", field '", error.field, "': ", error.problem));
    }
    const model::Prediction prediction = session.Predict();
    if (prediction.problem != nullptr) return Error(Code::kFailedPrecondition, Str("golden row ", i, ": ", prediction.problem->message()));
    if (prediction.values.size() != expected.array().size()) {
      return Error(Code::kFailedPrecondition, Str("golden row ", i, " gives ", prediction.values.size(), " numbers where ",
                                                  expected.array().size(), " were recorded"));
    }
    for (std::size_t k = 0; k < prediction.values.size(); ++k) {
      const Json& recorded = expected.array()[k];
      const float want = recorded.is_number() || recorded.is_string() ? static_cast<float>(recorded.Number()) : NAN;
      if (Same(want, prediction.values[k], tolerance)) continue;
      return Error(Code::kFailedPrecondition,
                   Str("golden row ", i, " gives ", static_cast<double>(prediction.values[k]), " where ",
                       static_cast<double>(want), " was recorded in training: serving would not answer as was evaluated"));
    }
    said.push_back(prediction.decision >= 0 ? prediction.decision : static_cast<double>(prediction.values[0]));
  }
  served->golden_rows = static_cast<int>(rows->array().size());
  return CheckLabels(golden, served->predictor->classes(), said, &served->golden_score);
}

// Where the twentieths of the training's predictions end.
Result<void> ReadEdges(const model::Bundle& bundle, std::vector<double>* edges) {
  const std::string_view section = bundle.section("predictions");
  if (section.empty()) return {};
  TENON_ASSIGN(const table::ColumnProfile profile, table::ColumnProfile::Load(section), "reading the bundle's predictions");
  for (int i = 1; i < 20; ++i) edges->push_back(profile.Quantile(i / 20.0));
  return {};
}

}  // namespace

void ReadGoldenRow(const Json& row, RowReader& reader) {
  for (const auto& [name, value] : row.object()) {
    if (reader.slots().Find(name) < 0) continue;  // golden rows are whole rows of the snapshot
    const int slot = reader.At(name);
    if (slot < 0 || value.is_null()) continue;
    const table::Type type = reader.served().fields[static_cast<std::size_t>(slot)].type;
    if (value.is_bool()) {
      reader.Bool(slot, value.Bool());
    } else if (value.is_number()) {
      reader.Number(slot, value.Number());
    } else if (value.is_string() && type == table::Type::kFloat64 && std::isnan(value.Number())) {
      continue;  // "NaN", which JSON cannot hold, is missing
    } else if (value.is_string() && type == table::Type::kFloat64) {
      reader.Number(slot, value.Number());
    } else if (value.is_string()) {
      reader.Text(slot, value.String());
    } else {
      reader.Wrong(slot, value.KindName());
    }
  }
}

Result<void> CheckReplaces(const Served& now, const Served& next) {
  const auto differ = [&](std::string_view what) { return Error(Code::kFailedPrecondition, Str(next.model, " cannot take requests made for ", now.model, ": ", what)); };
  if (next.predictor->task() != now.predictor->task()) {
    return differ(Str("its task is ", model::NameOf(next.predictor->task()), ", not ", model::NameOf(now.predictor->task())));
  }
  if (next.predictor->classes() != now.predictor->classes()) return differ("its classes are others");
  for (const Served::Field& field : next.fields) {
    const auto at = std::ranges::find(now.fields, field.name, &Served::Field::name);
    if (at == now.fields.end() && field.required) return differ(Str("it requires the field '", field.name, "'"));
    if (at != now.fields.end() && at->type != field.type) {
      return differ(Str("field '", field.name, "' is ", table::NameOf(field.type), ", not ", table::NameOf(at->type)));
    }
    if (at != now.fields.end() && field.required && !at->required) return differ(Str("it requires the field '", field.name, "', which may be missing so far"));
  }
  return {};
}

Result<std::shared_ptr<const Served>> MakeServed(std::shared_ptr<const model::Bundle> bundle, std::string_view endpoint,
                                                 std::string_view model, int version, const Kinds<transform::Op>& ops,
                                                 const Kinds<model::Format>& formats) {
  const std::string what = Str("loading ", model);
  TENON_ASSIGN(auto predictor, model::Predictor::Load(bundle, ops, formats), what);
  auto served = std::make_shared<Served>();
  served->endpoint = endpoint;
  served->model = model;
  served->version = version;
  served->predictor = predictor;
  TENON_ASSIGN(served->fields, ReadFields(*predictor, bundle->manifest()), what);
  served->strict = bundle->manifest().BoolAt("strict", false);
  const std::string_view golden = bundle->section("golden");
  if (!golden.empty()) TENON_TRY(CheckGolden(served, golden, bundle->manifest().NumberAt("golden_tolerance")), what);
  if (predictor->task() == model::Task::kRegression) TENON_TRY(ReadEdges(*bundle, &served->score_edges), what);
  return std::shared_ptr<const Served>(std::move(served));
}

}  // namespace tenon::serve
