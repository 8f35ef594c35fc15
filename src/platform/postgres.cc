#include "platform/postgres.h"

#include <poll.h>

#include <array>
#include <chrono>
#include <utility>

#include "base/text.h"
#include "platform/library.h"
#include "platform/postgres_copy_internal.h"

// libpq's functions are declared here, not by its header: they have kept their form for twenty years, and building needs
// no package then.
struct pg_conn;
struct pg_result;
struct pg_cancel;

namespace tenon::platform {
namespace {

using Clock = std::chrono::steady_clock;
using Type = PostgresColumn::Type;

constexpr auto kConnectLimit = std::chrono::seconds(10);
constexpr int kTick = 100;  // milliseconds between looks at the call
enum { kCommandOk = 1, kRowsOk = 2, kCopyOut = 3 };           // PGRES_...
enum { kPollFailed = 0, kPollRead = 1, kPollWrite = 2, kPollOk = 3 };  // PGRES_POLLING_...

struct Api {
  pg_conn* (*PQconnectStartParams)(const char* const*, const char* const*, int) = nullptr;
  int (*PQconnectPoll)(pg_conn*) = nullptr;
  int (*PQstatus)(const pg_conn*) = nullptr;
  char* (*PQerrorMessage)(const pg_conn*) = nullptr;
  void (*PQfinish)(pg_conn*) = nullptr;
  int (*PQsocket)(const pg_conn*) = nullptr;
  int (*PQsendQuery)(pg_conn*, const char*) = nullptr;
  int (*PQsendPrepare)(pg_conn*, const char*, const char*, int, const unsigned*) = nullptr;
  int (*PQsendDescribePrepared)(pg_conn*, const char*) = nullptr;
  int (*PQconsumeInput)(pg_conn*) = nullptr;
  int (*PQisBusy)(pg_conn*) = nullptr;
  pg_result* (*PQgetResult)(pg_conn*) = nullptr;
  int (*PQresultStatus)(const pg_result*) = nullptr;
  char* (*PQresultErrorField)(const pg_result*, int) = nullptr;
  void (*PQclear)(pg_result*) = nullptr;
  int (*PQnfields)(const pg_result*) = nullptr;
  char* (*PQfname)(const pg_result*, int) = nullptr;
  unsigned (*PQftype)(const pg_result*, int) = nullptr;
  int (*PQgetCopyData)(pg_conn*, char**, int) = nullptr;
  void (*PQfreemem)(void*) = nullptr;
  pg_cancel* (*PQgetCancel)(pg_conn*) = nullptr;
  int (*PQcancel)(pg_cancel*, char*, int) = nullptr;
  void (*PQfreeCancel)(pg_cancel*) = nullptr;

  static Result<Api> Load() {
    TENON_ASSIGN(Library library, Library::Open("libpq.so.5"), "the client of PostgreSQL, Debian's package libpq5");
    Api api;
#define TENON_BIND(name) TENON_TRY(library.Bind(#name, &api.name));
    TENON_BIND(PQconnectStartParams) TENON_BIND(PQconnectPoll) TENON_BIND(PQstatus) TENON_BIND(PQerrorMessage) TENON_BIND(PQfinish)
    TENON_BIND(PQsocket) TENON_BIND(PQsendQuery) TENON_BIND(PQsendPrepare) TENON_BIND(PQsendDescribePrepared) TENON_BIND(PQconsumeInput)
    TENON_BIND(PQisBusy) TENON_BIND(PQgetResult) TENON_BIND(PQresultStatus) TENON_BIND(PQresultErrorField) TENON_BIND(PQclear)
    TENON_BIND(PQnfields) TENON_BIND(PQfname) TENON_BIND(PQftype) TENON_BIND(PQgetCopyData) TENON_BIND(PQfreemem)
    TENON_BIND(PQgetCancel) TENON_BIND(PQcancel) TENON_BIND(PQfreeCancel)
#undef TENON_BIND
    return api;
  }
};

// By the server's number of the type; all others come as their text.
std::pair<Type, std::string_view> TypeOf(unsigned oid) {
  switch (oid) {
    case 16: return {Type::kBool, "bool"};
    case 20: case 21: case 23: case 26: return {Type::kInt, "int8"};
    case 700: case 701: case 1700: return {Type::kReal, "float8"};
    case 1082: case 1114: case 1184: return {Type::kTime, "timestamp"};
    default: return {Type::kText, "text"};
  }
}

Code CodeOf(std::string_view state) {
  if (state == "42P01" || state == "42703" || state == "3D000" || state == "3F000") return Code::kNotFound;
  if (state == "42501") return Code::kPermissionDenied;
  if (state.starts_with("28")) return Code::kUnauthenticated;
  if (state == "57014") return Code::kCancelled;
  if (state.starts_with("53")) return Code::kResourceExhausted;
  if (state.starts_with("42") || state.starts_with("22") || state == "25006" || state == "0A000") return Code::kInvalidArgument;
  return Code::kUnavailable;
}

class Rows final : public PostgresRows {
 public:
  Rows(const Api& api, std::string password) : api_(api), password_(std::move(password)) {}
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  ~Rows() override {
    if (connection_ == nullptr) return;
    if (copying_) Cancel();
    api_.PQfinish(connection_);
  }
  const std::vector<PostgresColumn>& columns() const override { return columns_; }

