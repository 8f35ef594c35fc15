#include "platform/signature.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <array>
#include <memory>
#include <vector>

namespace tenon::platform {
namespace {

constexpr std::size_t kSignatureBytes = 64;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* at) const { Free(at); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;

std::string TextOf(BIO* bio) {
  char* at = nullptr;
  const long size = BIO_get_mem_data(bio, &at);
  return {at, static_cast<std::size_t>(size)};
}

// Asks for no pass phrase: there is nobody to answer.
int NoPhrase(char*, int, int, void*) { return -1; }

Result<Key> KeyIn(std::string_view pem, bool secret) {
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(secret ? PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPhrase, nullptr) : PEM_read_bio_PUBKEY(bio.get(), nullptr, NoPhrase, nullptr));
  ERR_clear_error();
  if (key == nullptr || EVP_PKEY_base_id(key.get()) != EVP_PKEY_ED25519) {
    return Error(Code::kInvalidArgument, secret ? "the PEM holds no secret Ed25519 key; `tenon ota keygen` makes one" : "the PEM holds no open Ed25519 key; `tenon ota keygen` makes one");
  }
  return key;
}

std::string Base64(const unsigned char* bytes, std::size_t size) {
  std::array<unsigned char, 4 * (kSignatureBytes + 2) / 3 + 4> letters;
  const int length = EVP_EncodeBlock(letters.data(), bytes, static_cast<int>(size));
  return {reinterpret_cast<const char*>(letters.data()), static_cast<std::size_t>(length)};
}

Error Refused() { return Error(Code::kPermissionDenied, "the signature is not one of this text by this key"); }

}  // namespace

Result<SigningKey> MakeSigningKey() {
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  Bio secret(BIO_new(BIO_s_mem())), open(BIO_new(BIO_s_mem()));
  if (key == nullptr || PEM_write_bio_PKCS8PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 || PEM_write_bio_PUBKEY(open.get(), key.get()) != 1) {
    ERR_clear_error();
    return Error(Code::kInternal, "OpenSSL makes no Ed25519 key");
  }
  return SigningKey{TextOf(secret.get()), TextOf(open.get())};
}

Result<std::string> Sign(std::string_view secret_pem, std::string_view text) {
  TENON_ASSIGN(const Key key, KeyIn(secret_pem, true));
  const Context context(EVP_MD_CTX_new());
  std::array<unsigned char, kSignatureBytes> signature;
  std::size_t size = signature.size();
  const bool done = EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
                    EVP_DigestSign(context.get(), signature.data(), &size, reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  if (!done || size != signature.size()) {
    ERR_clear_error();
    return Error(Code::kInternal, "OpenSSL does not sign");
  }
  return Base64(signature.data(), size);
}

Result<void> CheckSignature(std::string_view open_pem, std::string_view text, std::string_view signature) {
  TENON_ASSIGN(const Key key, KeyIn(open_pem, false));
  // 64 bytes are 88 letters, the last two of them padding.
  if (signature.size() != 88) return Refused();
  std::array<unsigned char, 66> bytes;
  if (EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(signature.data()), static_cast<int>(signature.size())) != 66) return Refused();
  // One way to write a signature: the last letter before the padding has bits to spare, which must be 0.
  if (Base64(bytes.data(), kSignatureBytes) != signature) return Refused();
  const Context context(EVP_MD_CTX_new());
  const bool right = EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
                     EVP_DigestVerify(context.get(), bytes.data(), kSignatureBytes, reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  ERR_clear_error();
  return right ? Result<void>() : Refused();
}

}  // namespace tenon::platform
