#include "platform/picture.h"

#include <csetjmp>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

#include "base/text.h"
#include "platform/library.h"
#include "platform/tensor_values.h"

// Of libpng 1.6 and of libjpeg-turbo's own interface (TurboJPEG 2): both have been kept for a decade. Declared here, so that building needs
// neither package.
extern "C" {
struct png_struct_def;
struct png_info_def;
using TenonPngFail = void (*)(png_struct_def*, const char*);
using TenonPngRead = void (*)(png_struct_def*, unsigned char*, std::size_t);
}

namespace tenon::platform {
namespace {

Error Wrong(std::string_view what) { return Error(Code::kInvalidArgument, std::string(what)); }

Result<void> CheckSize(std::int64_t width, std::int64_t height, std::int64_t most_pixels) {
  if (width <= most_pixels / height) return {};
  return Wrong(Str("is a picture of ", width, " x ", height, " pixels; at most ", most_pixels, " are read"));
}

struct Png {
  png_struct_def* (*png_create_read_struct)(const char*, void*, TenonPngFail, TenonPngFail) = nullptr;
  png_info_def* (*png_create_info_struct)(png_struct_def*) = nullptr;
  void (*png_destroy_read_struct)(png_struct_def**, png_info_def**, png_info_def**) = nullptr;
  void* (*png_get_error_ptr)(const png_struct_def*) = nullptr;
  void (*png_set_read_fn)(png_struct_def*, void*, TenonPngRead) = nullptr;
  void (*png_set_user_limits)(png_struct_def*, std::uint32_t, std::uint32_t) = nullptr;
  void (*png_set_chunk_malloc_max)(png_struct_def*, std::size_t) = nullptr;
  void (*png_set_chunk_cache_max)(png_struct_def*, std::uint32_t) = nullptr;
  void (*png_read_info)(png_struct_def*, png_info_def*) = nullptr;
  std::uint32_t (*png_get_IHDR)(const png_struct_def*, const png_info_def*, std::uint32_t*, std::uint32_t*, int*, int*, int*, int*, int*) = nullptr;
  void (*png_set_expand)(png_struct_def*) = nullptr;
  void (*png_set_strip_16)(png_struct_def*) = nullptr;
  void (*png_set_strip_alpha)(png_struct_def*) = nullptr;
  int (*png_set_interlace_handling)(png_struct_def*) = nullptr;
  void (*png_read_update_info)(png_struct_def*, png_info_def*) = nullptr;
  std::size_t (*png_get_rowbytes)(const png_struct_def*, const png_info_def*) = nullptr;
  void (*png_read_row)(png_struct_def*, unsigned char*, unsigned char*) = nullptr;
  void (*png_read_end)(png_struct_def*, png_info_def*) = nullptr;

