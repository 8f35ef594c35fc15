#include "transform/wordpieces_internal.h"

#include <algorithm>

#include "transform/unicode_internal.h"

namespace tenon::transform {
namespace {

constexpr std::size_t kMostCharacters = 100;  // of a word

void Append(char32_t code, std::string& out) {
  const auto follow = [](char32_t bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | code >> 6));
    out.push_back(follow(code));
  } else if (code < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | code >> 12));
    out.push_back(follow(code >> 6));
    out.push_back(follow(code));
  } else {
    out.push_back(static_cast<char>(0xF0 | code >> 18));
    out.push_back(follow(code >> 12));
    out.push_back(follow(code >> 6));
    out.push_back(follow(code));
  }
}

bool IsIdeograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

// The letters of a syllable of Hangul, which Unicode's decomposition takes apart; false for other characters.
bool AppendHangul(char32_t c, std::string& out, std::size_t* characters) {
  if (c < 0xAC00 || c > 0xD7A3) return false;
  const char32_t at = c - 0xAC00;
  Append(0x1100 + at / 588, out);
  Append(0x1161 + at % 588 / 28, out);
  *characters += 2;
  if (at % 28 == 0) return true;
  Append(0x11A7 + at % 28, out);
  ++*characters;
  return true;
}

}  // namespace

Result<std::shared_ptr<const WordPieces>> WordPieces::Make(std::string_view vocabulary, bool lower) {
  auto out = std::make_shared<WordPieces>();
  out->lower_ = lower;
  while (!vocabulary.empty()) {
    const std::size_t end = std::min(vocabulary.find('\n'), vocabulary.size());
    std::string_view line = vocabulary.substr(0, end);
    vocabulary.remove_prefix(std::min(end + 1, vocabulary.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::int32_t number = out->pieces_.size();
    if (out->pieces_.Insert(line) != number) {
      return Error(Code::kInvalidArgument, Str("the vocabulary has '", line, "' twice, again in line ", number + 1));
    }
  }
  for (const auto& [name, number] : {std::pair{"[CLS]", &out->begin_}, {"[SEP]", &out->end_}, {"[UNK]", &out->unknown_}}) {
    *number = out->pieces_.Find(name);
    if (*number >= 0) continue;
    return Error(Code::kInvalidArgument, Str("the vocabulary, of ", out->pieces_.size(), " lines, has no line ", name,
                                             "; a WordPiece vocabulary (vocab.txt) is expected"));
  }
  return std::shared_ptr<const WordPieces>(std::move(out));
}

void WordPieces::Encode(std::string_view text, std::size_t most, std::vector<std::int64_t>* ids) const {
  ids->clear();
  ids->push_back(begin_);
  thread_local std::string word;  // working memory
  word.clear();
  std::size_t characters = 0;
  const auto end = [&] {
    if (!word.empty()) EncodeWord(word, characters, ids);
    word.clear();
    characters = 0;
  };
  for (std::size_t at = 0; at < text.size() && ids->size() < most;) {
    const Character character = CharacterAt(text, at);
    at += character.bytes;
    char32_t code = character.code;
    if (character.bytes == 1 && code >= 0x80) continue;  // a byte that is no character
    if (code != 0 && IsBlank(code)) {
      end();
      continue;
    }
    if (code == 0xFFFD || IsUnseen(code)) continue;
    if (lower_) {
      if (IsMark(code)) continue;
      if (AppendHangul(code, word, &characters)) continue;
      code = Folded(code);
    }
    if (IsPunctuation(code) || IsIdeograph(code)) {
      end();
      Append(code, word);
      characters = 1;
      end();
      continue;
    }
    Append(code, word);
    ++characters;
  }
  if (ids->size() < most) end();
  if (ids->size() >= most) ids->resize(most - 1);
  ids->push_back(end_);
}

void WordPieces::EncodeWord(std::string_view word, std::size_t characters, std::vector<std::int64_t>* ids) const {
  if (characters > kMostCharacters) return ids->push_back(unknown_);
  const std::size_t before = ids->size();
  std::string piece;
  for (std::size_t from = 0; from < word.size();) {
    std::size_t to = word.size();
    std::int32_t found = -1;
    for (; to > from; --to) {
      if (to < word.size() && (static_cast<std::uint8_t>(word[to]) & 0xC0) == 0x80) continue;  // within a character
      piece.assign(from > 0 ? "##" : "");
      piece.append(word.substr(from, to - from));
      found = pieces_.Find(piece);
      if (found >= 0) break;
    }
    if (found < 0) {
      ids->resize(before);
      return ids->push_back(unknown_);
    }
    ids->push_back(found);
    from = to;
  }
}

}  // namespace tenon::transform
