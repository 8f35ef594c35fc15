#include "app/generators.h"

#include <cmath>

#include "app/random.h"
#include "base/text.h"
#include "platform/files.h"

namespace tenon::app {
namespace {

Result<void> WriteChurn(const Call& call, const std::string& path, std::int64_t rows, std::uint64_t seed) {
  TENON_TRY(call.Check());
  Random random(seed);
  constexpr const char* kPlans[] = {"basic", "plus", "family", "business"};
  constexpr const char* kRegions[] = {"north", "south", "east", "west", "centre"};
  std::string out = "customer_id,tenure_months,plan,region,monthly_fee,support_calls,late_payments,data_gb,churned\n";
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto plan = static_cast<std::size_t>(random.Below(4));
    const auto region = static_cast<std::size_t>(random.Below(5));
    const double tenure = std::floor(random.Uniform() * random.Uniform() * 120);
    const double fee = std::round((15 + 12 * static_cast<double>(plan) + 4 * random.Normal()) * 100) / 100;
    const int calls = random.Poisson(1.2 + (plan == 0 ? 0.8 : 0));
    const int late = random.Poisson(0.5);
    const double data = std::round(std::exp(1.5 + 0.4 * static_cast<double>(plan) + 0.6 * random.Normal()) * 10) / 10;
    const double score = -2.2 + 0.55 * calls + 0.5 * late - 0.03 * tenure + 0.03 * fee + (region == 3 ? 0.5 : 0) + (plan == 2 ? -0.8 : 0) +
                         (calls > 3 && tenure < 12 ? 1.0 : 0);
    const bool churned = random.Uniform() < 1 / (1 + std::exp(-score));
    out += Str("C", 100000 + i, ",", static_cast<std::int64_t>(tenure), ",", kPlans[plan], ",", kRegions[region], ",", fee, ",", calls, ",", late, ",",
               random.Uniform() < 0.03 ? std::string() : FormatDouble(data), ",", churned ? "yes" : "no", "\n");
  }
  return platform::RealFiles()->Write(path, out);
}

Result<void> WriteHouses(const Call& call, const std::string& path, std::int64_t rows, std::uint64_t seed) {
  TENON_TRY(call.Check());
  Random random(seed);
  constexpr const char* kAreas[] = {"harbour", "old_town", "hill", "station", "suburb", "village"};
  constexpr double kValue[] = {2600, 2900, 3400, 2100, 1900, 1500};
  std::string out = "house_id,area,square_metres,rooms,built,garden,distance_km,price\n";
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto area = static_cast<std::size_t>(random.Below(6));
    const double size = std::round(45 + 60 * std::abs(random.Normal()) + 20 * random.Uniform());
    const auto rooms = static_cast<std::int64_t>(std::fmax(1, std::round(size / 28 + 0.7 * random.Normal())));
    const auto built = static_cast<std::int64_t>(2020 - std::floor(110 * random.Uniform() * random.Uniform()));
    const bool garden = random.Uniform() < (area >= 4 ? 0.7 : 0.2);
    const double distance = std::round((area >= 4 ? 6 : 1.5) * (0.4 + 1.2 * random.Uniform()) * 10) / 10;
    const double price = size * kValue[area] * (1 - 0.002 * static_cast<double>(2020 - built)) + (garden ? 28000 : 0) - 2500 * distance +
                         6000 * static_cast<double>(rooms) + 24000 * random.Normal();
    out += Str("H", 10000 + i, ",", kAreas[area], ",", static_cast<std::int64_t>(size), ",", rooms, ",",
               random.Uniform() < 0.04 ? std::string() : std::to_string(built), ",", garden ? "true" : "false", ",", distance, ",",
               static_cast<std::int64_t>(std::fmax(20000, std::round(price / 100) * 100)), "\n");
  }
  return platform::RealFiles()->Write(path, out);
}

