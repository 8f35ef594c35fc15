// Texts in lower case, without blanks around them, so that spellings of one value meet.

#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }

class TextClean final : public Op {
 public:
  TextClean(bool lower, bool trim, bool collapse, bool empty_missing)
      : lower_(lower), trim_(trim), collapse_(collapse), empty_missing_(empty_missing) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (const Port& port : in) {
      if (port.kind != Port::Kind::kText) {
        return Error(Code::kInvalidArgument, Str("input '", port.name, "' is a number, expected a text"));
      }
      out.push_back({.name = Str(port.name, "_clean"), .kind = Port::Kind::kText});
    }
    return out;
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>* texts) const override {
    for (std::size_t i = 0; i < in.size(); ++i) {
      for (std::int64_t row = 0; row < n; ++row) {
        const std::string_view text = in[i].Text(row);
        out[i].texts[row] = text.data() == nullptr ? text : Clean(text, texts);
      }
    }
  }

 private:
  std::string_view Clean(std::string_view text, std::vector<std::string>* texts) const {
    if (trim_) {
      while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
      while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
    }
    if (text.empty()) return empty_missing_ ? std::string_view() : std::string_view("");
    bool changes = false;
    for (std::size_t k = 0; k < text.size() && !changes; ++k) {
      changes = (lower_ && text[k] >= 'A' && text[k] <= 'Z') ||
                (collapse_ && IsBlank(text[k]) && (text[k] != ' ' || (k > 0 && IsBlank(text[k - 1]))));
    }
    if (!changes) return text;  // a view of the input
    std::string& made = texts->emplace_back();
    made.reserve(text.size());
    for (char c : text) {
      if (collapse_ && IsBlank(c)) {
        if (!made.empty() && made.back() == ' ') continue;
        c = ' ';
      }
      made.push_back(lower_ && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    }
    return made;
  }

  bool lower_, trim_, collapse_, empty_missing_;
};

}  // namespace

Result<void> AddTextClean(Kinds<Op>& kinds) {
  return kinds.Add("text_clean",
                   {.summary = "Lower the case of texts and trim blanks",
                    .when = "Before encoding texts that people typed, so that 'Paris ' and 'paris' are one value. Lowers ASCII "
                            "letters only.",
                    .example = R"({"lower": true, "trim": true})",
                    .options = {{.name = "lower", .type = Option::Type::kBool, .fallback = true, .help = "A-Z to a-z"},
                                {.name = "trim", .type = Option::Type::kBool, .fallback = true, .help = "No blanks at the ends"},
                                {.name = "collapse", .type = Option::Type::kBool, .fallback = false, .help = "Runs of blanks to one"},
                                {.name = "empty_is_missing", .type = Option::Type::kBool, .fallback = false,
                                 .help = "A text without any character left is missing"}}},
                   [](const Options& options) -> Result<std::unique_ptr<Op>> {
                     return std::make_unique<TextClean>(options.Bool("lower"), options.Bool("trim"), options.Bool("collapse"),
                                                        options.Bool("empty_is_missing"));
                   });
}

}  // namespace tenon::transform
