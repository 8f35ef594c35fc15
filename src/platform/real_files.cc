// The disk behind the Files interface (POSIX, Linux).

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/text.h"
#include "platform/files.h"
#include "platform/temporary.h"

namespace tenon::platform {
namespace {

Code CodeOf(int number) {
  switch (number) {
    case ENOENT: return Code::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS: return Code::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case EFBIG: return Code::kResourceExhausted;
    case EEXIST: return Code::kAlreadyExists;
    case EISDIR:
    case ENOTDIR:
    case EINVAL:
    case ELOOP:
    case ENAMETOOLONG: return Code::kInvalidArgument;
    default: return Code::kUnavailable;
  }
}

Error Failed(std::string_view doing, std::string_view path, int number = errno) {
  return Error(CodeOf(number), Str("cannot ", doing, " ", path, ": ", std::strerror(number)));
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  bool ok() const { return number_ >= 0; }
  int get() const { return number_; }
  int Release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

int OpenAgain(const std::string& path, int flags, mode_t mode = 0) {
  int number = -1;
  do {
    number = open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (number < 0 && errno == EINTR);
  return number;
}

bool WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// Makes the names in a folder survive a power cut. Some file systems (FUSE, network) refuse this; they then have
// nothing better to offer.
Result<void> SyncFolder(std::string_view folder) {
  const Descriptor file(OpenAgain(std::string(folder), O_RDONLY | O_DIRECTORY));
  if (!file.ok()) return Failed("open the folder", folder);
  if (fsync(file.get()) != 0 && errno != EINVAL && errno != ENOTSUP) return Failed("sync the folder", folder);
  return {};
}

class Held final : public Bytes {
 public:
  explicit Held(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view view() const override { return bytes_; }

 private:
  std::string bytes_;
};

class Mapped final : public Bytes {
 public:
  Mapped(void* at, std::size_t size) : at_(at), size_(size) {}
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  ~Mapped() override { munmap(at_, size_); }
  std::string_view view() const override { return {static_cast<const char*>(at_), size_}; }
  void Forget(std::string_view part) const override {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const auto from = static_cast<std::size_t>(part.data() - static_cast<const char*>(at_));
    const std::size_t begin = from / page * page;  // else a page would stay at each border
    const std::size_t end = (from + part.size()) / page * page;
    if (begin < end) madvise(static_cast<char*>(at_) + begin, end - begin, MADV_DONTNEED);
  }

 private:
  void* at_;
  std::size_t size_;
};

class RealAppender final : public Appender {
 public:
  RealAppender(int file, std::string path, bool fresh) : file_(file), path_(std::move(path)), fresh_(fresh) {}

  Result<void> Append(std::string_view bytes) override {
    const off_t before = lseek(file_.get(), 0, SEEK_END);
    if (WriteAll(file_.get(), bytes)) return {};
    const int number = errno;
    // Without the half record a full disk would leave, the next append goes on from a whole one.
    if (before >= 0 && ftruncate(file_.get(), before) != 0) return Failed("append to and repair", path_, number);
    return Failed("append to", path_, number);
  }

  Result<void> Sync() override {
    if (fdatasync(file_.get()) != 0) return Failed("sync", path_);
    if (fresh_) TENON_TRY(SyncFolder(FolderOf(path_)));
    fresh_ = false;
    return {};
  }

 private:
  Descriptor file_;
  std::string path_;
  bool fresh_;  // made by us, and its name not yet synced
};

class RealLock final : public FileLock {
 public:
  explicit RealLock(int file) : file_(file) {}
  ~RealLock() override {
    // The file itself stays: removing it would let two others each lock a file of this name.
    if (ftruncate(file_.get(), 0) != 0) return;
  }

 private:
  Descriptor file_;
};

// " by process 4711 (tenon)", or "" when the lock file does not tell.
// 0: not known.
std::int64_t HoldingProcess(int lock_file) {
  std::array<char, 32> buffer{};
  const ssize_t size = pread(lock_file, buffer.data(), buffer.size(), 0);
  std::int64_t process = 0;
  return size > 0 && ParseInt64(Trim({buffer.data(), static_cast<std::size_t>(size)}), &process) ? process : 0;
}

enum class Life : std::uint8_t { kAlive, kDying, kGone };

// kDying: a process has been killed and the kernel is still taking it down (which may take as long as a write to the disk): its
// locks are about to go. Who killed it may not wait for that, as `timeout -s KILL` does not.
Life LifeOf(std::int64_t process) {
  std::FILE* file = std::fopen(Str("/proc/", process, "/status").c_str(), "re");
  if (file == nullptr) return Life::kGone;
  bool dying = false;
  std::array<char, 256> line{};
  while (std::fgets(line.data(), static_cast<int>(line.size()), file) != nullptr) {
    const std::string_view text(line.data());
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string value(Trim(text.substr(colon + 1)));
    if (text.starts_with("State:")) dying = dying || value.starts_with("Z") || value.starts_with("X");
    const bool pending = text.starts_with("SigPnd:") || text.starts_with("ShdPnd:");
    if (pending) dying = dying || (std::strtoull(value.c_str(), nullptr, 16) >> (SIGKILL - 1) & 1) != 0;
  }
  std::fclose(file);
  if (dying) return Life::kDying;
  file = std::fopen(Str("/proc/", process, "/stat").c_str(), "re");
  if (file == nullptr) return Life::kGone;
  const std::size_t size = std::fread(line.data(), 1, line.size() - 1, file);
  std::fclose(file);
  // Behind the name in brackets: state, five numbers, flags.
  const std::string_view text(line.data(), size);
  const std::size_t name = text.rfind(')');
  if (name == std::string_view::npos) return Life::kAlive;
  const std::vector<std::string> words = Split(text.substr(name + 2), ' ');
  constexpr std::uint64_t kExiting = 4;  // PF_EXITING of Linux
  return words.size() > 6 && (std::strtoull(words[6].c_str(), nullptr, 10) & kExiting) != 0 ? Life::kDying : Life::kAlive;
}

std::string HolderOf(int lock_file) {
  const std::int64_t process = HoldingProcess(lock_file);
  if (process == 0) return "";
  std::string name;
  if (std::FILE* file = std::fopen(Str("/proc/", process, "/comm").c_str(), "re"); file != nullptr) {
    std::array<char, 64> line{};
    if (std::fgets(line.data(), static_cast<int>(line.size()), file) != nullptr) name = Trim(line.data());
    std::fclose(file);
  }
  return Str(" by process ", process, name.empty() ? "" : Str(" (", name, ")"));
}

class Disk final : public Files {
 public:
  Result<std::string> Read(const std::string& path) const override {
    const Descriptor file(OpenAgain(path, O_RDONLY));
    if (!file.ok()) return Failed("read", path);
    struct stat info;
    if (fstat(file.get(), &info) != 0) return Failed("read", path);
    if (S_ISDIR(info.st_mode)) return Failed("read", path, EISDIR);
    // The size is a hint: devices and files of /proc have none, and a log may grow meanwhile.
    std::string out(static_cast<std::size_t>(info.st_size) + 1, '\0');
    std::size_t filled = 0;
    while (true) {
      if (filled == out.size()) out.resize(out.size() * 2 + 4096);
      const ssize_t size = read(file.get(), out.data() + filled, out.size() - filled);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return Failed("read", path);
      if (size == 0) break;
      filled += static_cast<std::size_t>(size);
    }
    out.resize(filled);
    return out;
  }

  Result<std::shared_ptr<const Bytes>> Map(const std::string& path) const override {
    const Descriptor file(OpenAgain(path, O_RDONLY));
    if (!file.ok()) return Failed("map", path);
    struct stat info;
    if (fstat(file.get(), &info) != 0) return Failed("map", path);
    if (S_ISDIR(info.st_mode)) return Failed("map", path, EISDIR);
    const auto size = static_cast<std::size_t>(info.st_size);
    if (!S_ISREG(info.st_mode) || size == 0) {
      TENON_ASSIGN(std::string bytes, Read(path));
      return std::make_shared<const Held>(std::move(bytes));
    }
    void* at = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
    if (at == MAP_FAILED) return Failed("map", path);
    return std::make_shared<const Mapped>(at, size);
  }

  Result<void> Write(const std::string& path, std::string_view bytes) override {
    struct stat info;
    const bool there = stat(path.c_str(), &info) == 0;
    if (there && S_ISDIR(info.st_mode)) return Failed("write", path, EISDIR);
    // A device or a pipe (/dev/stdout) is written to; replacing it by a file would be wrong.
    if (there && !S_ISREG(info.st_mode)) return WriteInto(path, bytes);
    const std::string part = TemporaryPath(path);
    if (Result<void> written = WritePart(part, bytes, there ? info.st_mode & 07777 : 0); !written) {
      unlink(part.c_str());
      return std::move(written).error().Context(Str("writing ", path));
    }
    if (std::rename(part.c_str(), path.c_str()) != 0) {
      const int number = errno;
      unlink(part.c_str());
      return Failed("write", path, number);
    }
    return SyncFolder(FolderOf(path));
  }

  Result<std::unique_ptr<Appender>> Append(const std::string& path) override {
    const bool fresh = access(path.c_str(), F_OK) != 0;
    const int file = OpenAgain(path, O_WRONLY | O_APPEND | O_CREAT, 0666);
    if (file < 0) return Failed("append to", path);
    return std::make_unique<RealAppender>(file, path, fresh);
  }

  Result<void> Cut(const std::string& path, std::uint64_t bytes) override {
    if (truncate(path.c_str(), static_cast<off_t>(bytes)) == 0) return {};
    return Failed("cut", path);
  }

  Result<void> MakeFolders(const std::string& path) override {
    struct stat info;
    if (stat(path.c_str(), &info) == 0) {
      if (S_ISDIR(info.st_mode)) return {};
      return Error(Code::kInvalidArgument, Str("cannot make the folder ", path, ": a file of this name is there"));
    }
    const std::string above(FolderOf(path));
    if (above != path) TENON_TRY(MakeFolders(above));
    if (mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) return Failed("make the folder", path);
    return SyncFolder(above);
  }

  Result<FileInfo> Info(const std::string& path) const override {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return Failed("look at", path);
    return FileInfo{static_cast<std::uint64_t>(info.st_size), S_ISDIR(info.st_mode),
                    info.st_mtim.tv_sec * std::int64_t{1'000'000} + info.st_mtim.tv_nsec / 1000};
  }

  bool Exists(const std::string& path) const override { return access(path.c_str(), F_OK) == 0; }

  Result<std::vector<std::string>> List(const std::string& folder) const override {
    DIR* dir = opendir(folder.c_str());
    if (dir == nullptr) return Failed("list", folder);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(dir)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    const int number = errno;
    closedir(dir);
    if (number != 0) return Failed("list", folder, number);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<void> Remove(const std::string& path) override {
    if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
    return Failed("remove", path);
  }

  Result<void> Rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) != 0) return Failed(Str("rename ", from, " to"), to);
    return SyncFolder(FolderOf(to));
  }

  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    Descriptor file(OpenAgain(path, O_RDWR | O_CREAT, 0666));
    if (!file.ok()) return Failed("lock", path);
    const auto begin = std::chrono::steady_clock::now();
    while (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) return Failed("lock", path);
      // A process that is gone has no locks: another holds it, whose number is about to be written, or is of another container.
      const std::int64_t process = HoldingProcess(file.get());
      const Life life = process == 0 ? Life::kAlive : LifeOf(process);
      const std::chrono::milliseconds patience(life == Life::kDying ? 10'000 : life == Life::kGone ? 50 : 0);
      if (std::chrono::steady_clock::now() - begin < patience) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        continue;
      }
      return Error(Code::kUnavailable, Str(path, " is held", HolderOf(file.get()), "; wait until it ends, or stop it"));
    }
    // Who holds it is for the next one's message only, so that a full disk does not matter here.
    const std::string process = std::to_string(getpid());
    if (ftruncate(file.get(), 0) == 0) WriteAll(file.get(), process);
    return std::make_unique<RealLock>(file.Release());
  }

 private:
  static Result<void> WriteInto(const std::string& path, std::string_view bytes) {
    const Descriptor file(OpenAgain(path, O_WRONLY));
    if (!file.ok() || !WriteAll(file.get(), bytes)) return Failed("write", path);
    return {};
  }

  static Result<void> WritePart(const std::string& part, std::string_view bytes, mode_t mode) {
    Descriptor file(OpenAgain(part, O_WRONLY | O_CREAT | O_EXCL, 0666));
    if (!file.ok()) return Failed("make", part);
    if (mode != 0 && fchmod(file.get(), mode) != 0) return Failed("set the permissions of", part);
    if (!WriteAll(file.get(), bytes)) return Failed("write", part);
    if (fsync(file.get()) != 0) return Failed("sync", part);
    // Network file systems tell of a full disk only here.
    if (close(file.Release()) != 0) return Failed("close", part);
    return {};
  }
};

}  // namespace

std::unique_ptr<Files> RealFiles() { return std::make_unique<Disk>(); }

}  // namespace tenon::platform
