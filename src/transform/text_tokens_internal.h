#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tenon::transform {

// Splits text into the pieces that TF-IDF counts. Words are runs of letters, digits and underscores, of two or more
// characters, in lower case (ASCII, Latin, Greek, Cyrillic); a run of n words is them with one blank between. Character
// pieces come from each word with a blank at both ends, as scikit-learn's char_wb has it.
struct TokenSettings {
  bool lower = true;
  bool characters = false;  // pieces of characters, else of words
  int least = 1;            // pieces of least .. most words or characters
  int most = 1;
};

// Working memory; keeps its capacity.
struct Tokens {
  std::string text;                     // words with one blank between them
  std::vector<std::size_t> starts;      // of words (or of characters) in `text`
  std::vector<std::size_t> ends;
  std::vector<std::size_t> characters;  // character starts of one word, and its end
};

// Calls visit(piece) for each piece, in the order of the text.
template <typename Visit>
void EachPiece(std::string_view text, const TokenSettings& settings, Tokens& tokens, Visit visit);

// Fills tokens.text, starts and ends.
void SplitWords(std::string_view text, const TokenSettings& settings, Tokens& tokens);
// Fills tokens.characters with the starts of the characters of text[from, to), and `to`.
void SplitCharacters(std::size_t from, std::size_t to, Tokens& tokens);

template <typename Visit>
void EachPiece(std::string_view text, const TokenSettings& settings, Tokens& tokens, Visit visit) {
  SplitWords(text, settings, tokens);
  const std::string_view all = tokens.text;
  const std::size_t words = tokens.starts.size();
  const auto least = static_cast<std::size_t>(settings.least);
  const auto most = static_cast<std::size_t>(settings.most);
  if (!settings.characters) {
    for (std::size_t size = least; size <= most; ++size) {
      for (std::size_t first = 0; first + size <= words; ++first) {
        const std::size_t from = tokens.starts[first];
        visit(all.substr(from, tokens.ends[first + size - 1] - from));
      }
    }
    return;
  }
  for (std::size_t word = 0; word < words; ++word) {
    SplitCharacters(tokens.starts[word], tokens.ends[word], tokens);
    const std::size_t count = tokens.characters.size() - 1;
    for (std::size_t size = least; size <= most; ++size) {
      for (std::size_t first = 0; first + size <= count; ++first) {
        visit(all.substr(tokens.characters[first], tokens.characters[first + size] - tokens.characters[first]));
      }
      // A word shorter than the piece is a piece itself, once.
      if (count <= size) {
        if (count < size) visit(all.substr(tokens.starts[word], tokens.ends[word] - tokens.starts[word]));
        break;
      }
    }
  }
}

}  // namespace tenon::transform
