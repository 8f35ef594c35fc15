#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tenon::model {

// The bytes of an op's state (docs/formats/graph.md).
class Learned {
 public:
  explicit Learned(std::string_view bytes) : left_(bytes) {}
  std::int64_t Whole() { return Take<std::int64_t>(); }
  double Number() { return Take<double>(); }
  bool Flag() { return Take<std::uint8_t>() != 0; }
  std::string Text() {
    const auto size = static_cast<std::size_t>(std::max<std::int64_t>(0, Whole()));
    std::string out(left_.substr(0, size));
    left_.remove_prefix(out.size());
    return out;
  }

 private:
  template <typename T>
  T Take() {
    T value{};
    if (left_.size() < sizeof(T)) return value;
    std::memcpy(&value, left_.data(), sizeof(T));
    left_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view left_;
};

inline double NumberOfKey(std::string_view key) {
  double value = 0;
  std::memcpy(&value, key.data(), std::min(sizeof value, key.size()));
  return value;
}

// The key under which ops count missing values, where they do.
inline constexpr std::string_view kMissingKey("\xFF\x00missing", 9);

}  // namespace tenon::model
