#include "serve/disguise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/hash.h"

namespace tenon::serve {
namespace {

double Rounded(double value, int decimals) {
  const double unit = std::pow(10.0, decimals);
  return std::round(value * unit) / unit;
}

// Of all that the answer depends on, and a secret: nobody outside can tell the noise of a row.
std::uint64_t HashOfRow(const Served& served, const Row& row) {
  std::uint64_t hash = Hash64(served.model, served.disguise.secret);
  for (const double number : row.numbers) hash = Hash64(std::bit_cast<std::uint64_t>(number == 0 ? 0.0 : number), hash);
  for (const std::string_view text : row.texts) hash = Hash64(text, hash ^ (text.data() == nullptr ? 1U : 0U));
  return hash;
}

double Laplace(std::uint64_t bits, double scale) {
  const double unit = (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53 - 0.5;  // within (-0.5, 0.5)
  return -scale * std::copysign(std::log1p(-2 * std::abs(unit)), unit);
}

}  // namespace

void ApplyDisguise(const Served& served, const Row& row, std::span<const float> exact, std::vector<float>* out) {
  const Disguise& disguise = served.disguise;
  const bool probabilities = served.predictor->task() != model::Task::kRegression;
  out->assign(exact.begin(), exact.end());
  if (disguise.laplace > 0) {
    const std::uint64_t hash = HashOfRow(served, row);
    for (std::size_t k = 0; k < out->size(); ++k) {
      double value = static_cast<double>((*out)[k]) + Laplace(Hash64(k, hash), disguise.laplace);
      if (probabilities) value = std::clamp(value, 0.0, 1.0);
      (*out)[k] = static_cast<float>(value);
    }
    const double sum = std::accumulate(out->begin(), out->end(), 0.0);
    if (probabilities && out->size() > 1 && sum > 0) {
      for (float& value : *out) value = static_cast<float>(static_cast<double>(value) / sum);
    }
  }
  if (disguise.round >= 0) {
    for (float& value : *out) value = static_cast<float>(Rounded(static_cast<double>(value), disguise.round));
  }
}

void RoundParts(const Disguise& disguise, std::vector<double>* parts, double* base) {
  if (disguise.round < 0) return;
  for (double& part : *parts) part = Rounded(part, disguise.round);
  *base = Rounded(*base, disguise.round);
}

}  // namespace tenon::serve
