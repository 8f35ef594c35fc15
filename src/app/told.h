#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tenon::app {

// What a loop that looks again and again tells people about one thing: what changed; a failure once, again when it is
// another one, and once more when it is over. One thread.
class Told {
 public:
  // `failing` stands before a failure: "a change is refused, what was before stays".
  explicit Told(std::string failing) : failing_(std::move(failing)) {}
  // Takes what a look found: what changed, or "", and whether something failed. Gives what to say of it, "" for nothing. A
  // failure that lasts has to be found by every look.
  std::string Next(std::string_view changed, const Result<void>& looked);
  std::string Next(const Result<std::string>& looked);

 private:
  std::string failing_;
  std::string failure_;  // the one under way
};

}  // namespace tenon::app
