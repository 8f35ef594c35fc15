#include "feature/materialize.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

#include "feature/moving_values.h"
#include "feature/view_events_internal.h"

namespace tenon::feature {
namespace {

constexpr std::size_t kTogether = 8192;

bool SameAs(const RecordLayout& layout, const RecordPacker& packer, Micros at, const Records& records, std::size_t row) {
  if (!records.Found(row) || records.at(row) != at) return false;
  for (std::size_t f = 0; f < layout.features(); ++f) {
    const bool null = (packer.words()[f / 64] >> (f % 64) & 1) != 0;
    if (null != records.IsNull(row, f)) return false;
    if (null) continue;
    const std::uint64_t word = packer.words()[layout.null_words() + f];
    if (layout.fields()[static_cast<int>(f)].type == table::Type::kString) {
      if (packer.texts().substr(word >> 32, word & 0xffffffffU) != records.Text(row, f)) return false;
    } else if (word != static_cast<std::uint64_t>(records.Int(row, f))) {
      return false;
    }
  }
  return true;
}

// Whether the state that is stored comes to the same as this one.
bool SameState(const std::shared_ptr<const ViewPlan>& plan, std::string_view bytes, Micros until, std::string_view now) {
  auto stored = WindowState::Load(plan, bytes);
  if (!stored.ok()) return false;
  stored->Advance(until);
  return stored->Save() == now;
}

// An entity's state at the moment, and when its latest event was.
struct Made {
  std::size_t entity;
  Micros latest;
  std::optional<WindowState> state;
  std::string bytes;
};

// States of some of the entities, by all threads; those without an event have none.
std::vector<Made> MakeStates(const Call& call, const ViewRows& view, const ViewEvents& events, std::size_t begin, std::size_t count, Micros until, bool save) {
  std::vector<Made> out(count);
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      WindowState state(view.plan);
      out[i].entity = begin + i;
      out[i].latest = events.StateAt(begin + i, until, &state);
      if (out[i].latest == std::numeric_limits<Micros>::min()) continue;
      if (save) out[i].bytes = state.Save();
      out[i].state = std::move(state);
    }
  };
  {
    std::vector<std::jthread> others;
    for (int t = 1; t < call.threads; ++t) others.emplace_back(work);
    work();
  }
  std::erase_if(out, [](const Made& one) { return !one.state.has_value(); });
  return out;
}

}  // namespace

Result<Materialized> Materialize(const Call& call, const ViewRows& view, Micros until, bool full, OnlineTable& table, OnlineTable* states) {
  Materialized out;
  if (view.rows->empty()) return out;
  ViewEvents events(view.plan, *view.rows);
  TENON_TRY(events.Prepare());
  const RecordLayout& layout = table.layout();
  Records records, kept;
  for (std::size_t begin = 0; begin < events.entities(); begin += kTogether) {
    TENON_TRY(call.Check());
    const std::size_t count = std::min(kTogether, events.entities() - begin);
    const std::vector<Made> made = MakeStates(call, view, events, begin, count, until, states != nullptr);
    std::vector<std::string_view> keys;
    for (const Made& one : made) keys.push_back(events.KeyOf(one.entity));
    if (!full) {
      TENON_TRY(table.Get(keys, &records));
      if (states != nullptr) TENON_TRY(states->Get(keys, &kept));
    }
    ValuesBatch batch(*view.plan, table, states);
    for (std::size_t i = 0; i < made.size(); ++i) {
      const Made& one = made[i];
      ++out.entities;
      out.newest_event = out.entities == 1 ? one.latest : std::max(out.newest_event, one.latest);
      batch.Add(keys[i], one.latest, *one.state, one.bytes);
      const bool same = !full && SameAs(layout, batch.last(), one.latest, records, i) && until < records.Until(i) &&
                        (states == nullptr || (kept.Found(i) && SameState(view.plan, kept.Text(i, 0), until, one.bytes)));
      if (!same) continue;
      batch.TakeBack();
      ++out.unchanged;
    }
    TENON_ASSIGN(const std::int64_t stored, batch.Put());
    out.stored += stored;
    call.Report("materializing", static_cast<double>(begin + count) / static_cast<double>(events.entities()));
  }
  return out;
}

}  // namespace tenon::feature
