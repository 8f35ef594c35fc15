#include "platform/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace tenon::platform {

Result<std::string> RandomBytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = ::getrandom(bytes.data() + done, count - done, 0);
    if (got > 0) {
      done += static_cast<std::size_t>(got);
    } else if (errno != EINTR) {
      return Error(Code::kUnavailable, Str("no random bytes from the system: ", std::strerror(errno)));
    }
  }
  return bytes;
}

}  // namespace tenon::platform
