// Many rows that are nearly one row: a flood that would draw the model to itself.

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <unordered_map>

#include "base/hash.h"
#include "base/text.h"
#include "validate/quick_model_internal.h"

namespace tenon::validate {
namespace {

constexpr std::size_t kMostRows = 20000;
constexpr std::size_t kEnoughRows = 200;
constexpr std::size_t kMostColumns = 60;
constexpr std::size_t kLeastColumns = 4;
constexpr std::size_t kBins = 64;
constexpr std::size_t kHashes = 32;   // of the minhash (Broder 1997), in kBands bands: rows that share 80 % meet in one
constexpr std::size_t kBands = 8;
constexpr double kAlike = 0.8;        // of the values
constexpr double kLeastShare = 0.01;  // of the rows
constexpr std::int64_t kLeastFlood = 40;
constexpr double kSurprise = 100;     // times as many as independent columns let one expect
constexpr double kNearby = 0.6;       // of the values: rows around a flood
constexpr double kAlone = 0.75;       // of those around it, at least so many in it; where rows are alike by nature it is a third

constexpr std::uint8_t kNone = 255;     // a missing value: no two rows are alike by what neither says

struct Tokens {
  std::size_t columns = 0;
  std::vector<std::uint8_t> bin;      // rows x columns
  std::vector<std::vector<double>> share;  // column, bin
};

Result<Tokens> TokensOf(const Evidence& evidence, const std::vector<std::int64_t>& rows) {
  Tokens out;
  std::vector<Binned> columns;
  for (const std::string& name : FeatureColumns(evidence)) {
    const table::ColumnProfile* profile = evidence.profile->Find(name);
    if (profile == nullptr || profile->field().type == table::Type::kEmbedding || profile->distinct() < 3 || columns.size() >= kMostColumns) continue;
    TENON_ASSIGN(const table::Column column, evidence.snapshot->Column(name));
    columns.push_back(BinsOf(column, rows, kBins));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (IsMissing(column, rows[i])) columns.back().bin[i] = kNone;
    }
  }
  out.columns = columns.size();
  for (const Binned& column : columns) {
    std::vector<double> share(kNone + 1, 0);
    for (const std::uint8_t bin : column.bin) share[bin] += 1 / static_cast<double>(rows.size());
    out.share.push_back(std::move(share));
  }
  out.bin.resize(rows.size() * columns.size());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    for (std::size_t i = 0; i < rows.size(); ++i) out.bin[i * columns.size() + c] = columns[c].bin[i];
  }
  return out;
}

