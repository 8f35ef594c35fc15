#include "platform/process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <csignal>

#include "base/testing.h"

namespace tenon::platform {
namespace {

TEST(Process, GivesOutputAndStatus) {
  const Call call;
  ASSERT_OK_AND_ASSIGN(const Ran fine, RunProgram(call, {"sh", "-c", "echo one; echo two >&2; cat"}));
  EXPECT_EQ(fine.status, 0);
  EXPECT_EQ(fine.said, "one\ntwo\n");
  ASSERT_OK_AND_ASSIGN(const Ran bad, RunProgram(call, {"sh", "-c", "exit 3"}));
  EXPECT_EQ(bad.status, 3);
  ASSERT_OK_AND_ASSIGN(const Ran killed, RunProgram(call, {"sh", "-c", "kill -9 $$"}));
  EXPECT_EQ(killed.status, 137);
  ASSERT_OK_AND_ASSIGN(const Ran much, RunProgram(call, {"sh", "-c", "yes abc | head -c 300000"}));
  EXPECT_EQ(much.said.size(), std::size_t{64} << 10);
}

// What this thread holds back or passes over is its own affair.
TEST(Process, GivesSignalsAsTheyAre) {
  sigset_t some, before;
  sigemptyset(&some);
  sigaddset(&some, SIGTERM);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &some, &before), 0);
  const auto passed = std::signal(SIGINT, SIG_IGN);
  const auto term = RunProgram(Call(), {"sh", "-c", "kill -TERM $$; exit 3"});
  const auto interrupt = RunProgram(Call(), {"sh", "-c", "kill -INT $$; exit 3"});
  std::signal(SIGINT, passed);
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
  ASSERT_OK(term);
  ASSERT_OK(interrupt);
  EXPECT_EQ(term->status, 128 + SIGTERM);
  EXPECT_EQ(interrupt->status, 128 + SIGINT);
}

TEST(Process, SaysThatThereIsNone) { ASSERT_CODE(kNotFound, RunProgram(Call(), {"/there/is/no/such/program"})); }

TEST(Process, EndsWithTheDeadline) {
  Call call;
  call.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  ASSERT_CODE(kDeadlineExceeded, RunProgram(call, {"sh", "-c", "sleep 100; true"}));
  call.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  ASSERT_CODE(kDeadlineExceeded, RunProgram(call, {"sh", "-c", "exec >&- 2>&-; sleep 100; true"}));  // nothing more will come, and it goes on
}

}  // namespace
}  // namespace tenon::platform
