#include "ingest/s3_answers_internal.h"

#include "base/testing.h"

namespace tenon::ingest {
namespace {

TEST(S3Answers, KeysAreDecodedAsTheStoreSaysTheyAre) {
  auto encoded = ReadObjectList(
      "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><EncodingType>url</EncodingType>"
      "<Contents><Key>a+b%2Fc%26d%25</Key><Size>3</Size></Contents><Contents><Key>e</Key></Contents><IsTruncated>true</IsTruncated>"
      "<NextContinuationToken>1/x&amp;y==</NextContinuationToken></ListBucketResult>");
  ASSERT_TRUE(encoded.ok());
  EXPECT_EQ(encoded->keys, (std::vector<std::string>{"a b/c&d%", "e"}));
  EXPECT_EQ(encoded->more, "1/x&y==");
  auto plain = ReadObjectList("<ListBucketResult><Contents><Key>a+b%2F&lt;&#228;&#x1F600;&nix;</Key></Contents></ListBucketResult>");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->keys, (std::vector<std::string>{"a+b%2F<\xC3\xA4\xF0\x9F\x98\x80&nix;"}));
  EXPECT_EQ(plain->more, "");
}

TEST(S3Answers, WhatIsNoWholeListIsRefused) {
  for (const char* body : {"", "<ListBucketResult><Contents><Key>a</Key></Contents>", "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
                           "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"}) {
    auto list = ReadObjectList(body);
    ASSERT_FALSE(list.ok());
    EXPECT_EQ(list.error().code(), Code::kDataLoss);
  }
}

TEST(S3Answers, Refusals) {
  const StoreError error = ReadStoreError("<Error><Code>ExpiredToken</Code><Message>The &quot;token&quot; has expired</Message></Error>");
  EXPECT_EQ(error.code, "ExpiredToken");
  EXPECT_EQ(error.message, "The \"token\" has expired");
  EXPECT_EQ(ReadStoreError("<html>").code, "");
}

}  // namespace
}  // namespace tenon::ingest
