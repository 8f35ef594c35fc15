// Names of files: joining, cutting, temporary names and shell patterns.

#include <dirent.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/text.h"
#include "platform/files.h"
#include "platform/temporary.h"

namespace tenon::platform {
namespace {

constexpr std::string_view kPart = ".tenon-part";

bool IsPattern(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

bool IsFolder(const std::string& path, bool follow) {
  struct stat info;
  const int failed = follow ? stat(path.c_str(), &info) : lstat(path.c_str(), &info);
  return failed == 0 && S_ISDIR(info.st_mode);
}

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  DIR* dir = opendir(folder.empty() ? "." : folder.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(dir);
  return names;
}

// Adds the paths below `folder` that match parts[at..]. `folder` is "" for the current one.
void Match(const std::string& folder, const std::vector<std::string>& parts, std::size_t at, std::vector<std::string>* out) {
  if (at == parts.size()) {
    out->push_back(folder);
    return;
  }
  const std::string& part = parts[at];
  const bool last = at + 1 == parts.size();
  if (!IsPattern(part)) {
    const std::string path = JoinPath(folder, part);
    if (last ? access(path.c_str(), F_OK) == 0 : IsFolder(path, true)) Match(path, parts, at + 1, out);
    return;
  }
  const bool deep = part == "**";
  if (deep && !last) Match(folder, parts, at + 1, out);
  for (const std::string& name : NamesIn(folder)) {
    if (name.front() == '.' && part.front() != '.') continue;
    const std::string path = JoinPath(folder, name);
    if (deep) {
      if (last) out->push_back(path);
      // A link to a folder further up would be walked for ever.
      if (IsFolder(path, false)) Match(path, parts, at, out);
    } else if (fnmatch(part.c_str(), name.c_str(), FNM_PERIOD) == 0 && (last || IsFolder(path, true))) {
      Match(path, parts, at + 1, out);
    }
  }
}

}  // namespace

std::string JoinPath(std::string_view folder, std::string_view name) {
  if (folder.empty() || (!name.empty() && name.front() == '/')) return std::string(name);
  if (name.empty()) return std::string(folder);
  if (folder.back() == '/') return Str(folder, name);
  return Str(folder, '/', name);
}

std::string_view FolderOf(std::string_view path) {
  const std::size_t at = path.rfind('/');
  if (at == std::string_view::npos) return ".";
  return at == 0 ? path.substr(0, 1) : path.substr(0, at);
}

std::string_view NameOf(std::string_view path) {
  const std::size_t at = path.rfind('/');
  return at == std::string_view::npos ? path : path.substr(at + 1);
}

std::vector<std::string> Glob(const std::string& pattern) {
  if (!IsPattern(pattern)) return {pattern};
  std::vector<std::string> parts;
  for (std::string& part : Split(pattern, '/')) {
    if (!part.empty()) parts.push_back(std::move(part));
  }
  std::vector<std::string> out;
  Match(pattern.front() == '/' ? "/" : "", parts, 0, &out);
  // Two ** in a row find a path twice.
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string TemporaryPath(const std::string& path) {
  static std::atomic<std::uint64_t> count{0};
  const std::string_view folder = path.find('/') == std::string::npos ? std::string_view() : FolderOf(path);
  // A name may have 255 bytes, and the real one may use them all.
  return JoinPath(folder, Str('.', NameOf(path).substr(0, 200), '.', getpid(), '-', count++, kPart));
}

bool IsTemporaryName(std::string_view name) {
  return name.size() > kPart.size() && name.front() == '.' && name.substr(name.size() - kPart.size()) == kPart;
}

Result<int> ClearTemporaries(Files& files, const std::string& folder) {
  if (!files.Exists(folder)) return 0;
  TENON_ASSIGN(const std::vector<std::string> names, files.List(folder));
  int cleared = 0;
  for (const std::string& name : names) {
    if (!IsTemporaryName(name)) continue;
    TENON_TRY(files.Remove(JoinPath(folder, name)), "clearing what an earlier run left");
    ++cleared;
  }
  return cleared;
}

}  // namespace tenon::platform
