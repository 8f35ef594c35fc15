#include "ota/release.h"

#include <algorithm>

#include "base/text.h"
#include "platform/signature.h"

namespace tenon::ota {
namespace {

// Signed along, so that a signature of something else by the same key is none of a release.
constexpr std::string_view kPurpose = "tenon release 1\n";

}  // namespace

bool IsPlainName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name[0] != '.' && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

std::string Release::Text() const {
  Json out;
  out["channel"] = channel;
  out["number"] = number;
  out["model"] = model;
  out["sha256"] = sha256;
  out["bytes"] = bytes;
  out["why"] = why;
  out["made"] = made;
  return out.Canonical();
}

Result<Release> Release::Parse(std::string_view text) {
  auto parsed = Json::Parse(text, "release");
  if (!parsed || !parsed->is_object()) return Error(Code::kDataLoss, "the release is no JSON object");
  Release out{.channel = parsed->StringAt("channel"), .number = parsed->IntAt("number"), .model = parsed->StringAt("model"), .sha256 = parsed->StringAt("sha256"),
              .bytes = parsed->IntAt("bytes"), .why = parsed->StringAt("why"), .made = parsed->IntAt("made")};
  const bool hash = out.sha256.size() == 64 && out.sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!IsPlainName(out.channel) || out.number < 1 || !hash || out.bytes < 1) return Error(Code::kDataLoss, "the release lacks its channel, number, SHA-256 or size");
  return out;
}

Json SignedRelease::ToJson() const {
  Json out;
  out["release"] = text;
  out["signature"] = signature;
  return out;
}

Result<SignedRelease> SignedRelease::FromJson(const Json& json) {
  SignedRelease out{json.StringAt("release"), json.StringAt("signature")};
  if (out.text.empty() || out.signature.empty()) return Error(Code::kDataLoss, "a release needs its text and its signature");
  return out;
}

Result<SignedRelease> SignRelease(const Release& release, std::string_view secret_pem) {
  SignedRelease out{.text = release.Text(), .signature = {}};
  TENON_ASSIGN(out.signature, platform::Sign(secret_pem, Str(kPurpose, out.text)));
  return out;
}

Result<Release> CheckRelease(const SignedRelease& signed_release, std::string_view open_pem) {
  TENON_TRY(platform::CheckSignature(open_pem, Str(kPurpose, signed_release.text), signed_release.signature));
  return Release::Parse(signed_release.text);
}

}  // namespace tenon::ota
