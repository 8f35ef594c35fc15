#include "platform/shared_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/text.h"

namespace tenon::platform {
namespace {

class Mapping final : public SharedFile {
 public:
  Mapping(void* at, std::size_t size) : at_(at), size_(size) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() override { munmap(at_, size_); }
  std::byte* data() const override { return static_cast<std::byte*>(at_); }
  std::size_t size() const override { return size_; }
  Result<void> Sync() override {
    if (msync(at_, size_, MS_SYNC) == 0) return {};
    return Error(Code::kUnavailable, Str("cannot sync shared memory: ", std::strerror(errno)));
  }

 private:
  void* at_;
  std::size_t size_;
};

Error Failed(std::string_view doing, std::string_view path, int number) {
  const Code code = number == ENOENT                         ? Code::kNotFound
                    : number == EEXIST                       ? Code::kAlreadyExists
                    : number == EACCES || number == EROFS    ? Code::kPermissionDenied
                    : number == ENOSPC || number == ENOMEM || number == EMFILE ? Code::kResourceExhausted
                                                             : Code::kUnavailable;
  return Error(code, Str("cannot ", doing, " ", path, ": ", std::strerror(number)));
}

Result<std::unique_ptr<SharedFile>> Map(int file, const std::string& path, std::size_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const int number = errno;
  close(file);
  if (at == MAP_FAILED) return Failed("map", path, number);
  return std::make_unique<Mapping>(at, bytes);
}

}  // namespace

Result<std::unique_ptr<SharedFile>> MakeSharedFile(const std::string& path, std::size_t bytes) {
  if (path.empty()) {
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return Failed("map", Str(bytes, " bytes of memory"), errno);
    madvise(at, bytes, MADV_HUGEPAGE);
    return std::make_unique<Mapping>(at, bytes);
  }
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return Failed("make", path, errno);
  if (ftruncate(file, static_cast<off_t>(bytes)) != 0) {
    const int number = errno;
    close(file);
    unlink(path.c_str());
    return Failed("make", path, number);
  }
  return Map(file, path, bytes);
}

Result<std::unique_ptr<SharedFile>> OpenSharedFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return Failed("open", path, errno);
  struct stat info;
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) {
    close(file);
    return Error(Code::kDataLoss, Str(path, " is no file with bytes in it"));
  }
  return Map(file, path, static_cast<std::size_t>(info.st_size));
}

Result<std::unique_ptr<SharedFile>> MakeOwnFile(const std::string& path, std::size_t bytes) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return Failed("make", path, errno);
  if (const int number = posix_fallocate(file, 0, static_cast<off_t>(bytes)); number != 0) {
    close(file);
    unlink(path.c_str());
    return Failed("make", path, number);
  }
  return Map(file, path, bytes);
}

Result<std::unique_ptr<SharedFile>> OpenOwnFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return Failed("open", path, errno == ELOOP ? EACCES : errno);
  struct stat info;
  const bool read = fstat(file, &info) == 0;
  if (read && info.st_uid != geteuid() && geteuid() != 0) {
    close(file);
    return Failed("open", path, EACCES);
  }
  if (!read || !S_ISREG(info.st_mode) || info.st_size == 0) {
    close(file);
    return Error(Code::kDataLoss, Str(path, " is no file with bytes in it"));
  }
  return Map(file, path, static_cast<std::size_t>(info.st_size));
}

std::string BootId() {
  std::string out;
  if (std::FILE* file = std::fopen("/proc/sys/kernel/random/boot_id", "re"); file != nullptr) {
    char line[64] = {};
    if (std::fgets(line, sizeof line, file) != nullptr) out = Trim(line);
    std::fclose(file);
  }
  return out;
}

}  // namespace tenon::platform
