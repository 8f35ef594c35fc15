#pragma once

#include <memory>
#include <string>

#include "base/call.h"

namespace tenon::ingest {

// A temporary file that goes away with its object.
class Spool {
 public:
  explicit Spool(std::string path) : path_(std::move(path)) {}
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  ~Spool();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// All of standard input: files can be read twice and mapped, a pipe cannot. Errors: unavailable, those of Files and Call.
Result<std::unique_ptr<Spool>> SpoolStandardInput(const Call& call);

}  // namespace tenon::ingest
