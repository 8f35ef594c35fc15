#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "transform/keys_internal.h"

namespace tenon::transform {

// Texts to the numbers of pieces that BERT and its kin read (WordPiece: Wu et al. 2016; the longest piece first, within words
// cut at blanks and around punctuation and ideographs). Immutable.
class WordPieces {
 public:
  // `vocabulary` has a piece a line, numbered from 0; "##x" continues a word. It needs [CLS], [SEP] and [UNK].
  // `lower`: lower case and no accents, as "uncased" models want. invalid_argument saying what is missing.
  static Result<std::shared_ptr<const WordPieces>> Make(std::string_view vocabulary, bool lower);

  // [CLS], the pieces, [SEP]: at most `most` (at least 2) numbers; later pieces are left out. Words of more than 100 characters and those
  // that no pieces make are [UNK]. Replaces *ids.
  void Encode(std::string_view text, std::size_t most, std::vector<std::int64_t>* ids) const;
  std::int32_t size() const { return pieces_.size(); }

 private:
  void EncodeWord(std::string_view word, std::size_t characters, std::vector<std::int64_t>* ids) const;
  KeyTable pieces_;
  bool lower_ = true;
  std::int32_t begin_ = 0, end_ = 0, unknown_ = 0;
};

}  // namespace tenon::transform
