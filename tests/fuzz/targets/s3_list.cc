// What a store of objects answers: lists and refusals. Keys that are read, written again, are read as the same.

#include "fuzz/target.h"
#include "ingest/s3_answers_internal.h"

namespace tenon::fuzz {
namespace {

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : std::string(1, c);
  return out;
}

void RunS3List(std::string_view input) {
  ingest::ReadStoreError(input);
  auto list = ingest::ReadObjectList(input);
  if (!list.ok()) return CheckError(list.error());
  std::string written = "<ListBucketResult>";
  for (const std::string& key : list->keys) written += Str("<Contents><Key>", Escaped(key), "</Key></Contents>");
  written += Str("<NextContinuationToken>", Escaped(list->more), "</NextContinuationToken></ListBucketResult>");
  const auto again = Must(ingest::ReadObjectList(written), "a list written again");
  Hold(again.keys == list->keys, "the keys of a list written again");
  Same(again.more, list->more, "where a list goes on");
}

std::vector<std::string> Seeds() {
  return {"<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>lake</Name><EncodingType>url</EncodingType>"
          "<IsTruncated>true</IsTruncated><Contents><Key>a+b%2Fc</Key><Size>3</Size></Contents><Contents><Key>&#x1F600;&lt;</Key></Contents>"
          "<NextContinuationToken>1&amp;2</NextContinuationToken></ListBucketResult>",
          "<ListBucketResult></ListBucketResult>", "<ListBucketResult><Contents><Key>k&#228;</Key></Contents></ListBucketResult>",
          "<Error><Code>NoSuchKey</Code><Message>The &quot;key&quot;</Message></Error>"};
}

}  // namespace

Target MakeS3List() { return {RunS3List, Seeds}; }

}  // namespace tenon::fuzz
