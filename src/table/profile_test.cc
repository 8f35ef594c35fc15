#include "table/profile.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "base/hash.h"
#include "base/testing.h"
#include "base/text.h"
#include "table/profile_slices.h"
#include "table/sketch_internal.h"

namespace tenon::table {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Any value of a column, so that rows can be dealt out.
struct Values {
  Field field;
  std::vector<double> numbers;
  std::vector<std::string> texts;
  std::vector<bool> null;
  std::size_t size() const { return null.size(); }

  Column Of(const std::vector<std::size_t>& rows) const {
    ColumnBuilder builder(field.type);
    for (const std::size_t row : rows) {
      if (null[row]) {
        builder.AddNull();
      } else if (field.type == Type::kString) {
        builder.AddText(texts[row]);
      } else if (field.type == Type::kFloat64) {
        builder.Add(numbers[row]);
      } else {
        builder.AddInt(static_cast<std::int64_t>(numbers[row]));
      }
    }
    return builder.Finish();
  }
};

Values Make(std::string name, std::size_t rows, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Values out;
  out.field.name = name;
  out.field.type = name.starts_with("text") ? Type::kString
                   : name.starts_with("int") ? Type::kInt64
                   : name == "bool" ? Type::kBool
                   : name == "time" ? Type::kTimestamp : Type::kFloat64;
  for (std::size_t i = 0; i < rows; ++i) {
    out.null.push_back(random() % 13 == 0);
    const auto any = static_cast<double>(random() % 1000);
    double number = normal(random);
    if (name == "few") number = any / 10 - 20;
    if (name == "border") number = static_cast<double>(i % 4097);
    if (name == "wild") {
      constexpr double kOdd[] = {0.0, -0.0, kNaN, kInfinity, -kInfinity, 5e-324, -1e308, 1e308, 1e200, -3e-310, 1e101};
      number = random() % 3 == 0 ? kOdd[random() % std::size(kOdd)] : std::ldexp(number, static_cast<int>(random() % 2000) - 1000);
    }
    if (name == "int_small") number = any - 500;
    if (name == "int_many") number = static_cast<double>(random() % 1000000) - 3000;
    if (name == "bool") number = any < 300 ? 1 : 0;
    if (name == "time") number = 1.6e15 + static_cast<double>(random() % 100000000000ULL);
    out.numbers.push_back(number);
    if (name == "text_few") out.texts.push_back(Str("state ", random() % 50));
    if (name == "text_many") out.texts.push_back(any < 100 ? "the usual" : Str("name ", random() % 20000, any < 500 ? " of a long house" : ""));
    if (name == "text_odd") out.texts.push_back(any < 300 ? "" : std::string(1 + random() % 300, static_cast<char>(random() % 256)));
  }
  return out;
}

std::string SaveAll(const Values& values) {
  std::vector<std::size_t> rows(values.size());
  std::iota(rows.begin(), rows.end(), 0U);
  ColumnProfile profile(values.field);
  profile.Add(values.Of(rows));
  return profile.Save();
}

class EveryColumn : public ::testing::TestWithParam<const char*> {};

// Rows in any order, in any number of profiles, merged in any order.
TEST_P(EveryColumn, AnySplitAndOrderGivesTheSameBytes) {
  for (const std::size_t size : {1UL, 3000UL, 12345UL}) {
    const Values values = Make(GetParam(), size, 7);
    const std::string expected = SaveAll(values);
    std::mt19937_64 random(size);
    for (int round = 0; round < 8; ++round) {
      std::vector<std::size_t> rows(values.size());
      std::iota(rows.begin(), rows.end(), 0U);
      if (round > 0) std::shuffle(rows.begin(), rows.end(), random);
      const std::size_t parts = 1 + random() % 6;
      std::vector<ColumnProfile> profiles(parts, ColumnProfile(values.field));
      std::vector<std::vector<std::size_t>> dealt(parts);
      for (const std::size_t row : rows) dealt[random() % 100 < 80 ? 0 : random() % parts].push_back(row);
      for (std::size_t p = 0; p < parts; ++p) {
        const auto middle = static_cast<std::ptrdiff_t>(random() % (dealt[p].size() + 1));
        profiles[p].Add(values.Of({dealt[p].begin(), dealt[p].begin() + middle}));
        profiles[p].Add(values.Of({dealt[p].begin() + middle, dealt[p].end()}));
      }
      std::shuffle(profiles.begin(), profiles.end(), random);
      ColumnProfile merged(values.field);
      for (const ColumnProfile& profile : profiles) ASSERT_OK(merged.Merge(profile));
      ASSERT_TRUE(merged.Save() == expected) << GetParam() << ", " << size << " rows, round " << round;
    }
  }
}

TEST_P(EveryColumn, ValueByValueGivesTheSameBytes) {
  const Values values = Make(GetParam(), 6000, 11);
  ColumnProfile profile(values.field);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values.null[i]) {
      profile.AddMissing();
    } else if (values.field.type == Type::kString) {
      profile.AddText(values.texts[i]);
    } else {
      profile.AddNumber(values.numbers[i]);
    }
  }
  EXPECT_TRUE(profile.Save() == SaveAll(values));
}

