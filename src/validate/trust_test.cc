// The checks that ask whether rows and labels can be trusted: each finds what was planted, and nothing in the same rows without it.

#include <cmath>
#include <map>
#include <random>

#include "base/testing.h"
#include "base/text.h"
#include "validate/check.h"
#include "validate/personal_internal.h"

namespace tenon::validate {
namespace {

using table::Batch;
using table::Column;
using table::ColumnBuilder;
using table::Field;
using table::Schema;
using table::Type;

struct Table {
  std::vector<Field> fields;
  std::vector<Column> columns;
  Json about = Json::MakeObject();
  void Add(std::string name, Column column) {
    fields.push_back({std::move(name), column.type(), 0});
    columns.push_back(std::move(column));
  }
};

Result<std::vector<Anomaly>> Look(std::string_view check, const Table& rows, std::string_view label, std::string_view spec_text = "{}",
                                  const dataset::Split* split = nullptr) {
  Kinds<Check> all;
  TENON_TRY(AddAll(all));
  const auto schema = std::make_shared<const Schema>(rows.fields);
  const dataset::DatasetSnapshot snapshot("hash", "data", {Batch(schema, rows.columns)}, schema, rows.about);
  TENON_ASSIGN(const Json json, Json::Parse(spec_text));
  TENON_ASSIGN(const ValidateSpec spec, ValidateSpec::Parse(json, "test"));
  TENON_ASSIGN(const ValidationReport report, Validate(Call(), snapshot, split, {}, label, spec, all));
  std::vector<Anomaly> out;
  for (const Anomaly& anomaly : report.anomalies) {
    if (anomaly.check == check) out.push_back(anomaly);
  }
  return out;
}

std::string All(const std::vector<Anomaly>& found) {
  std::string out;
  for (const Anomaly& one : found) out += Str(one.column, ": ", one.short_text, "; ", one.long_text, "\n");
  return out;
}

// Two numbers and a text that tell the label well, in an order that means nothing.
struct Loans {
  std::vector<double> income, debt;
  std::vector<std::string> source, label;
  explicit Loans(int rows, std::uint64_t seed = 1) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    for (int i = 0; i < rows; ++i) {
      income.push_back(normal(random));
      debt.push_back(normal(random));
      source.push_back(Str("branch ", random() % 5));
      label.push_back(income.back() - debt.back() + 0.5 * normal(random) > 0 ? "good" : "bad");
    }
  }
  Table Rows() const {
    Table out;
    out.Add("income", Column::Of(income));
    out.Add("debt", Column::Of(debt));
    out.Add("source", Column::Of(source));
    out.Add("label", Column::Of(label));
    return out;
  }
};
void Flip(std::string* label) { *label = *label == "good" ? "bad" : "good"; }

TEST(LabelQuality, FindsLabelsThatWereExchanged) {
  Loans loans(3000);
  ASSERT_OK_AND_ASSIGN(auto found, Look("label_quality", loans.Rows(), "label"));
  EXPECT_TRUE(found.empty()) << All(found);
  for (std::size_t i = 0; i < 3000; i += 20) Flip(&loans.label[i]);
  ASSERT_OK_AND_ASSIGN(found, Look("label_quality", loans.Rows(), "label"));
  ASSERT_EQ(found.size(), 1U);
  // The most doubtful ones are those that were exchanged: rows 1, 21, 41, ...
  std::size_t named = 0;
  std::size_t planted = 0;
  for (const std::string& piece : Split(found[0].long_text, ' ')) {
    std::int64_t row = 0;
    const bool digits = ParseInt64(piece, &row) && found[0].long_text.find(Str("row ", row, " ('")) != std::string::npos;
    named += digits ? 1 : 0;
    planted += digits && row % 20 == 1 ? 1 : 0;
  }
  EXPECT_EQ(named, 5U) << All(found);
  EXPECT_GE(planted, 4U) << All(found);
}

TEST(LabelFlips, FindsTheSourceAndTheStretch) {
  Loans loans(4000);
  ASSERT_OK_AND_ASSIGN(auto found, Look("label_flips", loans.Rows(), "label"));
  EXPECT_TRUE(found.empty()) << All(found);
  Loans source = loans;
  for (std::size_t i = 0; i < 4000; ++i) {
    if (source.source[i] == "branch 3") Flip(&source.label[i]);
  }
  ASSERT_OK_AND_ASSIGN(found, Look("label_flips", source.Rows(), "label"));
  ASSERT_EQ(found.size(), 1U) << All(found);
  EXPECT_EQ(found[0].column, "source");
  EXPECT_NE(found[0].short_text.find("branch 3"), std::string::npos);
  Loans stretch = loans;
  for (std::size_t i = 1000; i < 1200; ++i) Flip(&stretch.label[i]);
  ASSERT_OK_AND_ASSIGN(found, Look("label_flips", stretch.Rows(), "label"));
  ASSERT_EQ(found.size(), 1U) << All(found);
  EXPECT_NE(found[0].long_text.find("row 1001 to row 1200"), std::string::npos) << All(found);
}

TEST(Contradictions, CountsWhatNoModelCanGetRight) {
  Table rows;
  rows.Add("a", Column::Of(std::vector<double>{1, 1, 1, 2, 3, 3}));
  rows.Add("label", Column::Of(std::vector<std::string>{"x", "x", "y", "x", "x", "x"}));
  ASSERT_OK_AND_ASSIGN(const auto found, Look("contradictions", rows, "label"));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].short_text, "3 rows contradict each other");
  EXPECT_NE(found[0].long_text.find("right in 1 of them"), std::string::npos) << All(found);
}

