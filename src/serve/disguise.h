#pragma once

#include <span>
#include <vector>

#include "serve/endpoint.h"

namespace tenon::serve {

// Makes the numbers of one row's answer less exact, as the version's Disguise says (against copying the model by asking:
// Tramer et al., "Stealing Machine Learning Models via Prediction APIs", 2016). Probabilities stay within 0 and 1 and those
// of several classes add up to 1 but for rounding. The same row, version and secret give the same numbers.
void ApplyDisguise(const Served& served, const Row& row, std::span<const float> exact, std::vector<float>* out);
// A sum's parts and its base rounded likewise; only rounding: explanations are not given where noise is added.
void RoundParts(const Disguise& disguise, std::vector<double>* parts, double* base);

}  // namespace tenon::serve
