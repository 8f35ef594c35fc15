#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "pipeline/partial_internal.h"

namespace tenon::pipeline {
namespace {

class StandardOutput final : public Output {
 public:
  explicit StandardOutput(std::unique_ptr<platform::Appender> bad) : bad_(std::move(bad)) {}
  const Json& settled() const override { return nobody_; }
  Result<void> AddText(std::string_view rows) override {
    while (!rows.empty()) {
      const ssize_t written = ::write(STDOUT_FILENO, rows.data(), rows.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Error(Code::kUnavailable, Str("cannot write to standard output: ", std::strerror(errno)));
      rows.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }
  void AddBatch(const table::Batch&) override {}  // there is no such form
  Result<void> AddBad(std::string_view lines) override { return bad_->Append(lines); }
  bool due() const override { return false; }
  Result<void> Settle(const Call&, const Json&) override { return {}; }
  Result<void> Finish(const Call&) override { return bad_ != nullptr ? bad_->Sync() : Result<void>(); }

 private:
  Json nobody_;
  std::unique_ptr<platform::Appender> bad_;
};

}  // namespace

Result<std::unique_ptr<Output>> OpenStandardOutput(platform::Files& files, ingest::TableForm form, const table::Schema& schema, const std::string& bad) {
  std::unique_ptr<platform::Appender> wrong;
  if (!bad.empty()) {
    TENON_TRY(files.Write(bad, ""));
    TENON_ASSIGN(wrong, files.Append(bad));
  }
  auto out = std::make_unique<StandardOutput>(std::move(wrong));
  std::string head;
  ingest::AppendHead(form, schema, &head);
  TENON_TRY(out->AddText(head));
  return std::unique_ptr<Output>(std::move(out));
}

}  // namespace tenon::pipeline
