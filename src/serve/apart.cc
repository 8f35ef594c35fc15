#include "serve/apart.h"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace tenon::serve {

struct Apart::State {
  explicit State(std::shared_ptr<const Served> its) : served(std::move(its)) {}
  const std::shared_ptr<const Served> served;
  std::mutex mutex;  // guards these:
  std::condition_variable wake, done;
  bool ending = false, asked = false, busy = false;
  std::vector<double> numbers;
  std::vector<std::string> texts;
  std::vector<bool> has_text;
  std::vector<float> values;
  int decision = -1;
  bool cheap = false;

  void Run() {
    model::Predictor::Scratch scratch;
    std::vector<double> row;
    std::vector<std::string> held;
    std::vector<std::string_view> views;
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [&] { return ending || asked; });
      if (ending) return;
      row = numbers;
      held = texts;
      views.assign(held.size(), {});
      for (std::size_t i = 0; i < held.size(); ++i) {
        if (has_text[i]) views[i] = held[i];
      }
      asked = false;
      lock.unlock();
      const model::Prediction prediction = served->predictor->PredictRow(row.data(), views.data(), scratch);
      lock.lock();
      values.assign(prediction.values.begin(), prediction.values.end());
      decision = prediction.decision;
      cheap = prediction.cheap;
      busy = false;
      done.notify_all();
    }
  }
};

Apart::Apart(std::shared_ptr<const Served> served) : state_(std::make_shared<State>(std::move(served))) {
  std::thread([state = state_] { state->Run(); }).detach();
}

Apart::~Apart() {
  const std::lock_guard lock(state_->mutex);
  state_->ending = true;
  state_->wake.notify_all();
}

bool Apart::Predict(const Row& row, std::chrono::steady_clock::time_point by, model::Prediction* out) {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  if (state.busy) return false;
  state.numbers.assign(row.numbers.begin(), row.numbers.end());
  state.texts.resize(row.texts.size());
  state.has_text.assign(row.texts.size(), false);
  for (std::size_t i = 0; i < row.texts.size(); ++i) {
    if (row.texts[i].data() == nullptr) continue;
    state.texts[i].assign(row.texts[i]);
    state.has_text[i] = true;
  }
  state.asked = state.busy = true;
  state.wake.notify_one();
  if (!state.done.wait_until(lock, by, [&] { return !state.busy; })) return false;
  values_.assign(state.values.begin(), state.values.end());
  *out = {values_, state.decision};
  out->cheap = state.cheap;
  return true;
}

}  // namespace tenon::serve
