// Model bundles: what opens is whole, is written again as the same bytes, and its predictor loads or says what is wrong.

#include "base/hash.h"
#include "fuzz/models.h"
#include "model/bundle.h"
#include "model/predictor.h"
#include "serve/endpoint.h"
#include "serve/testing.h"

namespace tenon::fuzz {
namespace {

class Held final : public platform::Bytes {
 public:
  explicit Held(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view view() const override { return bytes_; }

 private:
  std::string bytes_;
};

constexpr std::size_t kFixed = 32, kHash = 64;

// Makes size and hashes right, as far as the table can be followed (docs/formats/bundle.md).
std::string Repaired(std::string_view input) {
  std::string bytes(input);
  if (bytes.size() < kFixed + kHash) return bytes;
  PutAt(&bytes, 16, static_cast<std::uint64_t>(bytes.size()));
  const auto header = GetAt<std::uint64_t>(bytes, 24);
  if (header < kFixed + kHash || header > bytes.size()) return bytes;
  const std::size_t end = static_cast<std::size_t>(header) - kHash;
  std::size_t at = kFixed;
  for (auto left = GetAt<std::uint32_t>(bytes, 12); left > 0 && at + 4 <= end; --left) {
    const auto name = GetAt<std::uint32_t>(bytes, at);
    if (end - at < 84 || name > end - at - 84) break;
    at += 4 + name;
    const auto from = GetAt<std::uint64_t>(bytes, at), size = GetAt<std::uint64_t>(bytes, at + 8);
    if (from <= bytes.size() && size <= bytes.size() - from) {
      bytes.replace(at + 16, kHash, HashOf(std::string_view(bytes).substr(static_cast<std::size_t>(from), static_cast<std::size_t>(size))));
    }
    at += 80;
  }
  bytes.replace(end, kHash, HashOf(std::string_view(bytes).substr(0, end)));
  return bytes;
}

void Check(std::string bytes) {
  const auto held = std::make_shared<const Held>(std::move(bytes));
  auto bundle = model::Bundle::Open(held);
  if (!bundle.ok()) return CheckError(bundle.error());
  std::map<std::string, std::string> sections;
  for (const std::string& name : (*bundle)->sections()) {
    if (name != "manifest") sections[name] = (*bundle)->section(name);
  }
  const std::string written = model::Bundle::Write((*bundle)->manifest(), sections);
  const auto again = Must(model::Bundle::Open(std::make_shared<const Held>(written)), "a bundle written again");
  Same(again->manifest().Canonical(), (*bundle)->manifest().Canonical(), "a bundle keeps its manifest");
  for (const auto& [name, section] : sections) Same(again->section(name), section, "a bundle keeps its sections");
  auto served = serve::MakeServed(*bundle, "e", "m@1", 1, Ops(), Formats());
  if (!served.ok()) {
    Hold(!served.error().message().empty(), "an error says something");
  } else {
    CheckModel((*served)->predictor->model());
  }
}

void RunBundle(std::string_view input) {
  Check(std::string(input));
  Check(Repaired(input));
}

// A whole one, and small ones.
std::vector<std::string> Seeds() {
  const auto loan = Must(serve::testing::MakeLoan(Ops()), "a version");
  const Json manifest = Must(Json::Parse(R"({"version":1,"name":"loan","task":"binary","label":"y","classes":["no","yes"],"threshold":0.5,
    "calibration":{"method":"none"},"model_format":"linear","inputs":[{"name":"age","type":"int64","required":true,"least":18,"most":100},
    {"name":"income","type":"float64"},{"name":"job","type":"string","domain":["clerk","baker"]},{"name":"owner","type":"bool"}]})"),
                             "a manifest");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double numbers[4] = {40, nan, nan, 1};
  const std::string_view texts[4] = {{}, {}, "clerk", {}};
  model::Predictor::Scratch scratch;
  const double answer = static_cast<double>(loan->predictor->PredictRow(numbers, texts, scratch).values[0]);
  const std::string golden = Str(R"({"rows":[{"age":40,"income":null,"job":"clerk","owner":true,"unread":"x"}],"predictions":[[)", answer, "]]}");
  return {model::Bundle::Write(manifest, {{"graph", loan->predictor->graph().Save()}, {"model", loan->predictor->model().Save()},
                                          {"golden", golden}}),
          model::Bundle::Write(Json::MakeObject(), {}), model::Bundle::Write(Json::MakeObject(), {{"card", "<p>"}, {"", ""}})};
}

}  // namespace

Target MakeBundle() { return {RunBundle, Seeds}; }

}  // namespace tenon::fuzz
