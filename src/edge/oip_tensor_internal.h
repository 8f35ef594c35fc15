#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "serve/session.h"

namespace tenon::edge {

// The tensors of the Open Inference Protocol V2, JSON and binary, as the rows they hold.

// One input tensor of a request. Borrows the request's JSON and bytes.
struct OipTensor {
  std::string name;
  std::string datatype;
  std::vector<std::int64_t> shape;
  std::int64_t count = 1;                 // elements: the product of the shape
  std::vector<const Json*> elements;      // of JSON data, flat
  std::string_view raw;                   // of binary data
  std::vector<std::string_view> texts;    // of binary BYTES
  bool binary = false;
};

struct OipRequest {
  Json json;  // what the tensors borrow
  std::string id;
  std::vector<OipTensor> inputs;
  struct Output {
    std::string name;
    bool binary = false;
  };
  bool all_outputs = true;   // none were named
  bool binary_outputs = false;
  std::vector<Output> outputs;
};

// Reads the body of an infer request; `json_size` bytes of it are JSON, the rest tensor bytes. Every size is checked.
Result<OipRequest> ReadOipRequest(std::string_view body, std::size_t json_size);

// Which tensor each field of a version comes from, once the names, shapes and types are found to fit.
class OipRows {
 public:
  static Result<OipRows> Of(const OipRequest& request, const serve::Served& served);
  std::int64_t rows() const { return rows_; }
  // Puts row i into the reader; true when it is whole and right.
  bool Read(std::int64_t row, serve::RowReader& reader) const;

 private:
  struct Source {
    const OipTensor* tensor = nullptr;
    int slot = -1;
    int type = 0;  // index into the datatypes' table
  };
  std::vector<Source> sources_;
  bool tile_ = false;  // one tensor [rows, fields]
  std::int64_t rows_ = 0;
};

// The datatype that a field is announced with: FP64, INT64, BOOL, or BYTES for texts and times.
std::string_view OipDatatypeOf(table::Type type);

}  // namespace tenon::edge
