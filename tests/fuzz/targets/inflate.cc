// Packed bodies and files: never more than allowed; what was packed comes out as it was; both unpackers agree.

#include "edge/compression_internal.h"
#include "fuzz/target.h"
#include "ingest/text_internal.h"

namespace tenon::fuzz {
namespace {

constexpr std::size_t kMost = 1 << 20;

Result<std::string> Gunzip(std::string_view packed) {
  std::string out;
  TENON_TRY(ingest::Gunzip(Call{}, packed, "f", [&](std::string_view piece) -> Result<bool> { return out += piece, true; }));
  return out;
}

void RunInflate(std::string_view input) {
  std::string out;
  bool too_large = false;
  if (edge::Inflate(input, kMost, &out, &too_large)) {
    Hold(out.size() <= kMost && !too_large, "no more comes out than is allowed");
    if (ingest::LooksPacked(input)) Same(Must(Gunzip(input), "one member of gzip"), out, "both unpackers agree");
  } else if (too_large) {
    Hold(out.size() > kMost, "what is too large is so");
  }
  if (input.size() < 4096) {  // gzip members, however many: not a bomb, as one byte becomes at most about a thousand
    if (auto unpacked = Gunzip(input); !unpacked.ok()) CheckError(unpacked.error());
  }
  for (const bool gzip : {false, true}) {
    std::string packed, again;
    Hold(edge::Deflate(input, gzip, &packed), "anything can be packed");
    Hold(edge::Inflate(packed, input.size(), &again, &too_large), "what was packed can be unpacked");
    Same(again, input, "packed and unpacked");
    if (!input.empty()) Hold(!edge::Inflate(packed, input.size() - 1, &again, &too_large) && too_large, "one byte less than needed is too little");
    Hold(!edge::Inflate(std::string_view(packed).substr(0, packed.size() - 1), kMost, &again, &too_large), "a cut body is none");
    if (gzip) Same(Must(Gunzip(packed + packed), "two members of gzip"), Str(input, input), "members one after another");
  }
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = {"plain text", std::string(3000, 'a')};
  for (const bool gzip : {false, true}) {
    for (const std::string& text : {std::string(), std::string("a,b\n1,2\n"), std::string(100000, 'x')}) {
      std::string packed;
      Hold(edge::Deflate(text, gzip, &packed), "a seed can be packed");
      seeds.push_back(packed);
    }
  }
  seeds.push_back(seeds.back() + seeds[seeds.size() - 2] + std::string(20, '\0'));
  return seeds;
}

}  // namespace

Target MakeInflate() { return {RunInflate, Seeds}; }

}  // namespace tenon::fuzz
