#include "serve/feedback.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/text.h"
#include "serve/log_format_internal.h"

namespace tenon::serve {
namespace {

constexpr std::size_t kMostWaiting = 16 << 20;  // bytes

}  // namespace

Result<void> FeedbackLog::Add(std::string_view endpoint, const Feedback& feedback) {
  Json line;
  line["at"] = feedback.at;
  line["id"] = feedback.request_id;
  line["instance"] = feedback.instance;
  line["label"] = feedback.label;
  const std::string text = line.Dump() + "\n";
  const std::lock_guard lock(mutex_);
  Part& part = parts_[std::string(endpoint)];
  if (part.waiting.size() + text.size() > kMostWaiting) return Error(Code::kResourceExhausted, "labels wait for the disk; send this one again later");
  if (part.start == 0) part.start = feedback.at;
  part.waiting += text;
  return {};
}

Result<void> FeedbackLog::Sync() {
  const std::lock_guard writing(writing_);
  std::vector<std::string> endpoints;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [endpoint, part] : parts_) {
      if (!part.waiting.empty()) endpoints.push_back(endpoint);
    }
  }
  Result<void> out;
  for (const std::string& endpoint : endpoints) {
    std::string lines;
    Part* part = nullptr;
    {
      const std::lock_guard lock(mutex_);
      part = &parts_[endpoint];
      lines.swap(part->waiting);
    }
    auto written = Write(endpoint, *part, lines);
    if (written.ok()) continue;
    // The file may end in half a line: what is written the next time, all of it, goes to a new one.
    part->file.reset();
    const std::lock_guard lock(mutex_);
    part->waiting.insert(0, lines);
    if (out.ok()) out = std::move(written).error().Context("keeping labels");
  }
  return out;
}

Result<void> FeedbackLog::Write(const std::string& endpoint, Part& part, std::string_view lines) {
  if (part.file == nullptr) {
    Micros start = part.start;
    const auto path = [&] { return platform::JoinPath(folder_, Str(FileWord(endpoint), "-", start, ".labels")); };
    while (files_.Exists(path())) ++start;
    TENON_ASSIGN(part.file, files_.Append(path()));
  }
  TENON_TRY(part.file->Append(lines));
  return part.file->Sync();
}

Result<void> ReadFeedback(platform::Files& files, const std::string& folder, std::string_view endpoint, Micros from,
                          const std::function<void(Feedback)>& each) {
  if (!files.Exists(folder)) return {};
  TENON_ASSIGN(auto names, files.List(folder));
  const std::string prefix = FileWord(endpoint) + "-";
  for (const std::string& name : names) {
    std::int64_t start = 0;
    if (!name.starts_with(prefix) || !name.ends_with(".labels")) continue;
    if (!ParseInt64(std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - 7), &start)) continue;
    TENON_ASSIGN(const std::string text, files.Read(platform::JoinPath(folder, name)), "reading labels");
    for (const std::string& line : Split(text, '\n')) {
      if (line.empty()) continue;
      auto json = Json::Parse(line, name);
      if (!json.ok()) continue;
      Feedback feedback{json->IntAt("at"), json->StringAt("id"), static_cast<int>(json->IntAt("instance")), json->StringAt("label")};
      if (feedback.at >= from) each(std::move(feedback));
    }
  }
  return {};
}

namespace {

// What a label says of one answer.
void Score(const LogEntry& entry, const std::string& label, const std::vector<std::string>& classes, ArmEvidence* out) {
  if (classes.empty()) {
    double value = 0;
    if (!ParseDouble(label, &value) || entry.values.empty()) return;
    ++out->labelled;
    ++out->losses[static_cast<std::size_t>(LossBucket(std::abs(value - static_cast<double>(entry.values[0]))))];
    return;
  }
  const auto at = std::ranges::find(classes, label);
  if (at == classes.end() || entry.decision < 0) return;
  const int truth = static_cast<int>(at - classes.begin());
  ++out->labelled;
  if (truth == entry.decision) return;
  ++out->wrong;
  if (classes.size() == 2) ++(entry.decision == 1 ? out->false_positive : out->false_negative);
}

}  // namespace

Result<std::int64_t> JoinLabels(const Call& call, platform::Files& files, const std::string& folder,
                                const std::vector<std::string>& classes, Rollout* rollout) {
  std::unordered_map<std::string, std::vector<Feedback>> labels;
  TENON_TRY(ReadFeedback(files, folder, rollout->endpoint, rollout->started, [&](Feedback feedback) {
    labels[feedback.request_id].push_back(std::move(feedback));
  }));
  for (Rollout::Passed& stage : rollout->stages) {
    for (ArmEvidence* arm : {&stage.evidence.champion, &stage.evidence.challenger}) {
      arm->labelled = arm->wrong = arm->false_positive = arm->false_negative = 0;
      arm->losses = {};
    }
  }
  std::int64_t joined = 0;
  if (labels.empty()) return joined;
  const std::string champion = Str(rollout->model, "@", rollout->champion), challenger = Str(rollout->model, "@", rollout->challenger);
  std::unordered_map<std::string, int> seen;  // rows of a request so far: its instances come in order
  const auto each = [&](const std::vector<Served::Field>&, const LogEntry& entry) {
    const auto at = labels.find(entry.request_id);
    if (at == labels.end()) return true;
    const int instance = seen[entry.request_id]++;
    if (entry.rung != Rung::kModel) return true;  // not what the version would have said
    std::size_t stage = rollout->stages.size();
    while (stage > 0 && rollout->stages[stage - 1].since > entry.at) --stage;
    if (stage == 0) return true;
    StageEvidence& evidence = rollout->stages[stage - 1].evidence;
    ArmEvidence* arm = entry.model == challenger ? &evidence.challenger : entry.model == champion ? &evidence.champion : nullptr;
    if (arm == nullptr) return true;
    // The last word on an instance counts.
    for (auto label = at->second.rbegin(); label != at->second.rend(); ++label) {
      if (label->instance != instance) continue;
      Score(entry, label->label, classes, arm);
      ++joined;
      break;
    }
    return true;
  };
  TENON_TRY(ReadInferenceLog(call, files, folder, rollout->endpoint, rollout->started, call.Now() + 1, each));
  return joined;
}

}  // namespace tenon::serve
