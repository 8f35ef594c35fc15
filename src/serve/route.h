#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/shared_cell.h"
#include "serve/endpoint.h"

namespace tenon::serve {

class Batcher;
struct BatchTrial;
class Breaker;
class Ladder;

// What a version is there for at an endpoint.
enum class Role : std::uint8_t {
  kChampion,    // answers whatever no challenger takes
  kChallenger,  // answers its share
  kShadow,      // sees a share of the requests and answers none
  kDark,        // answers only when it is asked for by its version
};
std::string_view NameOf(Role role);  // "champion", "challenger", "shadow", "dark"

struct Arm {
  std::shared_ptr<const Served> served;
  Role role = Role::kChampion;
  double share = 1;  // of a challenger: the part of the keys it answers; of a shadow: the part of the requests it sees
  std::shared_ptr<Breaker> breaker = nullptr;  // of its model; null: none
  std::shared_ptr<const BatchTrial> batching = nullptr;  // whether it gains from rows being asked together; null: nobody wants to know
  std::shared_ptr<Batcher> batcher = nullptr;  // asks rows of several requests together; null: each request asks by itself
};

// What stands behind an endpoint's name: which version answers which request. Immutable; a change is a new Route.
struct Route {
  std::string name;
  std::vector<Arm> arms;   // the first is the champion
  std::string sticky;      // the field whose value decides the arm; "": the request's id does
  std::uint64_t salt = 0;  // of the rollout, so that each draws its keys anew
  std::string rollout;     // the id of the rollout under way; "": none
  int stage = 0;           // of the rollout
  std::shared_ptr<const Ladder> ladder;  // what answers when a model fails; null: nothing
  bool degraded = false;   // the champion could not be loaded: the version before it stands first

  static std::shared_ptr<const Route> Of(std::shared_ptr<const Served> champion);
  const std::shared_ptr<const Served>& champion() const { return arms.front().served; }
  // Whether a request has a choice: a challenger that answers.
  bool split() const;
  double ShareOfChampion() const;  // what challengers leave
  // The arm that answers this key: always the same for the same salt and shares. When the share of the last challenger
  // grows, keys move from the champion to it and no others move.
  std::size_t Choose(std::uint64_t key) const;
  // A key that is a number chooses by its value, however it is spelled.
  std::size_t Choose(std::string_view key) const;
  // The arm of that version, -1 when there is none.
  int ArmOf(int version) const;
};

// The endpoints of a process by name. Readers never lock; Set swaps one pointer, and answers under way finish on the
// version they began with.
class Endpoints {
 public:
  using Map = std::vector<std::pair<std::string, std::shared_ptr<const Route>>>;
  std::shared_ptr<const Route> Find(std::string_view name) const;  // null when there is none
  std::shared_ptr<const Map> all() const;
  void Set(std::shared_ptr<const Route> route);
  void Set(std::shared_ptr<const Served> served) { Set(Route::Of(std::move(served))); }
  void Remove(std::string_view name);
  // Takes an endpoint out of service, and back into it; false when there is none to take. Meanwhile Set replaces what will
  // answer when it is back.
  bool Withdraw(std::string_view name);
  bool Restore(std::string_view name);
  std::shared_ptr<const Map> withdrawn() const;
  // Grows with every change: a thread that keeps all() looks again only when this differs.
  std::uint64_t revision() const { return revision_.load(std::memory_order_acquire); }
  // In a map that is already had; it is sorted by name.
  static std::shared_ptr<const Route> FindIn(const Map& map, std::string_view name);

 private:
  struct Maps {
    Map active, withdrawn;
  };
  void Change(const std::function<void(Maps&)>& edit);
  Mutex changing_;  // held by Change
  SharedCell<const Maps> maps_{std::make_shared<const Maps>()};
  std::atomic<std::uint64_t> revision_{1};
};

}  // namespace tenon::serve
