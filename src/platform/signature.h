#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tenon::platform {

// Ed25519 (RFC 8032) by OpenSSL: who has the secret key signs, whoever has the open one checks.
struct SigningKey {
  std::string secret;  // PEM, PKCS 8
  std::string open;    // PEM
};
Result<SigningKey> MakeSigningKey();
// The signature of the text, base 64. invalid_argument when the PEM holds no Ed25519 key.
Result<std::string> Sign(std::string_view secret_pem, std::string_view text);
// permission_denied unless the signature is that of the text by the key.
Result<void> CheckSignature(std::string_view open_pem, std::string_view text, std::string_view signature);

}  // namespace tenon::platform
