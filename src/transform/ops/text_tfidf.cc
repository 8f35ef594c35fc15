// Texts to weights of the words or character runs in them: how often here, times how rare elsewhere (TF-IDF).

#include <algorithm>
#include <cmath>

#include "transform/keys_internal.h"
#include "transform/text_tokens_internal.h"

namespace tenon::transform {
namespace {

struct Settings {
  TokenSettings tokens;
  std::int64_t most = 0;
  std::int64_t least_count = 1;
  double most_share = 1;
  bool sublinear = true;
  bool idf = true;
  bool norm = true;
};

// Distinct terms and in how many texts each came.
struct Terms {
  KeyTable table;
  std::vector<std::int64_t> texts;
  std::vector<std::int64_t> last;  // the text that counted it last, so that a text counts once
  std::int64_t count = 0;

  void AddText(std::string_view text, const TokenSettings& settings, Tokens& tokens) {
    ++count;
    EachPiece(text, settings, tokens, [this](std::string_view piece) {
      const auto id = static_cast<std::size_t>(table.Insert(piece));
      if (id == texts.size()) {
        texts.push_back(0);
        last.push_back(0);
      }
      if (last[id] == count) return;
      last[id] = count;
      ++texts[id];
    });
  }
  void Merge(const Terms& other) {
    for (std::int32_t id = 0; id < other.table.size(); ++id) {
      const auto mine = static_cast<std::size_t>(table.Insert(other.table.key(id)));
      if (mine == texts.size()) {
        texts.push_back(0);
        last.push_back(0);
      }
      texts[mine] += other.texts[static_cast<std::size_t>(id)];
    }
    count += other.count;
    std::fill(last.begin(), last.end(), 0);
  }
};

class Learned final : public State {
 public:
  explicit Learned(Settings settings) : settings_(settings) {}

  void Add(std::span<const Lane> in, const double*, const std::uint8_t*, std::int64_t n) override {
    for (std::int64_t i = 0; i < n; ++i) {
      const std::string_view text = in[0].Text(i);
      if (text.data() != nullptr) terms_.AddText(text, settings_.tokens, tokens_);
    }
  }
  Result<void> Merge(const State& other) override {
    const auto* same = dynamic_cast<const Learned*>(&other);
    if (same == nullptr) return Error(Code::kInternal, "states of different ops were merged");
    terms_.Merge(same->terms_);
    return {};
  }
  Result<void> Finish() override {
    std::vector<std::pair<std::string_view, std::int64_t>> kept;
    const double limit = settings_.most_share * static_cast<double>(terms_.count);
    for (std::int32_t id = 0; id < terms_.table.size(); ++id) {
      const std::int64_t texts = terms_.texts[static_cast<std::size_t>(id)];
      if (texts >= settings_.least_count && static_cast<double>(texts) <= limit) kept.emplace_back(terms_.table.key(id), texts);
    }
    std::sort(kept.begin(), kept.end());
    if (settings_.most > 0 && kept.size() > static_cast<std::size_t>(settings_.most)) {
      std::stable_sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
      kept.resize(static_cast<std::size_t>(settings_.most));
      std::sort(kept.begin(), kept.end());
    }
    for (const auto& [term, texts] : kept) {
      words.Insert(term);
      const double rare = std::log((1.0 + static_cast<double>(terms_.count)) / (1.0 + static_cast<double>(texts))) + 1.0;
      weights.push_back(settings_.idf ? rare : 1.0);
    }
    terms_ = Terms();
    return {};
  }
  std::vector<std::string> Words() const override { return {Str("terms, ", ListedKeys(words, false))}; }
  std::string Save() const override {
    Writer out;
    out.Size(weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i) {
      out.Text(words.key(static_cast<std::int32_t>(i)));
      out.F64(weights[i]);
    }
    return out.Take();
  }
  Result<void> Load(std::string_view bytes) {
    Reader in(bytes);
    const std::size_t size = in.Size(16);
    for (std::size_t i = 0; i < size && !in.failed(); ++i) {
      if (words.Insert(in.Text()) != static_cast<std::int32_t>(i)) in.Fail();
      weights.push_back(in.F64());
    }
    return in.Done();
  }

  KeyTable words;  // sorted
  std::vector<double> weights;

 private:
  Settings settings_;
  Terms terms_;
  Tokens tokens_;
};

class TextTfidf final : public Op {
 public:
  explicit TextTfidf(Settings settings) : settings_(settings) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State* state) const override {
    TENON_TRY(CheckKeys(in, 1));
    if (in[0].kind != Port::Kind::kText) {
      return Error(Code::kInvalidArgument, Str("input '", in[0].name, "' is a number, expected a text"));
    }
    Port port{.name = Str(in[0].name, "_words"), .kind = Port::Kind::kVector, .width = 0};
    if (state != nullptr) {
      const KeyTable& words = static_cast<const Learned*>(state)->words;
      port.width = words.size();
      for (std::int32_t id = 0; id < words.size(); ++id) port.parts.push_back(Str(in[0].name, ":", words.key(id)));
    }
    return std::vector<Port>{std::move(port)};
  }
  std::unique_ptr<State> NewState(std::span<const Port>, int) const override { return std::make_unique<Learned>(settings_); }
  Result<std::unique_ptr<State>> LoadState(std::span<const Port>, std::string_view bytes) const override {
    auto state = std::make_unique<Learned>(settings_);
    TENON_TRY(state->Load(bytes));
    return state;
  }
  void Map(const State* state, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    const auto& learned = *static_cast<const Learned*>(state);
    // Working memory of the thread, which any plan may use: nothing of it outlives a row.
    thread_local Tokens tokens;
    thread_local std::vector<std::int32_t> found;
    for (std::int64_t row = 0; row < n; ++row) {
      const std::string_view text = in[0].Text(row);
      if (text.data() != nullptr) Weigh(learned, text, tokens, found, out[0].vectors + row * out[0].stride);
    }
  }

