// The shapes of other makers' services: TensorFlow Serving, KServe V1, Vertex AI.

#include <gtest/gtest.h>

#include "base/testing.h"
#include "base/text.h"
#include "base/base64.h"
#include "edge/worker_internal.h"
#include "serve/testing.h"

namespace tenon::edge {
namespace {

const std::string kRow = R"({"age":40,"income":2500.5,"job":"baker","owner":false})";
const std::string kOther = R"({"age":61,"income":4000,"job":"clerk","owner":true})";

class ShapesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(transform::AddAll(ops_));
    ASSERT_OK_AND_ASSIGN(auto first, serve::testing::MakeLoan(ops_, 1));
    ASSERT_OK_AND_ASSIGN(auto second, serve::testing::MakeLoan(ops_, 2));
    auto route = std::make_shared<serve::Route>(*serve::Route::Of(first));
    route->name = "loan";
    route->arms.push_back({second, serve::Role::kDark, 0});
    endpoints_.Set(std::shared_ptr<const serve::Route>(route));
    for (const auto& [name, outputs] : {std::pair("price", 0), {"kind", 3}}) {
      ASSERT_OK_AND_ASSIGN(auto served, serve::testing::MakeForestServed(ops_, name, 1, 4, 2, outputs));
      endpoints_.Set(served);
    }
    options_.threads = 1;
    shared_ = std::make_unique<Shared>(endpoints_, nullptr, [] { return true; }, options_);
    worker_ = std::make_unique<Worker>(*shared_, 0);
  }

  Json Ask(Method method, std::string_view path, std::string_view body = "") {
    std::string padded(body);
    padded.append(64, ' ');
    HttpRequest request;
    request.method = method;
    request.path = path;
    request.has_length = true;
    request.body = std::string_view(padded).substr(0, body.size());
    response_.Clear();
    worker_->Handle(request, HttpPeer{1}, response_);
    auto json = Json::Parse(response_.body, "answer");
    EXPECT_TRUE(json.ok()) << response_.body;
    return json.ok() ? *std::move(json) : Json();
  }
  Json Post(std::string_view path, std::string_view body) { return Ask(Method::kPost, path, body); }

  Kinds<transform::Op> ops_;
  serve::Endpoints endpoints_;
  ServerOptions options_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<Worker> worker_;
  HttpResponse response_;
};

TEST_F(ShapesTest, RowsAndColumnsGiveTheSameNumbers) {
  const Json rows = Post("/v1/models/loan:predict", Str(R"({"signature_name":"serving_default","instances":[)", kRow, ",", kOther, "]}"));
  const Json columns = Post("/v1/models/loan:predict", R"({"inputs":{"owner":[false,true],"age":[[40],[61]],"income":[2500.5,4000],"job":["baker","clerk"]}})");
  ASSERT_EQ(response_.status, 200) << response_.body;
  const Json& predictions = *rows.Find("predictions");
  const Json& outputs = *columns.Find("outputs");
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(*predictions.array()[i].Find("probability"), outputs.Find("probability")->array()[i]);
    EXPECT_EQ(*predictions.array()[i].Find("decision"), outputs.Find("decision")->array()[i]);
  }
  // One output: its values alone, in both forms; and one input needs no name.
  const Json alone = Post("/v1/models/price:predict", R"({"instances":[0.2,{"x0":0.8},[0.5]]})");
  const Json column = Post("/v1/models/price:predict", R"({"inputs":[0.2,0.8,0.5]})");
  EXPECT_TRUE(alone.Find("predictions")->array()[0].is_number()) << alone.Dump();
  EXPECT_EQ(*alone.Find("predictions"), *column.Find("outputs"));
  const Json many = Post("/v1/models/kind:predict", R"({"inputs":{"x0":[0.2,0.8]}})");
  EXPECT_EQ(many.Find("outputs")->Find("probabilities")->array()[1].array().size(), 3U) << many.Dump();
}

