#include "serve/mirror.h"

#include <chrono>
#include <cmath>
#include <cstring>

#include "platform/byte_ring.h"
#include "serve/session.h"

namespace tenon::serve {
namespace {

constexpr auto kRest = std::chrono::milliseconds(5);
constexpr auto kLongRest = std::chrono::seconds(1);  // how late a row may be that came just when the thread lay down
constexpr int kQuietRounds = 200;
constexpr std::uint32_t kNoText = 0xffffffff;

template <typename T>
void Put(T value, std::string* out) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out->append(bytes, sizeof value);
}

void PutText(std::string_view text, std::string* out) {
  Put(static_cast<std::uint32_t>(text.size()), out);
  *out += text;
}

// Our own records, written a moment ago by this process.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  T Get() {
    T value;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  std::string_view Text(std::uint32_t size) {
    const std::string_view text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return text;
  }
  std::string_view Text() { return Text(Get<std::uint32_t>()); }

 private:
  std::string_view bytes_;
};

double SpreadOf(const Served& served) {
  const auto& edges = served.score_edges;
  return edges.size() < 2 ? 0 : edges.back() - edges.front();
}

bool Disagree(const Served& champion, const model::Prediction& live, const model::Prediction& other) {
  if (live.decision >= 0) return live.decision != other.decision;
  const double distance = std::abs(static_cast<double>(live.values[0]) - static_cast<double>(other.values[0]));
  const double spread = SpreadOf(champion);
  return distance > 0.05 * (spread > 0 ? spread : std::abs(static_cast<double>(live.values[0])));
}

}  // namespace

struct alignas(64) Mirror::Part {
  platform::ByteRing ring;
  std::string record;
};

struct Mirror::Pair {
  std::shared_ptr<const Route> route;
  std::shared_ptr<const Served> champion, shadow;
  model::Predictor::Scratch champion_scratch, shadow_scratch;
  std::vector<int> from;  // slot of the champion for each of the shadow's, -1: none
  std::shared_ptr<Tally> champion_tally, shadow_tally;
  Row row, other;
  std::vector<float> live;

  void Bind() {
    from.clear();
    for (const Served::Field& field : shadow->fields) {
      int slot = -1;
      for (std::size_t i = 0; i < champion->fields.size(); ++i) {
        if (champion->fields[i].name == field.name && champion->fields[i].type == field.type) slot = static_cast<int>(i);
      }
      from.push_back(slot);
    }
    other.numbers.assign(from.size(), std::nan(""));
    other.texts.assign(from.size(), {});
  }
};

Mirror::Mirror(const Endpoints& endpoints, Tallies& tallies, int threads) : endpoints_(endpoints), tallies_(tallies) {
  for (int i = 0; i < threads; ++i) parts_.push_back(std::make_unique<Part>());
  thread_ = std::thread([this] { Run(); });
}

Mirror::~Mirror() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool Mirror::Offer(int thread, const Route& route, const Row& row, const model::Prediction& live, bool failed) {
  Part& part = *parts_[static_cast<std::size_t>(thread)];
  std::string& out = part.record;
  out.clear();
  PutText(route.name, &out);
  PutText(route.rollout, &out);
  Put(static_cast<std::int32_t>(route.stage), &out);
  Put(static_cast<std::int32_t>(failed ? 1 : 0), &out);
  Put(static_cast<std::int32_t>(live.decision), &out);
  Put(static_cast<std::uint32_t>(live.values.size()), &out);
  for (const float value : live.values) Put(value, &out);
  Put(static_cast<std::uint32_t>(row.numbers.size()), &out);
  for (const double number : row.numbers) Put(number, &out);
  for (const std::string_view text : row.texts) {
    text.data() == nullptr ? Put(kNoText, &out) : PutText(text, &out);
  }
  const bool room = part.ring.Put(0, out);
  if (resting_.load(std::memory_order_relaxed)) {
    {
      const std::lock_guard lock(mutex_);
      resting_.store(false, std::memory_order_relaxed);
    }
    wake_.notify_all();
  }
  return room;
}

void Mirror::Flush() {
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = ++wanted_;
  wake_.notify_all();
  idle_.wait(lock, [&] { return done_ >= wanted || ending_; });
}