TEST_P(EveryColumn, LoadsWhatItSavedAndGoesOn) {
  const Values values = Make(GetParam(), 9000, 5);
  const std::string saved = SaveAll(values);
  ASSERT_OK_AND_ASSIGN(ColumnProfile loaded, ColumnProfile::Load(saved));
  EXPECT_TRUE(loaded.Save() == saved);
  ColumnProfile twice(values.field);
  ASSERT_OK(twice.Merge(loaded));
  ASSERT_OK(twice.Merge(twice));
  ASSERT_OK(loaded.Merge(loaded));
  EXPECT_TRUE(twice.Save() == loaded.Save());
  EXPECT_EQ(loaded.count(), 18000);
  EXPECT_FALSE(loaded.ToJson().Dump().empty());
}

TEST_P(EveryColumn, DamageIsDataLoss) {
  const std::string saved = SaveAll(Make(GetParam(), 9000, 5));
  const std::size_t step = std::max<std::size_t>(1, saved.size() / 300);
  for (std::size_t i = 0; i < saved.size(); i += step) {
    SCOPED_TRACE(i);
    std::string flipped = saved;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    ASSERT_CODE(kDataLoss, ColumnProfile::Load(flipped));
    ASSERT_CODE(kDataLoss, ColumnProfile::Load(std::string_view(saved).substr(0, i)));
  }
  ASSERT_CODE(kDataLoss, ColumnProfile::Load(saved + "x"));
}

// Bytes that somebody made, with a checksum that fits.
TEST(ColumnProfile, CountsThatContradictEachOtherAreDataLoss) {
  const auto sealed = [](std::string bytes) {
    const std::uint64_t sum = Hash64(std::string_view(bytes).substr(0, bytes.size() - 8));
    for (std::size_t i = 0; i < 8; ++i) bytes[bytes.size() - 8 + i] = static_cast<char>(sum >> (8 * i));
    return bytes;
  };
  ColumnProfile few(Field{"x", Type::kFloat64}), many(Field{"x", Type::kFloat64});
  for (int i = 0; i < 5000; ++i) (i < 3 ? few : many).AddNumber(i);
  ColumnProfile text(Field{"x", Type::kString});
  text.AddText("w");
  const std::size_t size_of_text = text.Save().size() - 8 - 3;  // "w", its count and the sum are behind it
  constexpr std::size_t kRows = 9, kMissing = 10;  // behind magic, version, name, type and width; of `few`
  struct Case {
    const char* name;
    std::string bytes;
    std::size_t at;
    char value;
  };
  for (const Case& each : std::vector<Case>{{"more rows than values", few.Save(), kRows, 4},
                                            {"fewer rows than values", few.Save(), kRows, 2},
                                            {"more missing than rows", few.Save(), kMissing, 9},
                                            {"a text beyond the end", text.Save(), size_of_text, 3},
                                            {"sketches of few rows", many.Save(), kRows + 1, 1}}) {
    SCOPED_TRACE(each.name);
    ASSERT_OK(ColumnProfile::Load(sealed(each.bytes)));
    std::string bytes = each.bytes;
    bytes[each.at] = each.value;
    ASSERT_CODE(kDataLoss, ColumnProfile::Load(sealed(bytes)));
  }
}

INSTANTIATE_TEST_SUITE_P(Profile, EveryColumn,
                         ::testing::Values("normal", "few", "border", "wild", "int_small", "int_many", "bool", "time",
                                           "text_few", "text_many", "text_odd"),
                         [](const auto& info) { return std::string(info.param); });