TEST_F(ShapesTest, ClassifiesAndRegressesExamples) {
  const Json p = *Post("/v1/models/loan:predict", Str(R"({"instances":[)", kRow, "]}")).Find("predictions")->array()[0].Find("probability");
  const Json classes = Post("/v1/models/loan:classify", R"({"context":{"age":40},"examples":[{"income":2500.5,"job":["baker"],"owner":false}]})");
  ASSERT_EQ(response_.status, 200) << response_.body;
  const auto& scores = classes.Find("results")->array()[0].array();
  ASSERT_EQ(scores.size(), 2U);
  EXPECT_EQ(scores[0].array()[0], Json("no"));
  EXPECT_EQ(scores[1].array()[1], p);
  EXPECT_FLOAT_EQ(static_cast<float>(scores[0].array()[1].Number()), 1 - static_cast<float>(p.Number()));
  EXPECT_EQ(Post("/v1/models/loan:regress", Str(R"({"examples":[)", kRow, "]}")).Find("results")->array()[0], p);
  EXPECT_EQ(Post("/v1/models/kind:classify", R"({"examples":[{"x0":0.3}]})").Find("results")->array()[0].array().size(), 3U);
  for (const auto& [path, body, text] : std::initializer_list<std::tuple<const char*, std::string, const char*>>{
           {"/v1/models/price:classify", R"({"examples":[{"x0":1}]})", ":regress"},
           {"/v1/models/kind:regress", R"({"examples":[{"x0":1}]})", ":classify"},
           {"/v1/models/loan:classify", R"({"examples":[{"agee":1}]})", "did you mean 'age'"},
           {"/v1/models/loan:classify", R"({"context":{"age":1},"examples":[{"age":2}]})", "given twice"},
           {"/v1/models/loan:classify", R"({"examples":[]})", "'examples'"},
           {"/v1/models/loan:classify", R"({"examples":[{"age":1}],"signature_name":1})", "must be a string"},
           {"/v1/models/loan:regress", R"({"examples":[{"age":9223372036854775808}]})", "more than 64 bits"},
           {"/v1/models/loan:predict", R"({"instances":[{"age":9223372036854775808}]})", "more than 64 bits"},
           {"/v1/models/loan:classify", R"({"exampels":[{}]})", "did you mean"},
           {"/v1/models/loan:classify", "{", "body"},
           {"/v1/models/loan:predict", R"({"inputs":{"agee":[1]}})", "did you mean 'age'"},
           {"/v1/models/loan:predict", R"({"inputs":{"age":[1,2],"income":[1]}})", "income"},
           {"/v1/models/loan:predict", R"({"inputs":{"age":[[1,2]]}})", "one value a row"},
           {"/v1/models/loan:predict", R"({"inputs":{"age":["x"]}})", "age"},
           {"/v1/models/loan:predict", R"({"inputs":{"age":[1]},"instances":[{}]})", "not both"},
           {"/v1/models/loan:predict", R"({"inputs":[1]})", "an object of columns"},
           {"/v1/models/loan:predict", R"({"signature_name":"other","instances":[{}]})", "serving_default"},
           {"/v1/models/loan:predict", R"({"parameters":{"top":1},"instances":[{}]})", "have none"},
           {"/v1/models/loan:predict", R"({"parameters":{},"parameters":{},"instances":[{}]})", "given twice"}}) {
    const Json answer = Post(path, body);
    EXPECT_EQ(response_.status, 400) << path << " " << body << response_.body;
    EXPECT_NE(answer.StringAt("error").find(text), std::string::npos) << path << " " << body << response_.body;
  }
}

