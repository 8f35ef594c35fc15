// The C ABI over serve/: rows are read by the same RowReader, predicted by the same Session as those of requests.

#include "tenon.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <span>

#include "base/hash.h"
#include "base/text.h"
#include "platform/files.h"
#include "serve/session.h"

namespace tenon::model {
// The formats that need nothing from outside.
Result<void> AddConstant(Kinds<Format>& kinds);
Result<void> AddForest(Kinds<Format>& kinds);
Result<void> AddLinear(Kinds<Format>& kinds);
Result<void> AddPackedForest(Kinds<Format>& kinds);
}  // namespace tenon::model

struct tn_model {
  std::shared_ptr<const tenon::serve::Served> served;
  std::string name, manifest, sha256;
};

struct tn_session {
  explicit tn_session(std::shared_ptr<const tenon::serve::Served> served) : session(std::move(served)) {}
  tenon::serve::Session session;
};

namespace tenon::embed {
namespace {

int32_t Say(Code code, std::string_view message, tn_error* error) {
  const int32_t number = RowOf(code).grpc;
  if (error == nullptr) return number;
  error->code = number;
  std::size_t size = std::min(message.size(), sizeof error->message - 1);
  while (size < message.size() && size > 0 && (static_cast<unsigned char>(message[size]) & 0xc0) == 0x80) --size;
  std::memcpy(error->message, message.data(), size);
  error->message[size] = 0;
  return number;
}

int32_t Say(const Error& why, tn_error* error) { return Say(why.code(), why.ForPeople(), error); }

// Nothing may leave through a C function but a code.
template <typename Work>
int32_t Guarded(tn_error* error, Work work) noexcept {
  try {
    Result<void> done = work();
    if (!done) return Say(done.error(), error);
  } catch (const std::bad_alloc&) {
    return Say(Code::kResourceExhausted, "no memory", error);
  } catch (const std::exception& unforeseen) {
    return Say(Code::kInternal, unforeseen.what(), error);
  }
  if (error != nullptr) *error = tn_error{};
  return TN_OK;
}

Error Null(std::string_view what) { return Error(Code::kInvalidArgument, Str(what, " is NULL")); }

class Held final : public platform::Bytes {
 public:
  explicit Held(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view view() const override { return bytes_; }

 private:
  std::string bytes_;
};

Result<std::unique_ptr<tn_model>> Open(std::string bytes) {
  Kinds<transform::Op> ops;
  Kinds<model::Format> formats;
  TENON_TRY(transform::AddAll(ops));
  TENON_TRY(model::AddConstant(formats));
  TENON_TRY(model::AddForest(formats));
  TENON_TRY(model::AddLinear(formats));
  TENON_TRY(model::AddPackedForest(formats));
  auto made = std::make_unique<tn_model>();
  made->sha256 = HashOf(bytes);
  TENON_ASSIGN(auto bundle, model::Bundle::Open(std::make_shared<Held>(std::move(bytes))));
  made->name = bundle->manifest().StringAt("name");
  made->manifest = bundle->manifest().Canonical();
  const std::string shown = made->name.empty() ? "model" : made->name;
  TENON_ASSIGN(made->served, serve::MakeServed(bundle, shown, shown, 1, ops, formats));
  return made;
}

// One value into its slot. What is missing is not given.
void Read(const tn_value& value, int slot, serve::RowReader& reader) {
  const table::Type type = reader.served().fields[static_cast<std::size_t>(slot)].type;
  if (value.text != nullptr) return reader.Text(slot, {value.text, value.size});
  if (type == table::Type::kString || type == table::Type::kTimestamp || std::isnan(value.number)) return;
  if (type == table::Type::kBool && (value.number == 0 || value.number == 1)) return reader.Bool(slot, value.number == 1);
  reader.Number(slot, value.number);
}

Result<void> ReadRow(const tn_value* row, std::size_t index, serve::Session& session) {
  serve::RowReader& reader = session.reader();
  reader.errors().clear();
  reader.Begin(static_cast<int>(std::min<std::size_t>(index, 2147483647)));
  const std::size_t fields = session.served().fields.size();
  for (std::size_t i = 0; i < fields; ++i) {
    reader.Take(static_cast<int>(i));
    Read(row[i], static_cast<int>(i), reader);
  }
  if (reader.End()) return {};
  std::string what = Str("row ", index, ": ");
  for (const serve::FieldError& wrong : reader.errors()) {
    if (&wrong != &reader.errors().front()) what += "; ";
    what += Str(wrong.field, ": ", wrong.problem);
  }
  return Error(Code::kInvalidArgument, what);
}

Result<void> Predict(tn_session* session, const tn_value* rows, std::size_t n, float* values, int32_t* decisions) {
  if (session == nullptr) return Null("the session");
  if (n == 0) return {};
  if (rows == nullptr) return Null("the row");
  if (values == nullptr) return Null("the place for the answer");
  serve::Session& mine = session->session;
  const std::size_t fields = mine.served().fields.size();
  for (std::size_t i = 0; i < n; ++i) {
    TENON_TRY(ReadRow(rows + i * fields, i, mine));
    const model::Prediction prediction = mine.Predict();
    if (prediction.problem != nullptr) return prediction.problem->Clone();
    std::copy(prediction.values.begin(), prediction.values.end(), values + i * prediction.values.size());
    if (decisions != nullptr) decisions[i] = prediction.decision;
  }
  return {};
}

// The first row makes a session's memory grow to what it needs; this is that row.
Result<void> Warm(serve::Session& session) {
  serve::RowReader& reader = session.reader();
  reader.Begin(0);
  for (std::size_t i = 0; i < session.served().fields.size(); ++i) {
    if (session.served().fields[i].type == table::Type::kString) reader.Text(static_cast<int>(i), "a text");
  }
  reader.End();
  reader.errors().clear();
  reader.errors().shrink_to_fit();
  session.Predict();
  double base = 0;
  TENON_TRY(session.Explain(0, &base));
  return {};
}

const serve::Served::Field* FieldAt(const tn_model* model, int32_t index) {
  if (model == nullptr || index < 0 || static_cast<std::size_t>(index) >= model->served->fields.size()) return nullptr;
  return &model->served->fields[static_cast<std::size_t>(index)];
}

int32_t TypeOf(table::Type type) {
  switch (type) {
    case table::Type::kInt64: return TN_WHOLE;
    case table::Type::kBool: return TN_BOOL;
    case table::Type::kString: return TN_TEXT;
    case table::Type::kTimestamp: return TN_TIME;
    default: return TN_NUMBER;
  }
}

}  // namespace
}  // namespace tenon::embed

using namespace tenon;

extern "C" {

int32_t tn_abi(void) { return TN_ABI; }
const char* tn_version(void) { return TENON_VERSION; }

int32_t tn_open(const void* bytes, size_t size, tn_model** model, tn_error* error) {
  return embed::Guarded(error, [&]() -> Result<void> {
    if (model == nullptr) return embed::Null("the place for the model");
    if (bytes == nullptr) return embed::Null("the bundle");
    TENON_ASSIGN(auto made, embed::Open(std::string(static_cast<const char*>(bytes), size)));
    *model = made.release();
    return {};
  });
}

int32_t tn_open_file(const char* path, tn_model** model, tn_error* error) {
  return embed::Guarded(error, [&]() -> Result<void> {
    if (model == nullptr) return embed::Null("the place for the model");
    if (path == nullptr) return embed::Null("the path");
    TENON_ASSIGN(std::string bytes, platform::RealFiles()->Read(path));
    TENON_ASSIGN(auto made, embed::Open(std::move(bytes)), path);
    *model = made.release();
    return {};
  });
}

void tn_close(tn_model* model) { delete model; }

int32_t tn_inputs(const tn_model* model) { return model == nullptr ? 0 : static_cast<int32_t>(model->served->fields.size()); }

int32_t tn_input_at(const tn_model* model, int32_t index, tn_input* input, tn_error* error) {
  return embed::Guarded(error, [&]() -> Result<void> {
    if (model == nullptr) return embed::Null("the model");
    if (input == nullptr) return embed::Null("the place for the input");
    const serve::Served::Field* field = embed::FieldAt(model, index);
    if (field == nullptr) return Error(Code::kInvalidArgument, Str("no input ", index, ": the model has ", tn_inputs(model)));
    *input = {.name = field->name.c_str(), .type = embed::TypeOf(field->type), .required = field->required ? 1 : 0, .least = field->least,
              .most = field->most, .domain = static_cast<int32_t>(field->domain.size())};
    return {};
  });
}

const char* tn_domain_at(const tn_model* model, int32_t index, int32_t value) {
  const serve::Served::Field* field = embed::FieldAt(model, index);
  if (field == nullptr || value < 0 || static_cast<std::size_t>(value) >= field->domain.size()) return nullptr;
  return field->domain[static_cast<std::size_t>(value)].c_str();
}

int32_t tn_outputs(const tn_model* model) { return model == nullptr ? 0 : model->served->predictor->outputs(); }

int32_t tn_task_of(const tn_model* model) {
  if (model == nullptr) return 0;
  switch (model->served->predictor->task()) {
    case model::Task::kBinary: return TN_BINARY;
    case model::Task::kMulticlass: return TN_MULTICLASS;
    case model::Task::kRegression: return TN_REGRESSION;
  }
  return 0;
}

int32_t tn_classes(const tn_model* model) { return model == nullptr ? 0 : static_cast<int32_t>(model->served->predictor->classes().size()); }

const char* tn_class_at(const tn_model* model, int32_t index) {
  if (index < 0 || index >= tn_classes(model)) return nullptr;
  return model->served->predictor->classes()[static_cast<std::size_t>(index)].c_str();
}

double tn_threshold(const tn_model* model) { return model == nullptr ? 0 : model->served->predictor->threshold(); }
const char* tn_name(const tn_model* model) { return model == nullptr ? "" : model->name.c_str(); }
const char* tn_manifest(const tn_model* model) { return model == nullptr ? "" : model->manifest.c_str(); }
const char* tn_sha256(const tn_model* model) { return model == nullptr ? "" : model->sha256.c_str(); }

int32_t tn_session_open(const tn_model* model, tn_session** session, tn_error* error) {
  return embed::Guarded(error, [&]() -> Result<void> {
    if (model == nullptr) return embed::Null("the model");
    if (session == nullptr) return embed::Null("the place for the session");
    auto made = std::make_unique<tn_session>(model->served);
    TENON_TRY(embed::Warm(made->session));
    *session = made.release();
    return {};
  });
}

void tn_session_close(tn_session* session) { delete session; }

int32_t tn_predict(tn_session* session, const tn_value* row, float* values, int32_t* decision, tn_error* error) {
  return embed::Guarded(error, [&] { return embed::Predict(session, row, 1, values, decision); });
}

int32_t tn_predict_many(tn_session* session, const tn_value* values_of_rows, size_t rows, float* values, int32_t* decisions, tn_error* error) {
  return embed::Guarded(error, [&] { return embed::Predict(session, values_of_rows, rows, values, decisions); });
}

int32_t tn_explain(tn_session* session, const tn_value* row, int32_t output, double* by_input, double* base, tn_error* error) {
  return embed::Guarded(error, [&]() -> Result<void> {
    if (session == nullptr) return embed::Null("the session");
    if (row == nullptr) return embed::Null("the row");
    if (by_input == nullptr || base == nullptr) return embed::Null("the place for the answer");
    serve::Session& mine = session->session;
    const int outputs = mine.served().predictor->outputs();
    if (output < 0 || output >= outputs) return Error(Code::kInvalidArgument, Str("no output ", output, ": the model has ", outputs));
    TENON_TRY(embed::ReadRow(row, 0, mine));
    TENON_TRY(mine.Explain(output, base));
    const std::vector<double>& parts = mine.contributions();
    std::copy(parts.begin(), parts.end(), by_input);
    return {};
  });
}

}  // extern "C"
