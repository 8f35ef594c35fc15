// Records in a server that speaks Redis' protocol, one key an entity, for services on several machines.

#include <cstring>

#include "base/mutex.h"
#include "base/text.h"
#include "feature/resp_internal.h"
#include "feature/online_store.h"

namespace tenon::feature {
namespace {

constexpr std::size_t kTogether = 256;  // records one call of the script stores

// Stores KEYS[2..] unless what is there is newer, and counts in KEYS[1]. A record begins with its event time and when it was
// made; one of 16 bytes alone is what an erasure leaves, so that nothing older comes back.
constexpr std::string_view kStore = R"(
local won, refused, more = 0, 0, 0
for i = 2, #KEYS do
  local new = ARGV[i + 1]
  local at, created = struct.unpack('<i8i8', new)
  local old = redis.call('GETRANGE', KEYS[i], 0, 16)
  local keeps = false
  if #old >= 16 then
    local was_at, was_created = struct.unpack('<i8i8', old)
    if ARGV[1] == '0' then keeps = at < was_at or (at == was_at and created < was_created) else keeps = created < was_created end
  end
  if keeps then
    refused = refused + 1
  else
    won = won + 1
    if #old > 16 then more = more - 1 end
    if #new > 16 then
      more = more + 1
      if ARGV[2] == '0' then redis.call('SET', KEYS[i], new) else redis.call('SET', KEYS[i], new, 'PX', ARGV[2]) end
    else
      redis.call('SET', KEYS[i], new, 'PX', 86400000)
    end
    if at > tonumber(redis.call('HGET', KEYS[1], 'event') or '0') then redis.call('HSET', KEYS[1], 'event', string.format('%.0f', at)) end
    if created > tonumber(redis.call('HGET', KEYS[1], 'created') or '0') then redis.call('HSET', KEYS[1], 'created', string.format('%.0f', created)) end
  end
end
redis.call('HINCRBY', KEYS[1], 'stored', won)
redis.call('HINCRBY', KEYS[1], 'refused', refused)
redis.call('HINCRBY', KEYS[1], 'records', more)
return won
)";

// Removes KEYS[2..], and counts in KEYS[1].
constexpr std::string_view kErase = R"(
local gone = 0
for i = 2, #KEYS do
  if #redis.call('GETRANGE', KEYS[i], 0, 16) > 16 then gone = gone + 1 end
  redis.call('DEL', KEYS[i])
end
redis.call('HINCRBY', KEYS[1], 'records', -gone)
return gone
)";

struct Settings {
  std::string address, password, prefix;
  std::int64_t database = 0;
  std::chrono::milliseconds limit{100};
  std::chrono::milliseconds expire{0};
};

// Connections that are not in use. Any thread.
class Pool {
 public:
  explicit Pool(Settings settings) : settings_(std::move(settings)) {}
  const Settings& settings() const { return settings_; }

  Result<std::unique_ptr<RespConnection>> Take() {
    const auto by = std::chrono::steady_clock::now() + settings_.limit;
    {
      const MutexLock held(mutex_);
      if (!free_.empty()) {
        auto out = std::move(free_.back());
        free_.pop_back();
        out->Until(by);
        return out;
      }
    }
    TENON_ASSIGN(auto socket, platform::ConnectTo(settings_.address, by), "reaching the online store");
    auto out = std::make_unique<RespConnection>(std::move(socket));
    if (!settings_.password.empty()) TENON_TRY(out->Ask({"AUTH", settings_.password}));
    if (settings_.database != 0) TENON_TRY(out->Ask({"SELECT", std::to_string(settings_.database)}));
    return out;
  }
  // Only one whose replies have all been read.
  void Give(std::unique_ptr<RespConnection> connection) {
    const MutexLock held(mutex_);
    free_.push_back(std::move(connection));
  }
  // Connections that may have been closed by the server meanwhile are not worth a second try.
  void Drop() {
    const MutexLock held(mutex_);
    free_.clear();
  }

 private:
  const Settings settings_;
  Mutex mutex_;
  std::vector<std::unique_ptr<RespConnection>> free_ TENON_GUARDED_BY(mutex_);
};

class RedisTable final : public OnlineTable {
 public:
  RedisTable(std::shared_ptr<Pool> pool, std::string_view name, const RecordLayout& layout) : pool_(std::move(pool)), layout_(layout) {
    // The braces keep a view's keys in one slot of a cluster, as the script needs.
    prefix_ = Str(pool_->settings().prefix, ":{", name, "}:", layout.hash() % 0xffffffff, ":");
    counts_ = Str(prefix_, "counts");
  }

