#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"

namespace tenon::platform {

// A file in memory that several processes read and write at once: what one stores the others see. What must be in what
// order is the users' affair (atomics). Sparse: pages cost memory and disk when first written. Unmapped when destroyed.
class SharedFile {
 public:
  virtual ~SharedFile() = default;
  virtual std::byte* data() const = 0;
  virtual std::size_t size() const = 0;
  virtual Result<void> Sync() = 0;  // returns when the bytes would survive a power cut
};

// A new file of zeros; `path` must not be there yet. "": memory that nobody else sees, in large pages where there are some.
Result<std::unique_ptr<SharedFile>> MakeSharedFile(const std::string& path, std::size_t bytes);
// One that is there, at its size. not_found; data_loss when it has none.
Result<std::unique_ptr<SharedFile>> OpenSharedFile(const std::string& path);
// The same for folders in which everybody may write (/dev/shm): a new file that only this user reads, all of whose bytes are taken now
// (resource_exhausted rather than a signal later), and one that is there; permission_denied when it is a link or of another user than this
// one, who may be root.
Result<std::unique_ptr<SharedFile>> MakeOwnFile(const std::string& path, std::size_t bytes);
Result<std::unique_ptr<SharedFile>> OpenOwnFile(const std::string& path);

// Another one after each start of the machine: pages written before this one may not all have come to the disk.
std::string BootId();

}  // namespace tenon::platform
