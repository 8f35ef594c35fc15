// Packed files: an error or what was packed, never a crash; what begins as one kind of packing is unpacked as that kind.

#include "fuzz/target.h"
#include "ingest/text_internal.h"

namespace tenon::fuzz {
namespace {

// "a,b\n1,2\n" and nothing, as the program zstd packs them.
const std::string kSmall("\x28\xB5\x2F\xFD\x04\x58\x41\x00\x00\x61\x2C\x62\x0A\x31\x2C\x32\x0A\x35\xE7\xCA\xCE", 21);
const std::string kEmpty("\x28\xB5\x2F\xFD\x24\x00\x01\x00\x00\x99\xE9\xD8\x51", 13);

using Unpacker = Result<void> (*)(const Call&, std::string_view, const std::string&, const ingest::TakeBytes&);

Result<std::string> Whole(Unpacker unpack, std::string_view packed) {
  std::string out;
  TENON_TRY(unpack(Call{}, packed, "f", [&](std::string_view piece) -> Result<bool> { return out += piece, true; }));
  return out;
}

void RunZstd(std::string_view input) {
  if (input.size() > 4096) return;  // one byte may become hundreds of thousands: what is allowed to be large is the caller's to say
  auto unpacked = Whole(ingest::Unzstd, input);
  if (!unpacked.ok()) return CheckError(unpacked.error());
  if (ingest::LooksZstd(input)) Same(Must(Whole(ingest::Unpack, input), "what looks like zstd"), *unpacked, "one way and the other");
  // A frame behind another one.
  Same(Must(Whole(ingest::Unzstd, Str(input, kSmall)), "two frames"), *unpacked + "a,b\n1,2\n", "frames one after another");
}

std::vector<std::string> Seeds() { return {kSmall, kEmpty, kSmall + kEmpty + kSmall, kSmall.substr(0, 15), std::string("\x50\x2A\x4D\x18\x02\0\0\0xy", 10) + kSmall}; }

}  // namespace

Target MakeZstd() { return {RunZstd, Seeds}; }

}  // namespace tenon::fuzz
