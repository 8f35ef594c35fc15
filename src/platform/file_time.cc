#include "platform/file_time.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace tenon::platform {

Result<void> SetModified(const std::string& path, std::int64_t at) {
  const std::int64_t seconds = at / 1'000'000;
  const timespec times[2] = {{0, UTIME_OMIT}, {static_cast<time_t>(seconds), static_cast<long>((at - seconds * 1'000'000) * 1000)}};
  if (utimensat(AT_FDCWD, path.c_str(), times, 0) == 0) return {};
  return Error(errno == ENOENT ? Code::kNotFound : Code::kUnavailable, Str("cannot set the time of ", path, ": ", std::strerror(errno)));
}

}  // namespace tenon::platform
