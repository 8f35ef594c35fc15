#include "platform/memory_files.h"

#include <map>

#include "base/mutex.h"
#include "base/text.h"
#include "platform/temporary.h"

namespace tenon::platform {
namespace {

struct Node {
  bool folder = false;
  std::string bytes;
  std::string synced;  // the bytes that survive
};
using Names = std::map<std::string, std::shared_ptr<Node>>;

class Held final : public Bytes {
 public:
  explicit Held(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view view() const override { return bytes_; }

 private:
  std::string bytes_;
};

Error Missing(std::string_view doing, const std::string& path) {
  return Error(Code::kNotFound, Str("cannot ", doing, " ", path, ": No such file or directory"));
}

std::string_view Reason(Code code) {
  switch (code) {
    case Code::kResourceExhausted: return "No space left on device";
    case Code::kPermissionDenied: return "Permission denied";
    default: return "Input/output error";
  }
}

bool IsRoot(std::string_view path) { return path == "/" || path == "." || path.empty(); }

}  // namespace

struct MemoryFiles::State {
  mutable Mutex mutex;
  Names now TENON_GUARDED_BY(mutex);      // path -> node
  Names durable TENON_GUARDED_BY(mutex);  // the names that survive
  std::map<std::string, std::int64_t> locks TENON_GUARDED_BY(mutex);
  std::int64_t next_lock TENON_GUARDED_BY(mutex) = 0;
  std::int64_t steps TENON_GUARDED_BY(mutex) = 0;
  std::int64_t fail_at TENON_GUARDED_BY(mutex) = -1;
  std::int64_t cut_at TENON_GUARDED_BY(mutex) = -1;
  Code code TENON_GUARDED_BY(mutex) = Code::kUnavailable;

  // One step more: its failure, when this is the one to fail.
  Result<void> Step(std::string_view doing, const std::string& path) TENON_REQUIRES(mutex) {
    const std::int64_t at = steps++;
    if (cut_at >= 0 && at >= cut_at) return Error(Code::kUnavailable, Str("cannot ", doing, " ", path, ": the power is cut"));
    if (at == fail_at) return Error(code, Str("cannot ", doing, " ", path, ": ", Reason(code)));
    return {};
  }
  Node* Find(const std::string& path) const TENON_REQUIRES(mutex) {
    const auto it = now.find(path);
    return it == now.end() ? nullptr : it->second.get();
  }
  bool HasFolder(std::string_view path) const TENON_REQUIRES(mutex) {
    if (IsRoot(path)) return true;
    const Node* node = Find(std::string(path));
    return node != nullptr && node->folder;
  }
  static bool IsIn(const std::string& path, std::string_view folder) { return FolderOf(path) == folder; }
  // The names directly in `folder` become those that survive.
  void SyncNames(std::string_view folder) TENON_REQUIRES(mutex) {
    for (auto it = durable.begin(); it != durable.end();) {
      it = IsIn(it->first, folder) && !now.contains(it->first) ? durable.erase(it) : std::next(it);
    }
    for (const auto& [path, node] : now) {
      if (IsIn(path, folder)) durable[path] = node;
    }
  }
  // A process that lives on clears up after itself; a power cut takes that chance away.
  Error Abandoned(const std::string& part, Error error) TENON_REQUIRES(mutex) {
    if (cut_at < 0 || steps <= cut_at) now.erase(part);
    return error;
  }
  bool Survives(const std::string& path) const TENON_REQUIRES(mutex) {
    if (IsRoot(path)) return true;
    return durable.contains(path) && Survives(std::string(FolderOf(path)));
  }
  Result<Node*> FileAt(std::string_view doing, const std::string& path) const TENON_REQUIRES(mutex) {
    Node* node = Find(path);
    if (node == nullptr) return Missing(doing, path);
    if (node->folder) return Error(Code::kInvalidArgument, Str("cannot ", doing, " ", path, ": Is a directory"));
    return node;
  }
};

class MemoryFiles::MemoryAppender final : public Appender {
 public:
  MemoryAppender(std::shared_ptr<State> state, std::shared_ptr<Node> node, std::string path)
      : state_(std::move(state)), node_(std::move(node)), path_(std::move(path)) {}
  Result<void> Append(std::string_view bytes) override {
    const MutexLock lock(state_->mutex);
    TENON_TRY(state_->Step("append to", path_));
    node_->bytes.append(bytes);
    return {};
  }
  Result<void> Sync() override {
    const MutexLock lock(state_->mutex);
    TENON_TRY(state_->Step("sync", path_));
    node_->synced = node_->bytes;
    state_->SyncNames(FolderOf(path_));
    return {};
  }

