// Days to whether they are public holidays, by rule: a fixed day, so many days from Easter, the n-th weekday of a month.

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/time.h"
#include "transform/columns_internal.h"

namespace tenon::transform {
namespace {

constexpr double kDay = 86'400e6;

// The days since 1970-01-01 of a date (proleptic Gregorian; Hinnant's counting from March).
std::int64_t DayNumber(std::int64_t year, int month, int day) {
  if (month <= 2) --year;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t of_era = year - era * 400;
  const std::int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}
// Monday 0. Day 0 was a Thursday.
int Weekday(std::int64_t day) { return static_cast<int>(((day + 3) % 7 + 7) % 7); }

// Easter Sunday of the western churches (Gauss's rule in the form of Oudin 1940).
std::int64_t Easter(std::int64_t year) {
  const std::int64_t golden = year % 19;
  const std::int64_t century = year / 100;
  const std::int64_t moon = (century - century / 4 - (8 * century + 13) / 25 + 19 * golden + 15) % 30;
  const std::int64_t full = moon - moon / 28 * (1 - moon / 28 * (29 / (moon + 1)) * ((21 - golden) / 11));
  const std::int64_t week = (year + year / 4 + full + 2 - century + century / 4) % 7;
  const std::int64_t from_march = full - week;
  const std::int64_t month = 3 + (from_march + 40) / 44;
  return DayNumber(year, static_cast<int>(month), static_cast<int>(from_march + 28 - 31 * (month / 4)));
}

enum class By : std::uint8_t {
  kDate,    // month, day
  kEaster,  // day: days after Easter Sunday
  kNth,     // the day-th `weekday` of the month; -1: the last
  kFrom,    // the first `weekday` on or after month, day
};
struct Rule {
  By by;
  int month;
  int day;
  int weekday = 0;         // Monday 0
  std::int64_t since = 0;  // the first year of the rule
  std::int64_t until = 9999;
};

constexpr Rule kChristian[] = {{By::kDate, 1, 1}, {By::kDate, 12, 25}};
// Days that are holidays in all of the country.
constexpr Rule kGermany[] = {{By::kDate, 1, 1},    {By::kEaster, 0, -2},  {By::kEaster, 0, 1},  {By::kDate, 5, 1}, {By::kEaster, 0, 39},
                             {By::kEaster, 0, 50}, {By::kDate, 10, 3, 0, 1990}, {By::kDate, 12, 25}, {By::kDate, 12, 26}, {By::kDate, 10, 31, 0, 2017, 2017}};
constexpr Rule kAustria[] = {{By::kDate, 1, 1},    {By::kDate, 1, 6},   {By::kEaster, 0, 1},  {By::kDate, 5, 1},  {By::kEaster, 0, 39},
                             {By::kEaster, 0, 50}, {By::kEaster, 0, 60}, {By::kDate, 8, 15},  {By::kDate, 10, 26}, {By::kDate, 11, 1},
                             {By::kDate, 12, 8},   {By::kDate, 12, 25}, {By::kDate, 12, 26}};
constexpr Rule kFrance[] = {{By::kDate, 1, 1},   {By::kEaster, 0, 1}, {By::kDate, 5, 1},  {By::kDate, 5, 8},   {By::kEaster, 0, 39}, {By::kEaster, 0, 50},
                            {By::kDate, 7, 14},  {By::kDate, 8, 15},  {By::kDate, 11, 1}, {By::kDate, 11, 11}, {By::kDate, 12, 25}};
constexpr Rule kItaly[] = {{By::kDate, 1, 1},  {By::kDate, 1, 6},  {By::kEaster, 0, 1}, {By::kDate, 4, 25}, {By::kDate, 5, 1},  {By::kDate, 6, 2},
                           {By::kDate, 8, 15}, {By::kDate, 11, 1}, {By::kDate, 12, 8},  {By::kDate, 12, 25}, {By::kDate, 12, 26}};
constexpr Rule kSpain[] = {{By::kDate, 1, 1},   {By::kDate, 1, 6},  {By::kEaster, 0, -2}, {By::kDate, 5, 1}, {By::kDate, 8, 15},
                           {By::kDate, 10, 12}, {By::kDate, 11, 1}, {By::kDate, 12, 6},   {By::kDate, 12, 8}, {By::kDate, 12, 25}};
constexpr Rule kPoland[] = {{By::kDate, 1, 1},    {By::kDate, 1, 6, 0, 2011}, {By::kEaster, 0, 0}, {By::kEaster, 0, 1}, {By::kDate, 5, 1},
                            {By::kDate, 5, 3},    {By::kEaster, 0, 49}, {By::kEaster, 0, 60}, {By::kDate, 8, 15}, {By::kDate, 11, 1},
                            {By::kDate, 11, 11},  {By::kDate, 12, 24, 0, 2025}, {By::kDate, 12, 25}, {By::kDate, 12, 26}, {By::kDate, 11, 12, 0, 2018, 2018}};
constexpr Rule kNetherlands[] = {{By::kDate, 1, 1},    {By::kEaster, 0, 0}, {By::kEaster, 0, 1}, {By::kDate, 4, 27, 0, 2014}, {By::kEaster, 0, 39},
                                 {By::kEaster, 0, 49}, {By::kEaster, 0, 50}, {By::kDate, 12, 25}, {By::kDate, 12, 26}};
constexpr Rule kSweden[] = {{By::kDate, 1, 1},    {By::kDate, 1, 6},       {By::kEaster, 0, -2},    {By::kEaster, 0, 0}, {By::kEaster, 0, 1},
                            {By::kDate, 5, 1},    {By::kEaster, 0, 39},    {By::kEaster, 0, 49},    {By::kDate, 6, 6, 0, 2005}, {By::kFrom, 6, 20, 5},
                            {By::kFrom, 10, 31, 5}, {By::kDate, 12, 25}, {By::kDate, 12, 26}};
// England and Wales, without the days taken instead of weekends: `observed` has those.
constexpr Rule kEngland[] = {{By::kDate, 1, 1},    {By::kEaster, 0, -2},  {By::kEaster, 0, 1}, {By::kNth, 5, 1, 0}, {By::kNth, 5, -1, 0},
                             {By::kNth, 8, -1, 0}, {By::kDate, 12, 25}, {By::kDate, 12, 26}};
constexpr Rule kStates[] = {{By::kDate, 1, 1},   {By::kNth, 1, 3, 0, 1986}, {By::kNth, 2, 3, 0, 1971}, {By::kNth, 5, -1, 0, 1971},
                            {By::kDate, 6, 19, 0, 2021}, {By::kDate, 7, 4}, {By::kNth, 9, 1, 0}, {By::kNth, 10, 2, 0, 1971},
                            {By::kDate, 11, 11}, {By::kNth, 11, 4, 3, 1942}, {By::kDate, 12, 25}};
constexpr Rule kCanada[] = {{By::kDate, 1, 1},   {By::kEaster, 0, -2}, {By::kFrom, 5, 18, 0},  {By::kDate, 7, 1},   {By::kNth, 9, 1, 0},
                            {By::kDate, 9, 30, 0, 2021}, {By::kNth, 10, 2, 0}, {By::kDate, 11, 11}, {By::kDate, 12, 25}, {By::kDate, 12, 26}};
constexpr Rule kBrazil[] = {{By::kDate, 1, 1},  {By::kEaster, 0, -2}, {By::kDate, 4, 21}, {By::kDate, 5, 1},   {By::kDate, 9, 7},
                            {By::kDate, 10, 12}, {By::kDate, 11, 2},  {By::kDate, 11, 15}, {By::kDate, 11, 20, 0, 2024}, {By::kDate, 12, 25}};
constexpr Rule kAustralia[] = {{By::kDate, 1, 1},  {By::kDate, 1, 26}, {By::kEaster, 0, -2}, {By::kEaster, 0, 1}, {By::kDate, 4, 25},
                               {By::kDate, 12, 25}, {By::kDate, 12, 26}};

struct Country {
  std::string_view code;
  std::span<const Rule> rules;
};
constexpr Country kCountries[] = {{"AT", kAustria}, {"AU", kAustralia}, {"BR", kBrazil}, {"CA", kCanada}, {"DE", kGermany},
                                  {"ES", kSpain},   {"FR", kFrance},    {"GB", kEngland}, {"IT", kItaly}, {"NL", kNetherlands},
                                  {"PL", kPoland},  {"SE", kSweden},    {"US", kStates}, {"none", {}},   {"christian", kChristian}};

std::int64_t DayOf(const Rule& rule, std::int64_t year) {
  switch (rule.by) {
    case By::kDate: return DayNumber(year, rule.month, rule.day);
    case By::kEaster: return Easter(year) + rule.day;
    case By::kNth: {
      const std::int64_t first = DayNumber(year, rule.month, 1);
      const std::int64_t found = first + (rule.weekday - Weekday(first) + 7) % 7;
      if (rule.day > 0) return found + 7 * (rule.day - 1);
      const std::int64_t next = rule.month == 12 ? DayNumber(year + 1, 1, 1) : DayNumber(year, rule.month + 1, 1);
      return next - 1 - (Weekday(next - 1) - rule.weekday + 7) % 7;
    }
    case By::kFrom: {
      const std::int64_t first = DayNumber(year, rule.month, rule.day);
      return first + (rule.weekday - Weekday(first) + 7) % 7;
    }
  }
  return 0;
}

class Holidays final : public Op {
 public:
  Holidays(std::vector<Rule> rules, bool observed, std::int64_t reach) : rules_(std::move(rules)), observed_(observed), reach_(reach) {}