TEST_F(ShapesTest, VersionsAndLabelsNameWhatAnswers) {
  const std::string body = Str(R"({"instances":[)", kRow, "]}");
  const Json champion = Post("/v1/models/loan:predict", body), dark = Post("/v1/models/loan/versions/2:predict", body);
  EXPECT_EQ(Post("/v1/models/loan/versions/1:predict", body), champion);
  EXPECT_EQ(Post("/v1/models/loan/labels/stable:predict", body), champion);
  EXPECT_EQ(Post("/v1/models/loan/labels/dark:predict", body), dark);
  EXPECT_NE(dark, champion);
  const Json status = Ask(Method::kGet, "/v1/models/loan");
  EXPECT_TRUE(status.BoolAt("ready"));
  ASSERT_EQ(status.Find("model_version_status")->array().size(), 2U);
  EXPECT_EQ(status.Find("model_version_status")->array()[1].Dump(), R"({"version":"2","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}})");
  EXPECT_EQ(Ask(Method::kGet, "/v1/models/loan/labels/dark").Find("model_version_status")->array()[0].StringAt("version"), "2");
  const Json metadata = Ask(Method::kGet, "/v1/models/loan/versions/2/metadata");
  EXPECT_EQ(metadata.Find("model_spec")->StringAt("version"), "2");
  const Json& signature = *metadata.Find("metadata")->Find("signature_def")->Find("signature_def")->Find("serving_default");
  EXPECT_EQ(signature.Find("inputs")->Find("job")->StringAt("dtype"), "DT_STRING");
  EXPECT_EQ(signature.Find("outputs")->Find("probability")->StringAt("dtype"), "DT_FLOAT");
  for (const char* path : {"/v1/models/loan/versions/9", "/v1/models/loan/labels/canary", "/v1/models/loan/version/1", "/v1/models/laon", "/v1/models/loan/versions/9/metadata"}) {
    EXPECT_FALSE(Ask(Method::kGet, path).StringAt("error").empty());
    EXPECT_EQ(response_.status, 404) << path;
  }
  EXPECT_TRUE(endpoints_.Withdraw("loan"));
  EXPECT_EQ(Ask(Method::kGet, "/v1/models/loan").Find("model_version_status")->array()[0].StringAt("state"), "END");
  EXPECT_EQ(response_.status, 503);
}

TEST_F(ShapesTest, AnswersInTheShapeOfVertex) {
  const std::string base = "/v1/projects/p/locations/here/endpoints/";
  const Json ours = Post("/v1/endpoints/loan:predict", Str(R"({"instances":[)", kRow, ",", kOther, "]}"));
  const Json answer = Post(base + "loan:predict", Str(R"({"instances":[)", kRow, ",", kOther, R"(],"parameters":{}})"));
  ASSERT_EQ(response_.status, 200) << response_.body;
  EXPECT_EQ(*answer.Find("predictions"), *ours.Find("predictions"));
  EXPECT_EQ(answer.StringAt("deployedModelId"), "loan@1");
  EXPECT_EQ(answer.StringAt("model"), "projects/p/locations/here/models/loan");
  EXPECT_EQ(answer.StringAt("modelDisplayName"), "loan");
  EXPECT_EQ(answer.StringAt("modelVersionId"), "1");
  const Json explained = Post(base + "loan:explain", Str(R"({"instances":[)", kRow, ",", kOther, "]}"));
  const Json mine = Post("/v1/endpoints/loan:explain", Str(R"({"instances":[)", kRow, ",", kOther, "]}"));
  ASSERT_EQ(explained.Find("explanations")->array().size(), 2U) << explained.Dump();
  for (std::size_t i = 0; i < 2; ++i) {
    const Json& attribution = explained.Find("explanations")->array()[i].Find("attributions")->array()[0];
    double sum = attribution.NumberAt("baselineOutputValue");
    for (const auto& [name, value] : attribution.Find("featureAttributions")->object()) sum += value.Number();
    EXPECT_NEAR(sum, attribution.NumberAt("instanceOutputValue"), 1e-9);
    EXPECT_EQ(*attribution.Find("featureAttributions"), *mine.Find("predictions")->array()[i].Find("contributions"));
    EXPECT_EQ(attribution.StringAt("outputDisplayName"), "yes");
  }
  const Json wrong = Post(base + "loan:predict", R"({"instances":[{"age":"x"}]})");
  EXPECT_EQ(wrong.Find("error")->StringAt("status"), "INVALID_ARGUMENT");
  EXPECT_EQ(wrong.Find("error")->IntAt("code"), 400);
  EXPECT_EQ(wrong.Find("error")->Find("details")->array()[0].Find("fieldViolations")->array()[0].StringAt("field"), "instances[0].age");
  EXPECT_EQ(Post(base + "laon:predict", "{}").Find("error")->StringAt("status"), "NOT_FOUND");
  EXPECT_EQ(Post("/v1/projects/p/endpoints/loan:predict", "{}").Find("error")->IntAt("code"), 404);
  EXPECT_EQ(Ask(Method::kGet, base + "loan:predict").Find("error")->IntAt("code"), 405);
}

