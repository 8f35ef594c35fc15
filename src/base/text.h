#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tenon {

// The shortest decimal that reads back as the same double; "NaN", "Infinity", "-Infinity" for the others.
std::string FormatDouble(double value);
// At most `digits` significant digits, for people: 0.8273, 12,345.6 becomes "12345.6".
std::string FormatShort(double value, int digits = 4);
// Thousands separated by commas: 32561 -> "32,561".
std::string FormatCount(std::int64_t value);

namespace detail {
inline std::string_view Piece(std::string_view text) { return text; }
inline std::string Piece(char c) { return std::string(1, c); }
template <std::same_as<bool> T>  // a template, so that no pointer becomes a bool
std::string Piece(T value) {
  return value ? "true" : "false";
}
inline std::string Piece(double value) { return FormatDouble(value); }
template <typename T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char>)
std::string Piece(T value) {
  return std::to_string(value);
}
}  // namespace detail

// Str("no column '", name, "' among ", n): the pieces after each other.
template <typename... Pieces>
std::string Str(const Pieces&... pieces) {
  std::string out;
  (out.append(detail::Piece(pieces)), ...);
  return out;
}

// The member of `known` nearest to `word` when it is near enough to be a typing error, else "".
std::string Nearest(std::string_view word, std::span<const std::string> known);
// "; did you mean 'label'?" or, with nothing near, "; there are: a, b, c" (at most 20 names).
std::string DidYouMean(std::string_view word, std::span<const std::string> known);

std::vector<std::string> Split(std::string_view text, char separator);
std::string Join(std::span<const std::string> parts, std::string_view separator);
std::string_view Trim(std::string_view text);
std::string ToLower(std::string_view text);
// & < > " ' replaced by entities, for HTML and SVG text and attributes.
std::string EscapeHtml(std::string_view text);
// Whether `text` is well-formed UTF-8 without surrogates.
bool IsUtf8(std::string_view text);

// The whole of `text` as a number: no blanks around it, no rest. False when it is not one.
bool ParseDouble(std::string_view text, double* out);
bool ParseInt64(std::string_view text, std::int64_t* out);

}  // namespace tenon