  Result<std::vector<Port>> Outputs(std::span<const Port> in, const State*) const override {
    TENON_TRY(CheckNumbers(in));
    std::vector<Port> out;
    for (const Port& port : in) {
      if (!port.timestamp) {
        return Error(Code::kInvalidArgument, Str("input '", port.name, "' is no timestamp; read the column as one"));
      }
      out.push_back({.name = Str(port.name, "_holidays"),
                     .kind = Port::Kind::kVector,
                     .width = 3,
                     .parts = {Str(port.name, "_is_holiday"), Str(port.name, "_days_to_holiday"), Str(port.name, "_days_since_holiday")}});
    }
    return out;
  }

  void Map(const State*, std::span<const Lane> in, std::span<const Lane> out, std::int64_t n,
           std::vector<std::string>*) const override {
    // The last years' days, of this thread and call.
    std::int64_t known = std::numeric_limits<std::int64_t>::min();
    thread_local std::vector<std::int64_t> days;
    for (std::size_t i = 0; i < in.size(); ++i) {
      for (std::int64_t row = 0; row < n; ++row) {
        float* to = out[i].vectors + row * out[i].stride;
        const double at = in[i].numbers[row];
        if (!(std::abs(at) < 6e18)) {
          to[0] = to[1] = to[2] = std::numeric_limits<float>::quiet_NaN();
          continue;
        }
        const DateParts date = PartsOf(static_cast<Micros>(at));
        if (date.year != known) {
          known = date.year;
          List(known, days);
        }
        const auto day = static_cast<std::int64_t>(std::floor(at / kDay));
        const auto next = std::lower_bound(days.begin(), days.end(), day);
        const bool is = next != days.end() && *next == day;
        const auto before = std::upper_bound(days.begin(), days.end(), day);
        const std::int64_t ahead = next == days.end() ? reach_ : std::min(reach_, *next - day);
        const std::int64_t behind = before == days.begin() ? reach_ : std::min(reach_, day - *(before - 1));
        to[0] = is ? 1.0F : 0.0F;
        to[1] = static_cast<float>(ahead);
        to[2] = static_cast<float>(behind);
      }
    }
  }