 private:
  void Weigh(const Learned& learned, std::string_view text, Tokens& tokens, std::vector<std::int32_t>& found, float* out) const {
    found.clear();
    EachPiece(text, settings_.tokens, tokens, [&](std::string_view piece) {
      const std::int32_t id = learned.words.Find(piece);
      if (id < 0) return;
      if (out[id] == 0) found.push_back(id);
      out[id] += 1;
    });
    double squares = 0;
    for (const std::int32_t id : found) {
      const auto times = static_cast<double>(out[id]);
      const double weight = (settings_.sublinear ? 1 + std::log(times) : times) * learned.weights[static_cast<std::size_t>(id)];
      squares += weight * weight;
    }
    const double scale = settings_.norm && squares > 0 ? std::sqrt(squares) : 1;
    for (const std::int32_t id : found) {
      const auto times = static_cast<double>(out[id]);
      const double weight = (settings_.sublinear ? 1 + std::log(times) : times) * learned.weights[static_cast<std::size_t>(id)];
      out[id] = static_cast<float>(weight / scale);
    }
  }
  Settings settings_;
};

// [least, most] from a list of one or two whole numbers.
Result<void> ReadRange(const Options& options, std::string_view name, TokenSettings* tokens) {
  const std::vector<double> range = options.NumberList(name);
  const bool good = (range.size() == 1 || range.size() == 2) && range[0] >= 1 && range.back() <= 16 && range[0] <= range.back() &&
                    range[0] == std::floor(range[0]) && range.back() == std::floor(range.back());
  if (!good) {
    return Error(Code::kInvalidArgument, Str("text_tfidf: '", name, "' is the fewest and the most of a run, such as [1, 2] (at most 16), got ",
                                             options.Any(name).Dump()));
  }
  tokens->least = static_cast<int>(range[0]);
  tokens->most = static_cast<int>(range.back());
  return {};
}

Result<std::unique_ptr<Op>> Make(const Options& options) {
  Settings settings;
  settings.tokens.lower = options.Bool("lower");
  settings.tokens.characters = options.Has("characters");
  TENON_TRY(ReadRange(options, settings.tokens.characters ? "characters" : "words", &settings.tokens));
  settings.most = options.Int("most");
  settings.least_count = options.Int("least_count");
  settings.most_share = options.Number("most_share");
  settings.sublinear = options.Bool("sublinear");
  settings.idf = options.Bool("idf");
  settings.norm = options.Bool("norm");
  return std::make_unique<TextTfidf>(settings);
}

}  // namespace

Result<void> AddTextTfidf(Kinds<Op>& kinds) {
  return kinds.Add(
      "text_tfidf",
      {.summary = "Weigh the words of texts by how telling they are",
       .when = "Prose: messages, reviews, titles. Linear models like many words and pairs of words; trees a few hundred words. "
               "Runs of characters are robust to typing errors and inflection. A missing text is all zeros.",
       .example = R"({"words": [1, 2], "most": 500})",
       .options = {{.name = "words", .type = Option::Type::kNumberList, .fallback = Json(Json::Array{Json(1), Json(1)}),
                    .help = "Runs of this many words: fewest and most"},
                   {.name = "characters", .type = Option::Type::kNumberList,
                    .help = "Instead of words, runs of this many characters within blanks: fewest and most"},
                   {.name = "most", .type = Option::Type::kInt, .fallback = 1000,
                    .help = "Keep the terms that most texts have, this many; 0: all", .least = 0, .most = 1e6},
                   {.name = "least_count", .type = Option::Type::kInt, .fallback = 1, .help = "Keep terms of at least this many texts", .least = 1},
                   {.name = "most_share", .type = Option::Type::kNumber, .fallback = 1.0,
                    .help = "Leave out terms of more than this share of the texts", .least = 0, .most = 1},
                   {.name = "sublinear", .type = Option::Type::kBool, .fallback = true, .help = "1 + ln(times) instead of times"},
                   {.name = "idf", .type = Option::Type::kBool, .fallback = true, .help = "Weigh rare terms more: ln((1 + n) / (1 + texts)) + 1"},
                   {.name = "norm", .type = Option::Type::kBool, .fallback = true, .help = "Each row to length 1"},
                   {.name = "lower", .type = Option::Type::kBool, .fallback = true, .help = "Lower case first"}}},
      Make);
}

}  // namespace tenon::transform
