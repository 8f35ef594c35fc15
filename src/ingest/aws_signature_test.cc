#include "ingest/aws_signature_internal.h"

#include "base/testing.h"

namespace tenon::ingest {
namespace {

Micros At(std::string_view text) {
  Micros at = 0;
  EXPECT_TRUE(ParseTimestamp(text, &at));
  return at;
}

// The two worked examples of the signature's documentation.
TEST(AwsSignature, DocumentedExamples) {
  const AwsKeys iam{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
  const AwsRequest list{"iam.amazonaws.com", "/", {{"Version", "2010-05-08"}, {"Action", "ListUsers"}},
                        {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}}};
  EXPECT_NE(SignAws(list, iam, "us-east-1", "iam", At("2015-08-30T12:36:00Z")).back().find("5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
            std::string::npos);
  const AwsKeys s3{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
  const AwsRequest get{"examplebucket.s3.amazonaws.com", "/test.txt", {}, {{"range", "bytes=0-9"}}};
  EXPECT_NE(SignAws(get, s3, "us-east-1", "s3", At("2013-05-24T00:00:00Z")).back().find("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            std::string::npos);
}

TEST(AwsSignature, Encoding) {
  EXPECT_EQ(AwsEncoded("a b/\xC3\xA4~", true), "a%20b/%C3%A4~");
  EXPECT_EQ(AwsQuery({{"prefix", "x/y"}, {"list-type", "2"}}), "list-type=2&prefix=x%2Fy");
}

}  // namespace
}  // namespace tenon::ingest
