#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/call.h"

namespace tenon::app {

// Makes the data of a template, from a seed: the same seed gives the same bytes on every machine.
struct Generator {
  std::string name;
  std::string summary;
  std::string file;               // name of the data file
  std::int64_t rows;              // by default
  std::string label;
  std::string question;
  std::string project;            // the whole project file; "": written from the data
  std::function<Result<void>(const Call&, const std::string& path, std::int64_t rows, std::uint64_t seed)> write;
};

const std::vector<Generator>& Generators();   // churn, house-prices, card-fraud
Result<const Generator*> GeneratorNamed(std::string_view name);
std::vector<std::string> GeneratorNames();

// Card payments of customers at terminals over days, in time order, with three patterns of fraud: large amounts,
// terminals taken over for some weeks, cards copied for some weeks. From day 150 on customers spend a third more and at
// other hours: what monitoring is there to notice. Columns: transaction_id, paid, customer_id, terminal_id, amount,
// is_fraud.
Result<void> WriteCardPayments(const Call& call, const std::string& path, std::int64_t rows, std::uint64_t seed);

}  // namespace tenon::app