TEST(FrequentSketch, KernelsCountTheSame) {
  std::mt19937_64 random(4);
  std::vector<std::uint8_t> plain(256), other(256);
  for (int kernel = 1; kernel <= 2; ++kernel) {
    for (int round = 0; round < 200; ++round) {
      const std::uint64_t code[4] = {random(), random(), round == 0 ? 0 : random(), round == 1 ? ~0ULL : random()};
      const auto count = static_cast<std::uint8_t>(1 + random() % 63);
      ASSERT_TRUE(CountBitsWith(0, plain.data(), code, 4, count));
      if (!CountBitsWith(kernel, other.data(), code, 4, count)) GTEST_SKIP() << "this processor has no kernel " << kernel;
      ASSERT_EQ(plain, other) << kernel;
      if (round % 4 == 3) plain.assign(256, 0), other.assign(256, 0);  // before one overflows
    }
  }
}

// The sums are exact, so the largest error is that of the arithmetic at the end.
TEST(Moments, AgreeWithTwoPassesInWiderNumbers) {
  std::mt19937_64 random(8);
  std::lognormal_distribution<double> lognormal(0, 1);
  for (const double shift : {0.0, 1e3, -1e6}) {
    ColumnProfile profile(Field{"x", Type::kFloat64});
    std::vector<double> values;
    for (int i = 0; i < 50000; ++i) values.push_back(shift + lognormal(random) * (i % 97 == 0 ? 1e-12 : 1));
    profile.Add(Column::Of(values));
    ASSERT_FALSE(profile.distinct_is_exact());
    __float128 mean = 0, second = 0, third = 0;
    for (const double value : values) mean += value;
    mean /= values.size();
    for (const double value : values) {
      const __float128 d = value - mean;
      second += d * d;
      third += d * d * d;
    }
    const auto n = static_cast<double>(values.size());
    const double variance = static_cast<double>(second / n);
    EXPECT_NEAR(profile.mean(), static_cast<double>(mean), 1e-15 * std::abs(static_cast<double>(mean)));
    EXPECT_NEAR(profile.stddev(), std::sqrt(variance * n / (n - 1)), 1e-13 * std::sqrt(variance));
    EXPECT_NEAR(profile.skewness(), static_cast<double>(third / n) / std::pow(variance, 1.5),
                1e-13 + 1e-19 * std::pow(std::abs(static_cast<double>(mean)) / std::sqrt(variance), 3)) << shift;
  }
}

TEST(ColumnProfile, CollapsesWhenThereAreTooManyValuesAndNotBefore) {
  std::vector<double> values(ColumnProfile::kExactDistinct);
  std::iota(values.begin(), values.end(), 1.0);
  ColumnProfile profile(Field{"x", Type::kFloat64});
  profile.Add(Column::Of(values));
  EXPECT_TRUE(profile.distinct_is_exact());
  EXPECT_EQ(profile.distinct(), 4096);
  EXPECT_EQ(profile.Quantile(0.5), 2048.5);
  profile.AddNumber(0);
  EXPECT_FALSE(profile.distinct_is_exact());
  EXPECT_NEAR(profile.distinct(), 4097, 4097 * 0.05);
  EXPECT_EQ(profile.mean(), 2048);
  EXPECT_EQ(profile.min(), 0);
  EXPECT_NEAR(profile.Quantile(0.5), 2048, 2048 * 0.005);
}

TEST(ColumnProfile, StatisticsOfAFewNumbers) {
  ColumnProfile profile(Field{"x", Type::kFloat64});
  profile.Add(Column::Of(std::vector<double>{1, 2, 2, -4, 0, -0.0, kNaN, 10.5}));
  profile.AddMissing(2);
  EXPECT_EQ(profile.count(), 10);
  EXPECT_EQ(profile.missing(), 3);
  EXPECT_EQ(profile.zeros(), 2);
  EXPECT_EQ(profile.negatives(), 1);
  EXPECT_EQ(profile.distinct(), 5);
  EXPECT_EQ(profile.min(), -4);
  EXPECT_EQ(profile.max(), 10.5);
  EXPECT_DOUBLE_EQ(profile.mean(), 11.5 / 7);
  EXPECT_EQ(profile.Quantile(0.5), 1);
  EXPECT_EQ(profile.Quantile(0), -4);
  EXPECT_EQ(profile.Quantile(1), 10.5);
  EXPECT_EQ(profile.CountAtMost(0), 3);
  EXPECT_EQ(profile.CountAtMost(kInfinity), 7);
  EXPECT_EQ(profile.CountAtMost(-kInfinity), 0);
  const auto top = profile.Top(3);
  ASSERT_EQ(top.size(), 3U);
  EXPECT_EQ(top[0].value, "0");
  EXPECT_EQ(top[1].value, "2");
  EXPECT_EQ(top[2].value, "-4");
  const auto bins = profile.Histogram(2);
  ASSERT_EQ(bins.size(), 2U);
  EXPECT_EQ(bins[0].high, 3.25);
  EXPECT_EQ(bins[0].count, 6);
  EXPECT_EQ(bins[1].count, 1);
}

