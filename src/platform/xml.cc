#include "platform/xml.h"

#include <memory>

#include "base/text.h"
#include "platform/library.h"

// Of libexpat's interface, which has been kept since 2.0; declared here so that building needs no package.
extern "C" {
struct XML_ParserStruct;
using TenonXmlStart = void (*)(void*, const char*, const char**);
using TenonXmlEnd = void (*)(void*, const char*);
using TenonXmlText = void (*)(void*, const char*, int);
using TenonXmlDoctype = void (*)(void*, const char*, const char*, const char*, int);
}

namespace tenon::platform {
namespace {

struct Api {
  XML_ParserStruct* (*XML_ParserCreate)(const char*) = nullptr;
  void (*XML_ParserFree)(XML_ParserStruct*) = nullptr;
  void (*XML_SetUserData)(XML_ParserStruct*, void*) = nullptr;
  void (*XML_SetElementHandler)(XML_ParserStruct*, TenonXmlStart, TenonXmlEnd) = nullptr;
  void (*XML_SetCharacterDataHandler)(XML_ParserStruct*, TenonXmlText) = nullptr;
  void (*XML_SetStartDoctypeDeclHandler)(XML_ParserStruct*, TenonXmlDoctype) = nullptr;
  int (*XML_Parse)(XML_ParserStruct*, const char*, int, int) = nullptr;
  int (*XML_StopParser)(XML_ParserStruct*, unsigned char) = nullptr;
  int (*XML_GetErrorCode)(XML_ParserStruct*) = nullptr;
  const char* (*XML_ErrorString)(int) = nullptr;
  unsigned long (*XML_GetCurrentLineNumber)(XML_ParserStruct*) = nullptr;

  static Result<Api> Load() {
    TENON_ASSIGN(const Library library, Library::Open("libexpat.so.1"), "XML, Debian's package libexpat1");
    Api api;
#define TENON_BIND(name) TENON_TRY(library.Bind(#name, &api.name));
    TENON_BIND(XML_ParserCreate) TENON_BIND(XML_ParserFree) TENON_BIND(XML_SetUserData) TENON_BIND(XML_SetElementHandler)
    TENON_BIND(XML_SetCharacterDataHandler) TENON_BIND(XML_SetStartDoctypeDeclHandler) TENON_BIND(XML_Parse) TENON_BIND(XML_StopParser)
    TENON_BIND(XML_GetErrorCode) TENON_BIND(XML_ErrorString) TENON_BIND(XML_GetCurrentLineNumber)
#undef TENON_BIND
    return api;
  }
};

const Result<Api>& Loaded() {
  static const Result<Api> api = Api::Load();
  return api;
}

std::string Local(const char* name) {
  const std::string_view whole(name);
  return std::string(whole.substr(whole.find(':') + 1));  // npos + 1 is 0
}

}  // namespace

// What libexpat's callbacks fill.
struct XmlBuilder {
  const Api& api;
  const Xml::Limits& limits;
  XML_ParserStruct* parser = nullptr;
  Xml document = {};
  std::vector<std::int32_t> open = {};       // from the root down
  std::vector<std::int32_t> last_child = {};  // of each open element
  std::string problem = {};

  void Stop(std::string why) {
    if (problem.empty()) problem = std::move(why);
    api.XML_StopParser(parser, 0);
  }

  // A stopped parser may still make a call or two: they find the problem and do nothing.
  void Begin(const char* name, const char** attributes) {
    if (!problem.empty()) return;
    if (document.elements_.size() >= limits.elements) return Stop(Str("has more than ", limits.elements, " elements"));
    if (static_cast<int>(open.size()) >= limits.depth) return Stop(Str("has elements within each other more than ", limits.depth, " deep"));
    const auto at = static_cast<std::int32_t>(document.elements_.size());
    Xml::Element& element = document.elements_.emplace_back();
    element.name = Local(name);
    element.line = static_cast<std::uint32_t>(api.XML_GetCurrentLineNumber(parser));
    for (; *attributes != nullptr; attributes += 2) element.attributes.push_back({Local(attributes[0]), attributes[1]});
    if (!open.empty()) {
      std::int32_t& before = last_child.back();
      (before < 0 ? document.elements_[static_cast<std::size_t>(open.back())].first : document.elements_[static_cast<std::size_t>(before)].next) = at;
      before = at;
    }
    open.push_back(at);
    last_child.push_back(-1);
  }
  void End() {
    if (!problem.empty()) return;
    open.pop_back();
    last_child.pop_back();
  }
  void Text(const char* bytes, int size) {
    if (problem.empty() && !open.empty()) document.elements_[static_cast<std::size_t>(open.back())].text.append(bytes, static_cast<std::size_t>(size));
  }