  Result<void> Connect(const Call& call, const std::string& address) {
    const std::array<const char*, 7> names = {"dbname", "application_name", "client_encoding", "options", "fallback_application_name",
                                              password_.empty() ? nullptr : "password", nullptr};
    const std::array<const char*, 7> values = {address.c_str(), "tenon", "UTF8",
                                               "-c timezone=UTC -c standard_conforming_strings=on -c statement_timeout=0", "tenon",
                                               password_.empty() ? nullptr : password_.c_str(), nullptr};
    connection_ = api_.PQconnectStartParams(names.data(), values.data(), 1);
    if (connection_ == nullptr) return Error(Code::kUnavailable, "no memory for a connection to PostgreSQL");
    const auto by = Clock::now() + kConnectLimit;
    int wants = kPollWrite;
    while (api_.PQstatus(connection_) != 1) {
      TENON_TRY(call.Check());
      if (Clock::now() > by) return Error(Code::kUnavailable, Str("PostgreSQL did not answer within ", kConnectLimit.count(), " s"));
      if (!Wait(wants == kPollRead ? POLLIN : POLLOUT)) continue;
      wants = api_.PQconnectPoll(connection_);
      if (wants == kPollOk) return {};
      if (wants == kPollFailed) break;
    }
    const std::string said = Said(api_.PQerrorMessage(connection_));
    Code code = Code::kUnavailable;
    if (said.find("password") != std::string::npos || said.find("pg_hba.conf") != std::string::npos || said.find("authentication") != std::string::npos) {
      code = Code::kUnauthenticated;
    } else if (said.find("does not exist") != std::string::npos) {
      code = Code::kNotFound;
    } else if (said.find("invalid") != std::string::npos) {
      code = Code::kInvalidArgument;
    }
    return Error(code, said);
  }

  Result<void> Start(const Call& call, const PostgresQuery& query) {
    std::string select = query.select;
    while (!select.empty() && std::string_view("; \n\t").find(select.back()) != std::string_view::npos) select.pop_back();
    TENON_TRY(Do(call, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", kCommandOk));
    if (api_.PQsendPrepare(connection_, "", select.c_str(), 0, nullptr) == 0) return Broken();
    TENON_TRY(Finish(call, kCommandOk, nullptr));
    if (api_.PQsendDescribePrepared(connection_, "") == 0) return Broken();
    std::string casts, names;
    TENON_TRY(Finish(call, kCommandOk, [&](const pg_result* result) {
      for (int i = 0; i < api_.PQnfields(result); ++i) {
        const auto [type, sql] = TypeOf(api_.PQftype(result, i));
        columns_.push_back({api_.PQfname(result, i), type});
        casts += Str(i > 0 ? ", c" : "c", i, "::", sql);
        names += Str(i > 0 ? ", c" : "c", i);
      }
    }));
    if (columns_.empty()) return Error(Code::kInvalidArgument, "only a SELECT can be read from");
    std::string sql = Str("COPY (SELECT ", casts, " FROM (", select, "\n) AS source(", names, ")");
    if (!query.since_column.empty() && !query.since.empty()) {
      TENON_ASSIGN(const std::size_t at, Find(query.since_column));
      sql += Str(" WHERE c", at, " >= ", query.since, " OR c", at, " IS NULL");  // nobody can tell whether such a row is new
    }
    bool first = true;
    for (const std::string& name : query.order) {
      auto at = Find(name);
      if (at) sql += Str(first ? " ORDER BY c" : ", c", *at);
      if (at) first = false;
    }
    if (api_.PQsendQuery(connection_, (sql + ") TO STDOUT (FORMAT binary)").c_str()) == 0) return Broken();
    TENON_TRY(Ready(call));
    pg_result* result = api_.PQgetResult(connection_);
    auto ok = Fits(result, kCopyOut);
    api_.PQclear(result);
    copying_ = ok.ok();
    return ok;
  }

  Result<bool> Next(const Call& call, std::vector<PostgresValue>* row) override {
    if (done_) return false;
    if ((copy_.rows() & 4095) == 0) TENON_TRY(call.Check());
    using Found = PostgresCopy::Found;
    while (true) {
      TENON_ASSIGN(const Found found, copy_.Next(columns_, row));
      if (found == Found::kRow) return true;
      if (found == Found::kEnd) break;
      TENON_ASSIGN(const bool more, Receive(call));
      if (!more) return Error(Code::kDataLoss, Str("PostgreSQL ended its answer in the midst of row ", copy_.rows() + 1));
    }
    while (true) {
      TENON_ASSIGN(const bool more, Receive(call));
      if (!more) break;
    }
    copying_ = false;
    done_ = true;
    TENON_TRY(Finish(call, kCommandOk, nullptr));
    TENON_TRY(Do(call, "COMMIT", kCommandOk));
    return false;
  }

 private:
  Result<std::size_t> Find(const std::string& name) const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].name == name) return i;
      names.push_back(columns_[i].name);
    }
    return Error(Code::kNotFound, Str("no column '", name, "'", DidYouMean(name, names)));
  }

