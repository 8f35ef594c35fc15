// Reads YAML text into the tree. yaml-cpp does the grammar; the core schema's types, places and doubles are ours.

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/yaml.h>

#include "base/json.h"
#include "base/text.h"

namespace tenon {
namespace {

constexpr int kMostDepth = 200;

Json::Place PlaceOf(const YAML::Mark& mark) {
  return {static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1)};
}

Error At(std::string_view name, Json::Place place, std::string_view what) {
  return Error(Code::kInvalidArgument, Str(name, ":", place.line, ":", place.column, ": ", what));
}

Json Scalar(const std::string& text, bool quoted) {
  if (quoted) return Json(text);
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return Json();
  if (text == "true" || text == "True" || text == "TRUE") return Json(true);
  if (text == "false" || text == "False" || text == "FALSE") return Json(false);
  if (text == ".nan" || text == ".NaN") return Json("NaN");
  if (text == ".inf" || text == "+.inf") return Json("Infinity");
  if (text == "-.inf") return Json("-Infinity");
  std::int64_t whole = 0;
  if (ParseInt64(text[0] == '+' ? std::string_view(text).substr(1) : text, &whole)) return Json(static_cast<long long>(whole));
  double number = 0;
  const bool numeric = (text[0] >= '0' && text[0] <= '9') || text[0] == '-' || text[0] == '+' || text[0] == '.';
  if (numeric && ParseDouble(text, &number)) return Json(number);
  return Json(text);
}

// Text of n bytes has at most n values, unless aliases repeat them: these can blow a small file up to gigabytes.
Result<Json> Convert(const YAML::Node& node, std::string_view name, int depth, std::size_t* left) {
  const Json::Place place = PlaceOf(node.Mark());
  if (*left == 0) return At(name, place, "aliases (*name) make it larger than its text; write the values out");
  --*left;
  if (depth > kMostDepth) return At(name, place, Str("nested deeper than ", kMostDepth, " levels"));
  Json out;
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      break;
    case YAML::NodeType::Scalar:
      if (!IsUtf8(node.Scalar())) return At(name, place, "not UTF-8 text");
      out = Scalar(node.Scalar(), node.Tag() == "!");
      break;
    case YAML::NodeType::Sequence:
      out = Json::MakeArray();
      for (const YAML::Node& item : node) {
        TENON_ASSIGN(Json value, Convert(item, name, depth + 1, left));
        out.Push(std::move(value));
      }
      break;
    case YAML::NodeType::Map:
      out = Json::MakeObject();
      for (const auto& member : node) {
        const Json::Place at = PlaceOf(member.first.Mark());
        if (!member.first.IsScalar()) return At(name, at, "a key must be one word or a quoted text");
        const std::string& key = member.first.Scalar();
        if (out.Find(key) != nullptr) return At(name, at, Str("the key '", key, "' stands twice"));
        TENON_ASSIGN(Json value, Convert(member.second, name, depth + 1, left));
        value.set_place(at);
        out.object().emplace_back(key, std::move(value));
      }
      break;
  }
  if (out.place().line == 0) out.set_place(place);
  return out;
}

}  // namespace

Result<Json> Json::ParseYaml(std::string_view text, std::string_view name) {
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) return Error(Code::kInvalidArgument, Str(name, ": holds ", documents.size(), " documents, expected one"));
    if (documents.empty()) return Json();
    std::size_t left = text.size() + 1;
    return Convert(documents[0], name, 0, &left);
  } catch (const YAML::DeepRecursion& error) {
    return At(name, PlaceOf(error.mark), Str("not YAML: nested deeper than ", kMostDepth, " levels"));
  } catch (const YAML::Exception& error) {
    return At(name, PlaceOf(error.mark), Str("not YAML: ", error.msg));
  } catch (const std::exception& error) {
    return Error(Code::kInvalidArgument, Str(name, ": not YAML: ", error.what()));
  }
}

}  // namespace tenon
