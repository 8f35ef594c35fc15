#include <array>

#include "base/text.h"
#include "ingest/text_internal.h"
#include "platform/library.h"

// Of libzstd's interface, which is fixed since 1.4; declared here so that building needs no package.
extern "C" {
struct ZSTD_DCtx_s;
struct TenonZstdIn {
  const void* bytes;
  std::size_t size, at;
};
struct TenonZstdOut {
  void* bytes;
  std::size_t size, at;
};
}

namespace tenon::ingest {
namespace {

struct Api {
  ZSTD_DCtx_s* (*ZSTD_createDCtx)() = nullptr;
  std::size_t (*ZSTD_freeDCtx)(ZSTD_DCtx_s*) = nullptr;
  std::size_t (*ZSTD_decompressStream)(ZSTD_DCtx_s*, TenonZstdOut*, TenonZstdIn*) = nullptr;
  unsigned (*ZSTD_isError)(std::size_t) = nullptr;
  const char* (*ZSTD_getErrorName)(std::size_t) = nullptr;

  static Result<Api> Load() {
    TENON_ASSIGN(platform::Library library, platform::Library::Open("libzstd.so.1"), "zstd, Debian's package libzstd1");
    Api api;
    TENON_TRY(library.Bind("ZSTD_createDCtx", &api.ZSTD_createDCtx));
    TENON_TRY(library.Bind("ZSTD_freeDCtx", &api.ZSTD_freeDCtx));
    TENON_TRY(library.Bind("ZSTD_decompressStream", &api.ZSTD_decompressStream));
    TENON_TRY(library.Bind("ZSTD_isError", &api.ZSTD_isError));
    TENON_TRY(library.Bind("ZSTD_getErrorName", &api.ZSTD_getErrorName));
    return api;
  }
};

}  // namespace

bool LooksZstd(std::string_view bytes) { return bytes.starts_with("\x28\xB5\x2F\xFD"); }

Result<void> Unzstd(const Call& call, std::string_view packed, const std::string& path, const TakeBytes& take) {
  TENON_ASSIGN(const Api api, Api::Load(), path);
  const std::unique_ptr<ZSTD_DCtx_s, std::size_t (*)(ZSTD_DCtx_s*)> context(api.ZSTD_createDCtx(), api.ZSTD_freeDCtx);
  if (context == nullptr) return Error(Code::kResourceExhausted, "no memory to unpack zstd");
  std::array<char, 1 << 17> piece;
  TenonZstdIn in{packed.data(), packed.size(), 0};
  std::size_t left = 1;
  while (true) {
    TENON_TRY(call.Check());
    TenonZstdOut into{piece.data(), piece.size(), 0};
    const std::size_t before = in.at;
    left = api.ZSTD_decompressStream(context.get(), &into, &in);
    if (api.ZSTD_isError(left) != 0) return Error(Code::kDataLoss, Str(path, ": damaged zstd: ", api.ZSTD_getErrorName(left)));
    TENON_ASSIGN(const bool more, take({piece.data(), into.at}));
    if (!more) return {};
    // More frames may follow; what is packed is at its end when nothing more comes of it.
    if (in.at == in.size && into.at < into.size) break;
    if (in.at == before && into.at == 0) break;
  }
  if (left != 0) return Error(Code::kDataLoss, Str(path, ": damaged zstd: it ends in the midst"));
  return {};
}

}  // namespace tenon::ingest