  static Result<Png> Load() {
    TENON_ASSIGN(Library library, Library::Open("libpng16.so.16"), "PNG pictures, `tools/setup.sh images`");
    Png api;
#define TENON_BIND(name) TENON_TRY(library.Bind(#name, &api.name));
    TENON_BIND(png_create_read_struct) TENON_BIND(png_create_info_struct) TENON_BIND(png_destroy_read_struct) TENON_BIND(png_get_error_ptr)
    TENON_BIND(png_set_read_fn) TENON_BIND(png_set_user_limits) TENON_BIND(png_set_chunk_malloc_max)
    TENON_BIND(png_set_chunk_cache_max) TENON_BIND(png_read_info) TENON_BIND(png_get_IHDR) TENON_BIND(png_set_expand) TENON_BIND(png_set_strip_16)
    TENON_BIND(png_set_strip_alpha) TENON_BIND(png_set_interlace_handling) TENON_BIND(png_read_update_info) TENON_BIND(png_get_rowbytes)
    TENON_BIND(png_read_row) TENON_BIND(png_read_end)
#undef TENON_BIND
    return api;
  }
};

const Result<Png>& LoadedPng() {
  static const Result<Png> api = Png::Load();
  return api;
}

// What libpng's callbacks find by its error pointer. An error leaves libpng by longjmp: it is written in C and knows no other way out. Between
// setjmp and there nothing lies that would have to be destroyed: all memory is held by whom calls ReadPngHead and ReadPngRows.
struct PngState {
  std::jmp_buf out;
  char said[200] = "";
  const char* at = nullptr;
  std::size_t left = 0;
};

PngState& StateOf(const png_struct_def* png) { return *static_cast<PngState*>(LoadedPng()->png_get_error_ptr(png)); }

void OnPngError(png_struct_def* png, const char* said) {
  PngState& state = StateOf(png);
  std::strncpy(state.said, said, sizeof state.said - 1);
  std::longjmp(state.out, 1);
}
void OnPngWarning(png_struct_def*, const char*) {}
void OnPngRead(png_struct_def* png, unsigned char* to, std::size_t size) {
  PngState& state = StateOf(png);
  if (size > state.left) OnPngError(png, "it ends in the midst");
  std::memcpy(to, state.at, size);
  state.at += size;
  state.left -= size;
}

struct PngHead {
  std::uint32_t width = 0, height = 0;
  int depth = 0, colour = 0;
};
constexpr int kPngColour = 2;  // of the colour type: palettes have it as well

bool ReadPngHead(const Png& api, PngState& state, png_struct_def* png, png_info_def* info, PngHead* head) {
  if (setjmp(state.out) != 0) return false;
  api.png_set_read_fn(png, nullptr, &OnPngRead);
  api.png_set_user_limits(png, 1U << 20, 1U << 20);
  api.png_set_chunk_malloc_max(png, 8U << 20);
  api.png_set_chunk_cache_max(png, 100);
  api.png_read_info(png, info);
  api.png_get_IHDR(png, info, &head->width, &head->height, &head->depth, &head->colour, nullptr, nullptr, nullptr);
  return true;
}

bool ReadPngRows(const Png& api, PngState& state, png_struct_def* png, png_info_def* info, const PngHead& head, unsigned char* pixels, std::size_t row_bytes) {
  if (setjmp(state.out) != 0) return false;
  api.png_set_expand(png);
  if (head.depth == 16) api.png_set_strip_16(png);
  api.png_set_strip_alpha(png);
  const int passes = api.png_set_interlace_handling(png);
  api.png_read_update_info(png, info);
  if (api.png_get_rowbytes(png, info) != row_bytes) return false;
  for (int pass = 0; pass < passes; ++pass) {
    for (std::uint32_t row = 0; row < head.height; ++row) api.png_read_row(png, pixels + row * row_bytes, nullptr);
  }
  api.png_read_end(png, nullptr);
  return true;
}

Result<Picture> DecodePng(std::string_view bytes, std::int64_t most_pixels) {
  if (!LoadedPng()) return Error(LoadedPng().error().code(), LoadedPng().error().ForPeople());
  const Png& api = *LoadedPng();
  PngState state;
  state.at = bytes.data();
  state.left = bytes.size();
  struct Reading {
    const Png& api;
    png_struct_def* png;
    png_info_def* info = nullptr;
    ~Reading() {
      if (png != nullptr) api.png_destroy_read_struct(&png, &info, nullptr);
    }
  } reading{api, api.png_create_read_struct("1.6.0", &state, &OnPngError, &OnPngWarning)};
  if (reading.png != nullptr) reading.info = api.png_create_info_struct(reading.png);
  if (reading.info == nullptr) return Error(Code::kResourceExhausted, "no memory to read a picture");
  PngHead head;
  if (!ReadPngHead(api, state, reading.png, reading.info, &head)) return Wrong(Str("is a damaged PNG: ", state.said));
  TENON_TRY(CheckSize(head.width, head.height, most_pixels));
  Picture out{.width = static_cast<int>(head.width), .height = static_cast<int>(head.height), .channels = (head.colour & kPngColour) != 0 ? 3 : 1, .pixels = {}};
  const std::size_t row_bytes = static_cast<std::size_t>(head.width) * static_cast<std::size_t>(out.channels);
  out.pixels.resize(row_bytes * head.height);
  if (!ReadPngRows(api, state, reading.png, reading.info, head, out.pixels.data(), row_bytes)) return Wrong(Str("is a damaged PNG: ", state.said));
  return out;
}

struct Jpeg {
  void* (*tjInitDecompress)() = nullptr;
  int (*tjDestroy)(void*) = nullptr;
  int (*tjDecompressHeader3)(void*, const unsigned char*, unsigned long, int*, int*, int*, int*) = nullptr;
  int (*tjDecompress2)(void*, const unsigned char*, unsigned long, unsigned char*, int, int, int, int, int) = nullptr;
  const char* (*tjGetErrorStr2)(void*) = nullptr;
  int (*tjGetErrorCode)(void*) = nullptr;