TEST(ColumnProfile, NothingAndInfinities) {
  ColumnProfile profile(Field{"x", Type::kFloat64});
  EXPECT_TRUE(std::isnan(profile.min()));
  EXPECT_TRUE(std::isnan(profile.mean()));
  EXPECT_TRUE(std::isnan(profile.Quantile(0.5)));
  EXPECT_TRUE(profile.Histogram(5).empty());
  EXPECT_EQ(profile.distinct(), 0);
  profile.Add(Column::Of(std::vector<double>{-kInfinity, 1, 2, 3, kInfinity}));
  EXPECT_EQ(profile.infinities(), 2);
  EXPECT_EQ(profile.mean(), 2);
  EXPECT_EQ(profile.stddev(), 1);
  EXPECT_EQ(profile.skewness(), 0);
  EXPECT_EQ(profile.min(), -kInfinity);
  EXPECT_EQ(profile.max(), kInfinity);
  EXPECT_EQ(profile.Quantile(0.5), 2);
  EXPECT_EQ(profile.Quantile(0), -kInfinity);
  EXPECT_EQ(profile.Quantile(1), kInfinity);
  EXPECT_EQ(profile.CountAtMost(2.5), 3);
  EXPECT_EQ(profile.Top(9).back().value, "Infinity");
}

TEST(ColumnProfile, BigIntegersStayApart) {
  ColumnProfile profile(Field{"id", Type::kInt64});
  const std::int64_t big = 1LL << 60;
  profile.Add(Column::Of(std::vector<std::int64_t>{big, big + 1, big + 2}));
  EXPECT_EQ(profile.distinct(), 3);
  EXPECT_EQ(profile.Top(1)[0].value, std::to_string(big));
}

TEST(ColumnProfile, VarianceSurvivesALargeMean) {
  for (const int rows : {1000, 100000}) {
    ColumnProfile profile(Field{"x", Type::kFloat64});
    std::vector<double> values;
    for (int i = 0; i < rows; ++i) values.push_back(1e9 + i % 2 + (rows > 1000 ? i * 0x1p-20 : 0));
    profile.Add(Column::Of(values));
    long double mean = 0;
    for (const double value : values) mean += value - 1e9;
    mean /= rows;
    long double spread = 0;
    for (const double value : values) spread += (value - 1e9 - mean) * (value - 1e9 - mean);
    EXPECT_NEAR(profile.stddev(), std::sqrt(static_cast<double>(spread / (rows - 1))), 1e-9);
  }
}

