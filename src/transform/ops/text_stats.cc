// How a text is written, as numbers: how long, of which characters and words.

#include <algorithm>
#include <cmath>
#include <limits>

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

constexpr std::string_view kStats[] = {"characters", "words", "lines", "word_length", "digits", "upper", "punctuation", "blanks", "other", "unique_words"};
enum class Stat : std::uint8_t { kCharacters, kWords, kLines, kWordLength, kDigits, kUpper, kPunctuation, kBlanks, kOther, kUnique };

bool IsBlank(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

struct Counts {
  std::int64_t characters = 0, words = 0, lines = 0, digits = 0, upper = 0, punctuation = 0, blanks = 0, other = 0, unique = 0;
};

// Characters are code points: bytes that continue one are not counted. Classes other than `other` are those of ASCII.
Counts Count(std::string_view text, bool unique, std::vector<std::string_view>& words) {
  Counts out;
  words.clear();
  std::size_t start = 0;
  bool inside = false;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const bool end = i == text.size();
    const auto c = end ? static_cast<unsigned char>(' ') : static_cast<unsigned char>(text[i]);
    const bool blank = IsBlank(c);
    if (!blank && !inside) start = i;
    if (blank && inside) {
      ++out.words;
      if (unique) words.push_back(text.substr(start, i - start));
    }
    inside = !blank;
    if (end) break;
    if (c == '\n') ++out.lines;
    if ((c & 0xC0) == 0x80) continue;
    ++out.characters;
    if (blank) {
      ++out.blanks;
    } else if (c >= '0' && c <= '9') {
      ++out.digits;
    } else if (c >= 'A' && c <= 'Z') {
      ++out.upper;
    } else if (c > 0x20 && c < 0x7F && !(c >= 'a' && c <= 'z')) {
      ++out.punctuation;
    } else if (c >= 0x80) {
      ++out.other;
    }
  }
  if (!text.empty() && text.back() != '\n') ++out.lines;
  if (unique) {
    std::sort(words.begin(), words.end());
    out.unique = std::unique(words.begin(), words.end()) - words.begin();
  }
  return out;
}

double Share(std::int64_t part, std::int64_t of) { return of == 0 ? 0 : static_cast<double>(part) / static_cast<double>(of); }

double ValueOf(Stat stat, const Counts& counts) {
  switch (stat) {
    case Stat::kCharacters: return static_cast<double>(counts.characters);
    case Stat::kWords: return static_cast<double>(counts.words);
    case Stat::kLines: return static_cast<double>(counts.lines);
    case Stat::kWordLength: return Share(counts.characters - counts.blanks, counts.words);
    case Stat::kDigits: return Share(counts.digits, counts.characters);
    case Stat::kUpper: return Share(counts.upper, counts.characters);
    case Stat::kPunctuation: return Share(counts.punctuation, counts.characters);
    case Stat::kBlanks: return Share(counts.blanks, counts.characters);
    case Stat::kOther: return Share(counts.other, counts.characters);
    case Stat::kUnique: return Share(counts.unique, counts.words);
  }
  return 0;
}

class TextStats final : public Op {
 public:
  explicit TextStats(std::vector<Stat> stats) : stats_(std::move(stats)) {
    for (const Stat stat : stats_) unique_ = unique_ || stat == Stat::kUnique;
  }

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (const Port& port : in) {
      if (port.kind != Port::Kind::kText) {
        return Error(Code::kInvalidArgument, Str("input '", port.name, "' is a number, expected a text"));
      }
      Port vector{.name = Str(port.name, "_stats"), .kind = Port::Kind::kVector, .width = static_cast<int>(stats_.size())};
      for (const Stat stat : stats_) vector.parts.push_back(Str(port.name, "_", kStats[static_cast<std::size_t>(stat)]));
      out.push_back(std::move(vector));
    }
    return out;
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    thread_local std::vector<std::string_view> words;  // nothing of it outlives a row
    for (std::size_t i = 0; i < in.size(); ++i) {
      for (std::int64_t row = 0; row < n; ++row) {
        const std::string_view text = in[i].Text(row);
        float* to = out[i].vectors + row * out[i].stride;
        const Counts counts = Count(text, unique_, words);
        for (const Stat stat : stats_) {
          *to++ = text.data() == nullptr ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(ValueOf(stat, counts));
        }
      }
    }
  }

 private:
  std::vector<Stat> stats_;
  bool unique_ = false;
};

Result<std::unique_ptr<Op>> Make(const Options& options) {
  std::vector<Stat> stats;
  for (const std::string& name : options.TextList("parts")) {
    const auto* at = std::find(std::begin(kStats), std::end(kStats), name);
    if (at == std::end(kStats)) {
      const std::vector<std::string> known(std::begin(kStats), std::end(kStats));
      return Error(Code::kInvalidArgument, Str("text_stats: no part '", name, "'", DidYouMean(name, known)));
    }
    const auto stat = static_cast<Stat>(at - std::begin(kStats));
    if (std::find(stats.begin(), stats.end(), stat) != stats.end()) {
      return Error(Code::kInvalidArgument, Str("text_stats: the part '", name, "' is named twice"));
    }
    stats.push_back(stat);
  }
  if (stats.empty()) return Error(Code::kInvalidArgument, "text_stats: name at least one part");
  return std::make_unique<TextStats>(std::move(stats));
}

}  // namespace

Result<void> AddTextStats(Kinds<Op>& kinds) {
  Json all = Json::MakeArray();
  for (const std::string_view name : kStats) all.Push(name);
  return kinds.Add(
      "text_stats",
      {.summary = "Measure how texts are written: length, words, digits, capitals, punctuation",
       .when = "How it is written tells something beside what: spam, bots, careless or angry writers; codes of different make. A missing "
               "text gives missing parts.",
       .example = R"({"parts": ["characters", "words", "digits", "unique_words"]})",
       .options = {{.name = "parts", .type = Option::Type::kTextList, .fallback = std::move(all),
                    .help = "Of characters, words (between blanks), lines, word_length (mean), and as shares of the characters: digits, upper "
                            "(A-Z), punctuation, blanks, other (beyond ASCII); unique_words is a share of the words"}}},
      Make);
}

}  // namespace tenon::transform
