#include "govern/keys.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "platform/random.h"

namespace tenon::govern {
namespace {

constexpr std::string_view kKind = "api_key";
constexpr std::string_view kRevisionKind = "govern";
constexpr std::string_view kRevisionName = "keys";
constexpr std::string_view kPrefix = "tenon_";
constexpr std::size_t kIdSize = 8, kSecretBytes = 32, kSecretSize = 43;

// Base 64 for URLs (RFC 4648, 5), without padding.
std::string Base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) out += kDigits[bits >> (count - 6) & 63];
  }
  if (count > 0) out += kDigits[bits << (6 - count) & 63];
  return out;
}

// Letters and digits only, so that the id ends where it seems to.
std::string IdFrom(std::string_view random) {
  static constexpr std::string_view kDigits = "abcdefghijkmnpqrstuvwxyz23456789";
  std::string id;
  for (std::size_t i = 0; i < kIdSize; ++i) id += kDigits[static_cast<unsigned char>(random[i]) % kDigits.size()];
  return id;
}

bool IsName(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-_.@").find(c) != std::string_view::npos;
  });
}

Result<KeyRecord> FromJson(std::string_view name, const Json& body) {
  KeyRecord key;
  key.name = name;
  key.id = body.StringAt("id");
  key.digest = body.StringAt("digest");
  key.made = body.IntAt("made");
  key.expires = body.IntAt("expires");
  key.rate = body.NumberAt("rate");
  std::vector<std::string> scopes;
  if (const Json* list = body.Find("scopes"); list != nullptr && list->is_array()) {
    for (const Json& scope : list->array()) {
      if (scope.is_string()) scopes.push_back(scope.String());
    }
  }
  auto read = Scopes::Of(scopes);
  if (!read) return Error(Code::kDataLoss, Str("the record of key '", name, "': ", read.error().message()));
  if (key.id.size() != kIdSize || key.digest.size() != 64) return Error(Code::kDataLoss, Str("the record of key '", name, "' has no id or digest"));
  key.scopes = *read;
  return key;
}

// The change's own records: the revision that services watch, the audit record and the event.
Result<void> Told(const Call& call, store::Store& store, std::string_view action, const KeyRecord& key) {
  TENON_TRY(store.PutRecord(kRevisionKind, kRevisionName, Json::MakeObject()));
  TENON_ASSIGN(const std::int64_t revision, KeysRevision(store));
  Json body = key.ToJson();
  body["actor"] = call.actor;
  TENON_TRY(store.AddEvent(action, body));
  Json audit;
  audit["at"] = call.Now();
  audit["actor"] = call.actor;
  audit["action"] = action;
  audit["object"] = key.name;
  audit["detail"] = std::move(body);
  return store.PutRecord("audit", Str("keys-", revision), audit);
}

}  // namespace

Json KeyRecord::ToJson() const {
  Json out;
  out["name"] = name;
  out["id"] = id;
  out["scopes"] = Json::ListOf(scopes.Names());
  out["made"] = made;
  if (expires != 0) out["expires"] = expires;
  if (rate != 0) out["rate"] = rate;
  return out;
}

Result<NewKey> AddKey(const Call& call, store::Store& store, const KeyWish& wish) {
  if (!IsName(wish.name)) {
    return Error(Code::kInvalidArgument, Str("'", wish.name, "' is no name for a key: 1 to 64 letters, digits, '-', '_', '.', '@', such as mobile-app"));
  }
  if (wish.expires != 0 && wish.expires <= call.Now()) {
    return Error(Code::kInvalidArgument, Str("the key would have ended at ", FormatTimestamp(wish.expires), ", before it is made"));
  }
  TENON_ASSIGN(const std::string random, platform::RandomBytes(kIdSize + kSecretBytes));
  NewKey made;
  made.record = {.name = wish.name, .id = IdFrom(random), .digest = "", .scopes = wish.scopes, .made = call.Now(), .expires = wish.expires, .rate = wish.rate};
  made.text = Str(kPrefix, made.record.id, "_", Base64(std::string_view(random).substr(kIdSize)));
  made.record.digest = HashOf(made.text);
  const auto add = [&]() -> Result<void> {
    TENON_ASSIGN(const auto there, store.FindRecord(kKind, wish.name));
    if (there) return Error(Code::kAlreadyExists, Str("there is a key '", wish.name, "'; `tenon keys rm ", wish.name, "` takes it away"));
    Json body = made.record.ToJson();
    body["digest"] = made.record.digest;
    TENON_TRY(store.PutRecord(kKind, wish.name, body));
    return Told(call, store, "key_added", made.record);
  };
  TENON_TRY(store.Transaction(add), Str("adding the key ", wish.name));
  return made;
}