 private:
  std::shared_ptr<State> state_;
  std::shared_ptr<Node> node_;
  std::string path_;
};

class MemoryFiles::MemoryLock final : public FileLock {
 public:
  MemoryLock(std::shared_ptr<State> state, std::string path, std::int64_t number)
      : state_(std::move(state)), path_(std::move(path)), number_(number) {}
  ~MemoryLock() override {
    const MutexLock lock(state_->mutex);
    // After a power cut somebody else may hold it.
    if (const auto it = state_->locks.find(path_); it != state_->locks.end() && it->second == number_) state_->locks.erase(it);
  }

 private:
  std::shared_ptr<State> state_;
  std::string path_;
  std::int64_t number_;
};

MemoryFiles::MemoryFiles() : state_(std::make_shared<State>()) {}
MemoryFiles::~MemoryFiles() = default;

std::int64_t MemoryFiles::steps() const {
  const MutexLock lock(state_->mutex);
  return state_->steps;
}

void MemoryFiles::FailAfter(std::int64_t after, Code code) {
  const MutexLock lock(state_->mutex);
  state_->fail_at = state_->steps + after;
  state_->code = code;
}

void MemoryFiles::CutAfter(std::int64_t after) {
  const MutexLock lock(state_->mutex);
  state_->cut_at = state_->steps + after;
}

void MemoryFiles::Heal() {
  const MutexLock lock(state_->mutex);
  state_->fail_at = -1;
  state_->cut_at = -1;
}

void MemoryFiles::DropUnsynced() {
  const MutexLock lock(state_->mutex);
  Names left;
  for (const auto& [path, node] : state_->durable) {
    if (!state_->Survives(path)) continue;
    // A new node: an appender that is still open writes into nowhere.
    left[path] = std::make_shared<Node>(Node{node->folder, node->synced, node->synced});
  }
  state_->now = left;
  state_->durable = left;
  state_->locks.clear();
  state_->fail_at = -1;
  state_->cut_at = -1;
}

Result<void> MemoryFiles::Damage(const std::string& path, std::size_t at) {
  const MutexLock lock(state_->mutex);
  TENON_ASSIGN(Node* node, state_->FileAt("damage", path));
  if (at >= node->bytes.size()) return Error(Code::kInvalidArgument, Str(path, " has no byte ", at));
  node->bytes[at] = static_cast<char>(node->bytes[at] ^ 1);
  node->synced = node->bytes;
  return {};
}

std::vector<std::string> MemoryFiles::AllFiles() const {
  const MutexLock lock(state_->mutex);
  std::vector<std::string> out;
  for (const auto& [path, node] : state_->now) {
    if (!node->folder) out.push_back(path);
  }
  return out;
}

Result<std::string> MemoryFiles::Read(const std::string& path) const {
  const MutexLock lock(state_->mutex);
  TENON_TRY(state_->Step("read", path));
  TENON_ASSIGN(const Node* node, state_->FileAt("read", path));
  return node->bytes;
}

Result<std::shared_ptr<const Bytes>> MemoryFiles::Map(const std::string& path) const {
  TENON_ASSIGN(std::string bytes, Read(path));
  return std::make_shared<const Held>(std::move(bytes));
}

Result<void> MemoryFiles::Write(const std::string& path, std::string_view bytes) {
  const MutexLock lock(state_->mutex);
  const std::string_view folder = FolderOf(path);
  const std::string part = TemporaryPath(path);
  TENON_TRY(state_->Step("make", path));
  if (!state_->HasFolder(folder)) return Missing("make", path);
  if (const Node* old = state_->Find(path); old != nullptr && old->folder) {
    return Error(Code::kInvalidArgument, Str("cannot write ", path, ": Is a directory"));
  }
  const auto node = std::make_shared<Node>();
  state_->now[part] = node;
  if (Result<void> filled = state_->Step("write", path); !filled) {
    node->bytes = bytes.substr(0, bytes.size() / 2);
    node->synced = node->bytes;  // the worst case: half of it, and that half kept
    return state_->Abandoned(part, std::move(filled).error());
  }
  node->bytes = bytes;
  if (Result<void> synced = state_->Step("sync", path); !synced) return state_->Abandoned(part, std::move(synced).error());
  node->synced = node->bytes;
  if (Result<void> renamed = state_->Step("rename to", path); !renamed) return state_->Abandoned(part, std::move(renamed).error());
  state_->now.erase(part);
  state_->now[path] = node;
  TENON_TRY(state_->Step("sync the folder of", path));
  state_->SyncNames(folder);
  return {};
}

Result<std::unique_ptr<Appender>> MemoryFiles::Append(const std::string& path) {
  const MutexLock lock(state_->mutex);
  TENON_TRY(state_->Step("append to", path));
  if (!state_->HasFolder(FolderOf(path))) return Missing("append to", path);
  std::shared_ptr<Node>& node = state_->now[path];
  if (node == nullptr) node = std::make_shared<Node>();
  if (node->folder) return Error(Code::kInvalidArgument, Str("cannot append to ", path, ": Is a directory"));
  return std::make_unique<MemoryAppender>(state_, node, path);
}

Result<void> MemoryFiles::Cut(const std::string& path, std::uint64_t bytes) {
  const MutexLock lock(state_->mutex);
  TENON_TRY(state_->Step("cut", path));
  TENON_TRY(state_->FileAt("cut", path));
  state_->now[path]->bytes.resize(bytes);
  return {};
}

Result<void> MemoryFiles::MakeFolders(const std::string& path) {
  const MutexLock lock(state_->mutex);
  TENON_TRY(state_->Step("make the folder", path));
  std::vector<std::string> missing;
  for (std::string at = path; !IsRoot(at); at = FolderOf(at)) {
    const Node* node = state_->Find(at);
    if (node != nullptr && node->folder) break;
    if (node != nullptr) {
      return Error(Code::kInvalidArgument, Str("cannot make the folder ", at, ": a file of this name is there"));
    }
    missing.push_back(at);
  }
  for (auto it = missing.rbegin(); it != missing.rend(); ++it) {
    state_->now[*it] = std::make_shared<Node>(Node{true, {}, {}});
    state_->SyncNames(FolderOf(*it));
  }
  return {};
}

Result<FileInfo> MemoryFiles::Info(const std::string& path) const {
  const MutexLock lock(state_->mutex);
  TENON_TRY(state_->Step("look at", path));
  if (IsRoot(path)) return FileInfo{0, true, 0};
  const Node* node = state_->Find(path);
  if (node == nullptr) return Missing("look at", path);
  return FileInfo{node->bytes.size(), node->folder, 0};
}

bool MemoryFiles::Exists(const std::string& path) const {
  const MutexLock lock(state_->mutex);
  return IsRoot(path) || state_->Find(path) != nullptr;
}

Result<std::vector<std::string>> MemoryFiles::List(const std::string& folder) const {
  const MutexLock lock(state_->mutex);
  TENON_TRY(state_->Step("list", folder));
  if (!state_->HasFolder(folder)) return Missing("list", folder);
  std::vector<std::string> names;
  for (const auto& [path, node] : state_->now) {
    if (State::IsIn(path, folder)) names.emplace_back(NameOf(path));
  }
  return names;
}

Result<void> MemoryFiles::Remove(const std::string& path) {
  const MutexLock lock(state_->mutex);
  TENON_TRY(state_->Step("remove", path));
  if (state_->Find(path) == nullptr) return {};
  TENON_TRY(state_->FileAt("remove", path));
  state_->now.erase(path);
  return {};
}

Result<void> MemoryFiles::Rename(const std::string& from, const std::string& to) {
  const MutexLock lock(state_->mutex);
  TENON_TRY(state_->Step("rename", from));
  TENON_TRY(state_->FileAt("rename", from));
  if (!state_->HasFolder(FolderOf(to))) return Missing("rename to", to);
  if (from == to) return {};
  state_->now[to] = state_->now[from];
  state_->now.erase(from);
  TENON_TRY(state_->Step("sync the folder of", to));
  state_->SyncNames(FolderOf(to));
  return {};
}

Result<std::unique_ptr<FileLock>> MemoryFiles::Lock(const std::string& path) {
  const MutexLock lock(state_->mutex);
  TENON_TRY(state_->Step("lock", path));
  const std::int64_t number = state_->next_lock++;
  if (!state_->locks.try_emplace(path, number).second) {
    return Error(Code::kUnavailable, Str(path, " is held by this process"));
  }
  return std::make_unique<MemoryLock>(state_, path, number);
}

}  // namespace tenon::platform
