// Tensors of the Open Inference Protocol, JSON and binary: what is read is the same as bytes and as JSON. The first two
// bytes say how much of the rest is JSON.

#include <bit>
#include <cmath>

#include "edge/oip_tensor_internal.h"
#include "fuzz/models.h"
#include "serve/testing.h"

namespace tenon::fuzz {
namespace {

constexpr std::int64_t kMostRows = 2000;

struct Answer {
  bool taken = false;
  std::string slots;
};

// By columns, as requests are read; what is refused is told by row.
Answer ReadRows(std::string_view body, std::size_t json_size, const serve::Served& served) {
  std::string padded(body);
  padded.append(64, '\0');
  edge::OipJsonReader reader;
  edge::OipRequest request;
  if (auto read = reader.Read(std::string_view(padded).substr(0, body.size()), json_size, &request); !read.ok()) return CheckError(read.error()), Answer{};
  serve::Session session(std::make_shared<const serve::Served>(served));
  edge::OipRows rows;
  if (auto bound = rows.Bind(request, session.reader()); !bound.ok()) return CheckError(bound.error()), Answer{};
  Answer out{.taken = true};
  rows.Fill(0, std::min(rows.rows(), kMostRows), session);
  for (const serve::FieldError& error : session.reader().errors()) out.slots += Str("refused ", error.instance, " ", error.field, "\n");
  serve::Row row;
  for (std::size_t i = 0; i < session.rows().size(); ++i) {
    session.rows().Get(i, &row);
    for (std::size_t k = 0; k < served.fields.size(); ++k) {
      if (served.fields[k].type == table::Type::kString) {
        out.slots += row.texts[k].data() == nullptr ? "|null" : Str("|'", row.texts[k], "'");
      } else {
        out.slots += std::isnan(row.numbers[k]) ? "|NaN" : Str("|", std::bit_cast<std::uint64_t>(row.numbers[k]));
      }
    }
    out.slots += '\n';
  }
  if (session.rows().size() != 0) (void)session.PredictRows();
  return out;
}

void RunOipTensors(std::string_view input) {
  if (input.size() < 2) return;
  static const auto loan = Must(serve::testing::MakeLoan(Ops()), "a version");
  static const auto forest = Must(serve::testing::MakeForestServed(Ops(), "f", 3, 2, 2), "another version");
  const std::size_t json_size = GetAt<std::uint16_t>(input, 0);
  const std::string_view body = input.substr(2);
  for (const auto& served : {loan, forest}) {
    const Answer first = ReadRows(body, json_size, *served);
    const std::string copy(body);  // elsewhere in memory
    Same(ReadRows(copy, json_size, *served).slots, first.slots, "the same request twice");
  }
}

std::string Request(const std::string& json, std::string_view bytes = "") {
  std::string out(2, '\0');
  PutAt(&out, 0, static_cast<std::uint16_t>(json.size()));
  return out + json + std::string(bytes);
}

std::vector<std::string> Seeds() {
  const std::string three(24, '\0');
  return {Request(R"({"id":"1","inputs":[{"name":"age","datatype":"INT64","shape":[2],"data":[41,30]},{"name":"job","datatype":"BYTES","shape":[2,1],"data":["clerk","baker"]}],
                      "outputs":[{"name":"probability","parameters":{"binary_data":true}}]})"),
          Request(R"({"inputs":[{"name":"age","datatype":"FP64","shape":[1],"parameters":{"binary_data_size":8}},{"name":"job","datatype":"BYTES","shape":[1],
                      "parameters":{"binary_data_size":9}},{"name":"owner","datatype":"BOOL","shape":[1],"parameters":{"binary_data_size":1}}],
                      "parameters":{"binary_data_output":true}})",
                  std::string_view("\0\0\0\0\0\x80\x44\x40\x05\0\0\0clerk\x01", 18)),
          Request(R"({"inputs":[{"name":"input","datatype":"FP64","shape":[1,3],"parameters":{"binary_data_size":24}}]})", three),
          Request(R"({"inputs":[{"name":"input","datatype":"FP32","shape":[2,3],"data":[[1,2.5,null],[4,5,6]]}]})"),
          Request(R"({"inputs":[{"name":"x0","datatype":"UINT8","shape":[3],"parameters":{"binary_data_size":3}},{"name":"x1","datatype":"INT16","shape":[3],"data":[1,2,3]},
                      {"name":"x2","datatype":"FP32","shape":[3],"parameters":{"binary_data_size":12}}]})",
                  std::string_view("\x01\x02\xFF\0\0\xC0\x7F\0\0\x80\x3F\0\0\0\0", 15))};
}

}  // namespace

Target MakeOipTensors() { return {RunOipTensors, Seeds}; }

}  // namespace tenon::fuzz