TEST(AfterEvent, FindsMomentsThatAreLater) {
  Table rows;
  std::vector<std::int64_t> event, before, after;
  for (std::int64_t i = 0; i < 100; ++i) {
    event.push_back(1'700'000'000'000'000 + i * 1'000'000);
    before.push_back(event.back() - 5'000'000);
    after.push_back(event.back() + (i % 4 == 0 ? 86'400'000'000 : -1));
  }
  rows.Add("at", Column::Of(event, Type::kTimestamp));
  rows.Add("opened", Column::Of(before, Type::kTimestamp));
  rows.Add("closed", Column::Of(after, Type::kTimestamp));
  ASSERT_OK_AND_ASSIGN(auto found, Look("after_event", rows, ""));
  EXPECT_TRUE(found.empty());
  rows.about["time"] = "at";
  ASSERT_OK_AND_ASSIGN(found, Look("after_event", rows, ""));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].column, "closed");
  EXPECT_EQ(found[0].short_text, "after the event in 25 % of rows");
}

TEST(Freshness, TellsWhatIsOlderThanPromised) {
  constexpr std::int64_t kHour = 3'600'000'000;
  const std::int64_t now = Call().Now();
  for (const bool fresh : {true, false}) {
    Table rows;
    rows.about["governance"]["freshness"] = "2d";
    rows.Add("at", Column::Of(std::vector<std::int64_t>{now - 900 * kHour, now - (fresh ? 1 : 72) * kHour, now - 500 * kHour}, Type::kTimestamp));
    ASSERT_OK_AND_ASSIGN(auto found, Look("freshness", rows, "", "{}"));
    ASSERT_EQ(found.size(), 1U);  // nobody said which column is the time
    EXPECT_EQ(found[0].short_text, "freshness cannot be told");
    rows.about["time"] = "at";
    ASSERT_OK_AND_ASSIGN(found, Look("freshness", rows, "", "{}"));
    ASSERT_EQ(found.size(), fresh ? 0U : 1U) << All(found);
    if (!fresh) EXPECT_NE(found[0].long_text.find("3 days ago; at most 2d was promised"), std::string::npos) << found[0].long_text;
  }
}

TEST(Availability, FindsWhatIsFilledInLater) {
  Table rows;
  std::mt19937_64 random(2);
  ColumnBuilder late(Type::kFloat64), always(Type::kFloat64);
  std::vector<std::int64_t> at;
  for (int i = 0; i < 1000; ++i) {
    at.push_back((i * 37 % 1000) * 1'000'000LL);
    at.back() >= 940'000'000 ? late.AddNull() : late.Add(i);
    random() % 3 == 0 ? always.AddNull() : always.Add(i);
  }
  rows.Add("at", Column::Of(at, Type::kTimestamp));
  rows.Add("settled", late.Finish());
  rows.Add("often_missing", always.Finish());
  rows.about["time"] = "at";
  ASSERT_OK_AND_ASSIGN(const auto found, Look("availability", rows, ""));
  ASSERT_EQ(found.size(), 1U) << All(found);
  EXPECT_EQ(found[0].column, "settled");
}

TEST(GroupOverlap, FindsWhatStandsOnBothSides) {
  Table rows;
  std::vector<std::int64_t> customer;
  std::vector<std::string> label;
  dataset::Split split, apart;
  for (int i = 0; i < 2000; ++i) {
    customer.push_back(i % 100);
    label.push_back(i % 100 < 40 ? "yes" : "no");
    split.part.push_back(i % 5 == i / 100 % 5 ? dataset::Part::kTest : dataset::Part::kTrain);
    apart.part.push_back(i % 100 < 20 ? dataset::Part::kTest : dataset::Part::kTrain);
  }
  rows.Add("customer_id", Column::Of(customer));
  rows.Add("label", Column::Of(label));
  ASSERT_OK_AND_ASSIGN(auto found, Look("group_overlap", rows, "label", "{}", &split));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].severity, Severity::kWarning) << All(found);
  rows.about["group"] = "customer_id";
  ASSERT_OK_AND_ASSIGN(found, Look("group_overlap", rows, "label", "{}", &split));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].severity, Severity::kError);
  ASSERT_OK_AND_ASSIGN(found, Look("group_overlap", rows, "label", "{}", &apart));
  EXPECT_TRUE(found.empty()) << All(found);
}

