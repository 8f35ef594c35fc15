// Reads YAML text into the tree. yaml-cpp does the grammar; the core schema's types, places and doubles are ours.

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <sstream>

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

// The bytes of the character at the front; 0 when it is no UTF-8.
std::size_t CharacterBytes(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return bytes <= text.size() && IsUtf8(text.substr(0, bytes)) ? bytes : 0;
}

// YAML is characters that can be printed, and UTF-8 here; yaml-cpp takes any bytes.
Result<void> CheckCharacters(std::string_view text, std::string_view name) {
  Json::Place place{1, 1};
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const bool blank = byte == '\t' || byte == '\n' || byte == '\r';
    if ((byte < ' ' && !blank) || byte == 0x7F) {
      return At(name, place, Str("not YAML: a control character (byte ", static_cast<int>(byte), "); is this a text file?"));
    }
    const std::size_t bytes = CharacterBytes(text.substr(at));
    if (bytes == 0) return At(name, place, "not UTF-8 text; save the file as UTF-8");
    at += bytes;
    place.column += static_cast<std::uint32_t>(bytes);
    if (byte == '\n' || (byte == '\r' && (at == text.size() || text[at] != '\n'))) place = {place.line + 1, 1};
  }
  return {};
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
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+';
  if (ParseInt64(plus ? std::string_view(text).substr(1) : text, &whole)) return Json(static_cast<long long>(whole));
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

// Hears where the documents of a text begin.
class DocumentStarts final : public YAML::EventHandler {
 public:
  const YAML::Mark& last() const { return last_; }
  void OnDocumentStart(const YAML::Mark& mark) override { last_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  YAML::Mark last_;
};

// Looks for a second document only: YAML::LoadAll takes a stray ']' or ',' for the beginning of one, and finds it again
// for ever.
Result<void> CheckOneDocument(const std::string& text, std::string_view name) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStarts starts;
  if (!parser.HandleNextDocument(starts) || !parser.HandleNextDocument(starts)) return {};
  const auto at = static_cast<std::size_t>(starts.last().pos);
  if (at >= text.size() || text.compare(at, 3, "---") == 0) {
    return At(name, PlaceOf(starts.last()), "a second document begins here, expected one");
  }
  return At(name, PlaceOf(starts.last()), Str("not YAML: '", std::string(1, text[at]), "' belongs to nothing before it"));
}

}  // namespace

Result<Json> Json::ParseYaml(std::string_view text, std::string_view name) {
  TENON_TRY(CheckCharacters(text, name));
  try {
    const std::string held(text);
    TENON_TRY(CheckOneDocument(held, name));
    std::size_t left = text.size() + 1;
    return Convert(YAML::Load(held), name, 0, &left);
  } catch (const YAML::DeepRecursion& error) {
    return At(name, PlaceOf(error.mark), Str("not YAML: nested deeper than ", kMostDepth, " levels"));
  } catch (const YAML::Exception& error) {
    return At(name, PlaceOf(error.mark), Str("not YAML: ", error.msg));
  } catch (const std::exception& error) {
    return Error(Code::kInvalidArgument, Str(name, ": not YAML: ", error.what()));
  }
}

}  // namespace tenon