TEST(ColumnProfile, QuantilesAndHistogramOfManyValues) {
  std::mt19937_64 random(3);
  std::lognormal_distribution<double> lognormal(2, 1.5);
  std::vector<double> values;
  for (int i = 0; i < 200000; ++i) values.push_back((i % 5 == 0 ? -1 : 1) * lognormal(random));
  ColumnProfile profile(Field{"x", Type::kFloat64});
  profile.Add(Column::Of(values));
  std::sort(values.begin(), values.end());
  for (int percent = 0; percent <= 100; ++percent) {
    const double exact = values[static_cast<std::size_t>(percent / 100.0 * 199999)];
    EXPECT_NEAR(profile.Quantile(percent / 100.0), exact, 0.004 * std::abs(exact)) << percent;  // docs/formats/profile.md
    const auto below = static_cast<double>(std::upper_bound(values.begin(), values.end(), exact) - values.begin());
    EXPECT_NEAR(profile.CountAtMost(exact), below, 500) << percent;
  }
  EXPECT_NEAR(profile.distinct(), 200000, 200000 * 0.05);
  double sum = 0;
  for (const Bin& bin : profile.Histogram(40)) {
    const auto from = std::lower_bound(values.begin(), values.end(), bin.low);
    const auto until = std::lower_bound(values.begin(), values.end(), bin.high);
    EXPECT_NEAR(bin.count, static_cast<double>(until - from), 200 + 0.05 * static_cast<double>(until - from));
    sum += bin.count;
  }
  EXPECT_NEAR(sum, 200000, 1e-6);
  EXPECT_LT(profile.Save().size(), 40'000U);  // of 1.6 MB
}

// A million rows of which a tenth are Zipf-like frequent values among distinct ones.
TEST(ColumnProfile, FindsTheFrequentAmongTheMany) {
  ColumnProfile numbers(Field{"x", Type::kFloat64});
  ColumnProfile texts(Field{"t", Type::kString});
  std::mt19937_64 random(5);
  std::map<std::string, double> expected;
  std::vector<double> values;
  std::vector<std::string> words;
  for (int v = 1; v <= 10; ++v) {
    const int times = 40000 / v;
    for (int i = 0; i < times; ++i) {
      values.push_back(v + 0.25);
      words.push_back(Str("frequent customer ", v, v == 3 ? " with a name of many letters" : ""));
    }
    expected[FormatDouble(v + 0.25)] = times;
  }
  while (values.size() < 500000) {
    values.push_back(std::uniform_real_distribution<double>(0, 20)(random));
    words.push_back(Str("customer ", random()));
  }
  numbers.Add(Column::Of(values));
  texts.Add(Column::Of(words));
  const double bound = 3 * std::sqrt(500000.0) / 100;  // profile.h: about sqrt(n) / 100
  int found = 0;
  for (const Frequency& top : numbers.Top(10)) {
    ASSERT_TRUE(expected.contains(top.value)) << top.value;
    EXPECT_NEAR(top.count, expected[top.value], bound) << top.value;
    ++found;
  }
  EXPECT_EQ(found, 10);
  found = 0;
  for (const Frequency& top : texts.Top(10)) {
    ASSERT_TRUE(top.value.starts_with("frequent customer ")) << top.value;
    ++found;
    EXPECT_NEAR(top.count, 40000 / found, bound) << top.value;
  }
  EXPECT_EQ(found, 10);
  EXPECT_EQ(texts.Top(3)[2].value, "frequent customer 3 wit\xE2\x80\xA6");
}

TEST(ColumnProfile, NoValueIsFrequentWhenAllDiffer) {
  ColumnProfile profile(Field{"id", Type::kInt64});
  std::vector<std::int64_t> ids(300000);
  std::iota(ids.begin(), ids.end(), 1000);
  profile.Add(Column::Of(ids));
  EXPECT_TRUE(profile.Top(10).empty());
}

TEST(ColumnProfile, CodedTextsCountAsPlainOnes) {
  const auto dictionary = std::make_shared<Dictionary>(Dictionary{"unused", "red", "green", ""});
  const auto codes = std::make_shared<std::vector<std::int32_t>>(std::vector<std::int32_t>{1, 2, 1, 3, 1, 0});
  const auto validity = std::make_shared<std::vector<std::uint64_t>>(std::vector<std::uint64_t>{0b011111});
  ColumnProfile coded(Field{"t", Type::kString});
  coded.Add(Column::Coded(codes->data(), dictionary, 6, validity->data(), codes));
  ColumnProfile plain(Field{"t", Type::kString});
  plain.Add(Column::Of(std::vector<std::string>{"green", "", "red", "red", "red"}));
  plain.AddMissing();
  EXPECT_EQ(coded.Save(), plain.Save());
  EXPECT_EQ(coded.shortest(), 0);
  EXPECT_EQ(coded.longest(), 5);
  EXPECT_DOUBLE_EQ(coded.mean_length(), 14.0 / 5);
}

TEST(ColumnProfile, MomentsByWeekdayAndHour) {
  ColumnProfile profile(Field{"at", Type::kTimestamp});
  const std::int64_t hour = 3'600'000'000;
  profile.Add(Column::Of(std::vector<std::int64_t>{0, hour - 1, -1, 4 * 24 * hour + 5 * hour}, Type::kTimestamp));
  const auto weekly = profile.Weekly();
  ASSERT_EQ(weekly.size(), 168U);
  EXPECT_EQ(weekly[3 * 24], 2);       // 1 January 1970, a Thursday, midnight
  EXPECT_EQ(weekly[2 * 24 + 23], 1);  // the moment before
  EXPECT_EQ(weekly[5], 1);            // Monday at five
  ColumnProfile twice(Field{"at", Type::kTimestamp});
  ASSERT_OK(twice.Merge(profile));
  ASSERT_OK(twice.Merge(profile));
  EXPECT_EQ(twice.Weekly()[3 * 24], 4);
  ASSERT_OK_AND_ASSIGN(const ColumnProfile loaded, ColumnProfile::Load(twice.Save()));
  EXPECT_EQ(loaded.Weekly(), twice.Weekly());
}

TEST(ColumnProfile, NormsOfEmbeddings) {
  ColumnBuilder builder(Type::kEmbedding, 2);
  builder.AddFloats(std::vector<float>{3, 4});
  builder.AddNull();
  builder.AddFloats(std::vector<float>{0, 1});
  const Column column = builder.Finish();
  ColumnProfile profile(Field{"e", Type::kEmbedding, 2});
  profile.Add(column);
  ASSERT_NE(profile.norms(), nullptr);
  EXPECT_EQ(profile.norms()->max(), 5);
  EXPECT_EQ(profile.norms()->mean(), 3);
  EXPECT_EQ(profile.missing(), 1);
  ColumnProfile merged(Field{"e", Type::kEmbedding, 2});
  ASSERT_OK(merged.Merge(profile));
  EXPECT_EQ(merged.Save(), profile.Save());
  ASSERT_OK_AND_ASSIGN(const ColumnProfile loaded, ColumnProfile::Load(profile.Save()));
  EXPECT_EQ(loaded.Save(), profile.Save());
}

TEST(ColumnProfile, TypesDoNotMix) {
  ColumnProfile number(Field{"x", Type::kFloat64});
  ASSERT_CODE(kInvalidArgument, number.Merge(ColumnProfile(Field{"x", Type::kString})));
}

TEST(SlicedProfile, EachValueHasItsRows) {
  const Schema schema({{"a", Type::kFloat64}, {"town", Type::kString}});
  const auto shared = std::make_shared<const Schema>(schema);
  const Batch batch(shared, {Column::Of(std::vector<double>{1, 2, 3, 10}), Column::Of(std::vector<std::string>{"Bonn", "Bonn", "Graz", "Bonn"})});
  ASSERT_OK_AND_ASSIGN(SlicedProfile slices, SlicedProfile::Make(schema, "town"));
  ASSERT_OK_AND_ASSIGN(SlicedProfile other, SlicedProfile::Make(schema, "town"));
  slices.Add(batch.Slice(0, 2));
  other.Add(batch.Slice(2, 2));
  ASSERT_OK(slices.Merge(other));
  ASSERT_EQ(slices.slices().size(), 2U);
  EXPECT_EQ(slices.slices().at("Bonn").Find("a")->mean(), 13.0 / 3);
  EXPECT_EQ(slices.slices().at("Graz").rows(), 1);
  ASSERT_CODE(kNotFound, SlicedProfile::Make(schema, "twon"));
}

TEST(Profile, ThreadsAndBatchesChangeNothing) {
  const auto schema = std::make_shared<const Schema>(std::vector<Field>{{"a", Type::kFloat64}, {"b", Type::kString}});
  std::mt19937_64 random(9);
  std::vector<double> numbers;
  std::vector<std::string> texts;
  for (int i = 0; i < 150000; ++i) {
    numbers.push_back(static_cast<double>(random() % 30000) / 7);
    texts.push_back(Str("w", random() % 9000));
  }
  const Batch whole(schema, {Column::Of(numbers), Column::Of(texts)});
  std::vector<Batch> parts;
  for (std::int64_t from = 0; from < whole.rows(); from += 7000) parts.push_back(whole.Slice(from, std::min<std::int64_t>(7000, whole.rows() - from)));
  Call call;
  ASSERT_OK_AND_ASSIGN(const Profile one, ProfileOf(call, *schema, {whole}));
  call.threads = 3;
  ASSERT_OK_AND_ASSIGN(const Profile many, ProfileOf(call, *schema, parts));
  EXPECT_TRUE(one.Save() == many.Save());
  EXPECT_EQ(one.rows(), 150000);
  ASSERT_OK_AND_ASSIGN(const Profile loaded, Profile::Load(one.Save()));
  EXPECT_TRUE(loaded.Save() == one.Save());
  ASSERT_NE(loaded.Find("b"), nullptr);
  EXPECT_EQ(loaded.Find("c"), nullptr);
  ASSERT_CODE(kDataLoss, Profile::Load(std::string_view(one.Save()).substr(0, 500)));
  Profile other(Schema({{"a", Type::kFloat64}, {"c", Type::kString}}));
  ASSERT_CODE(kInvalidArgument, other.Merge(one));
  std::stop_source stop;
  stop.request_stop();
  call.stop = stop.get_token();
  ASSERT_CODE(kCancelled, ProfileOf(call, *schema, parts));
}

}  // namespace
}  // namespace tenon::table