TEST(TargetStatistics, FindsMeansOfTheLabel) {
  Loans loans(1000);
  std::map<std::string, std::pair<double, double>> sums;
  for (std::size_t i = 0; i < 1000; ++i) {
    sums[loans.source[i]].first += loans.label[i] == "good";
    sums[loans.source[i]].second += 1;
  }
  std::vector<double> mean, without, other;
  for (std::size_t i = 0; i < 1000; ++i) {
    const auto [sum, count] = sums[loans.source[i]];
    mean.push_back(sum / count);
    without.push_back((sum - (loans.label[i] == "good")) / (count - 1));
    other.push_back(sum / count + 0.001);
  }
  for (const auto& [values, leaks] : {std::pair(mean, true), {without, true}, {other, false}}) {
    Table rows = loans.Rows();
    rows.Add("risk", Column::Of(values));
    ASSERT_OK_AND_ASSIGN(const auto found, Look("target_statistics", rows, "label"));
    ASSERT_EQ(found.size(), leaks ? 1U : 0U) << All(found);
    if (leaks) {
      EXPECT_EQ(found[0].short_text, "the label's mean by source");
    }
  }
}

TEST(Outliers, FindsTheRowThatIsLikeNoOther) {
  Loans loans(2000);
  ASSERT_OK_AND_ASSIGN(auto found, Look("outliers", loans.Rows(), "label"));
  EXPECT_TRUE(found.empty()) << All(found);
  loans.income[700] = 400;
  loans.debt[700] = -300;
  ASSERT_OK_AND_ASSIGN(found, Look("outliers", loans.Rows(), "label"));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].long_text.find("row 701 (income is 400)"), std::string::npos) << All(found);
}

// So far out that in units of the spread they are beyond all numbers.
TEST(Outliers, NumbersBeyondMeasureAreFound) {
  Loans loans(2000);
  for (std::size_t i = 0; i < 2000; ++i) {
    loans.income[i] *= 1e-12;
    loans.debt[i] *= 1e-12;
  }
  for (const std::size_t i : {700U, 1300U}) loans.income[i] = loans.debt[i] = 1e300;
  ASSERT_OK_AND_ASSIGN(const auto found, Look("outliers", loans.Rows(), "label"));
  ASSERT_EQ(found.size(), 1U) << All(found);
  EXPECT_EQ(found[0].short_text, "2 rows far from all others");
  EXPECT_NE(found[0].long_text.find("row 701 (income is 1e"), std::string::npos) << All(found);
}

TEST(Floods, FindsOneRowToldManyTimes) {
  std::mt19937_64 random(3);
  Table clean, flooded;
  for (int c = 0; c < 6; ++c) {
    std::vector<double> values;
    for (int i = 0; i < 3000; ++i) values.push_back(static_cast<double>(random() % 1000));
    clean.Add(Str("c", c), Column::Of(values));
    for (std::size_t i = 0; i < 150; ++i) {
      if (c != static_cast<int>(i % 6)) values[i * 20] = 500 + c;  // one value of each differs
    }
    flooded.Add(Str("c", c), Column::Of(values));
  }
  ASSERT_OK_AND_ASSIGN(auto found, Look("floods", clean, ""));
  EXPECT_TRUE(found.empty()) << All(found);
  ASSERT_OK_AND_ASSIGN(found, Look("floods", flooded, ""));
  ASSERT_EQ(found.size(), 1U) << All(found);
}

