#include "feature/journal_sink_internal.h"

#include "base/text.h"

namespace tenon::feature {
namespace {

constexpr std::uint64_t kMostJournal = 1 << 20;  // bytes until it is written anew

class JournalSink final : public EventSink {
 public:
  JournalSink(const SinkFor& whom, std::unique_ptr<SinkTrack> answers, std::unique_ptr<SinkTrack> aside)
      : files_(*whom.files), path_(platform::JoinPath(whom.state, whom.stream + ".journal")), answers_(std::move(answers)), aside_(std::move(aside)) {}

  Result<void> Start(const SinkFor& whom) {
    TENON_TRY(files_.MakeFolders(whom.state));
    TENON_ASSIGN(lock_, files_.Lock(path_ + ".lock"), Str("another process answers the stream ", whom.stream));
    if (files_.Exists(path_)) {
      TENON_ASSIGN(const std::string journal, files_.Read(path_));
      TENON_TRY(ReadLast(journal));
    }
    const auto known = [this](std::string_view value) -> Result<void> {
      TENON_ASSIGN(const Json one, Json::Parse(value, "what the stream wrote last"));
      const Json* from = one.Find("from");
      if (from != nullptr) unsettled_.emplace(from->IntAt("partition"), from->IntAt("offset"));
      return {};
    };
    TENON_TRY(answers_->TakeUp(settled_answers_, known));
    TENON_TRY(aside_->TakeUp(settled_aside_, known));
    ForgetSettled();
    return Rewrite();
  }

  Result<std::int64_t> Next(const Call&, int partition) override {
    const auto found = next_.find(partition);
    return found == next_.end() ? -1 : found->second;
  }

  Result<std::vector<Position>> Positions(const Call&) override {
    std::vector<Position> out;
    for (const auto& [partition, offset] : next_) out.push_back({partition, offset});
    return out;
  }

  Result<void> Deliver(const Call& call, std::span<const SinkRecord> records, std::span<const Position> next, std::string_view) override {
    std::vector<const SinkRecord*> answers, aside;
    for (const SinkRecord& one : records) {
      if (!unsettled_.empty() && unsettled_.erase({one.partition, one.offset}) != 0) continue;
      (one.aside ? aside : answers).push_back(&one);
    }
    for (auto& [track, some] : {std::pair(aside_.get(), &aside), std::pair(answers_.get(), &answers)}) {
      if (some->empty()) continue;
      TENON_TRY(track->Append(*some, call.Now()));
      TENON_TRY(track->Sync());
    }
    for (const Position& one : next) next_[one.partition] = one.offset;
    ForgetSettled();
    // While some of what stands there is still to be met again, the next start has to see it too: partitions come in any order.
    if (unsettled_.empty()) {
      TENON_ASSIGN(settled_answers_, answers_->End());
      TENON_ASSIGN(settled_aside_, aside_->End());
    }
    if (journal_bytes_ > kMostJournal) return Rewrite();
    const std::string line = Line();
    TENON_TRY(journal_->Append(line));
    journal_bytes_ += line.size();
    return journal_->Sync();
  }

 private:
  // What lies before the position of its partition does not come again.
  void ForgetSettled() {
    std::erase_if(unsettled_, [this](const auto& at) {
      const auto next = next_.find(static_cast<int>(at.first));
      return next != next_.end() && at.second < next->second;
    });
  }

  // The last whole line counts; behind it may be one that is cut.
  Result<void> ReadLast(std::string_view journal) {
    const std::size_t end = journal.rfind('\n');
    if (end == std::string_view::npos) return {};
    const std::size_t begin = end == 0 ? 0 : journal.rfind('\n', end - 1) + 1;
    TENON_ASSIGN(const Json last, Json::Parse(journal.substr(begin, end - begin), path_));
    settled_answers_ = last.IntAt("answers");
    settled_aside_ = last.IntAt("aside");
    const Json* next = last.Find("next");
    if (next == nullptr || !next->is_object()) return Error(Code::kDataLoss, Str(path_, ": does not say where the stream is"));
    for (const auto& [partition, offset] : next->object()) {
      std::int64_t number = 0;
      if (!ParseInt64(partition, &number) || !offset.is_int()) return Error(Code::kDataLoss, Str(path_, ": does not say where the stream is"));
      next_[static_cast<int>(number)] = offset.Int();
    }
    return {};
  }

  std::string Line() const {
    Json line;
    line["answers"] = settled_answers_;
    line["aside"] = settled_aside_;
    line["next"] = Json::MakeObject();
    for (const auto& [partition, offset] : next_) line["next"][std::to_string(partition)] = offset;
    return line.Dump() + "\n";
  }

  Result<void> Rewrite() {
    journal_.reset();
    const std::string line = Line();
    TENON_TRY(files_.Write(path_, line));
    journal_bytes_ = line.size();
    TENON_ASSIGN(journal_, files_.Append(path_));
    return {};
  }

  platform::Files& files_;
  const std::string path_;
  std::unique_ptr<platform::FileLock> lock_;
  std::unique_ptr<SinkTrack> answers_, aside_;
  std::unique_ptr<platform::Appender> journal_;
  std::uint64_t journal_bytes_ = 0;
  std::map<int, std::int64_t> next_;
  std::int64_t settled_answers_ = 0, settled_aside_ = 0;  // up to there all is told by next_
  std::set<std::pair<std::int64_t, std::int64_t>> unsettled_;  // partition and offset of what stands there and is not settled
};

}  // namespace

Result<std::unique_ptr<EventSink>> OpenJournalSink(const SinkFor& whom, std::unique_ptr<SinkTrack> answers, std::unique_ptr<SinkTrack> aside) {
  auto out = std::make_unique<JournalSink>(whom, std::move(answers), std::move(aside));
  TENON_TRY(out->Start(whom));
  return std::unique_ptr<EventSink>(std::move(out));
}

}  // namespace tenon::feature
