#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon {

// What the caller can do about it. Each code has one row in the table of error.cc.
enum class Code : std::uint8_t {
  kInvalidArgument,     // the request is wrong; the same call will fail again
  kNotFound,            // no such thing
  kAlreadyExists,       // the name is taken
  kFailedPrecondition,  // right request, wrong state (a model not ready, a gate not passed)
  kUnauthenticated,     // say who you are
  kPermissionDenied,    // we know who you are, and you may not
  kResourceExhausted,   // quota, budget, disk or queue full
  kUnavailable,         // try again later
  kDeadlineExceeded,    // the time given was not enough
  kCancelled,           // the caller went away
  kDataLoss,            // stored bytes do not match their checksum
  kInternal,            // a bug of ours
};
inline constexpr int kCodeCount = 12;

// How a code looks from outside the program.
struct CodeRow {
  std::string_view name;  // snake_case, used in JSON and scenario files
  int http;               // status of a REST answer
  int grpc;               // status of a gRPC answer
  int exit;               // exit status of the command line
};
const CodeRow& RowOf(Code code);

// One error, and what each layer on its way up was doing. One pointer wide, movable, not copyable
// (Clone() where two owners need it). Secrets that the process registered are masked on construction.
class [[nodiscard]] Error {
 public:
  Error(Code code, std::string message, const char* file = __builtin_FILE(),
        int line = __builtin_LINE());

  Code code() const noexcept { return body_->code; }
  std::string_view message() const noexcept { return body_->message; }

  // Says what the caller was doing: Context("training run 41, fold 3").
  Error&& Context(std::string doing, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) &&;

  // "training run 41: no snapshot 9f2c": for people; the outermost context first.
  std::string ForPeople() const;
  // "no snapshot 9f2c; raised (dataset/snapshot.cc:71); training run 41 (train/train.cc:88)": for logs.
  std::string ToString() const;
  Error Clone() const;

 private:
  struct Frame {
    std::string doing;
    const char* file;
    int line;
  };
  struct Body {
    Code code;
    std::string message;
    std::vector<Frame> trail;
  };
  explicit Error(std::unique_ptr<Body> body) : body_(std::move(body)) {}
  std::unique_ptr<Body> body_;
};

// Replaces every credential that has the look of one in `text` by "****": the value after password=, token=, secret=,
// key= and the user part of a URL. Every Error passes through it.
std::string MaskSecrets(std::string text);

}  // namespace tenon