TEST(Floods, ColumnsThatSayTheSameAreNone) {
  // A quarter have no internet, which six columns repeat, at one price; a flood of another row is still seen among them.
  const auto customers = [](bool flooded) {
    std::mt19937_64 random(11);
    std::vector<std::vector<std::string>> words(9);
    std::vector<double> price, months;
    for (int i = 0; i < 6000; ++i) {
      const bool sent = flooded && i % 30 == 7;
      const bool none = !sent && random() % 4 == 0;
      for (std::size_t c = 0; c < 6; ++c) words[c].push_back(none ? "no internet" : sent || random() % 2 == 0 ? "yes" : "no");
      for (std::size_t c = 6; c < 9; ++c) words[c].push_back(sent ? "b" : std::string(1, static_cast<char>('a' + random() % 3)));
      price.push_back(sent ? 77 : none ? 20 : 40 + static_cast<double>(random() % 60));
      months.push_back(sent ? 13 : static_cast<double>(random() % 72));
    }
    Table out;
    for (std::size_t c = 0; c < words.size(); ++c) out.Add(Str("c", c), Column::Of(words[c]));
    out.Add("price", Column::Of(price));
    out.Add("months", Column::Of(months));
    return out;
  };
  ASSERT_OK_AND_ASSIGN(auto found, Look("floods", customers(false), ""));
  EXPECT_TRUE(found.empty()) << All(found);
  ASSERT_OK_AND_ASSIGN(found, Look("floods", customers(true), ""));
  ASSERT_EQ(found.size(), 1U) << All(found);
  EXPECT_NE(found[0].short_text.find("rows are nearly the same"), std::string::npos);
}

TEST(PersonalData, FormsAreTold) {
  const std::pair<const char*, const char*> cases[] = {
      {"ann.lee@example.co.uk", "e-mail address"}, {"ann@example", ""}, {"@example.org", ""}, {"192.168.4.17", "IP address"}, {"1.2.3.400", ""},
      {"2001:db8::8a2e:370:7334", "IP address"}, {"12:30:59", ""}, {"DE89 3704 0044 0532 0130 00", "IBAN"}, {"DE88 3704 0044 0532 0130 00", ""},
      {"GB82WEST12345698765432", "IBAN"}, {"4111 1111 1111 1111", "card number"}, {"4111 1111 1111 1112", ""}, {"378282246310005", "card number"},
      {"+49 30 901820", "telephone number"}, {"(555) 123-4567", "telephone number"}, {"555-123-4567", "telephone number"}, {"5551234567", ""},
      {"123-45-6789", "US social security number"}, {"666-45-6789", ""}, {"AB123456C", "UK national insurance number"},
      {"12345678Z", "Spanish identity number"}, {"12345678A", ""}, {"529.982.247-25", "Brazilian tax number"}, {"529.982.247-26", ""},
      {"44051401359", "Polish identity number"}, {"111222333", "Dutch citizen number"}, {"111222334", ""}, {"2024-05-30", ""}, {"3.14159265", ""},
      {"12345.678", ""}, {"", ""}};
  for (const auto& [text, kind] : cases) EXPECT_EQ(PersonalKindOf(text), kind) << text;
  EXPECT_EQ(PersonalKindOfName("customerEmail"), "e-mail address");
  EXPECT_EQ(PersonalKindOfName("last_name"), "name");
  EXPECT_EQ(PersonalKindOfName("phoneme_count"), "");
}

TEST(PersonalData, ColumnsAreFoundUnlessDeclared) {
  Table rows;
  std::vector<std::string> mail, note, city;
  for (int i = 0; i < 300; ++i) {
    mail.push_back(Str("user", i, "@example.org"));
    note.push_back(i % 50 == 0 ? Str("call back at user", i, "@example.org today") : Str("all well ", i));
    city.push_back(Str("city ", i % 40));
  }
  rows.Add("contact", Column::Of(mail));
  rows.Add("note", Column::Of(note));
  rows.Add("city", Column::Of(city));
  ASSERT_OK_AND_ASSIGN(auto found, Look("personal_data", rows, ""));
  ASSERT_EQ(found.size(), 2U) << All(found);
  EXPECT_EQ(found[0].column, "contact");
  EXPECT_EQ(found[1].column, "note");
  EXPECT_EQ(found[0].long_text.find("@"), std::string::npos);  // tells no value
  ASSERT_OK_AND_ASSIGN(rows.about["governance"]["sensitive"], Json::Parse(R"({"contact": "mask", "note": "mask"})"));
  ASSERT_OK_AND_ASSIGN(found, Look("personal_data", rows, ""));
  EXPECT_TRUE(found.empty()) << All(found);
}

