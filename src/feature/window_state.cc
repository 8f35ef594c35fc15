#include <algorithm>
#include <cassert>

#include "base/hash.h"
#include "feature/slot_state_internal.h"

namespace tenon::feature {
namespace {

constexpr std::uint8_t kFormat = 1;

}  // namespace

struct WindowState::Parts {
  std::vector<std::unique_ptr<SlotState>> slots;
};

WindowState::WindowState(std::shared_ptr<const ViewPlan> plan) : plan_(std::move(plan)), parts_(std::make_unique<Parts>()) {
  for (const Slot& slot : plan_->slots()) {
    parts_->slots.push_back(NewSlotState(slot, !plan_->view().event.empty(), plan_->inputs()));
  }
}
WindowState::~WindowState() = default;
WindowState::WindowState(WindowState&&) noexcept = default;
WindowState& WindowState::operator=(WindowState&&) noexcept = default;

WindowState WindowState::Clone() const {
  WindowState out(plan_);
  out.now_ = now_;
  for (std::size_t k = 0; k < parts_->slots.size(); ++k) out.parts_->slots[k] = parts_->slots[k]->Clone();
  return out;
}

void WindowState::Add(const Event& event) {
  assert(event.values.size() == plan_->inputs());
  for (std::size_t k = 0; k < parts_->slots.size(); ++k) {
    parts_->slots[k]->Add(plan_->CountsIn(plan_->slots()[k], event), event, now_);
  }
}

void WindowState::Remove(const Event& event) {
  for (std::size_t k = 0; k < parts_->slots.size(); ++k) {
    parts_->slots[k]->Remove(plan_->CountsIn(plan_->slots()[k], event), event, now_);
  }
}

void WindowState::Advance(Micros now) {
  now = std::min(now, kFarthest);
  if (now <= now_) return;
  now_ = now;
  for (auto& slot : parts_->slots) slot->Advance(now);
}

void WindowState::Values(std::span<Value> out) const {
  const FeatureView& view = plan_->view();
  const int presence = plan_->presence();
  const bool known = presence < 0 || !std::isnan(parts_->slots[static_cast<std::size_t>(presence)]->Of({Function::kCount, 0}, -1, now_).number);
  for (std::size_t k = 0; k < view.features.size(); ++k) {
    const FeatureSpec& feature = view.features[k];
    const auto slot = static_cast<std::size_t>(plan_->slot_of()[k]);
    out[k] = known ? parts_->slots[slot]->Of({feature.function, feature.share}, feature.input, now_) : Value{};
    const InputSpec& input = view.inputs[static_cast<std::size_t>(feature.input)];
    if (input.fill && std::isnan(out[k].number) && out[k].text.data() == nullptr) out[k].number = *input.fill;
  }
}

Micros WindowState::Next() const {
  Micros next = kNever;
  for (const auto& slot : parts_->slots) next = std::min(next, slot->Next(now_));
  return next;
}

bool WindowState::empty() const {
  for (const auto& slot : parts_->slots) {
    if (!slot->empty()) return false;
  }
  return true;
}

void WindowState::Merge(const WindowState& other) {
  WindowState copy = other.Clone();
  const Micros now = std::max(now_, other.now_);
  Advance(now);
  copy.Advance(now);
  for (std::size_t k = 0; k < parts_->slots.size(); ++k) parts_->slots[k]->Merge(*copy.parts_->slots[k], now);
}

std::string WindowState::Save() const {
  ByteWriter out;
  out.U8(kFormat);
  out.Text(plan_->view().Hash());
  out.I64(now_);
  for (const auto& slot : parts_->slots) slot->Save(&out);
  return out.Take();
}

Result<WindowState> WindowState::Load(std::shared_ptr<const ViewPlan> plan, std::string_view bytes) {
  WindowState out(std::move(plan));
  ByteReader in(bytes);
  const std::uint8_t format = in.U8();
  if (format != kFormat && !in.failed()) {
    return Error(Code::kFailedPrecondition, Str("the state has format ", static_cast<int>(format), "; this program reads ", static_cast<int>(kFormat)));
  }
  const std::string hash(in.Text());
  if (!in.failed() && hash != out.plan_->view().Hash()) {
    return Error(Code::kFailedPrecondition, Str("the state is of another definition of view ", out.plan_->view().name));
  }
  out.now_ = in.I64();
  if (out.now_ < -kFarthest || out.now_ > kFarthest) in.Fail();
  for (auto& slot : out.parts_->slots) {
    if (!in.failed()) slot->Load(&in, out.now_);
  }
  TENON_TRY(in.Done(), Str("a state of view ", out.plan_->view().name));
  return out;
}

}  // namespace tenon::feature
