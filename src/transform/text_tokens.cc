#include <cstdint>

#include "transform/text_tokens_internal.h"
#include "transform/unicode_internal.h"

namespace tenon::transform {

Character CharacterAt(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t { return static_cast<std::uint8_t>(text[at + i]); };
  const std::uint32_t first = byte(0);
  const std::size_t left = text.size() - at;
  const auto follows = [&](std::size_t i) { return i < left && (byte(i) & 0xC0) == 0x80; };
  if (first < 0x80) return {first, 1};
  if (first >= 0xC2 && first < 0xE0 && follows(1)) return {(first & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (first >= 0xE0 && first < 0xF0 && follows(1) && follows(2)) {
    return {(first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  }
  if (first >= 0xF0 && first < 0xF5 && follows(1) && follows(2) && follows(3)) {
    return {(first & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
  }
  return {first, 1};
}

bool IsBlank(char32_t c) {
  return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

namespace {

// Letters, digits and underscores. Beyond Latin-1 what is not punctuation, a symbol or a blank counts as a letter.
bool IsWord(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  if (c < 0x100) {
    return c >= 0xC0 ? c != 0xD7 && c != 0xF7
                     : c == 0xAA || c == 0xB5 || c == 0xBA || c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0xBC && c <= 0xBE);
  }
  if (IsBlank(c) || (c >= 0x0300 && c <= 0x036F)) return false;
  if (c >= 0x2000 && c <= 0x206F) return false;                          // general punctuation
  if (c >= 0x20A0 && c <= 0x20CF) return false;                          // currencies
  if (c >= 0x2190 && c <= 0x245F) return false;                          // arrows, operators, technical
  if (c >= 0x2500 && c <= 0x2BFF) return false;                          // boxes, shapes, symbols
  if ((c >= 0x3001 && c <= 0x3004) || (c >= 0x3008 && c <= 0x3020)) return false;
  if (c >= 0xE000 && c <= 0xF8FF) return false;                          // private use
  if ((c >= 0xFE00 && c <= 0xFE6F) || (c >= 0xFF01 && c <= 0xFF0F) || (c >= 0xFFF0 && c <= 0xFFFF)) return false;
  return !(c >= 0x1F000 && c <= 0x1FAFF);                                // emoji
}

char32_t Lower(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) || (c >= 0x410 && c <= 0x42F)) return c + 32;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if ((c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14A && c <= 0x177)) return c | 1;
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return c % 2 == 1 ? c + 1 : c;
  return c;
}

void AppendLower(std::string_view bytes, char32_t code, std::string& out) {
  const char32_t low = Lower(code);
  if (low == code || low >= 0x800) {
    out.append(bytes);
  } else if (low < 0x80) {
    out.push_back(static_cast<char>(low));
  } else {
    out.push_back(static_cast<char>(0xC0 | low >> 6));
    out.push_back(static_cast<char>(0x80 | (low & 0x3F)));
  }
}

}  // namespace

void SplitWords(std::string_view text, const TokenSettings& settings, Tokens& tokens) {
  tokens.text.clear();
  tokens.starts.clear();
  tokens.ends.clear();
  std::size_t letters = 0;  // of the word begun; 0: none
  const auto end = [&] {
    if (letters == 0) return;
    if (settings.characters) {
      tokens.text.push_back(' ');
      tokens.ends.push_back(tokens.text.size());
    } else if (letters >= 2) {
      tokens.ends.push_back(tokens.text.size());
      tokens.text.push_back(' ');
    } else {  // too short for a word
      tokens.text.resize(tokens.starts.back());
      tokens.starts.pop_back();
    }
    letters = 0;
  };
  for (std::size_t at = 0; at < text.size();) {
    const Character character = CharacterAt(text, at);
    const bool inside = settings.characters ? !IsBlank(character.code) : IsWord(character.code);
    if (!inside) {
      end();
    } else {
      if (letters++ == 0) {
        tokens.starts.push_back(tokens.text.size());
        if (settings.characters) tokens.text.push_back(' ');
      }
      const std::string_view bytes = text.substr(at, character.bytes);
      if (settings.lower) {
        AppendLower(bytes, character.code, tokens.text);
      } else {
        tokens.text.append(bytes);
      }
    }
    at += character.bytes;
  }
  end();
}

void SplitCharacters(std::size_t from, std::size_t to, Tokens& tokens) {
  tokens.characters.clear();
  const std::string_view text = tokens.text;
  for (std::size_t at = from; at < to;) {
    tokens.characters.push_back(at);
    at += CharacterAt(text.substr(0, to), at).bytes;
  }
  tokens.characters.push_back(to);
}

}  // namespace tenon::transform
