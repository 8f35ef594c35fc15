#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/call.h"
#include "platform/files.h"

namespace tenon::ingest {

// A temporary file of TMPDIR (/tmp) without a name: nothing is left of it however the process ends. Its path is good
// within this process, as long as the object.
class Spool {
 public:
  static Result<std::unique_ptr<Spool>> Make();  // unavailable
  explicit Spool(int file) : file_(file) {}
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  ~Spool();
  std::string path() const;

 private:
  int file_;
};

// Bytes that come one after another: the first megabytes in memory, more of them in a spool. One thread.
class SpoolWriter {
 public:
  // resource_exhausted when there is no room, naming TMPDIR.
  Result<void> Append(std::string_view bytes);
  // All of them; nothing may be appended any more.
  Result<std::shared_ptr<const platform::Bytes>> Finish();

 private:
  std::string held_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<platform::Appender> out_;
};

// All of standard input: files can be read twice and mapped, a pipe cannot. Errors: unavailable, those of Files and Call.
Result<std::unique_ptr<Spool>> SpoolStandardInput(const Call& call);

}  // namespace tenon::ingest