  const RecordLayout& layout() const override { return layout_; }

  Result<void> Get(std::span<const std::string_view> keys, Records* out) override {
    out->Reset(layout_, keys.size());
    if (keys.empty()) return {};
    std::vector<std::string> names;
    names.reserve(keys.size());
    for (const std::string_view key : keys) names.push_back(KeyOf(key));
    std::vector<std::string_view> words = {"MGET"};
    words.insert(words.end(), names.begin(), names.end());
    TENON_ASSIGN(const RespReply reply, Ask(words));
    if (reply.kind != RespReply::Kind::kList || reply.list.size() != keys.size()) return Error(Code::kDataLoss, "the online store answered something else than records");
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const RespReply& one = reply.list[i];
      if (one.kind != RespReply::Kind::kText || one.text.size() <= 16) continue;
      TENON_TRY(ReadFlatRecord(layout_, one.text, i, out));
    }
    return {};
  }

  Result<std::int64_t> Put(std::span<const OnlineEntry> entries, Newest newest) override {
    const std::string expire = std::to_string(pool_->settings().expire.count());
    std::int64_t stored = 0;
    for (std::size_t begin = 0; begin < entries.size(); begin += kTogether) {
      const auto part = entries.subspan(begin, std::min(kTogether, entries.size() - begin));
      std::vector<std::string> names, values;
      for (const OnlineEntry& entry : part) {
        names.push_back(KeyOf(entry.key));
        values.push_back(FlatRecord(entry.at, entry.created, entry.words, entry.texts));
      }
      const std::string count = std::to_string(part.size() + 1);
      std::vector<std::string_view> words = {"EVAL", kStore, count, counts_};
      words.insert(words.end(), names.begin(), names.end());
      words.push_back(newest == Newest::kEvent ? "0" : "1");
      words.push_back(expire);
      words.insert(words.end(), values.begin(), values.end());
      TENON_ASSIGN(const RespReply reply, Ask(words));
      stored += reply.number;
    }
    return stored;
  }

  Result<std::int64_t> Expire(Micros before) override {
    std::int64_t erased = 0;
    std::string cursor = "0";
    const std::string pattern = Escaped(prefix_) + "k*";
    do {
      TENON_ASSIGN(const RespReply reply, Ask({"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"}));
      if (reply.kind != RespReply::Kind::kList || reply.list.size() != 2) return Error(Code::kDataLoss, "the online store answered something else than keys");
      cursor = reply.list[0].text;
      std::vector<std::string> keys;
      std::vector<OnlineEntry> entries;
      for (const RespReply& name : reply.list[1].list) {
        TENON_ASSIGN(const RespReply head, Ask({"GETRANGE", name.text, "0", "16"}));
        Micros times[2];
        if (head.text.size() <= 16) continue;  // erased already
        std::memcpy(times, head.text.data(), 16);
        if (times[0] >= before) continue;
        keys.push_back(name.text.substr(prefix_.size() + 1));
        entries.push_back({.at = times[0], .created = times[1]});
      }
      for (std::size_t i = 0; i < keys.size(); ++i) entries[i].key = keys[i];
      TENON_ASSIGN(const std::int64_t gone, Put(entries, Newest::kEvent));
      erased += gone;
    } while (cursor != "0");
    return erased;
  }

  Result<std::int64_t> Erase(std::span<const std::string_view> keys) override {
    std::int64_t erased = 0;
    for (std::size_t begin = 0; begin < keys.size(); begin += kTogether) {
      const auto part = keys.subspan(begin, std::min(kTogether, keys.size() - begin));
      std::vector<std::string> names;
      for (const std::string_view key : part) names.push_back(KeyOf(key));
      const std::string count = std::to_string(part.size() + 1);
      std::vector<std::string_view> words = {"EVAL", kErase, count, counts_};
      words.insert(words.end(), names.begin(), names.end());
      TENON_ASSIGN(const RespReply reply, Ask(words));
      erased += reply.number;
    }
    return erased;
  }

  Result<void> Flush() override { return {}; }  // how the server keeps what it has is its own setting

  Result<OnlineStats> Stats() override {
    TENON_ASSIGN(const RespReply reply, Ask({"HMGET", counts_, "records", "stored", "refused", "event", "created"}));
    OnlineStats out;
    std::int64_t* const into[] = {&out.records, &out.stored, &out.refused, &out.newest_event, &out.newest_created};
    for (std::size_t i = 0; i < reply.list.size() && i < std::size(into); ++i) ParseInt64(reply.list[i].text, into[i]);
    out.bytes = out.records * static_cast<std::int64_t>(16 + layout_.words() * 8);
    return out;
  }

 private:
  std::string KeyOf(std::string_view key) const { return Str(prefix_, "k", key); }
  static std::string Escaped(std::string_view text) {  // for MATCH
    std::string out;
    for (const char c : text) {
      if (std::string_view("*?[]\\").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
    return out;
  }

  Result<RespReply> Ask(const std::vector<std::string_view>& words) {
    for (int tries = 0;; ++tries) {
      TENON_ASSIGN(auto connection, pool_->Take());
      auto reply = connection->Ask(words);
      if (reply.ok()) {
        pool_->Give(std::move(connection));
        return reply;
      }
      pool_->Drop();
      // A connection that was kept while the server started anew; everything asked may be asked twice.
      if (tries > 0 || reply.error().code() != Code::kUnavailable) return std::move(reply).error().Context("asking the online store");
    }
  }

  std::shared_ptr<Pool> pool_;
  RecordLayout layout_;
  std::string prefix_, counts_;
};

class RedisStore final : public OnlineStore {
 public:
  explicit RedisStore(Settings settings) : pool_(std::make_shared<Pool>(std::move(settings))) {}
  Result<std::unique_ptr<OnlineTable>> Open(std::string_view name, const RecordLayout& layout) override {
    return std::make_unique<RedisTable>(pool_, name, layout);
  }

 private:
  std::shared_ptr<Pool> pool_;
};

class Redis final : public OnlineStoreKind {
 public:
  explicit Redis(Settings settings) : settings_(std::move(settings)) {}
  Result<std::unique_ptr<OnlineStore>> Start(platform::Files&, const std::string&) override { return std::make_unique<RedisStore>(settings_); }

 private:
  Settings settings_;
};

Result<std::chrono::milliseconds> Milliseconds(const Options& options, std::string_view name) {
  if (!options.Has(name)) return std::chrono::milliseconds(0);
  TENON_ASSIGN(const std::chrono::microseconds length, ParseDuration(options.Text(name)), Str("online.", name));
  return std::chrono::duration_cast<std::chrono::milliseconds>(length);
}

}  // namespace