void Mirror::Run() {
  for (int quiet = 0;;) {
    std::uint64_t wanted = 0;
    {
      std::unique_lock lock(mutex_);
      const bool long_rest = resting_.load(std::memory_order_relaxed);
      wake_.wait_for(lock, long_rest ? std::chrono::milliseconds(kLongRest) : kRest,
                     [&] { return ending_ || wanted_ > done_ || (long_rest && !resting_.load(std::memory_order_relaxed)); });
      if (ending_) return;
      wanted = wanted_;
    }
    ++quiet;
    for (auto& part : parts_) {
      part->ring.Take([&](std::uint32_t, std::string_view record) {
        Compare(record);
        quiet = 0;
      });
    }
    const std::lock_guard lock(mutex_);
    resting_.store(quiet >= kQuietRounds, std::memory_order_relaxed);
    done_ = wanted;
    idle_.notify_all();
  }
}

// Null when the endpoint has moved on to another stage since.
Mirror::Pair* Mirror::PairOf(std::string_view endpoint, std::string_view rollout, int stage) {
  for (auto& pair : pairs_) {
    if (pair->route->name == endpoint && pair->route->rollout == rollout && pair->route->stage == stage) return pair.get();
  }
  const auto route = endpoints_.Find(endpoint);
  if (route == nullptr || route->rollout != rollout || route->stage != stage) return nullptr;
  for (const Arm& arm : route->arms) {
    if (arm.role != Role::kShadow) continue;
    std::erase_if(pairs_, [&](const auto& pair) { return pair->route->name == endpoint; });
    auto pair = std::make_unique<Pair>();
    pair->route = route;
    pair->champion = route->champion();
    pair->shadow = arm.served;
    pair->champion_tally = tallies_.For(*route, *pair->champion, -1);
    pair->shadow_tally = tallies_.For(*route, *pair->shadow, -1);
    pair->Bind();
    pairs_.push_back(std::move(pair));
    return pairs_.back().get();
  }
  return nullptr;
}

void Mirror::Compare(std::string_view record) {
  Reader in(record);
  const std::string_view endpoint = in.Text(), rollout = in.Text();
  const int stage = in.Get<std::int32_t>();
  const bool failed = in.Get<std::int32_t>() != 0;
  const int decision = in.Get<std::int32_t>();
  Pair* pair = PairOf(endpoint, rollout, stage);
  if (pair == nullptr) return;
  pair->live.resize(in.Get<std::uint32_t>());
  for (float& value : pair->live) value = in.Get<float>();
  const auto slots = in.Get<std::uint32_t>();
  if (slots != pair->champion->fields.size()) return;
  pair->row.numbers.resize(slots);
  pair->row.texts.resize(slots);
  for (double& number : pair->row.numbers) number = in.Get<double>();
  for (std::string_view& text : pair->row.texts) {
    const auto size = in.Get<std::uint32_t>();
    text = size == kNoText ? std::string_view() : in.Text(size);
  }
  for (std::size_t i = 0; i < pair->from.size(); ++i) {
    if (pair->from[i] < 0) continue;
    pair->other.numbers[i] = pair->row.numbers[static_cast<std::size_t>(pair->from[i])];
    pair->other.texts[i] = pair->row.texts[static_cast<std::size_t>(pair->from[i])];
  }
  // Both are timed here, on the same thread one after the other: only so are the times comparable.
  using Steady = std::chrono::steady_clock;
  const auto begin = Steady::now();
  static_cast<void>(pair->champion->predictor->PredictRow(pair->row.numbers.data(), pair->row.texts.data(), pair->champion_scratch));
  const auto middle = Steady::now();
  const model::Prediction other = pair->shadow->predictor->PredictRow(pair->other.numbers.data(), pair->other.texts.data(), pair->shadow_scratch);
  const auto end = Steady::now();
  const model::Prediction live{pair->live, decision};
  pair->champion_tally->Answered(1);
  pair->champion_tally->Took(std::chrono::duration<double>(middle - begin).count());
  if (failed) pair->champion_tally->Failed(1);
  pair->shadow_tally->Answered(1);
  pair->shadow_tally->Took(std::chrono::duration<double>(end - middle).count());
  if (!AllFinite(other)) {
    pair->shadow_tally->Failed(1);
  } else if (!failed && other.values.size() == live.values.size()) {
    // The same buckets for both: the champion's.
    pair->champion_tally->Scored(ScoreBucket(*pair->champion, live));
    pair->shadow_tally->Scored(ScoreBucket(*pair->champion, other));
    pair->shadow_tally->Paired(Disagree(*pair->champion, live, other));
  }
}

}  // namespace tenon::serve
