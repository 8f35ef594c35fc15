// The access log: JSON lines to a file that is put aside when it is large.

#include <algorithm>

#include "base/text.h"
#include "edge/observer_internal.h"

namespace tenon::edge {
namespace {

class AccessLogSink final : public FeedSink {
 public:
  AccessLogSink(platform::Files& files, const AccessLogOptions& options, ObserveCounts& counts) : files_(files), options_(options), counts_(counts) {}

  Result<void> Open() {
    TENON_TRY(files_.MakeFolders(std::string(platform::FolderOf(options_.path))));
    const auto info = files_.Info(options_.path);
    bytes_ = info.ok() ? static_cast<std::int64_t>(info->bytes) : 0;
    TENON_ASSIGN(file_, files_.Append(options_.path));
    return {};
  }

  void Take(std::string_view record) override {
    waiting_ += record;
    ++lines_;
    if (waiting_.size() > (1 << 20)) HandOver();
  }

  void Rest(bool) override { HandOver(); }

 private:
  void HandOver() {
    if (waiting_.empty()) return;
    if (bytes_ != 0 && bytes_ + static_cast<std::int64_t>(waiting_.size()) > options_.rotate_bytes) Rotate();
    const bool written = (file_ != nullptr || Open().ok()) && file_->Append(waiting_).ok();
    (written ? counts_.lines_written : counts_.lines_failed).fetch_add(lines_, std::memory_order_relaxed);
    if (written) {
      bytes_ += static_cast<std::int64_t>(waiting_.size());
    } else {
      file_.reset();  // a full disk may have room again: the next lines try anew
    }
    waiting_.clear();
    lines_ = 0;
  }

  // path -> path.1 -> path.2 ...; the oldest goes.
  void Rotate() {
    file_.reset();
    bytes_ = 0;
    if (options_.keep <= 0) {
      (void)files_.Remove(options_.path);
      return;
    }
    for (int i = options_.keep; i > 1; --i) {
      const std::string younger = Str(options_.path, ".", i - 1);
      if (files_.Exists(younger)) (void)files_.Rename(younger, Str(options_.path, ".", i));
    }
    (void)files_.Rename(options_.path, Str(options_.path, ".1"));
  }

  platform::Files& files_;
  const AccessLogOptions options_;
  ObserveCounts& counts_;
  std::unique_ptr<platform::Appender> file_;
  std::int64_t bytes_ = 0, lines_ = 0;
  std::string waiting_;
};

}  // namespace

Result<std::unique_ptr<FeedSink>> MakeAccessLogSink(platform::Files& files, const AccessLogOptions& options, ObserveCounts& counts) {
  auto sink = std::make_unique<AccessLogSink>(files, options, counts);
  TENON_TRY(sink->Open());
  return std::unique_ptr<FeedSink>(std::move(sink));
}

}  // namespace tenon::edge
