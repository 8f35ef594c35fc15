#include "serve/route.h"

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "base/text.h"

namespace tenon::serve {

std::string_view NameOf(Role role) {
  switch (role) {
    case Role::kChampion: return "champion";
    case Role::kChallenger: return "challenger";
    case Role::kShadow: return "shadow";
    case Role::kDark: return "dark";
  }
  return "champion";
}

std::shared_ptr<const Route> Route::Of(std::shared_ptr<const Served> champion) {
  auto route = std::make_shared<Route>();
  route->name = champion->endpoint;
  route->arms.push_back({std::move(champion), Role::kChampion, 1});
  return route;
}

bool Route::split() const {
  return std::ranges::any_of(arms, [](const Arm& arm) { return arm.role == Role::kChallenger && arm.share > 0; });
}

double Route::ShareOfChampion() const {
  double left = 1;
  for (const Arm& arm : arms) {
    if (arm.role == Role::kChallenger) left -= arm.share;
  }
  return std::max(0.0, left);
}

std::size_t Route::Choose(std::uint64_t key) const {
  const double at = static_cast<double>(Hash64(key, salt) >> 11) * 0x1.0p-53;  // [0, 1)
  double end = 0;
  for (std::size_t i = 1; i < arms.size(); ++i) {
    if (arms[i].role != Role::kChallenger) continue;
    end += arms[i].share;
    if (at < end) return i;
  }
  return 0;
}

// Protocols spell a number differently: 7, 7.0 and 7e0 are one key.
std::size_t Route::Choose(std::string_view key) const {
  double number = 0;
  const bool may_be = !key.empty() && key.size() <= 32 && (key[0] == '-' || (key[0] >= '0' && key[0] <= '9'));
  if (may_be && ParseDouble(key, &number) && std::isfinite(number)) return Choose(Hash64(FormatDouble(number == 0 ? 0 : number)));
  return Choose(Hash64(key));
}

int Route::ArmOf(int version) const {
  for (std::size_t i = 0; i < arms.size(); ++i) {
    if (arms[i].served->version == version) return static_cast<int>(i);
  }
  return -1;
}

std::shared_ptr<const Endpoints::Map> Endpoints::all() const {
  auto maps = maps_.Get();
  return {maps, &maps->active};
}

std::shared_ptr<const Endpoints::Map> Endpoints::withdrawn() const {
  auto maps = maps_.Get();
  return {maps, &maps->withdrawn};
}

std::shared_ptr<const Route> Endpoints::Find(std::string_view name) const {
  return FindIn(maps_.Get()->active, name);
}

std::shared_ptr<const Route> Endpoints::FindIn(const Map& map, std::string_view name) {
  const auto at = std::ranges::lower_bound(map, name, {}, &Map::value_type::first);
  return at == map.end() || at->first != name ? nullptr : at->second;
}

namespace {

void Put(Endpoints::Map& map, const std::shared_ptr<const Route>& route) {
  const auto at = std::ranges::lower_bound(map, std::string_view(route->name), {}, &Endpoints::Map::value_type::first);
  if (at != map.end() && at->first == route->name) {
    at->second = route;
  } else {
    map.insert(at, {route->name, route});
  }
}

bool Move(Endpoints::Map& from, Endpoints::Map& to, std::string_view name) {
  const auto route = Endpoints::FindIn(from, name);
  if (route == nullptr) return false;
  std::erase_if(from, [&](const auto& entry) { return entry.first == name; });
  Put(to, route);
  return true;
}

}  // namespace

void Endpoints::Set(std::shared_ptr<const Route> route) {
  Change([&](Maps& maps) {
    const bool away = FindIn(maps.withdrawn, route->name) != nullptr;
    Put(away ? maps.withdrawn : maps.active, route);
  });
}

void Endpoints::Remove(std::string_view name) {
  Change([&](Maps& maps) {
    for (Map* map : {&maps.active, &maps.withdrawn}) std::erase_if(*map, [&](const auto& entry) { return entry.first == name; });
  });
}

bool Endpoints::Withdraw(std::string_view name) {
  bool moved = false;
  Change([&](Maps& maps) { moved = Move(maps.active, maps.withdrawn, name); });
  return moved;
}

bool Endpoints::Restore(std::string_view name) {
  bool moved = false;
  Change([&](Maps& maps) { moved = Move(maps.withdrawn, maps.active, name); });
  return moved;
}

void Endpoints::Change(const std::function<void(Maps&)>& edit) {
  const MutexLock lock(changing_);
  auto after = std::make_shared<Maps>(*maps_.Get());
  edit(*after);
  maps_.Set(std::move(after));
  revision_.fetch_add(1, std::memory_order_release);
}

}  // namespace tenon::serve
