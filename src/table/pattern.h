#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tenon::table {

// A regular expression that takes time proportional to the text times the pattern, whatever both are: all ways of matching
// are followed at once (Thompson 1968; Pike's machine for groups), none is tried again. The leftmost match is found, and of
// those at one place the one that Perl and Python prefer. Understood are characters (code points of UTF-8), . [a-z] [^a-z]
// \d \w \s \D \W \S \b \B \t \n \r \xHH, ( ) (?: ) | ^ $ * + ? {m,n} and their lazy forms with ?, and (?i) at the start, which
// means ASCII letters. There are no back references and no looking around. Immutable.
class Pattern {
 public:
  // Errors: invalid_argument saying what is wrong and where.
  static Result<Pattern> Parse(std::string_view text);
  // One that must match a text from its first to its last character.
  static Result<Pattern> Whole(std::string_view text);
  bool Matches(std::string_view text) const { return Find(text.data() == nullptr ? std::string_view("") : text, 0).data() != nullptr; }
  int groups() const { return groups_; }  // without the whole
  // What the group matched (0: the whole match); null data() when nothing did, or the group took no part.
  std::string_view Find(std::string_view text, int group) const;

  struct Span {
    std::uint32_t low, high;  // code points, inclusive
  };
  struct Step {
    enum class Kind : std::uint8_t { kSet, kSplit, kJump, kSave, kAssert, kMatch };
    Kind kind;
    std::int32_t x = 0;  // kSet: index into sets_; kSplit: the way preferred; kJump: where to; kSave: slot; kAssert: which
    std::int32_t y = 0;  // kSplit: the other way
  };

 private:
  friend class PatternMaker;
  std::vector<Step> steps_;
  std::vector<std::vector<Span>> sets_;
  int groups_ = 0;
};

}  // namespace tenon::table
