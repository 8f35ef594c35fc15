#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tenon::ingest {

// One page of an answer to ListObjectsV2 (docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
struct ObjectList {
  std::vector<std::string> keys;
  std::string more;  // the token that asks for the next page; "" for the last one
};

// data_loss for what is no whole answer of that kind.
Result<ObjectList> ReadObjectList(std::string_view body);

// What a store says when it refuses; "" for what is not there.
struct StoreError {
  std::string code, message;
};
StoreError ReadStoreError(std::string_view body);

}  // namespace tenon::ingest
