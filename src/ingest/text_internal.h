#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/call.h"
#include "platform/files.h"

namespace tenon::ingest {

// The whole of a text file as UTF-8, unpacked. What is not mapped as it lies there is a spool (spool.h): memory holds the
// pages that are being looked at, and owner->Forget gives them back.
struct Text {
  std::string_view view;
  std::shared_ptr<const platform::Bytes> owner;
};

// Reads a file: gzip and zstd are unpacked; a byte order mark is dropped; `encoding` is "auto" (UTF-8, or UTF-16 that shows itself
// by its mark or by its zeros), "utf-8", "utf-16", "latin-1" or "windows-1252".
// Errors: those of Files; invalid_argument naming the line of bytes that do not fit and the encodings to try;
// data_loss for damaged gzip and zstd; resource_exhausted when TMPDIR has no room for what is unpacked.
Result<Text> LoadText(const Call& call, const std::string& path, std::string_view encoding);
// The same, but bytes that are to be UTF-8 already are not looked at.
Result<Text> OpenText(const Call& call, const std::string& path, std::string_view encoding);
// A file's bytes, unpacked.
Result<std::shared_ptr<const platform::Bytes>> OpenBytes(const Call& call, const std::string& path);

// Gets bytes one after another; false: that is enough.
using TakeBytes = std::function<Result<bool>(std::string_view)>;
// Unpacks gzip or zstd, whichever the bytes begin as.
Result<void> Unpack(const Call& call, std::string_view packed, const std::string& path, const TakeBytes& take);

// Unpacks zstd frames one after another; the library is loaded when first used. data_loss for damaged ones.
Result<void> Unzstd(const Call& call, std::string_view packed, const std::string& path, const TakeBytes& take);
bool LooksZstd(std::string_view bytes);

// Unpacks gzip members one after another.
Result<void> Gunzip(const Call& call, std::string_view packed, const std::string& path, const TakeBytes& take);

// Before the text of some files in UTF-8.
constexpr std::string_view kUtf8Mark = "\xEF\xBB\xBF";

// Whether the bytes begin as UTF-16 does.
bool LooksUtf16(std::string_view bytes);

// Whether the bytes begin as gzip or zstd does.
bool LooksPacked(std::string_view bytes);

}  // namespace tenon::ingest
