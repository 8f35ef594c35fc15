#include "ingest/spool.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "base/text.h"

namespace tenon::ingest {
namespace {

constexpr std::size_t kMostHeld = 8 << 20;

class Held final : public platform::Bytes {
 public:
  explicit Held(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view view() const override { return bytes_; }

 private:
  std::string bytes_;
};

// Keeps the file as long as its pages.
class Spooled final : public platform::Bytes {
 public:
  Spooled(std::unique_ptr<Spool> spool, std::shared_ptr<const platform::Bytes> bytes) : spool_(std::move(spool)), bytes_(std::move(bytes)) {}
  std::string_view view() const override { return bytes_->view(); }
  void Forget(std::string_view part) const override { bytes_->Forget(part); }

 private:
  std::unique_ptr<Spool> spool_;
  std::shared_ptr<const platform::Bytes> bytes_;
};

}  // namespace

Result<std::unique_ptr<Spool>> Spool::Make() {
  const char* folder = std::getenv("TMPDIR");
  std::string path = platform::JoinPath(folder != nullptr && *folder != '\0' ? folder : "/tmp", "tenon-spool-XXXXXX");
  const int file = mkstemp(path.data());
  if (file < 0) return Error(Code::kUnavailable, Str("cannot make a temporary file ", path, "; TMPDIR says where"));
  unlink(path.c_str());
  return std::make_unique<Spool>(file);
}

Spool::~Spool() { close(file_); }

std::string Spool::path() const { return Str("/proc/self/fd/", file_); }

Result<void> SpoolWriter::Append(std::string_view bytes) {
  if (spool_ == nullptr && held_.size() + bytes.size() <= kMostHeld) {
    held_ += bytes;
    return {};
  }
  if (spool_ == nullptr) {
    TENON_ASSIGN(spool_, Spool::Make());
    TENON_ASSIGN(out_, platform::RealFiles()->Append(spool_->path()));
    TENON_TRY(out_->Append(std::exchange(held_, std::string())), "in TMPDIR");
  }
  TENON_TRY(out_->Append(bytes), "in TMPDIR");
  return {};
}

Result<std::shared_ptr<const platform::Bytes>> SpoolWriter::Finish() {
  if (spool_ == nullptr) return std::shared_ptr<const platform::Bytes>(std::make_shared<const Held>(std::move(held_)));
  out_.reset();
  TENON_ASSIGN(auto bytes, platform::RealFiles()->Map(spool_->path()));
  return std::shared_ptr<const platform::Bytes>(std::make_shared<const Spooled>(std::move(spool_), std::move(bytes)));
}

Result<std::unique_ptr<Spool>> SpoolStandardInput(const Call& call) {
  TENON_ASSIGN(auto spool, Spool::Make());
  TENON_ASSIGN(auto out, platform::RealFiles()->Append(spool->path()));
  std::array<char, 1 << 16> buffer;
  while (true) {
    TENON_TRY(call.Check());
    const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got < 0) return Error(Code::kUnavailable, "cannot read standard input");
    if (got == 0) return spool;
    TENON_TRY(out->Append({buffer.data(), static_cast<std::size_t>(got)}));
  }
}

}  // namespace tenon::ingest
