#pragma once

#include <cstddef>
#include <string_view>

namespace tenon::transform {

// A character of UTF-8 text, and the bytes it takes.
struct Character {
  char32_t code;
  std::size_t bytes;
};
// The one at `at`. A byte that starts none stands for itself, so that any bytes can be split.
Character CharacterAt(std::string_view text, std::size_t at);
// Blanks of Unicode.
bool IsBlank(char32_t code);

// Tables (unicode_tables.cc): the lower case of a letter without its accents; whether a character is an accent or the like,
// punctuation, or a control, format or private character.
char32_t Folded(char32_t code);
bool IsMark(char32_t code);
bool IsPunctuation(char32_t code);
bool IsUnseen(char32_t code);

}  // namespace tenon::transform
