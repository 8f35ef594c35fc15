#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tenon::platform {

// A shared library opened when first needed and never closed: analytic engine, trainers. Its functions are asked for by
// name, so that the program starts without it and a serving machine need not have it. Copies share the handle.
class Library {
 public:
  // Looks in $TENON_LIB, then in ../lib and ../lib/tenon beside the executable, then where the system looks.
  // unavailable, naming the places looked at and the command that installs it.
  static Result<Library> Open(std::string_view file);
  // The address of a function; internal, naming it, when the library has none.
  Result<void*> Symbol(const char* name) const;
  template <typename Function>
  Result<void> Bind(const char* name, Function** out) const {
    TENON_ASSIGN(void* at, Symbol(name));
    *out = reinterpret_cast<Function*>(at);
    return {};
  }

 private:
  Library(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  void* handle_;
  std::string path_;
};

// The folder of the running executable.
std::string ExecutableFolder();

}  // namespace tenon::platform