 private:
  // Every holiday of the year and those around it, ascending.
  void List(std::int64_t year, std::vector<std::int64_t>& days) const {
    days.clear();
    for (std::int64_t y = year - 1; y <= year + 1; ++y) {
      if (y < 1) continue;  // the rules of Easter are of years since
      for (const Rule& rule : rules_) {
        if (y >= rule.since && y <= rule.until) days.push_back(DayOf(rule, y));
      }
    }
    std::sort(days.begin(), days.end());
    days.erase(std::unique(days.begin(), days.end()), days.end());
    if (!observed_) return;
    const std::vector<std::int64_t> real = days;
    for (const std::int64_t day : real) {
      if (Weekday(day) < 5) continue;
      std::int64_t instead = day;
      while (Weekday(instead) >= 5 || std::find(days.begin(), days.end(), instead) != days.end()) ++instead;
      days.push_back(instead);
    }
    std::sort(days.begin(), days.end());
  }
  std::vector<Rule> rules_;
  bool observed_;
  std::int64_t reach_;
};

// "12-24" or "easter-48".
bool ReadDay(std::string_view text, Rule* rule) {
  std::int64_t month = 0;
  std::int64_t day = 0;
  if (text.starts_with("easter") && text.size() > 7 && (text[6] == '+' || text[6] == '-') && ParseInt64(text.substr(7), &day) && day >= 0 &&
      day <= 366) {
    *rule = {By::kEaster, 0, static_cast<int>(text[6] == '-' ? -day : day)};
    return true;
  }
  if (text.size() != 5 || text[2] != '-' || !ParseInt64(text.substr(0, 2), &month) || !ParseInt64(text.substr(3), &day)) return false;
  constexpr int kLengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1 || day > kLengths[month - 1]) return false;
  *rule = {By::kDate, static_cast<int>(month), static_cast<int>(day)};
  return true;
}

Result<std::unique_ptr<Op>> Make(const Options& options) {
  std::vector<Rule> rules;
  for (const Country& country : kCountries) {
    if (country.code == options.Text("country")) rules.assign(country.rules.begin(), country.rules.end());
  }
  for (const std::string& text : options.TextList("also")) {
    Rule rule{};
    if (!ReadDay(text, &rule)) {
      return Error(Code::kInvalidArgument, Str("holidays: 'also' has '", text, "', expected month and day such as 12-24, or days from Easter "
                                               "such as easter-48"));
    }
    rules.push_back(rule);
  }
  if (rules.empty()) return Error(Code::kInvalidArgument, "holidays: name a country, or days of your own under 'also'");
  return std::make_unique<Holidays>(std::move(rules), options.Bool("observed"), options.Int("reach"));
}

}  // namespace