// Every reference of a document leads somewhere.
void CheckReferences(const Json& node, const Json& document) {
  if (node.is_array()) {
    for (const Json& item : node.array()) CheckReferences(item, document);
  }
  if (!node.is_object()) return;
  for (const auto& [key, value] : node.object()) {
    CheckReferences(value, document);
    if (key != "$ref") continue;
    const Json* at = &document;
    for (const std::string& part : Split(std::string_view(value.String()).substr(2), '/')) at = at == nullptr ? nullptr : at->Find(part);
    EXPECT_NE(at, nullptr) << value.String();
  }
}

TEST_F(ShapesTest, DescribesItself) {
  const Json document = Ask(Method::kGet, "/openapi.json");
  ASSERT_EQ(response_.status, 200);
  CheckReferences(document, document);
  const Json& paths = *document.Find("paths");
  for (const auto& [path, item] : paths.object()) EXPECT_EQ(path.find("{name}"), std::string::npos) << path;
  EXPECT_NE(paths.Find("/v1/models/loan:regress"), nullptr);
  EXPECT_NE(paths.Find("/v1/models/kind:classify"), nullptr);
  EXPECT_EQ(paths.Find("/v1/models/kind:regress"), nullptr);  // of three classes
  EXPECT_EQ(paths.Find("/v1/models/price:classify"), nullptr);
  const Json& schemas = *document.Find("components")->Find("schemas");
  const Json& row = *schemas.Find("Instance.loan");
  EXPECT_EQ(row.Find("required")->Dump(), R"(["age"])");
  EXPECT_EQ(row.Find("properties")->Find("age")->StringAt("type"), "integer");
  EXPECT_EQ(row.Find("properties")->Find("job")->Find("type")->Dump(), R"(["string","null"])");
  EXPECT_EQ(schemas.Find("Label.loan")->Find("enum")->Dump(), R"(["no","yes"])");
  EXPECT_EQ(schemas.Find("ModelPrediction.price")->Find("type")->Dump(), R"(["number","null"])");
}

TEST_F(ShapesTest, BytesMayComeAsBase64) {
  const std::string row = Str(R"({"instances":[{"age":40,"income":2500.5,"job":{"b64":")", ToBase64("baker"), R"("},"owner":false}]})");
  EXPECT_EQ(Post("/v1/models/loan:predict", row), Post("/v1/models/loan:predict", Str(R"({"instances":[)", kRow, "]}")));
  for (const char* wrong : {R"({"b64":"YmF"})", R"({"b64":"/w=="})", R"({"b65":"YmFrZXI="})", R"({"b64":1})", "{}", R"({"b64":"YmFrZXI=","b64":"YmFrZXI="})"}) {
    EXPECT_NE(Post("/v1/models/loan:predict", Str(R"({"instances":[{"age":40,"job":)", wrong, "}]}")).StringAt("error").find("b64"), std::string::npos) << wrong << response_.body;
  }
  std::string back;
  for (const char* text : {"", "a", "ab", "abc", "abcd"}) {
    ASSERT_TRUE(FromBase64(ToBase64(text), &back));
    EXPECT_EQ(back, text);
  }
  for (const char* text : {"a", "ab", "abc", "ab=c", "a===", "====", "ab!=", "YR=="}) EXPECT_FALSE(FromBase64(text, &back)) << text;
}

}  // namespace
}  // namespace tenon::edge
