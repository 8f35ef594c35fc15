#include "edge/guard.h"

#include "base/hash.h"
#include "base/text.h"

namespace tenon::edge {
namespace {

constexpr std::string_view kGrpc = "/inference.GRPCInferenceService/";

bool IsHealth(std::string_view path) {
  return path == "/" || path == "/docs" || path == "/healthz" || path == "/health" || path.starts_with("/v2/health/") || path == "/grpc.health.v1.Health/Check" ||
         path == "/grpc.health.v1.Health/Watch" || path == "/inference.GRPCInferenceService/ServerLive" ||
         path == "/inference.GRPCInferenceService/ServerReady" || path == "/inference.GRPCInferenceService/ModelReady";
}

Need NeedOfGrpc(std::string_view call) {
  if (call == "ModelInfer" || call == "ModelStreamInfer") return Need::kPredict;
  if (call == "ModelStatistics") return Need::kMetrics;
  if (call == "ServerMetadata" || call == "ModelMetadata" || call == "ModelConfig" || call == "RepositoryIndex") return Need::kKnown;
  return Need::kAdmin;
}

govern::Scope ScopeOf(Need need) {
  switch (need) {
    case Need::kExplain: return govern::Scope::kExplain;
    case Need::kMetrics: return govern::Scope::kMetrics;
    case Need::kAdmin: return govern::Scope::kAdmin;
    default: return govern::Scope::kPredict;
  }
}

bool MayReadSensitive(const govern::Scopes& scopes) { return scopes.Has(govern::Scope::kSensitive) || scopes.Has(govern::Scope::kAdmin); }

}  // namespace

Need NeedOf(Method method, std::string_view path) {
  if (IsHealth(path)) return Need::kNothing;
  if (path == "/metrics" || path.ends_with("/stats")) return Need::kMetrics;
  if (path.ends_with(":stream")) return Need::kPredict;  // also by GET, which begins a WebSocket
  if (method == Method::kGet || method == Method::kHead || method == Method::kOptions) return Need::kKnown;
  if (path.starts_with(kGrpc)) return NeedOfGrpc(path.substr(kGrpc.size()));
  if (path.starts_with("/grpc.reflection.")) return Need::kKnown;
  if (path.ends_with(":explain")) return Need::kExplain;
  for (const std::string_view end : {":predict", "/infer", ":rawPredict", ":classify", ":regress", "/generate"}) {
    if (path.ends_with(end)) return Need::kPredict;
  }
  if (path == "/get-online-features") return Need::kPredict;
  if (path == "/v2/repository/index") return Need::kKnown;
  return Need::kAdmin;
}

Guard::Guard(const govern::Access* access) : access_(access), rules_(std::make_shared<const govern::Rules>()) { Refresh(); }

void Guard::Take() {
  revision_ = access_->revision();
  rules_ = access_->rules();
  texts_.assign(rules_->keys.size(), {});
}

const govern::Principal* Guard::Recognise(std::string_view text) {
  const govern::Principal* principal = rules_->Find(govern::KeyIdOf(text));
  if (principal == nullptr) return nullptr;
  std::string& known = texts_[static_cast<std::size_t>(principal - rules_->keys.data())];
  if (!known.empty() && govern::SameSecret(known, text)) return principal;
  if (!govern::IsKeyOf(*principal, text)) return nullptr;
  known = text;
  return principal;
}

Guard::Verdict Guard::Judge(const govern::Scopes& scopes, Need need, std::string_view name) {
  if (need == Need::kKnown || scopes.Has(ScopeOf(need)) || scopes.Has(govern::Scope::kAdmin)) return Verdict::kIn;
  problem_ = Str("'", name, "' lacks the scope ", govern::NameOf(ScopeOf(need)), " (", govern::SummaryOf(ScopeOf(need)), "); it has ", Join(scopes.Names(), ", "));
  return Verdict::kForbidden;
}

Guard::Verdict Guard::Check(std::string_view authorization, std::string_view key, const HttpPeer& peer, Need need, Asker* asker) {
  *asker = {{}, peer.client, 0, rules_->open};
  if (rules_->open) return Verdict::kIn;
  if (need == Need::kNothing && authorization.empty() && key.empty()) return Verdict::kIn;
  if (key.empty() && authorization.size() > 7 && EqualsIgnoringCase(authorization.substr(0, 7), "bearer ")) {
    key = authorization.substr(7);
    while (key.starts_with(' ')) key.remove_prefix(1);
  }
  if (!key.empty()) {
    const govern::Principal* principal = Recognise(key);
    if (principal == nullptr) {
      problem_ = "this API key is not known here";
    } else if (principal->expires != 0 && principal->expires <= Call().Now()) {
      problem_ = Str("the API key '", principal->name, "' ended at ", FormatTimestamp(principal->expires));
    } else {
      *asker = {principal->name, principal->hash, principal->rate, MayReadSensitive(principal->scopes)};
      return need == Need::kNothing ? Verdict::kIn : Judge(principal->scopes, need, principal->name);
    }
    return need == Need::kNothing ? Verdict::kIn : Verdict::kUnknown;
  }
  if (rules_->certificates && !peer.certificate.empty()) {
    if (certificate_.size() != peer.certificate.size() + 5 || !certificate_.ends_with(peer.certificate)) certificate_ = Str("cert:", peer.certificate);
    *asker = {certificate_, Hash64(certificate_, 0x6b6579), 0, MayReadSensitive(rules_->certificate_scopes)};
    return need == Need::kNothing ? Verdict::kIn : Judge(rules_->certificate_scopes, need, certificate_);
  }
  if (need == Need::kNothing) return Verdict::kIn;
  problem_ = authorization.empty() ? "an API key is needed: send it as 'Authorization: Bearer <key>' or 'X-Api-Key: <key>'"
                                   : "the Authorization header must be 'Bearer <API key>'";
  return Verdict::kUnknown;
}

}  // namespace tenon::edge
