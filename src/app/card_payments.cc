// The simulation behind the template card-fraud.

#include <algorithm>
#include <cmath>
#include <vector>

#include "app/generators.h"
#include "app/random.h"
#include "base/text.h"
#include "base/time.h"
#include "platform/files.h"

namespace tenon::app {
namespace {

constexpr int kDays = 183;
constexpr int kShiftDay = 150;
constexpr double kPaymentsADay = 1.9;   // of a customer, on average
constexpr double kLargeAmount = 220;    // the first pattern: what a careful bank would ask about anyway
constexpr int kTerminalTakenFor = 28;   // the second
constexpr int kCardCopiedFor = 14;      // the third

struct Customer {
  double mean_amount;
  double payments_a_day;
  double usual_second;                  // of the day
  std::vector<std::int32_t> terminals;  // those nearby
  int copied_until = -1;
};

struct Payment {
  std::int32_t second;
  std::int32_t customer;
  std::int32_t terminal;
  std::int32_t cents;
  bool fraud;
};

std::vector<Customer> MakeCustomers(Random& random, std::int64_t count, std::int64_t terminals) {
  std::vector<Customer> customers(static_cast<std::size_t>(count));
  for (Customer& customer : customers) {
    customer.mean_amount = 5 + 95 * random.Uniform();
    customer.payments_a_day = 2 * kPaymentsADay * random.Uniform();
    customer.usual_second = 43200 + 12000 * random.Normal();
    // Terminals stand along a line; a customer goes to those around home.
    const std::int64_t home = random.Below(terminals);
    const std::int64_t reach = 3 + random.Below(12);
    for (std::int64_t i = 0; i < reach; ++i) customer.terminals.push_back(static_cast<std::int32_t>((home + i * i) % terminals));
  }
  return customers;
}

Payment MakePayment(Random& random, const Customer& customer, std::int32_t number, int day, const std::vector<int>& taken_until) {
  Payment payment{};
  payment.customer = number;
  payment.terminal = customer.terminals[static_cast<std::size_t>(random.Below(static_cast<std::int64_t>(customer.terminals.size())))];
  const bool shifted = day >= kShiftDay;
  const double second = (shifted ? customer.usual_second + 14400 : customer.usual_second) + 16000 * random.Normal();
  payment.second = static_cast<std::int32_t>(std::clamp(second, 0.0, 86399.0));
  double amount = std::abs(customer.mean_amount * (1 + 0.5 * random.Normal())) * (shifted ? 1.35 : 1);
  if (amount > kLargeAmount) payment.fraud = true;
  if (taken_until[static_cast<std::size_t>(payment.terminal)] >= day) payment.fraud = true;
  if (customer.copied_until >= day && random.Uniform() < 1.0 / 3) {
    amount *= 5;
    payment.fraud = true;
  }
  payment.cents = static_cast<std::int32_t>(std::fmax(100, std::round(amount * 100)));
  return payment;
}

void Append(std::string* out, std::int64_t id, Micros midnight, const Payment& payment) {
  *out += Str(id, ",", FormatTimestamp(midnight + payment.second * 1'000'000LL), ",", payment.customer, ",", payment.terminal, ",", payment.cents / 100, ".");
  *out += static_cast<char>('0' + payment.cents / 10 % 10);
  *out += static_cast<char>('0' + payment.cents % 10);
  *out += payment.fraud ? ",1\n" : ",0\n";
}

}  // namespace

Result<void> WriteCardPayments(const Call& call, const std::string& path, std::int64_t rows, std::uint64_t seed) {
  if (rows < 2000) return Error(Code::kInvalidArgument, Str("card payments need at least 2000 rows, got ", rows));
  Random random(seed);
  const auto count = static_cast<std::int64_t>(std::ceil(1.03 * static_cast<double>(rows) / (kDays * kPaymentsADay)));
  const std::int64_t terminals = std::max<std::int64_t>(40, 2 * count);
  std::vector<Customer> customers = MakeCustomers(random, count, terminals);
  std::vector<int> taken_until(static_cast<std::size_t>(terminals), -1);
  Micros start = 0;
  ParseTimestamp("2024-01-01", &start);
  std::string out = "transaction_id,paid,customer_id,terminal_id,amount,is_fraud\n";
  out.reserve(static_cast<std::size_t>(rows) * 56);
  std::int64_t id = 0;
  std::vector<Payment> today;
  // As many takeovers as keep the share of frauds about the same at any size.
  const double events = static_cast<double>(count) / 2500;
  for (int day = 0; day < kDays && id < rows; ++day) {
    TENON_TRY(call.Check());
    for (int n = random.Poisson(2 * events); n > 0; --n) taken_until[static_cast<std::size_t>(random.Below(terminals))] = day + kTerminalTakenFor;
    for (int n = random.Poisson(3 * events); n > 0; --n) customers[static_cast<std::size_t>(random.Below(count))].copied_until = day + kCardCopiedFor;
    today.clear();
    for (std::size_t c = 0; c < customers.size(); ++c) {
      for (int n = random.Poisson(customers[c].payments_a_day); n > 0; --n) {
        today.push_back(MakePayment(random, customers[c], static_cast<std::int32_t>(c), day, taken_until));
      }
    }
    std::ranges::stable_sort(today, {}, &Payment::second);
    for (const Payment& payment : today) {
      if (id >= rows) break;
      Append(&out, id++, start + day * 86'400'000'000LL, payment);
    }
  }
  return platform::RealFiles()->Write(path, out);
}

}  // namespace tenon::app
