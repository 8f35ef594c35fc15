#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/call.h"
#include "govern/keys.h"
#include "model/model.h"
#include "platform/files.h"
#include "serve/batch_trial.h"
#include "serve/route.h"
#include "store/store.h"

namespace tenon::app {

// Where tenon-serve has its models from: keeps the endpoints as the source says. One thread. A model that cannot be taken
// leaves what was there before.
class Holder {
 public:
  virtual ~Holder() = default;
  // Looks whether anything changed; adds what did, for people. The first look takes everything, and fails when a model
  // cannot be taken or there is none. Later an error says what is refused, at every look for as long as it is.
  virtual Result<void> Refresh(serve::Endpoints& endpoints, std::vector<std::string>* changes) = 0;
  // The keys of whoever may ask, and a number that changes with them.
  virtual Result<std::int64_t> KeysRevision() = 0;
  virtual Result<std::vector<govern::KeyRecord>> Keys() = 0;
};

struct HolderKinds {
  Kinds<transform::Op> ops;
  Kinds<model::Format> formats;
  std::optional<serve::BatchSpec> batching;  // rows of several requests asked together, where that pays
};

// Bundle files (`files`) and folders whose *.tenon are bundles (`folders`). A file "name@7.tenon" is version 7 of "name";
// any other is version 1 of what its manifest names. The highest version of a name answers, the others when asked for by
// version. `name` gives the endpoint of a single file another name. `keys`: what `tenon keys export` wrote, or "".
struct BundleSpec {
  std::vector<std::string> files, folders;
  std::string name;
  std::string keys;
};
std::unique_ptr<Holder> HoldBundles(platform::Files& files, const HolderKinds& kinds, BundleSpec spec);

// The champions of a project's store, which is only read; `model` is the one to take, "" all; `name` is its endpoint, ""
// the model's name.
Result<std::unique_ptr<Holder>> HoldProject(platform::Files& files, const HolderKinds& kinds, const std::string& folder,
                                            std::string model, std::string name);

}  // namespace tenon::app
