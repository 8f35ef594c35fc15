#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tenon::platform {

// A whole XML document as a tree: elements with their attributes and texts; comments, instructions and the prefixes of names left out.
// Immutable once read.
class Xml {
 public:
  struct Attribute {
    std::string name, value;
  };
  struct Element {
    std::string name;                 // without its prefix
    std::vector<Attribute> attributes;
    std::string text;                 // all that stands in it outside of its children
    std::uint32_t line = 0;
    std::int32_t first = -1, next = -1;  // its first child, its next sibling; -1: none
  };
  struct Limits {
    std::size_t bytes = std::size_t{1} << 30;
    std::size_t elements = 20'000'000;
    int depth = 2'000;
  };

  // invalid_argument with the line; documents with a DOCTYPE are refused, as are those beyond the limits. unavailable without libexpat,
  // which is loaded when first used.
  static Result<Xml> Read(std::string_view bytes, const Limits& limits);
  static Result<Xml> Read(std::string_view bytes) { return Read(bytes, Limits()); }

  const Element& root() const { return elements_[0]; }
  // The children, of one name or of any. They live as long as the document.
  std::vector<const Element*> Children(const Element& of, std::string_view name = {}) const;
  // The first child of a name; null when there is none.
  const Element* Child(const Element& of, std::string_view name) const;
  // The value of an attribute; null when there is none.
  static const std::string* Find(const Element& of, std::string_view attribute);
  static std::string_view At(const Element& of, std::string_view attribute, std::string_view fallback = {});

 private:
  friend struct XmlBuilder;
  std::vector<Element> elements_;
};

}  // namespace tenon::platform