  static Result<Jpeg> Load() {
    TENON_ASSIGN(Library library, Library::Open("libturbojpeg.so.0"), "JPEG pictures, `tools/setup.sh images`");
    Jpeg api;
#define TENON_BIND(name) TENON_TRY(library.Bind(#name, &api.name));
    TENON_BIND(tjInitDecompress) TENON_BIND(tjDestroy) TENON_BIND(tjDecompressHeader3) TENON_BIND(tjDecompress2) TENON_BIND(tjGetErrorStr2)
    TENON_BIND(tjGetErrorCode)
#undef TENON_BIND
    return api;
  }
};

const Result<Jpeg>& LoadedJpeg() {
  static const Result<Jpeg> api = Jpeg::Load();
  return api;
}

enum JpegPixels { kJpegRgb = 0, kJpegGrey = 6, kJpegCmyk = 11 };
enum JpegColours { kJpegIsGrey = 2, kJpegIsCmyk = 3, kJpegIsYcck = 4 };
constexpr int kJpegLimitScans = 32768;  // a progressive picture of very many scans takes minutes to read
constexpr int kJpegWarning = 0;

// a * b / 255, rounded.
int Scaled(int a, int b) {
  const int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

// As those who print write them: each ink, and black, as what is left without it.
void FromCmyk(const std::vector<std::uint8_t>& inks, Picture* out) {
  out->pixels.reserve(inks.size() / 4 * 3);
  for (std::size_t i = 0; i + 3 < inks.size(); i += 4) {
    const int light = inks[i + 3];
    for (std::size_t k = 0; k < 3; ++k) out->pixels.push_back(static_cast<std::uint8_t>(light - Scaled(255 - inks[i + k], light)));
  }
}

Result<Picture> DecodeJpeg(std::string_view bytes, std::int64_t most_pixels) {
  if (!LoadedJpeg()) return Error(LoadedJpeg().error().code(), LoadedJpeg().error().ForPeople());
  const Jpeg& api = *LoadedJpeg();
  const std::unique_ptr<void, int (*)(void*)> reader(api.tjInitDecompress(), api.tjDestroy);
  if (reader == nullptr) return Error(Code::kResourceExhausted, "no memory to read a picture");
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, sampling = 0, colours = 0;
  const auto damaged = [&] { return Wrong(Str("is a damaged JPEG: ", api.tjGetErrorStr2(reader.get()))); };
  if (api.tjDecompressHeader3(reader.get(), data, bytes.size(), &width, &height, &sampling, &colours) != 0) return damaged();
  if (width < 1 || height < 1) return Wrong("is a damaged JPEG: there is no picture in it");
  TENON_TRY(CheckSize(width, height, most_pixels));
  const bool inks = colours == kJpegIsCmyk || colours == kJpegIsYcck;
  Picture out{.width = width, .height = height, .channels = colours == kJpegIsGrey ? 1 : 3, .pixels = {}};
  const int form = inks ? kJpegCmyk : colours == kJpegIsGrey ? kJpegGrey : kJpegRgb;
  std::vector<std::uint8_t> read(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * static_cast<std::size_t>(inks ? 4 : out.channels));
  if (api.tjDecompress2(reader.get(), data, bytes.size(), read.data(), width, 0, height, form, kJpegLimitScans) != 0) {
    // Warnings leave a whole picture, but for the one that the rest of it is not there.
    const std::string_view said = api.tjGetErrorStr2(reader.get());
    if (api.tjGetErrorCode(reader.get()) != kJpegWarning || said.find("Premature end") != std::string_view::npos) return damaged();
  }
  if (inks) {
    FromCmyk(read, &out);
  } else {
    out.pixels = std::move(read);
  }
  return out;
}

}  // namespace

bool LooksPng(std::string_view bytes) { return bytes.starts_with("\x89PNG\r\n\x1a\n"); }
bool LooksJpeg(std::string_view bytes) { return bytes.starts_with("\xFF\xD8\xFF"); }

Result<std::string> PictureBytes(std::string_view value) {
  if (LooksPng(value) || LooksJpeg(value)) return std::string(value);
  std::string_view text = Trim(value);
  if (text.starts_with("data:")) {
    const std::size_t comma = text.find(",");
    if (comma == std::string_view::npos || !text.substr(0, comma).ends_with(";base64")) return Wrong("is a data: address without base64");
    text.remove_prefix(comma + 1);
  }
  auto bytes = BytesFromBase64(text);
  if (bytes.ok()) return bytes;
  return Wrong("is no picture: base64 of a PNG or JPEG is expected; columns that name files are read with `files:` under `data:`");
}

Result<Picture> DecodePicture(std::string_view bytes, std::int64_t most_pixels) {
  if (LooksPng(bytes)) return DecodePng(bytes, most_pixels);
  if (LooksJpeg(bytes)) return DecodeJpeg(bytes, most_pixels);
  return Wrong(bytes.empty() ? "is empty; a PNG or JPEG is expected" : "is neither a PNG nor a JPEG by its first bytes");
}

}  // namespace tenon::platform