Result<void> AddRedis(Kinds<OnlineStoreKind>& kinds) {
  using Type = Option::Type;
  return kinds.Add("redis",
                   {.summary = "Keep records in a Redis server",
                    .when = "Several machines serve the same features; one machine alone answers sooner with embedded",
                    .example = R"({"address": "127.0.0.1:6379", "prefix": "fraud"})",
                    .options = {{"address", Type::kText, "127.0.0.1:6379", "host:port or unix:/path"},
                                {"password", Type::kText, nullptr, "env:NAME of the variable that has it"},
                                {"database", Type::kInt, 0, "Its number", 0, 1e6},
                                {"prefix", Type::kText, "tenon", "What the keys begin with"},
                                {"limit", Type::kText, "100ms", "How long an answer may take"},
                                {"expire", Type::kText, nullptr, "How long the server keeps a record that is not stored again; none: for ever"}}},
                   [](const Options& options) -> Result<std::unique_ptr<OnlineStoreKind>> {
                     Settings out{.address = options.Text("address"), .prefix = options.Text("prefix"), .database = options.Int("database")};
                     TENON_ASSIGN(out.limit, Milliseconds(options, "limit"));
                     TENON_ASSIGN(out.expire, Milliseconds(options, "expire"));
                     if (out.limit.count() < 1) return Error(Code::kInvalidArgument, Str("online.limit: at least 1ms is needed, got ", options.Text("limit")));
                     if (options.Has("password")) {
                       const std::string given = options.Text("password");
                       const char* value = given.starts_with("env:") ? std::getenv(given.c_str() + 4) : nullptr;
                       if (value == nullptr) return Error(Code::kInvalidArgument, "online.password: expected env:NAME of a variable that is set");
                       out.password = value;
                     }
                     return std::make_unique<Redis>(std::move(out));
                   });
}

}  // namespace tenon::feature
