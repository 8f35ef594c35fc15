#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tenon::platform {

// Bytes of a file, mapped or held. Immutable; the view lives as long as the object.
class Bytes {
 public:
  virtual ~Bytes() = default;
  virtual std::string_view view() const = 0;
  // That part of the view is not needed soon: its pages may leave memory, and come back when they are read again.
  virtual void Forget(std::string_view) const {}
};

// An open file that grows at its end. One thread. Closing (the destructor) does not sync.
class Appender {
 public:
  virtual ~Appender() = default;
  virtual Result<void> Append(std::string_view bytes) = 0;
  virtual Result<void> Sync() = 0;  // returns when the bytes would survive a power cut
};

// A lock on a path, held until destroyed; the operating system frees it when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct FileInfo {
  std::uint64_t bytes = 0;
  bool folder = false;
  std::int64_t modified = 0;  // microseconds since 1970
};

// The file system. Safe from any thread. Errors name the path and what the system said: not_found, permission_denied,
// resource_exhausted (disk full, too many open files), already_exists, invalid_argument (a folder where a file is
// expected), unavailable (the rest). RealFiles() is the disk; MemoryFiles() (memory_files.h) is a small file system in
// memory whose operations can be made to fail and whose unsynced bytes can be dropped: for tests of crashes.
class Files {
 public:
  virtual ~Files() = default;
  virtual Result<std::string> Read(const std::string& path) const = 0;
  virtual Result<std::shared_ptr<const Bytes>> Map(const std::string& path) const = 0;
  // Whole or not at all: a temporary file beside it, written, synced, renamed over, folder synced.
  virtual Result<void> Write(const std::string& path, std::string_view bytes) = 0;
  virtual Result<std::unique_ptr<Appender>> Append(const std::string& path) = 0;  // made when missing
  virtual Result<void> Cut(const std::string& path, std::uint64_t bytes) = 0;          // what is behind the first `bytes` goes
  virtual Result<void> MakeFolders(const std::string& path) = 0;                  // fine when there
  virtual Result<FileInfo> Info(const std::string& path) const = 0;
  virtual bool Exists(const std::string& path) const = 0;
  virtual Result<std::vector<std::string>> List(const std::string& folder) const = 0;  // names, sorted
  virtual Result<void> Remove(const std::string& path) = 0;                            // a file; fine when gone
  virtual Result<void> Rename(const std::string& from, const std::string& to) = 0;     // replaces
  // unavailable, naming the process if known, when somebody else holds the lock; one that was killed and is not gone yet is waited for (10 s).
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

std::unique_ptr<Files> RealFiles();

// Paths matched by a shell pattern (* ? [..] and ** for any depth), sorted. A pattern without such signs is itself,
// whether it exists or not.
std::vector<std::string> Glob(const std::string& pattern);

// "a/b" + "c" -> "a/b/c"; an absolute second part stands alone.
std::string JoinPath(std::string_view folder, std::string_view name);
std::string_view FolderOf(std::string_view path);  // "a/b/c.x" -> "a/b"; "." when there is none
std::string_view NameOf(std::string_view path);    // "a/b/c.x" -> "c.x"

}  // namespace tenon::platform
