#include "edge/trace.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace tenon::edge {
namespace {

constexpr std::string_view kGood = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(TraceparentTest, ReadsWhatTheSpecificationAllows) {
  TraceContext context;
  ASSERT_TRUE(ReadTraceparent(kGood, &context));
  std::string trace, parent;
  AppendHex(context.trace.data(), 16, &trace);
  AppendHex(context.parent.data(), 8, &parent);
  EXPECT_EQ(trace, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(parent, "b7ad6b7169203331");
  EXPECT_TRUE(context.sampled());
  std::string text(kGood);
  text.replace(53, 2, "fe");
  ASSERT_TRUE(ReadTraceparent(text, &context));
  EXPECT_FALSE(context.sampled());
  EXPECT_EQ(context.flags, 2);  // random is kept, what is unknown is not
  text = "cc" + std::string(kGood.substr(2));
  EXPECT_TRUE(ReadTraceparent(text, &context));  // a later version
  EXPECT_TRUE(ReadTraceparent(text + "-what-the-future-will-be-like", &context));
}

TEST(TraceparentTest, RefusesAllElse) {
  const std::string good(kGood);
  TraceContext context;
  std::vector<std::string> bad = {"", "00", good.substr(0, 54), good + "0", good + "-00", "ff" + good.substr(2), "cc" + good.substr(2) + "x",
                                  "00-" + std::string(32, '0') + good.substr(35), good.substr(0, 36) + std::string(16, '0') + good.substr(52),
                                  "0g" + good.substr(2)};
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = good[i] == '-' ? '_' : 'A';
    bad.push_back(changed);
    changed[i] = '\0';
    bad.push_back(changed);
  }
  for (const std::string& text : bad) EXPECT_FALSE(ReadTraceparent(text, &context)) << text;
}

TEST(TracestateTest, JoinsHeadersAndDropsWhatIsNone) {
  const auto read = [](std::vector<std::string_view> values) {
    HttpRequest request;
    for (const std::string_view value : values) request.headers[request.header_count++] = {"Tracestate", value};
    std::string out;
    ReadTracestate(request, &out);
    return out;
  };
  EXPECT_EQ(read({"a=1, b=2 ", "c=3"}), "a=1,b=2,c=3");
  EXPECT_EQ(read({"a=1,,b=2"}), "a=1,b=2");
  EXPECT_EQ(read({"a=1,b"}), "");
  EXPECT_EQ(read({"=1"}), "");
  EXPECT_EQ(read({"a=" + std::string(600, 'x')}), "");
  std::string many;
  for (int i = 0; i < 33; ++i) many += (i == 0 ? "k" : ",k") + std::to_string(i) + "=1";
  EXPECT_EQ(read({many}), "");
}

TEST(SampledTest, KeepsTheShareItIsTold) {
  int kept = 0;
  std::uint64_t state = 1;
  for (int i = 0; i < 20000; ++i) {
    TraceContext context;
    for (auto& byte : context.trace) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      byte = static_cast<std::uint8_t>(state >> 56);
    }
    kept += Sampled(context, 0.25) ? 1 : 0;
    EXPECT_TRUE(Sampled(context, 1));
    EXPECT_FALSE(Sampled(context, 0));
  }
  EXPECT_NEAR(kept, 5000, 250);  // 4 standard deviations
}

}  // namespace
}  // namespace tenon::edge
