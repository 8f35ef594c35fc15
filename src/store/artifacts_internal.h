#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/call.h"
#include "base/mutex.h"
#include "platform/files.h"
#include "store/store.h"

namespace tenon::store {

// Bytes by their SHA-256 in files <folder>/<2 hex>/<62 hex>. Immutable once written. Safe from any thread; `files`
// outlives it.
class Artifacts {
 public:
  Artifacts(platform::Files& files, std::string folder) : files_(files), folder_(std::move(folder)) {}

  // Removes what writers that died left behind; under the writer lock.
  Result<void> Clear();
  Result<std::string> Put(std::string_view bytes);
  Result<std::shared_ptr<const platform::Bytes>> Get(std::string_view hash) const;
  Result<std::vector<Store::ArtifactInfo>> List() const;
  Result<void> Remove(std::string_view hash);
  bool Empty() const;  // none was ever kept
  bool Has(std::string_view hash) const;
  std::string PathOf(std::string_view hash) const;
  // Reads every artifact; adds a finding for each that is not what its name says, and for names that are none.
  Result<void> Check(const Call& call, std::vector<std::string>* findings) const;

 private:
  bool Checked(std::string_view hash) const;
  void SetChecked(std::string_view hash) const;

  platform::Files& files_;
  std::string folder_;
  mutable Mutex mutex_;
  // Their bytes were compared in this process.
  mutable std::set<std::string, std::less<>> checked_ TENON_GUARDED_BY(mutex_);
};

}  // namespace tenon::store
