#include "edge/rate_limit.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tenon::edge {
namespace {

using std::chrono::milliseconds;
using Time = std::chrono::steady_clock::time_point;

TEST(RateLimit, LetsABurstThroughAndThenTheRate) {
  RateLimit limit(10, 1);
  std::chrono::nanoseconds wait{};
  const Time start{std::chrono::hours(1)};
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limit.Take(7, start, &wait)) << i;
  EXPECT_FALSE(limit.Take(7, start, &wait));
  EXPECT_EQ(wait, milliseconds(100));
  EXPECT_TRUE(limit.Take(8, start, &wait));  // another client
  EXPECT_FALSE(limit.Take(7, start + milliseconds(99), &wait));
  EXPECT_TRUE(limit.Take(7, start + milliseconds(100), &wait));
  EXPECT_FALSE(limit.Take(7, start + milliseconds(100), &wait));
  int taken = 0;
  while (limit.Take(7, start + std::chrono::hours(1), &wait)) ++taken;
  EXPECT_EQ(taken, 10);  // a full bucket, however long it rested
}

TEST(RateLimit, GivesNoTokenTwice) {
  RateLimit limit(1000, 1);
  const Time start{std::chrono::hours(1)};
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::chrono::nanoseconds wait{};
      for (int i = 0; i < 1000; ++i) taken += limit.Take(7, start, &wait) ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(taken.load(), 1000);
}

}  // namespace
}  // namespace tenon::edge