  Result<Xml> Read(std::string_view bytes) {
    const std::unique_ptr<XML_ParserStruct, void (*)(XML_ParserStruct*)> made(api.XML_ParserCreate(nullptr), api.XML_ParserFree);
    if (made == nullptr) return Error(Code::kResourceExhausted, "no memory to read XML");
    parser = made.get();
    api.XML_SetUserData(parser, this);
    api.XML_SetElementHandler(
        parser, [](void* self, const char* name, const char** attributes) { static_cast<XmlBuilder*>(self)->Begin(name, attributes); },
        [](void* self, const char*) { static_cast<XmlBuilder*>(self)->End(); });
    api.XML_SetCharacterDataHandler(parser, [](void* self, const char* text, int size) { static_cast<XmlBuilder*>(self)->Text(text, size); });
    api.XML_SetStartDoctypeDeclHandler(parser, [](void* self, const char*, const char*, const char*, int) {
      static_cast<XmlBuilder*>(self)->Stop("has a DOCTYPE, whose entities are not read; take it out");
    });
    constexpr std::size_t kPiece = 1 << 24;
    bool whole = true;
    for (std::size_t at = 0; whole && (at < bytes.size() || at == 0); at += kPiece) {
      const std::string_view piece = bytes.substr(at, kPiece);
      whole = api.XML_Parse(parser, piece.data(), static_cast<int>(piece.size()), at + kPiece >= bytes.size() ? 1 : 0) == 1;
    }
    const auto line = api.XML_GetCurrentLineNumber(parser);
    if (!problem.empty()) return Error(Code::kInvalidArgument, Str("the XML ", problem, " (line ", line, ")"));
    if (!whole) return Error(Code::kInvalidArgument, Str("the XML is damaged in line ", line, ": ", api.XML_ErrorString(api.XML_GetErrorCode(parser))));
    return std::move(document);
  }
};

Result<Xml> Xml::Read(std::string_view bytes, const Limits& limits) {
  if (bytes.size() > limits.bytes) return Error(Code::kInvalidArgument, Str("the XML has ", bytes.size(), " bytes; at most ", limits.bytes, " are read"));
  const Result<Api>& api = Loaded();
  if (!api.ok()) return api.error().Clone();
  XmlBuilder builder{.api = *api, .limits = limits};
  return builder.Read(bytes);
}

std::vector<const Xml::Element*> Xml::Children(const Element& of, std::string_view name) const {
  std::vector<const Element*> out;
  for (std::int32_t at = of.first; at >= 0; at = elements_[static_cast<std::size_t>(at)].next) {
    const Element& child = elements_[static_cast<std::size_t>(at)];
    if (name.empty() || child.name == name) out.push_back(&child);
  }
  return out;
}

const Xml::Element* Xml::Child(const Element& of, std::string_view name) const {
  for (std::int32_t at = of.first; at >= 0; at = elements_[static_cast<std::size_t>(at)].next) {
    const Element& child = elements_[static_cast<std::size_t>(at)];
    if (child.name == name) return &child;
  }
  return nullptr;
}

const std::string* Xml::Find(const Element& of, std::string_view attribute) {
  for (const Attribute& one : of.attributes) {
    if (one.name == attribute) return &one.value;
  }
  return nullptr;
}

std::string_view Xml::At(const Element& of, std::string_view attribute, std::string_view fallback) {
  const std::string* found = Find(of, attribute);
  return found == nullptr ? fallback : std::string_view(*found);
}

}  // namespace tenon::platform
