#include "platform/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/text.h"

namespace tenon::platform {

std::string ExecutableFolder() {
  std::array<char, 4096> buffer;
  const ssize_t size = readlink("/proc/self/exe", buffer.data(), buffer.size());
  if (size <= 0) return ".";
  const std::string path(buffer.data(), static_cast<std::size_t>(size));
  return path.substr(0, path.rfind('/'));
}

Result<Library> Library::Open(std::string_view file) {
  std::vector<std::string> places;
  if (const char* folder = std::getenv("TENON_LIB"); folder != nullptr) places.push_back(Str(folder, "/", file));
  const std::string beside = ExecutableFolder();
  places.push_back(Str(beside, "/../lib/", file));
  places.push_back(Str(beside, "/../lib/tenon/", file));
  places.emplace_back(file);
  std::string reason;
  for (const std::string& place : places) {
    // Links are followed first: a library finds its own companions from the folder it is said to be in.
    const std::unique_ptr<char, void (*)(void*)> real(realpath(place.c_str(), nullptr), std::free);
    const std::string path = real != nullptr && place.find('/') != std::string::npos ? real.get() : place;
    if (void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL); handle != nullptr) return Library(handle, path);
    // The most telling reason is that of a file which is there but does not load.
    const char* said = dlerror();
    if (reason.empty() || access(place.c_str(), F_OK) == 0) reason = said != nullptr ? said : "unknown";
  }
  return Error(Code::kUnavailable, Str("cannot load ", file, " (looked at ", Join(places, ", "), "): ", reason,
                                       "; tools/setup.sh installs it"));
}

Result<void*> Library::Symbol(const char* name) const {
  if (void* at = dlsym(handle_, name); at != nullptr) return at;
  return Error(Code::kInternal, Str(path_, " has no function ", name));
}

}  // namespace tenon::platform
