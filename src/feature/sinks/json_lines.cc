// Answers into a file, an object a line.

#include "base/text.h"
#include "feature/journal_sink_internal.h"

namespace tenon::feature {
namespace {

class Lines final : public SinkTrack {
 public:
  Lines(platform::Files& files, std::string path) : files_(files), path_(std::move(path)) {}

  Result<void> TakeUp(std::int64_t mark, const std::function<Result<void>(std::string_view)>& show) override {
    TENON_TRY(files_.MakeFolders(std::string(platform::FolderOf(path_))));
    if (files_.Exists(path_)) {
      TENON_ASSIGN(const auto bytes, files_.Map(path_));
      std::string_view view = bytes->view();
      const std::size_t whole = view.rfind('\n') + 1;  // npos + 1 is 0
      std::size_t at = static_cast<std::size_t>(mark) <= whole ? static_cast<std::size_t>(mark) : 0;  // shorter: it is another file
      std::size_t kept = at;
      // What a power cut left of the last lines may be no lines: from the first of those on they are written again.
      while (at < whole) {
        const std::size_t end = view.find('\n', at);
        if (auto shown = show(view.substr(at, end - at)); !shown.ok()) {
          if (at == 0) return Error(Code::kFailedPrecondition, Str(path_, " is there and is no file of answers, which are JSON objects, one a line"));
          break;
        }
        at = kept = end + 1;
      }
      end_ = static_cast<std::int64_t>(kept);
      if (kept < view.size()) TENON_TRY(files_.Cut(path_, kept), path_);
    }
    TENON_ASSIGN(appender_, files_.Append(path_));
    return {};
  }

  Result<void> Append(std::span<const SinkRecord* const> records, Micros) override {
    std::string text;
    for (const SinkRecord* one : records) {
      text += one->value;
      text += '\n';
    }
    TENON_TRY(appender_->Append(text), path_);
    end_ += static_cast<std::int64_t>(text.size());
    return {};
  }
  Result<void> Sync() override { return appender_->Sync(); }
  Result<std::int64_t> End() override { return end_; }

 private:
  platform::Files& files_;
  const std::string path_;
  std::unique_ptr<platform::Appender> appender_;
  std::int64_t end_ = 0;  // bytes
};

class JsonLines final : public EventSinkKind {
 public:
  JsonLines(std::string path, std::string aside) : path_(std::move(path)), aside_(std::move(aside)) {
    const std::size_t dot = path_.rfind('.');
    const bool ending = dot != std::string::npos && dot > path_.rfind('/') + 1;
    if (aside_.empty()) aside_ = ending ? Str(path_.substr(0, dot), ".aside", path_.substr(dot)) : path_ + ".aside";
  }
  Result<std::unique_ptr<EventSink>> Open(const Call&, const SinkFor& whom) override {
    return OpenJournalSink(whom, std::make_unique<Lines>(*whom.files, platform::JoinPath(whom.folder, path_)),
                           std::make_unique<Lines>(*whom.files, platform::JoinPath(whom.folder, aside_)));
  }

 private:
  std::string path_, aside_;
};

}  // namespace

Result<void> AddJsonLines(Kinds<EventSinkKind>& kinds) {
  using Type = Option::Type;
  return kinds.Add("json_lines",
                   {.summary = "Append answers to a file, one JSON object a line",
                    .when = "Another program reads a file; nothing that stands in it is ever taken back",
                    .example = R"({"path": "answers.jsonl"})",
                    .options = {{"path", Type::kText, "answers.jsonl", "Of the file, relative to the project"},
                                {"aside", Type::kText, "", "Of the file for events that are put aside; none: <path>.aside before its ending"}}},
                   [](const Options& options) -> Result<std::unique_ptr<EventSinkKind>> {
                     if (options.Text("path").empty() || options.Text("path") == options.Text("aside")) {
                       return Error(Code::kInvalidArgument, "path: expected a file, and another one than `aside`");
                     }
                     return std::make_unique<JsonLines>(options.Text("path"), options.Text("aside"));
                   });
}

}  // namespace tenon::feature
