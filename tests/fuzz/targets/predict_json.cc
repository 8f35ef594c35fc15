// Requests of POST ...:predict: what the decoder takes is JSON to the tree's parser as well, and the same rows written
// again, as lists, give the same slots.

#include <bit>
#include <cmath>

#include "edge/json_decoder_internal.h"
#include "fuzz/models.h"
#include "serve/testing.h"

namespace tenon::fuzz {
namespace {

struct Decoded {
  bool whole = false;
  bool failed = false;
  int rows = 0;
  std::string slots;   // of all rows, for comparing
  std::string listed;  // the same as a request of lists
};

Decoded Decode(std::string_view input, edge::JsonDecoder& decoder, serve::Session& session) {
  std::string body(input);
  body.append(64, ' ');
  Decoded out;
  out.listed = "{\"instances\":[";
  const auto& fields = session.served().fields;
  out.whole = decoder.ReadInstances(std::string_view(body).substr(0, input.size()), session.reader(), [&] {
    const serve::Row& row = session.reader().row();
    out.listed += out.rows++ > 0 ? ",[" : "[";
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i > 0) out.listed += ',';
      if (fields[i].type == table::Type::kString) {
        out.slots += row.texts[i].data() == nullptr ? "|null" : Str("|'", row.texts[i], "'");
        if (row.texts[i].data() == nullptr) {
          out.listed += "null";
        } else {
          AppendJsonString(row.texts[i], &out.listed);
        }
        continue;
      }
      const double value = row.numbers[i];
      out.slots += std::isnan(value) ? "|NaN" : Str("|", std::bit_cast<std::uint64_t>(value));
      const bool is_bool = fields[i].type == table::Type::kBool;
      out.listed += std::isnan(value) ? "null" : is_bool ? (value != 0 ? "true" : "false") : FormatDouble(value);
    }
    out.listed += ']';
    out.slots += '\n';
    const model::Prediction prediction = session.Predict();
    Hold(!prediction.values.empty() && prediction.decision >= -1, "an answer has values");
  });
  out.listed += "]}";
  out.failed = session.reader().failed();
  Hold(out.whole || !decoder.problem().empty(), "a refusal says something");
  return out;
}

void RunPredictJson(std::string_view input) {
  static const auto loan = Must(serve::testing::MakeLoan(Ops()), "a version");
  static edge::JsonDecoder decoder;
  static serve::Session session(loan);
  const Decoded first = Decode(input, decoder, session);
  for (const auto& error : session.reader().errors()) Hold(!error.problem.empty() && IsUtf8(error.problem), "a field's error is text");
  if (!first.whole || first.failed) return;
  Hold(first.rows > 0, "a request has instances");
  const auto tree = Json::Parse(input);
  Hold(tree.ok(), Str("what the decoder takes is JSON: ", tree.ok() ? "" : tree.error().ToString()));
  const Decoded second = Decode(first.listed, decoder, session);
  Hold(second.whole && !second.failed, Str("its rows as lists are taken: ", first.listed));
  Same(second.slots, first.slots, "rows as objects and as lists");
}

std::vector<std::string> Seeds() {
  return {R"({"instances":[{"age":41,"income":2500.5,"job":"clerk","owner":true}]})", R"({"instances":[[41,1e3,"baker",false],[30,null,null,null]]})",
          R"({"instances":[{"owner":false,"job":"cl\u0065rk","age":18,"income":0.1},{"age":100}]})", R"({"instances":[{"age":"x","incme":1,"job":3}]})",
          R"( { "instances" : [ { "age" : 41.0 , "job" : "\ud83d\ude00" } ] } )", R"({"instances":[{"age":41,"extra":{"a":[1,{"b":null}]}}]})", R"({"instances":[]})",
          R"({"instances":[{"age":NaN}]})", R"({"instances":[{"age":41,"age":42}]})", R"({"instances":[{"age":"NaN","income":"Infinity","owner":"true"}]})"};
}

}  // namespace

Target MakePredictJson() { return {RunPredictJson, Seeds}; }

}  // namespace tenon::fuzz
