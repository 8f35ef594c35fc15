#include "app/told.h"

#include "base/text.h"

namespace tenon::app {

std::string Told::Next(std::string_view changed, const Result<void>& looked) {
  std::vector<std::string> parts;
  if (!changed.empty()) parts.emplace_back(changed);
  if (!looked) {
    std::string now = looked.error().ForPeople();
    if (now != failure_) parts.push_back(Str(failing_, ": ", now));
    failure_ = std::move(now);
  } else if (!failure_.empty()) {
    parts.push_back(Str("this is over: ", failure_));
    failure_.clear();
  }
  return Join(parts, "; ");
}

std::string Told::Next(const Result<std::string>& looked) {
  return looked ? Next(*looked, {}) : Next({}, looked.error().Clone());
}

}  // namespace tenon::app