class Floods final : public Check {
 public:
  Result<std::vector<Anomaly>> Look(const Call& call, const Evidence& evidence) const override {
    std::vector<Anomaly> out;
    const std::int64_t all = evidence.snapshot->rows();
    if (all < static_cast<std::int64_t>(kEnoughRows)) return out;
    const std::vector<std::int64_t> rows = SomeRows(evidence, kMostRows);
    TENON_ASSIGN(const Tokens tokens, TokensOf(evidence, rows));
    if (tokens.columns < kLeastColumns) return out;
    TENON_TRY(call.Check());
    const auto least = std::max<std::int64_t>(kLeastFlood, static_cast<std::int64_t>(kLeastShare * static_cast<double>(rows.size())));
    std::vector<bool> taken(rows.size(), false);
    for (const auto& [band, members] : Buckets(tokens, rows.size())) {
      if (static_cast<std::int64_t>(members.size()) < least || taken[members[0]]) continue;
      const std::vector<std::uint8_t> usual = Usual(tokens, members);
      std::vector<std::size_t> flood;
      std::size_t nearby = 0;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const double alike = Alike(tokens, i, usual);
        if (alike >= kAlike) flood.push_back(i);
        nearby += alike >= kNearby && alike < kAlike ? 1 : 0;
      }
      if (static_cast<std::int64_t>(flood.size()) < least || static_cast<double>(flood.size()) < kSurprise * Expected(tokens, usual, rows.size())) continue;
      // Where columns say the same, as six do of customers without internet, many rows are alike, and many more nearly so: nobody sent those.
      if (static_cast<double>(flood.size()) < kAlone * static_cast<double>(nearby)) continue;
      for (const std::size_t i : flood) taken[i] = true;
      out.push_back({"", "", Severity::kWarning, Str(FormatCount(static_cast<std::int64_t>(flood.size())), " rows are nearly the same"),
                     Str(FormatCount(static_cast<std::int64_t>(flood.size())), " of the ", FormatCount(static_cast<std::int64_t>(rows.size())), " rows looked at share at least ", Percent(kAlike),
                         " of their values with a row such as ", rows[members[0]] + 1, ", far more than chance would have; the last is row ", rows[flood.back()] + 1),
                     "find out what sent them; if they are one event told many times, keep one of them"});
      if (out.size() == 3) break;
    }
    return out;
  }

 private:
  // The part of a row's values that are those of another; what is missing in both is not alike.
  static double Alike(const Tokens& tokens, std::size_t row, const std::vector<std::uint8_t>& other) {
    std::size_t same = 0;
    for (std::size_t c = 0; c < tokens.columns; ++c) {
      const std::uint8_t bin = tokens.bin[row * tokens.columns + c];
      same += bin == other[c] && bin != kNone ? 1 : 0;
    }
    return static_cast<double>(same) / static_cast<double>(tokens.columns);
  }

  // The most frequent value of each column.
  static std::vector<std::uint8_t> Usual(const Tokens& tokens, const std::vector<std::size_t>& rows) {
    std::vector<std::uint8_t> out;
    for (std::size_t c = 0; c < tokens.columns; ++c) {
      std::vector<std::size_t> counts(tokens.share[c].size(), 0);
      for (const std::size_t row : rows) ++counts[tokens.bin[row * tokens.columns + c]];
      counts[kNone] = 0;
      out.push_back(static_cast<std::uint8_t>(std::max_element(counts.begin(), counts.end()) - counts.begin()));
    }
    return out;
  }

  // Rows by the bands of their minhash, larger buckets first.
  static std::vector<std::pair<std::uint64_t, std::vector<std::size_t>>> Buckets(const Tokens& tokens, std::size_t rows) {
    std::unordered_map<std::uint64_t, std::vector<std::size_t>> buckets;
    for (std::size_t i = 0; i < rows; ++i) {
      std::array<std::uint64_t, kHashes> least;
      least.fill(~0ULL);
      for (std::size_t c = 0; c < tokens.columns; ++c) {
        const std::uint64_t token = Hash64(c * 256 + tokens.bin[i * tokens.columns + c]);
        for (std::size_t h = 0; h < kHashes; ++h) {
          const std::uint64_t hash = (token ^ (h * 0x9E3779B97F4A7C15ULL)) * 0xD1B54A32D192ED03ULL;
          least[h] = std::min(least[h], hash ^ (hash >> 29));
        }
      }
      for (std::size_t band = 0; band < kBands; ++band) {
        constexpr std::size_t kEach = kHashes / kBands;
        const std::string_view bytes(reinterpret_cast<const char*>(least.data() + band * kEach), kEach * sizeof(std::uint64_t));
        buckets[Hash64(bytes, band)].push_back(i);
      }
    }
    std::vector<std::pair<std::uint64_t, std::vector<std::size_t>>> out(std::make_move_iterator(buckets.begin()), std::make_move_iterator(buckets.end()));
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second.size() != b.second.size() ? a.second.size() > b.second.size() : a.first < b.first; });
    return out;
  }

  // At most how many rows would be so alike, were the columns independent: those that agree least are left aside.
  static double Expected(const Tokens& tokens, const std::vector<std::uint8_t>& row, std::size_t rows) {
    std::vector<double> shares;
    for (std::size_t c = 0; c < tokens.columns; ++c) shares.push_back(tokens.share[c][row[c]]);
    std::sort(shares.rbegin(), shares.rend());
    double out = static_cast<double>(rows);
    const auto counted = static_cast<std::size_t>(std::ceil(kAlike * static_cast<double>(tokens.columns)));
    for (std::size_t c = 0; c < counted; ++c) out *= shares[c];
    return out;
  }
};

}  // namespace

Result<void> AddFloods(Kinds<Check>& kinds) {
  return kinds.Add("floods",
                   {.summary = "Find floods of rows that are nearly the same",
                    .when = "Data that others can write to; a flood draws a model to itself",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Check>> { return std::make_unique<Floods>(); });
}

}  // namespace tenon::validate
