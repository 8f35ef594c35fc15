#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "model/predictor.h"
#include "table/profile.h"

namespace tenon::serve {

// One model version ready to answer: the predictor, where a request's fields go, what is allowed in them. Immutable.
struct Served {
  std::string endpoint;       // "loan-approval"
  std::string model;          // "loan-approval@3"
  int version = 0;
  std::shared_ptr<const model::Predictor> predictor;
  struct Field {
    std::string name;
    table::Type type = table::Type::kFloat64;
    bool required = true;     // no missing value in training: a request must bring it
    double least = 0, most = 0;     // of numbers: the extremes seen in training, widened; outside is "out of range"
    std::vector<std::string> domain;  // of few-valued texts: values seen in training
  };
  std::vector<Field> fields;  // in slot order (graph().inputs())
  bool strict = false;        // whether out of range and unseen values are refused or only counted
};

// What must be so before it answers: every golden row of the bundle gives exactly the recorded bits.
// failed_precondition naming the row and both values otherwise.
Result<std::shared_ptr<const Served>> MakeServed(std::shared_ptr<const model::Bundle> bundle, std::string_view endpoint,
                                                 std::string_view model, int version, const Kinds<transform::Op>& ops,
                                                 const Kinds<model::Format>& formats);

// The endpoints of a process by name. Readers never lock; Set swaps one pointer, and answers under way finish on the
// version they began with.
class Endpoints {
 public:
  using Map = std::vector<std::pair<std::string, std::shared_ptr<const Served>>>;
  std::shared_ptr<const Served> Find(std::string_view name) const;  // null when there is none
  std::shared_ptr<const Map> all() const;
  void Set(std::shared_ptr<const Served> served);
  void Remove(std::string_view name);
  // Takes an endpoint out of service, and back into it; false when there is none to take. Meanwhile Set replaces the version
  // that will answer when it is back.
  bool Withdraw(std::string_view name);
  bool Restore(std::string_view name);
  std::shared_ptr<const Map> withdrawn() const;
  // Grows with every change: a thread that keeps all() looks again only when this differs.
  std::uint64_t revision() const { return revision_.load(std::memory_order_acquire); }
  // In a map that is already had; it is sorted by name.
  static std::shared_ptr<const Served> FindIn(const Map& map, std::string_view name);

 private:
  struct Maps {
    Map active, withdrawn;
  };
  void Change(const std::function<void(Maps&)>& edit);
  std::atomic<std::shared_ptr<const Maps>> maps_ = std::make_shared<const Maps>();
  std::atomic<std::uint64_t> revision_{1};
};

// A value that a request got wrong.
struct FieldError {
  int instance = 0;
  std::string field;
  std::string problem;  // "expected a number, got \"abc\"", "missing", "unknown field; did you mean 'pirat'?"
};

// One decoded row: slots as FittedGraph::ApplyRow wants them. Reused from request to request by its owner (a thread).
struct Row {
  std::vector<double> numbers;
  std::vector<std::string_view> texts;  // into the request's bytes or `held`
};

}  // namespace tenon::serve
