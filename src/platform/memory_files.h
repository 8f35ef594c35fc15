#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "platform/files.h"

namespace tenon::platform {

// A small file system in memory for tests of failures and crashes. It has folders ("/", "." and those made), and knows
// for each file which bytes, and for each folder which names, would survive a power cut. Files::Write does here what it
// does on the disk, step by step, and each step can be the one that fails. Safe from any thread.
class MemoryFiles final : public Files {
 public:
  MemoryFiles();
  ~MemoryFiles() override;

  // Steps taken since the start: every call that can fail is one, Write is five (make the temporary file, fill it, sync
  // it, rename it, sync the folder). A counted step may be made to fail.
  std::int64_t steps() const;
  // The step that comes after `after` more ones fails with `code`, once. A failing fill has written half of its bytes.
  void FailAfter(std::int64_t after, Code code);
  // From the step that comes after `after` more ones on, every step fails (unavailable), as when the machine is gone.
  void CutAfter(std::int64_t after);
  // Steps succeed again.
  void Heal();
  // The power was cut and came back: unsynced bytes and names are gone, locks are free, steps succeed again.
  void DropUnsynced();
  // Changes one byte of a file where it lies: a bad disk. not_found.
  Result<void> Damage(const std::string& path, std::size_t at);
  // Every file there is, with its folder, sorted.
  std::vector<std::string> AllFiles() const;

  Result<std::string> Read(const std::string& path) const override;
  Result<std::shared_ptr<const Bytes>> Map(const std::string& path) const override;
  Result<void> Write(const std::string& path, std::string_view bytes) override;
  Result<std::unique_ptr<Appender>> Append(const std::string& path) override;
  Result<void> Cut(const std::string& path, std::uint64_t bytes) override;
  Result<void> MakeFolders(const std::string& path) override;
  Result<FileInfo> Info(const std::string& path) const override;
  bool Exists(const std::string& path) const override;
  Result<std::vector<std::string>> List(const std::string& folder) const override;
  Result<void> Remove(const std::string& path) override;
  Result<void> Rename(const std::string& from, const std::string& to) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

 private:
  struct State;
  class MemoryAppender;
  class MemoryLock;
  std::shared_ptr<State> state_;
};

}  // namespace tenon::platform