Result<void> RemoveKey(const Call& call, store::Store& store, std::string_view name) {
  const auto remove = [&]() -> Result<void> {
    TENON_ASSIGN(const auto there, store.FindRecord(kKind, name));
    if (!there) {
      TENON_ASSIGN(const auto known, Keys(store));
      std::vector<std::string> names;
      for (const KeyRecord& key : known) names.push_back(key.name);
      return Error(Code::kNotFound, Str("no key '", name, "'", names.empty() ? std::string() : DidYouMean(name, names)));
    }
    // Also one whose record cannot be read must be possible to take away.
    KeyRecord key;
    key.name = name;
    if (auto read = FromJson(name, there->body); read.ok()) key = *std::move(read);
    TENON_TRY(store.RemoveRecord(kKind, name));
    return Told(call, store, "key_removed", key);
  };
  return store.Transaction(remove);
}

Result<std::vector<KeyRecord>> Keys(const store::Store& store) {
  TENON_ASSIGN(const auto records, store.Records(kKind));
  std::vector<KeyRecord> keys;
  for (const auto& record : records) {
    TENON_ASSIGN(KeyRecord key, FromJson(record.name, record.body));
    keys.push_back(std::move(key));
  }
  std::ranges::sort(keys, {}, &KeyRecord::name);
  return keys;
}

Result<std::int64_t> KeysRevision(const store::Store& store) {
  TENON_ASSIGN(const auto record, store.FindRecord(kRevisionKind, kRevisionName));
  return record ? record->sequence : std::int64_t{0};
}

std::string WriteKeys(const std::vector<KeyRecord>& keys) {
  Json list = Json::MakeArray();
  for (const KeyRecord& key : keys) {
    Json body = key.ToJson();
    body["digest"] = key.digest;
    list.Push(std::move(body));
  }
  return list.Pretty() + "\n";
}

Result<std::vector<KeyRecord>> ReadKeys(std::string_view text, std::string_view file) {
  TENON_ASSIGN(const Json list, Json::Parse(text, file));
  if (!list.is_array()) return Error(Code::kInvalidArgument, Str(file, " is ", list.KindName(), ", not the list of keys that `tenon keys export` writes"));
  std::vector<KeyRecord> keys;
  for (const Json& body : list.array()) {
    const std::string name = body.StringAt("name");
    if (!IsName(name)) return Error(Code::kInvalidArgument, Str(body.Where(file), ": '", name, "' is no name for a key"));
    TENON_ASSIGN(KeyRecord key, FromJson(name, body), std::string(file));
    keys.push_back(std::move(key));
  }
  std::ranges::sort(keys, {}, &KeyRecord::name);
  return keys;
}

std::string_view KeyIdOf(std::string_view text) {
  if (text.size() != kPrefix.size() + kIdSize + 1 + kSecretSize || !text.starts_with(kPrefix) || text[kPrefix.size() + kIdSize] != '_') return {};
  return text.substr(kPrefix.size(), kIdSize);
}

bool SameSecret(std::string_view known, std::string_view given) {
  volatile unsigned different = known.size() == given.size() ? 0U : 1U;
  for (std::size_t i = 0; i < known.size(); ++i) {
    const unsigned char other = i < given.size() ? static_cast<unsigned char>(given[i]) : static_cast<unsigned char>(0);
    different = different | (static_cast<unsigned char>(known[i]) ^ static_cast<unsigned>(other));
  }
  return different == 0;
}

}  // namespace tenon::govern