constexpr const char* kCardFraud = R"(# Card payments: which ones should be held for a call to the customer? The data are generated: a seeded simulation with
# three patterns of fraud, and a change of behaviour from 2024-05-30 on that monitoring is there to notice.

project: card-fraud
owner: payments-risk

problem:
  question: Which card payments should be held for a call to the customer?
  label: {column: is_fraud, positive: 1, known_after: 7d}
  metric: average_precision            # fewer than one row in fifty is a fraud
  costs: {false_positive: 4 EUR, false_negative: "0.8 * amount EUR"}
  baseline: {rule: "amount > 220"}     # what is done today

data:
  read: transactions.csv
  key: transaction_id
  time: paid
  purpose: fraud-prevention

# What was known of customer and terminal when the payment came in, by the same code in training and in the service. The payment itself is
# not among it (same_instant), as it is not when the service is asked. A fraud is known a week later, so the terminal's risk looks at the
# days before that.
features:
  customer:
    entity: customer_id
    owner: payments-risk
    description: What a customer spends
    same_instant: false
    aggregate:
      amount: {count: [1d, 7d, 30d], mean: [1d, 7d, 30d]}
    tests:
      - name: the payment asked about does not count
        events: [{customer_id: 1, paid: 2024-03-01 12:00:00, amount: 10}, {customer_id: 1, paid: 2024-03-04 12:00:00, amount: 20}]
        rows: [{customer_id: 1, at: 2024-03-04 12:00:00, expect: {amount_count_7d: 1, amount_mean_7d: 10}}]
  terminal:
    entity: terminal_id
    owner: payments-risk
    description: How many payments at a terminal turned out to be fraud
    delay: 7d
    same_instant: false
    aggregate:
      is_fraud: {count: [1d, 7d, 30d], mean: [1d, 7d, 30d], fill: 0}
  on_demand:
    ratio: amount / nullif(customer.amount_mean_30d, 0)
    night: hour(paid) < 6
    weekend: weekday(paid) >= 5

# Payments as they happen: `tenon features publish` appends them, `tenon features stream` counts them.
stream: {id: transaction_id, lateness: 30d}

split:
  by: time
  train: {from: 2024-02-15}            # the windows of 30 days are full by then
  validation: 7d
  gap: 7d                              # labels arrive a week late
  test: {from: 2024-05-10, until: 2024-05-30}

transform:
  drop: [customer_id, terminal_id]       # a new customer must be judged by behaviour, not by number

train:
  learners: [linear, boosted_trees]
  seed: 1

evaluate:
  slices: ["amount > 100", "hour(paid) < 6"]

gates:
  - lift(average_precision, over: baseline).low > 0.05
  - cost_saving_per_1000.low > 0
  - latency_p99 < 5ms

card:
  intended_use: Choosing payments for a call to the card's owner. Never a refusal without a person.
  limitations: Learnt from a simulation; frauds of a kind not simulated are not found.
)";

}  // namespace

const std::vector<Generator>& Generators() {
  static const std::vector<Generator> all = {
      {"churn", "customers of a telephone company, and who left", "customers.csv", 5000, "churned",
       "Which customers will leave, so that they are worth a call?", "", WriteChurn},
      {"house-prices", "houses and what they were sold for", "houses.csv", 4000, "price", "What is a house worth?", "", WriteHouses},
      {"card-fraud", "card payments with frauds and a shift of behaviour", "transactions.csv", 300000, "is_fraud", "", kCardFraud, WriteCardPayments},
  };
  return all;
}

std::vector<std::string> GeneratorNames() {
  std::vector<std::string> names;
  for (const Generator& generator : Generators()) names.push_back(generator.name);
  return names;
}

Result<const Generator*> GeneratorNamed(std::string_view name) {
  for (const Generator& generator : Generators()) {
    if (generator.name == name) return &generator;
  }
  return Error(Code::kNotFound, Str("no template '", name, "'", DidYouMean(name, GeneratorNames())));
}

}  // namespace tenon::app
