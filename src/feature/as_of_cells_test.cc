#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "base/testing.h"
#include "feature/as_of_internal.h"

namespace tenon::feature {
namespace {

using Random = std::mt19937_64;

struct Columns {
  std::vector<std::int64_t> key;
  std::vector<Micros> time;
  operator TimedKeys() const { return {key, time}; }
};

// Every key's known rows in order, and a search among them.
std::vector<std::int32_t> BySearch(const Columns& asking, const Columns& known, Micros ttl) {
  std::map<std::int64_t, std::vector<std::pair<Micros, std::int32_t>>> rows;
  for (std::size_t j = 0; j < known.key.size(); ++j) rows[known.key[j]].emplace_back(known.time[j], static_cast<std::int32_t>(j));
  for (auto& [key, of] : rows) std::ranges::sort(of);
  std::vector<std::int32_t> out(asking.key.size(), kNoRow);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto& of = rows[asking.key[i]];
    const auto behind = std::ranges::upper_bound(of, std::pair(asking.time[i], std::numeric_limits<std::int32_t>::max()));
    if (behind == of.begin()) continue;
    if (ttl > 0 && asking.time[i] - std::prev(behind)->first > ttl) continue;
    out[i] = std::prev(behind)->second;
  }
  return out;
}

struct Shape {
  const char* name;
  std::function<std::int64_t(Random&)> key;
  std::function<Micros(Random&)> time;
  std::size_t asking = 20'000, known = 40'000;
};

constexpr Micros kSecond = 1'000'000;
constexpr Micros kMonth = 30 * 86'400 * kSecond;

std::int64_t Below(Random& random, std::int64_t end) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(end)); }

std::vector<Shape> Shapes() {
  const auto month = [](Random& r) { return Below(r, kMonth); };
  const auto fifty = [](Random& r) { return Below(r, 50); };
  return {
      {"few keys, parts are slices of time", fifty, month},
      {"one key", [](Random&) { return std::int64_t{7}; }, month},
      {"many keys", [](Random& r) { return 1'000'000 + Below(r, 9'000); }, month},
      {"keys of either sign", [](Random& r) { return Below(r, 3'000) - 1'500; }, [](Random& r) { return Below(r, kMonth) - kMonth / 2; }},
      {"half of the rows of one key", [](Random& r) { return r() % 2 == 0 ? 11 : Below(r, 9'000); }, month},
      {"whole seconds, so that many are equal", fifty, [](Random& r) { return Below(r, 3'000) * kSecond; }},
      {"all at one moment", fifty, [](Random&) { return kMonth; }},
      {"nearly all in one second of a year", fifty, [](Random& r) { return r() % 50 == 0 ? Below(r, 12 * kMonth) : kMonth + Below(r, kSecond); }},
      {"a few times far away", fifty, [](Random& r) { return r() % 9'000 == 0 ? Below(r, 2) * 8'000 * kMonth - 4'000 * kMonth : Below(r, kMonth); }},
      {"a key and a time that a look at some rows misses", [](Random& r) { return r() % 10'000 == 0 ? std::int64_t{-900} : Below(r, 50); },
       [](Random& r) { return r() % 10'000 == 0 ? -kMonth : Below(r, kMonth); }},
      {"more bits than a number has", [](Random& r) { return Below(r, 20'000); },
       [](Random& r) { return static_cast<Micros>(r()) / 2; }},
      {"few known rows", fifty, month, 30'000, 17},
      {"few rows ask", fifty, month, 5, 60'000},
      {"no known row", fifty, month, 100, 0},
  };
}

TEST(MatchByCellsTest, FindsWhatASearchFindsInRowsOfEveryShape) {
  Random random(11);
  for (const Shape& shape : Shapes()) {
    Columns asking, known;
    for (auto [side, rows] : {std::pair(&asking, shape.asking), std::pair(&known, shape.known)}) {
      for (std::size_t i = 0; i < rows; ++i) {
        side->key.push_back(shape.key(random));
        side->time.push_back(shape.time(random));
      }
    }
    for (const Micros ttl : {Micros{0}, kMonth / 3000, kMonth / 20}) {
      const std::vector<std::int32_t> expected = BySearch(asking, known, ttl);
      for (const int threads : {1, 3}) {
        Call call;
        call.threads = threads;
        std::vector<std::int32_t> out(asking.key.size());
        ASSERT_OK(MatchAsOf(call, asking, known, std::chrono::microseconds(ttl), out));
        EXPECT_TRUE(out == expected) << shape.name << ", ttl " << ttl << ", threads " << threads;
      }
    }
  }
}

// Which rows go this way at all: else the test above would show little.
TEST(MatchByCellsTest, TakesKeysThatLieClose) {
  Columns rows;
  for (std::int64_t i = 0; i < 5000; ++i) {
    rows.key.push_back(i * 7919 % 1000);
    rows.time.push_back(i * 7907 % 5000);
  }
  std::vector<std::int32_t> out(rows.key.size());
  ASSERT_OK_AND_ASSIGN(const bool close, MatchByCells(Call(), rows, rows, {}, out));
  EXPECT_TRUE(close);
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(rows.key[static_cast<std::size_t>(out[i])], rows.key[i]);
  rows.key[17] = std::int64_t{1} << 40;
  ASSERT_OK_AND_ASSIGN(const bool far, MatchByCells(Call(), rows, rows, {}, out));
  EXPECT_FALSE(far);
}

TEST(MatchByCellsTest, StopsWhenAsked) {
  Columns rows{{3, 1, 2}, {3, 2, 1}};
  std::vector<std::int32_t> out(3);
  Call call;
  call.deadline = std::chrono::steady_clock::time_point::min();
  ASSERT_CODE(kDeadlineExceeded, MatchByCells(call, rows, rows, {}, out));
}

}  // namespace
}  // namespace tenon::feature
