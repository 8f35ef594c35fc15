#include "store/store.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/testing.h"

namespace tenon::store {
namespace {

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "tenon-store-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<platform::Files> files_ = platform::RealFiles();
  std::string folder_;
};

TEST_F(StoreTest, KeepsArtifactsByTheirHash) {
  ASSERT_OK_AND_ASSIGN(const auto store, Store::Open(*files_, folder_, Store::Access::kWrite));
  ASSERT_OK_AND_ASSIGN(const std::string hash, store->Put("abc"));
  EXPECT_EQ(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(store->PathOf(hash), folder_ + "/artifacts/ba/" + hash.substr(2));
  ASSERT_OK_AND_ASSIGN(const auto bytes, store->Get(hash));
  EXPECT_EQ(bytes->view(), "abc");
  EXPECT_TRUE(store->Has(hash));
  EXPECT_FALSE(store->Has("../" + hash));
  ASSERT_CODE(kNotFound, store->Get(std::string(64, '0')));
  ASSERT_CODE(kNotFound, store->Get("../../etc/passwd"));
}

}  // namespace
}  // namespace tenon::store