  bool Wait(short events) const {
    pollfd one{api_.PQsocket(connection_), events, 0};
    return ::poll(&one, 1, kTick) > 0;
  }

  // Until a result can be taken without waiting.
  Result<void> Ready(const Call& call) {
    while (api_.PQisBusy(connection_) != 0) {
      if (auto check = call.Check(); !check) return Cancel(), std::move(check).error();
      if (Wait(POLLIN) && api_.PQconsumeInput(connection_) == 0) return Broken();
    }
    return {};
  }

  template <typename Take>
  Result<void> Finish(const Call& call, int wanted, const Take& take) {
    Result<void> out;
    while (true) {
      TENON_TRY(Ready(call));
      pg_result* result = api_.PQgetResult(connection_);
      if (result == nullptr) return out;
      if (out.ok()) out = Fits(result, wanted);
      if constexpr (!std::is_same_v<Take, std::nullptr_t>) {
        if (out.ok()) take(result);
      }
      api_.PQclear(result);
    }
  }

  Result<void> Do(const Call& call, const char* sql, int wanted) {
    if (api_.PQsendQuery(connection_, sql) == 0) return Broken();
    return Finish(call, wanted, nullptr);
  }

  Result<void> Fits(const pg_result* result, int wanted) {
    if (result == nullptr) return Broken();
    const int status = api_.PQresultStatus(result);
    if (status == wanted || (wanted == kCommandOk && status == kRowsOk)) return {};
    if (status == kCommandOk || status == kRowsOk) return Error(Code::kInvalidArgument, "only a SELECT can be read from");
    const char* state = api_.PQresultErrorField(result, 'C');
    const char* said = api_.PQresultErrorField(result, 'M');
    if (state == nullptr) return Broken();
    return Error(CodeOf(state), Str("PostgreSQL: ", Said(said != nullptr ? said : "no reason given"), " (", state, ")"));
  }

  Error Broken() {
    std::string said = Said(api_.PQerrorMessage(connection_));
    return Error(Code::kUnavailable, Str("the connection to PostgreSQL broke", copy_.rows() > 0 ? Str(" after ", FormatCount(copy_.rows()), " rows") : "",
                                         "; nothing of it is kept, read again: ", said));
  }

  // Appends what the server sent; false at the end of the rows.
  Result<bool> Receive(const Call& call) {
    while (true) {
      char* bytes = nullptr;
      const int size = api_.PQgetCopyData(connection_, &bytes, 1);
      if (size > 0) {
        copy_.Add({bytes, static_cast<std::size_t>(size)});
        api_.PQfreemem(bytes);
        return true;
      }
      if (size == -1) return false;
      if (size == -2) return copying_ = false, Broken();
      if (auto check = call.Check(); !check) return Cancel(), std::move(check).error();
      if (Wait(POLLIN) && api_.PQconsumeInput(connection_) == 0) return copying_ = false, Broken();
    }
  }

  void Cancel() {
    pg_cancel* cancel = api_.PQgetCancel(connection_);
    if (cancel == nullptr) return;
    std::array<char, 256> why;
    (void)api_.PQcancel(cancel, why.data(), static_cast<int>(why.size()));
    api_.PQfreeCancel(cancel);
  }

  // One line, without the password.
  std::string Said(std::string_view text) const {
    std::string out(Trim(text));
    for (char& c : out) c = c == '\n' || c == '\t' ? ' ' : c;
    for (std::size_t at = 0; !password_.empty() && (at = out.find(password_, at)) != std::string::npos;) out.replace(at, password_.size(), "***");
    return out;
  }

  Api api_;
  std::string password_;
  pg_conn* connection_ = nullptr;
  std::vector<PostgresColumn> columns_;
  PostgresCopy copy_;
  bool copying_ = false, done_ = false;
};

}  // namespace

Result<std::unique_ptr<PostgresRows>> OpenPostgres(const Call& call, const PostgresQuery& query) {
  TENON_TRY(call.Check());
  TENON_ASSIGN(const Api api, Api::Load());
  auto rows = std::make_unique<Rows>(api, query.password);
  TENON_TRY(rows->Connect(call, query.address), "connecting to PostgreSQL");
  TENON_TRY(rows->Start(call, query), "asking PostgreSQL");
  return std::unique_ptr<PostgresRows>(std::move(rows));
}

}  // namespace tenon::platform
