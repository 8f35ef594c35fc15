// The part of a text that a regular expression finds. The engine's time grows with the text only (table/pattern.h), so that
// no text can hold a request up.

#include <algorithm>
#include <limits>

#include "table/pattern.h"
#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

class RegexExtract final : public Op {
 public:
  RegexExtract(table::Pattern pattern, int group, bool flag) : pattern_(std::move(pattern)), group_(group), flag_(flag) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckKeys(in));
    std::vector<Port> out;
    for (const Port& port : in) {
      if (port.kind != Port::Kind::kText) {
        return Error(Code::kInvalidArgument, Str("input '", port.name, "' is a number, expected a text"));
      }
      out.push_back({.name = Str(port.name, flag_ ? "_matches" : "_found"), .kind = flag_ ? Port::Kind::kNumber : Port::Kind::kText});
    }
    return out;
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    for (std::size_t i = 0; i < in.size(); ++i) {
      for (std::int64_t row = 0; row < n; ++row) {
        const std::string_view text = in[i].Text(row);
        const std::string_view found = text.data() == nullptr ? text : pattern_.Find(text, flag_ ? 0 : group_);
        if (flag_) {
          out[i].numbers[row] = text.data() == nullptr ? std::numeric_limits<double>::quiet_NaN() : found.data() != nullptr ? 1 : 0;
        } else {
          out[i].texts[row] = found;
        }
      }
    }
  }

 private:
  table::Pattern pattern_;
  int group_;
  bool flag_;
};

}  // namespace

Result<void> AddRegexExtract(Kinds<Op>& kinds) {
  return kinds.Add(
      "regex_extract",
      {.summary = "Take the part of texts that a regular expression finds",
       .when = "Codes and numbers inside texts: the domain of an address, the year in a title, an area code. Missing where nothing is found. "
               "The first match counts. Patterns are those of Python without back references and looking around; \\w, \\d, \\s and (?i) mean "
               "ASCII.",
       .example = R"x({"pattern": "(?i)user-(\\d+)|(win)"})x",
       .options = {{.name = "pattern", .type = Option::Type::kText, .help = "The regular expression, such as @([a-z0-9.-]+)$", .required = true},
                   {.name = "group", .type = Option::Type::kInt, .help = "Which group to give, 0 the whole match; unset: the first, or the whole when "
                                                                        "there are none", .least = 0, .most = 1000},
                   {.name = "as", .type = Option::Type::kText, .fallback = "text", .help = "The text found, or 1 and 0 for whether it matches",
                    .choices = {"text", "flag"}}}},
      [](const Options& options) -> Result<std::unique_ptr<Op>> {
        TENON_ASSIGN(table::Pattern pattern, table::Pattern::Parse(options.Text("pattern")), "regex_extract");
        const int group = options.Has("group") ? static_cast<int>(options.Int("group")) : std::min(1, pattern.groups());
        if (group > pattern.groups()) {
          return Error(Code::kInvalidArgument, Str("regex_extract: there is no group ", group, "; the pattern has ", pattern.groups()));
        }
        return std::make_unique<RegexExtract>(std::move(pattern), group, options.Text("as") == "flag");
      });
}

}  // namespace tenon::transform
