#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/time.h"

namespace tenon::ota {

// What a device may install: one bundle, under a number that only grows. docs/formats/release.md
struct Release {
  std::string channel;      // "kiosks"
  std::int64_t number = 0;  // from 1; a device never goes back to a smaller one
  std::string model;        // "loan-approval@3"
  std::string sha256;       // of the bundle
  std::int64_t bytes = 0;   // of the bundle
  std::string why;          // "update", or "rollback of 5"
  Micros made = 0;
  std::string Text() const;  // canonical JSON: what is signed
  // data_loss when it is not the text of one.
  static Result<Release> Parse(std::string_view text);
};

// A release as it travels.
struct SignedRelease {
  std::string text;
  std::string signature;
  Json ToJson() const;
  static Result<SignedRelease> FromJson(const Json& json);
};

Result<SignedRelease> SignRelease(const Release& release, std::string_view secret_pem);
// permission_denied for a wrong signature, before anything of the text is believed; data_loss.
Result<Release> CheckRelease(const SignedRelease& signed_release, std::string_view open_pem);

// Whether a name can be that of a channel or a device: 1 to 64 letters, digits, '-', '_' and '.', not beginning with '.'.
bool IsPlainName(std::string_view name);

}  // namespace tenon::ota
