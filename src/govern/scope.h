#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tenon::govern {

// What one may be allowed to do with a service. Whoever may anything may also see which models there are.
enum class Scope : std::uint8_t { kPredict, kExplain, kMetrics, kAdmin, kSensitive };
inline constexpr int kScopeCount = 5;

std::string_view NameOf(Scope scope);     // "predict"
std::string_view SummaryOf(Scope scope);  // "ask for predictions"

// A set of scopes.
class Scopes {
 public:
  Scopes() = default;
  // By name; "all" is every one. invalid_argument naming the nearest, or when there is none.
  static Result<Scopes> Of(const std::vector<std::string>& names);
  void Add(Scope scope) { bits_ |= 1U << static_cast<unsigned>(scope); }
  bool Has(Scope scope) const { return (bits_ >> static_cast<unsigned>(scope) & 1U) != 0; }
  std::vector<std::string> Names() const;

 private:
  std::uint32_t bits_ = 0;
};

}  // namespace tenon::govern
