#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "platform/temporary.h"
#include "store/artifacts_internal.h"

namespace tenon::store {
namespace {

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsHash(std::string_view text) { return text.size() == 64 && IsHex(text); }

}  // namespace

bool Artifacts::Checked(std::string_view hash) const {
  const MutexLock lock(mutex_);
  return checked_.contains(hash);
}

void Artifacts::SetChecked(std::string_view hash) const {
  const MutexLock lock(mutex_);
  checked_.emplace(hash);
}

Result<void> Artifacts::Clear() {
  if (!files_.Exists(folder_)) return {};
  TENON_ASSIGN(const std::vector<std::string> folders, files_.List(folder_));
  for (const std::string& name : folders) {
    if (name.size() == 2 && IsHex(name)) TENON_TRY(platform::ClearTemporaries(files_, platform::JoinPath(folder_, name)));
  }
  return {};
}

std::string Artifacts::PathOf(std::string_view hash) const {
  if (hash.size() < 3) return platform::JoinPath(folder_, hash);
  return platform::JoinPath(folder_, Str(hash.substr(0, 2), '/', hash.substr(2)));
}

bool Artifacts::Empty() const {
  const auto folders = files_.List(folder_);
  return !folders || folders->empty();
}

bool Artifacts::Has(std::string_view hash) const { return IsHash(hash) && files_.Exists(PathOf(hash)); }

Result<std::string> Artifacts::Put(std::string_view bytes) {
  std::string hash = HashOf(bytes);
  const std::string path = PathOf(hash);
  if (files_.Exists(path)) {
    if (Checked(hash)) return hash;
    // One that is damaged is replaced: here are the right bytes.
    if (const auto there = files_.Map(path); there.ok() && (*there)->view() == bytes) {
      SetChecked(hash);
      return hash;
    }
  } else {
    TENON_TRY(files_.MakeFolders(std::string(platform::FolderOf(path))), "keeping an artifact");
  }
  TENON_TRY(files_.Write(path, bytes), "keeping an artifact");
  SetChecked(hash);
  return hash;
}

Result<std::shared_ptr<const platform::Bytes>> Artifacts::Get(std::string_view hash) const {
  if (!IsHash(hash)) return Error(Code::kNotFound, Str("'", hash, "' names no artifact: that takes 64 hexadecimal digits"));
  const std::string path = PathOf(hash);
  auto mapped = files_.Map(path);
  if (!mapped && mapped.error().code() == Code::kNotFound) {
    return Error(Code::kNotFound, Str("no artifact ", hash, " in ", folder_));
  }
  if (!mapped) return std::move(mapped).error().Context(Str("reading artifact ", hash));
  if (!Checked(hash)) {
    if (const std::string found = HashOf((*mapped)->view()); found != hash) {
      return Error(Code::kDataLoss, Str("artifact ", path, " is damaged: its bytes hash to ", found,
                                        "; restore it from a copy, or remove it and repeat the run that made it"));
    }
    SetChecked(hash);
  }
  return mapped;
}

Result<std::vector<Store::ArtifactInfo>> Artifacts::List() const {
  std::vector<Store::ArtifactInfo> out;
  if (!files_.Exists(folder_)) return out;
  TENON_ASSIGN(const std::vector<std::string> folders, files_.List(folder_));
  for (const std::string& two : folders) {
    if (two.size() != 2 || !IsHex(two)) continue;
    const std::string folder = platform::JoinPath(folder_, two);
    TENON_ASSIGN(const std::vector<std::string> names, files_.List(folder));
    for (const std::string& name : names) {
      if (!IsHash(two + name)) continue;
      TENON_ASSIGN(const platform::FileInfo info, files_.Info(platform::JoinPath(folder, name)));
      out.push_back({two + name, static_cast<std::int64_t>(info.bytes)});
    }
  }
  return out;
}

Result<void> Artifacts::Remove(std::string_view hash) {
  if (!IsHash(hash)) return Error(Code::kNotFound, Str("'", hash, "' names no artifact"));
  {
    const MutexLock lock(mutex_);
    if (const auto known = checked_.find(hash); known != checked_.end()) checked_.erase(known);
  }
  return files_.Remove(PathOf(hash));
}

Result<void> Artifacts::Check(const Call& call, std::vector<std::string>* findings) const {
  if (!files_.Exists(folder_)) return {};
  TENON_ASSIGN(const std::vector<std::string> folders, files_.List(folder_));
  for (std::size_t i = 0; i < folders.size(); ++i) {
    const std::string folder = platform::JoinPath(folder_, folders[i]);
    call.Report("checking artifacts", static_cast<double>(i) / static_cast<double>(folders.size()));
    TENON_ASSIGN(const platform::FileInfo info, files_.Info(folder));
    if (!info.folder || folders[i].size() != 2 || !IsHex(folders[i])) {
      findings->push_back(Str(folder, " is not an artifact's; nothing reads it"));
      continue;
    }
    TENON_ASSIGN(const std::vector<std::string> names, files_.List(folder));
    for (const std::string& name : names) {
      TENON_TRY(call.Check(), "checking artifacts");
      const std::string path = platform::JoinPath(folder, name);
      if (platform::IsTemporaryName(name)) continue;  // a writer is at work, or the next one clears it
      if (!IsHash(folders[i] + name)) {
        findings->push_back(Str(path, " is not an artifact's; nothing reads it"));
        continue;
      }
      const auto bytes = files_.Map(path);
      if (!bytes) {
        findings->push_back(bytes.error().ForPeople());
      } else if (const std::string found = HashOf((*bytes)->view()); found != folders[i] + name) {
        findings->push_back(Str(path, " is damaged: its bytes hash to ", found));
      }
    }
  }
  return {};
}

}  // namespace tenon::store
