#include "govern/keys.h"

#include "base/hash.h"
#include "base/testing.h"
#include "govern/access.h"
#include "platform/files.h"

#include <filesystem>

namespace tenon::govern {
namespace {

class KeysTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/govern-XXXXXX";
    folder_ = ::mkdtemp(name);
    auto opened = store::Store::Open(*files_, folder_ + "/d", store::Store::Access::kWrite);
    ASSERT_OK(opened);
    store_ = *std::move(opened);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  KeyWish Wish(std::string name, std::vector<std::string> scopes = {"predict"}) { return {.name = std::move(name), .scopes = *Scopes::Of(scopes)}; }

  std::unique_ptr<platform::Files> files_ = platform::RealFiles();
  std::string folder_;
  std::unique_ptr<store::Store> store_;
  Call call_;
};

TEST_F(KeysTest, AKeyIsKnownByItsHashAlone) {
  auto made = AddKey(call_, *store_, Wish("app"));
  ASSERT_OK(made);
  EXPECT_EQ(KeyIdOf(made->text), made->record.id);
  EXPECT_EQ(made->record.digest, HashOf(made->text));
  auto record = store_->FindRecord("api_key", "app");
  ASSERT_OK(record);
  EXPECT_EQ((*record)->body.Dump().find(made->text.substr(16)), std::string::npos);
  auto keys = Keys(*store_);
  ASSERT_OK(keys);
  const Rules rules = RulesOf(*keys, true, false, {});
  EXPECT_FALSE(rules.open);
  const Principal* found = rules.Find(KeyIdOf(made->text));
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(IsKeyOf(*found, made->text));
  std::string wrong = made->text;
  wrong.back() = wrong.back() == 'A' ? 'B' : 'A';
  EXPECT_FALSE(IsKeyOf(*found, wrong));
}

TEST_F(KeysTest, TwoKeysDiffer) {
  auto one = AddKey(call_, *store_, Wish("one"));
  auto two = AddKey(call_, *store_, Wish("two"));
  ASSERT_OK(one);
  ASSERT_OK(two);
  EXPECT_NE(one->text, two->text);
  EXPECT_NE(one->record.id, two->record.id);
  ASSERT_CODE(kAlreadyExists, AddKey(call_, *store_, Wish("one")));
}

TEST_F(KeysTest, EveryChangeHasItsRevisionAuditAndEvent) {
  auto before = KeysRevision(*store_);
  ASSERT_OK(before);
  EXPECT_EQ(*before, 0);
  call_.actor = "ada";
  ASSERT_OK(AddKey(call_, *store_, Wish("app", {"explain", "metrics"})));
  auto added = KeysRevision(*store_);
  ASSERT_OK(added);
  EXPECT_GT(*added, *before);
  ASSERT_OK(RemoveKey(call_, *store_, "app"));
  auto removed = KeysRevision(*store_);
  ASSERT_OK(removed);
  EXPECT_GT(*removed, *added);
  ASSERT_CODE(kNotFound, RemoveKey(call_, *store_, "app"));
  auto audit = store_->Records("audit");
  ASSERT_OK(audit);
  ASSERT_EQ(audit->size(), 2u);
  EXPECT_EQ((*audit)[0].body.StringAt("action"), "key_added");
  EXPECT_EQ((*audit)[1].body.StringAt("action"), "key_removed");
  EXPECT_EQ((*audit)[1].body.StringAt("actor"), "ada");
  auto events = store_->EventsAfter(0, 10);
  ASSERT_OK(events);
  EXPECT_EQ(events->size(), 2u);
}

// A key must be possible to take away while a run holds the folder.
TEST_F(KeysTest, ChangesBesideAWriter) {
  auto beside = store::Store::Open(*files_, folder_ + "/d", store::Store::Access::kAmend);
  ASSERT_OK(beside);
  ASSERT_OK(AddKey(call_, **beside, Wish("app")));
  auto keys = Keys(*store_);
  ASSERT_OK(keys);
  EXPECT_EQ(keys->size(), 1u);
  ASSERT_CODE(kFailedPrecondition, (*beside)->Put("bytes"));
}

TEST_F(KeysTest, BadWishesSayWhatIsWrong) {
  for (const char* name : {"", "a b", "a/b", "\xc3\xa4", "'; DROP TABLE records"}) ASSERT_CODE(kInvalidArgument, AddKey(call_, *store_, Wish(name)));
  ASSERT_CODE(kInvalidArgument, AddKey(call_, *store_, Wish(std::string(65, 'a'))));
  KeyWish gone = Wish("gone");
  gone.expires = 1;
  ASSERT_CODE(kInvalidArgument, AddKey(call_, *store_, gone));
  ASSERT_CODE(kInvalidArgument, Scopes::Of({}));
  ASSERT_CODE(kInvalidArgument, Scopes::Of({"predicct"}));
}

TEST_F(KeysTest, ARecordThatWasChangedIsDamageAndCanBeTakenAway) {
  ASSERT_OK(store_->PutRecord("api_key", "bad", Json::MakeObject()));
  ASSERT_CODE(kDataLoss, Keys(*store_));
  ASSERT_OK(RemoveKey(call_, *store_, "bad"));
  ASSERT_OK(Keys(*store_));
}

TEST(KeyIdTest, TakesOnlyAKeysForm) {
  EXPECT_EQ(KeyIdOf("tenon_abcdefgh_" + std::string(43, 'x')), "abcdefgh");
  for (const std::string& text : {std::string(), std::string("tenon_"), std::string(58, 'x'), "tenon_abcdefgh_" + std::string(42, 'x'),
                                  "tenon_abcdefgh_" + std::string(44, 'x'), "tenon_abcdefghi" + std::string(43, 'x')}) {
    EXPECT_EQ(KeyIdOf(text), "") << text;
  }
}

TEST(SameSecretTest, IsEquality) {
  EXPECT_TRUE(SameSecret("", ""));
  EXPECT_TRUE(SameSecret("abc", "abc"));
  EXPECT_FALSE(SameSecret("abc", "abd"));
  EXPECT_FALSE(SameSecret("abc", "ab"));
  EXPECT_FALSE(SameSecret("ab", "abc"));
  EXPECT_FALSE(SameSecret("abc", std::string_view("ab\0", 3)));
}

}  // namespace
}  // namespace tenon::govern
