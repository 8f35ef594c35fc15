#pragma once

#include <array>
#include <deque>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serve/session.h"

namespace tenon::edge {

// The tensors of the Open Inference Protocol V2 as the rows they hold, however they came: as JSON, as raw bytes behind it,
// or as protobuf.

enum class OipFamily : std::uint8_t { kBool, kInt, kUint, kFloat, kHalf, kBrain, kBytes };
struct OipDatatype {
  std::string_view name;    // "FP32"
  OipFamily family;
  std::size_t bytes;        // an element; 0: varies
  int config;               // number of the enumeration DataType in a model configuration
};
// Null when there is no such datatype.
const OipDatatype* OipDatatypeNamed(std::string_view name);
// The datatype that a field is announced with: FP64, INT64, BOOL, BYTES for texts and times, or what its tensors hold.
std::string_view OipDatatypeOf(const serve::Served::Field& field);
std::string_view OipDatatypeOf(table::Type type);  // of a plain one
// The shape of one row of such a field: {} of a plain one, {3, 224, 224} of an image.
std::span<const std::int64_t> OipShapeOf(const serve::Served::Field& field);

// One value that came by itself rather than as raw bytes.
struct OipElement {
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kText, kBytes, kOther };
  Kind kind = Kind::kNull;
  double number = 0;
  std::string_view text;  // of kText; of kBytes, what is not UTF-8; of kOther, what came
};

// One input tensor of a request.
struct OipTensor {
  static constexpr int kMostDims = 8;
  std::string_view name;
  const OipDatatype* type = nullptr;
  std::array<std::int64_t, kMostDims> shape{};
  int dims = 0;
  std::int64_t count = 1;       // elements: the product of the shape
  bool is_raw = false;
  std::string_view raw;         // `count` elements of a fixed size, little-endian
  std::size_t first = 0;        // else: of its elements in OipRequest::elements
  std::string_view contents;    // of protobuf, not read yet

  Result<void> AddSize(std::int64_t size);  // one more dimension
};

// A request, borrowing the bytes it was read from. Reused by its thread.
struct OipRequest {
  struct Output {
    std::string_view name;
    bool binary = false;
    int classes = 0;            // the classification extension: so many best; 0: the tensor itself
  };
  std::string_view model, version, id;  // model and version are given by gRPC only
  std::vector<OipTensor> inputs;
  std::vector<OipElement> elements;
  std::deque<std::string> made;        // texts of elements that were bytes
  std::vector<std::string_view> raws;  // of protobuf, not given to their tensors yet
  std::int64_t timeout = 0;     // microseconds that it may wait for a batch, as Triton's clients ask; 0: as long as the endpoint lets it
  bool binary_outputs = false;  // unless an output says otherwise
  bool all_outputs = true;      // none were named
  std::vector<Output> outputs;
  void Clear();
};

// Element i of a tensor of raw numbers.
double OipRawNumber(const OipTensor& tensor, std::size_t i);

// Gives a tensor its raw bytes; BYTES are cut into elements. Every size is checked.
Result<void> SetOipRaw(OipRequest& request, OipTensor& tensor, std::string_view raw);
// Whether the elements that were added for the tensor are as many as its shape says, and of its datatype.
Result<void> CheckOipElements(const OipRequest& request, const OipTensor& tensor);

// Reads bodies of infer requests: `json_size` bytes of JSON, the rest raw tensors. One thread; its memory is used again.
class OipJsonReader {
 public:
  OipJsonReader();
  ~OipJsonReader();
  // `body` and this reader stay as they are while the request is used. Behind the body there are 64 readable bytes.
  Result<void> Read(std::string_view body, std::size_t json_size, OipRequest* out);
  // The same of a body in TensorFlow Serving's columnar form, {"inputs":{"age":[41,29],...}}: a column for each field, or for the
  // only one the list itself.
  Result<void> ReadColumns(std::string_view body, const serve::Served& served, OipRequest* out);

 private:
  struct State;
  Result<void> Parse(std::string_view body, std::size_t json_size);
  std::unique_ptr<State> state_;
};

// A request of raw bytes alone, for a version with one field: a batch of one row.
Result<void> ReadOipRawBody(std::string_view body, const serve::Served& served, OipRequest* out);

// Which tensor each field of a version comes from. Reused by its thread.
class OipRows {
 public:
  // Errors when names, shapes or types do not fit, and of bytes that are no text for a field that is one. Of a field that takes bytes they
  // become their base64, in the request.
  Result<void> Bind(OipRequest& request, const serve::RowReader& reader);
  std::int64_t rows() const { return rows_; }
  // Puts rows [from, from + n) into session.rows(). When some are wrong the errors are in session.reader().errors(), and
  // those rows are left out.
  void Fill(std::int64_t from, std::int64_t n, serve::Session& session) const;

 private:
  struct Source {
    const OipTensor* tensor = nullptr;
    int slot = -1;
    std::size_t offset = 0;  // of the field within a row of the tensor
    std::size_t stride = 1;  // elements a row of the tensor
    std::ptrdiff_t held = -1;  // where its rows are in held_; -1: in the tensor
  };
  Result<void> BindTile(const OipTensor& tensor, const serve::Served& served);
  bool FillColumns(std::int64_t from, std::int64_t n, serve::Session& session) const;
  bool FillColumn(const Source& source, std::int64_t from, std::int64_t n, serve::Session& session) const;
  bool ReadRow(std::int64_t row, serve::RowReader& reader) const;
  // A tensor whose rows are tensors: each becomes a text, its bytes in base64, as the other protocols bring it.
  Result<void> BindWhole(const OipTensor& tensor, int slot, const serve::Served::Field& field);

  const OipRequest* request_ = nullptr;
  std::vector<Source> sources_;
  std::vector<std::uint8_t> given_;  // of each slot
  std::int64_t rows_ = 0;
  std::deque<std::string> held_;     // texts made of tensors; they live until the next Bind
};

}  // namespace tenon::edge