Result<void> AddHolidays(Kinds<Op>& kinds) {
  std::vector<std::string> codes;
  for (const Country& country : kCountries) codes.emplace_back(country.code);
  return kinds.Add(
      "holidays",
      {.summary = "Say whether a day is a public holiday, and how far the nearest ones are",
       .when = "Demand, traffic, staffing: what people do on holidays and the days around them. Holidays of the whole country by today's "
               "rules, from a table of this program; regional ones and moon calendars are not in it: add days under 'also'. Days are "
               "those of UTC. A missing time gives missing parts.",
       .example = R"({"country": "DE", "also": ["12-24", "easter-48"]})",
       .options = {{.name = "country", .type = Option::Type::kText, .fallback = "none",
                    .help = "Two letters of ISO 3166; christian: New Year and Christmas only; none: only 'also'", .choices = std::move(codes)},
                   {.name = "also", .type = Option::Type::kTextList, .fallback = Json::MakeArray(),
                    .help = "Further days: month and day such as 12-24, or days from Easter Sunday such as easter-48, easter+60"},
                   {.name = "observed", .type = Option::Type::kBool, .fallback = false,
                    .help = "A holiday on a weekend also makes the next free working day one"},
                   {.name = "reach", .type = Option::Type::kInt, .fallback = 30, .help = "Distances in days are at most this", .least = 1,
                    .most = 366}}},
      Make);
}

}  // namespace tenon::transform
