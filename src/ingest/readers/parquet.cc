// Parquet files, through the analytic engine.

#include "base/text.h"
#include "ingest/duckdb_internal.h"
#include "ingest/read.h"

namespace tenon::ingest {
namespace {

constexpr std::int64_t kMostBytes = 1 << 30;  // it streams, and needs far less

class Parquet final : public Reader {
 public:
  Result<std::unique_ptr<table::BatchReader>> Open(const Call& call, const std::vector<std::string>& paths,
                                                   const SourceSpec& spec) override {
    TENON_ASSIGN(auto engine, DuckDb::Open(call, kMostBytes), "reading Parquet");
    TENON_TRY(engine->Run(call, "SET enable_external_file_cache = false"));  // or it keeps what was read
    std::string files, replaced;
    for (const std::string& path : paths) files += Str(files.empty() ? "" : ", ", SqlText(path));
    for (const auto& [column, name] : spec.types) {
      TENON_ASSIGN(const table::Type type, table::TypeNamed(name), Str(spec.Where(), ".types.", column));
      replaced += Str(replaced.empty() ? "" : ", ", "CAST(", SqlName(column), " AS ", SqlType(type), ") AS ", SqlName(column));
    }
    const std::string what = replaced.empty() ? "*" : Str("* REPLACE (", replaced, ")");
    return engine->Query(call, Str("SELECT ", what, " FROM read_parquet([", files, "])"));
  }
};

}  // namespace

Result<void> AddParquet(Kinds<Reader>& kinds) {
  return kinds.Add("parquet",
                   {.summary = "Read Parquet files",
                    .when = "Columnar files with types of their own. Nested values come as JSON text.",
                    .example = "{}"},
                   [](const Options&) -> Result<std::unique_ptr<Reader>> { return std::make_unique<Parquet>(); });
}

}  // namespace tenon::ingest