TEST(Validate, MaskedColumnsShowNoValue) {
  Table rows;
  std::vector<std::string> city;
  for (int i = 0; i < 300; ++i) city.push_back(i == 7 ? "Secretville" : i % 2 == 0 ? "Bonn" : "bonn");
  rows.Add("city", Column::Of(city));
  ASSERT_OK_AND_ASSIGN(rows.about["governance"]["sensitive"], Json::Parse(R"(["city"])"));
  Kinds<Check> all;
  ASSERT_OK(AddAll(all));
  const auto schema = std::make_shared<const Schema>(rows.fields);
  const dataset::DatasetSnapshot snapshot("hash", "data", {Batch(schema, rows.columns)}, schema, rows.about);
  ASSERT_OK_AND_ASSIGN(const Json json, Json::Parse(R"({"columns": {"city": {"domain": ["Bonn"]}}})"));
  ASSERT_OK_AND_ASSIGN(const ValidateSpec spec, ValidateSpec::Parse(json, "test"));
  ASSERT_OK_AND_ASSIGN(const ValidationReport report, Validate(Call(), snapshot, nullptr, {}, "", spec, all));
  const std::string text = report.ToJson().Dump();
  EXPECT_FALSE(report.anomalies.empty());
  EXPECT_EQ(text.find("Secretville"), std::string::npos) << text;
  EXPECT_NE(text.find("masked"), std::string::npos);
}

TEST(Anonymity, CountsSmallGroups) {
  Table rows;
  std::vector<std::int64_t> age;
  for (int i = 0; i < 100; ++i) age.push_back(i < 95 ? i % 5 : 90 + i);
  rows.Add("age", Column::Of(age));
  ASSERT_OK_AND_ASSIGN(const auto found, Look("anonymity", rows, "", R"({"anonymity": {"columns": ["age"], "k": 10}})"));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].long_text.find("5 rows (5 %)"), std::string::npos) << All(found);
  ASSERT_OK_AND_ASSIGN(const auto none, Look("anonymity", rows, "", R"({"anonymity": {"columns": ["nowhere"]}})"));
  ASSERT_EQ(none.size(), 1U);
}

TEST(Anonymity, OfColumnsTogetherAndOfPersonsInsteadOfRows) {
  // Each age and each town has many rows; together Graz and 30 has four, three of them of one customer.
  Table rows;
  std::vector<std::int64_t> age, customer;
  std::vector<std::string> town;
  for (int i = 0; i < 104; ++i) {
    age.push_back(i < 100 ? (i % 2 == 0 ? 30 : 40) : 30);
    town.push_back(i < 100 ? (i % 2 == 0 ? "Bonn" : "Graz") : "Graz");
    customer.push_back(i < 101 ? i : 101);
  }
  rows.Add("age", Column::Of(age));
  rows.Add("town", Column::Of(town));
  rows.Add("customer", Column::Of(customer));
  const auto text = [](int k) { return Str(R"({"anonymity": {"columns": ["age", "town"], "k": )", k, "}}"); };
  ASSERT_OK_AND_ASSIGN(auto found, Look("anonymity", rows, "", text(4)));
  EXPECT_TRUE(found.empty()) << All(found);  // four are enough for four
  ASSERT_OK_AND_ASSIGN(found, Look("anonymity", rows, "", text(5)));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].short_text, "not 5-anonymous");
  EXPECT_NE(found[0].long_text.find("4 rows (3.85 %) share their age, town with fewer than 4 others"), std::string::npos) << All(found);
  ASSERT_OK_AND_ASSIGN(found, Look("anonymity", rows, "", R"({"anonymity": {"columns": ["age"], "k": 40}})"));
  EXPECT_TRUE(found.empty()) << All(found);
  // Where a group says whose rows they are, four rows of two customers hide two.
  rows.about["group"] = "customer";
  ASSERT_OK_AND_ASSIGN(found, Look("anonymity", rows, "", text(3)));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].long_text.find("with fewer than 2 others, counted by customer"), std::string::npos) << All(found);
  ASSERT_OK_AND_ASSIGN(found, Look("anonymity", rows, "", text(2)));
  EXPECT_TRUE(found.empty()) << All(found);
}

TEST(Consent, PurposeAndRows) {
  Table rows;
  rows.Add("agreed", Column::Of(std::vector<std::string>{"yes", "no", "marketing;research", "research"}));
  ASSERT_OK_AND_ASSIGN(rows.about["governance"], Json::Parse(R"({"purpose": ["research", "marketing"], "consent": "agreed"})"));
  ASSERT_OK_AND_ASSIGN(auto found, Look("consent", rows, "", R"({"purpose": "research"})"));
  ASSERT_EQ(found.size(), 1U) << All(found);
  EXPECT_EQ(found[0].short_text, "1 rows without consent");
  ASSERT_OK_AND_ASSIGN(found, Look("consent", rows, "", R"({"purpose": "pricing"})"));
  ASSERT_EQ(found.size(), 2U) << All(found);
  EXPECT_EQ(found[0].short_text, "not for this purpose");
}

}  // namespace
}  // namespace tenon::validate
