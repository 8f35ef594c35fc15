#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

// What both sides of bench/online store: entities "customer-000000017" with fifty float64 features that follow from the
// entity's number, and the same order of questions.
namespace tenon::bench {

constexpr std::size_t kFeatures = 50;

inline std::string EntityName(std::uint64_t number) {
  std::string out = "c-000000000";
  for (std::size_t at = out.size(); number > 0; number /= 10) out[--at] = static_cast<char>('0' + number % 10);
  return out;
}
inline double FeatureValue(std::uint64_t entity, std::size_t feature) { return static_cast<double>(entity) + static_cast<double>(feature) / 64; }

inline std::vector<std::string> Questions(std::uint64_t entities, std::size_t count) {
  std::mt19937_64 random(7);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(EntityName(random() % entities));
  return out;
}

}  // namespace tenon::bench
