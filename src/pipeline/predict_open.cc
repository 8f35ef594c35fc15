#include "pipeline/predict_open_internal.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "ingest/looked.h"
#include "ingest/place.h"
#include "ingest/query.h"
#include "pipeline/kept_rows_internal.h"

namespace tenon::pipeline {
namespace {

std::vector<std::string> MissingInputs(const model::Predictor& predictor, const table::Schema& schema) {
  std::vector<std::string> missing;
  for (const table::Field& field : predictor.graph().inputs()) {
    if (schema.Find(field.name) < 0) missing.push_back(field.name);
  }
  return missing;
}

// What is read and as what, of a file whose columns have these names.
struct Reading {
  ingest::SourceSpec source;
  bool by_sql = false;  // the rows are put through the project's sql: they lack what that makes
};

Reading HowToRead(const Project& project, const model::Predictor& predictor, ingest::SourceSpec source, const std::vector<std::string>& known,
                  const FileViews* views) {
  Reading reading{std::move(source)};
  const auto has = [&](const std::string& name) { return std::ranges::find(known, name) != known.end(); };
  const auto comes = [&](const std::string& name) { return has(name) || (views != nullptr && views->Gives(name)); };
  reading.by_sql = !project.source.sql.empty() && !std::ranges::all_of(predictor.graph().inputs(), comes, &table::Field::name);
  if (reading.by_sql) reading.source.sql = project.source.sql;
  const auto settle = [&](const std::string& name, table::Type type) {
    const bool typed = std::ranges::any_of(reading.source.types, [&](const auto& one) { return one.first == name; });
    if (has(name) && !typed && !reading.by_sql) reading.source.types.emplace_back(name, std::string(NameOf(type)));
  };
  for (const table::Field& field : predictor.graph().inputs()) settle(field.name, field.type);
  if (views == nullptr) return reading;
  for (std::size_t k = 0; k < views->columns.entities.size(); ++k) settle(views->columns.entities[k], views->columns.types[k]);
  for (const std::string& time : views->columns.times) settle(time, table::Type::kTimestamp);
  for (const table::Field& field : views->columns.events) settle(field.name, field.type);
  return reading;
}

// ".csv" of "new.csv.gz".
std::string EndingOf(std::string path) {
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (path.ends_with(packed)) path.resize(path.size() - packed.size());
  }
  return path.substr(std::min(path.rfind('.'), path.size()));
}

ingest::SourceSpec SourceLike(const Project& project, const PredictSpec& spec) {
  ingest::SourceSpec source = project.source;
  source.paths = {spec.in};
  source.folder = ".";
  source.sql.clear();
  if (!spec.connect.is_null()) source.connect = spec.connect;
  // What names, dates and groups the rows of training is not asked of others, unless the model reads it.
  source.key.clear();
  source.time.clear();
  source.group.clear();
  source.contents.clear();  // rows go into the output with the names of their files
  source.grows = false;
  source.watermark.clear();
  return source;
}

// The project's format holds for files that look like its own; another ending speaks for itself.
void SettleFormat(const Project& project, const std::string& file, ingest::SourceSpec* source) {
  if (EndingOf(file) == EndingOf(project.source.paths.front())) return;
  source->format.clear();
  source->options = {};
}

Result<void> CheckInputs(const model::Predictor& predictor, const table::Schema& schema, const FileViews* views, const std::string& in) {
  auto missing = MissingInputs(predictor, schema);
  if (views != nullptr) {
    std::erase_if(missing, [&](const std::string& name) { return views->Gives(name); });
    for (const std::string& entity : views->columns.entities) {
      if (schema.Find(entity) >= 0) continue;
      return Error(Code::kInvalidArgument, Str(in, ": lacks the column ", entity, ", by which ", views->lacking.front(), " and other features that the model reads are looked up; it has: ",
                                               Join(schema.Names(), ", ")));
    }
    for (const table::Field& field : views->columns.events) {
      if (schema.Find(field.name) >= 0) continue;
      return Error(Code::kInvalidArgument, Str(in, ": lacks the column ", field.name, ", of which the views that count the row itself (same_instant: true) are made; it has: ", Join(schema.Names(), ", ")));
    }
  }
  if (missing.empty()) return {};
  return Error(Code::kInvalidArgument, Str(in, ": lacks the column", missing.size() > 1 ? "s " : " ", Join(missing, ", "),
                                           " that the model reads; it has: ", Join(schema.Names(), ", ")));
}

// What the files are: by name, length and time of change; of copies by what is in them, since those come anew each time.
Result<Json> WorkOf(const platform::Files& files, const ingest::Brought& brought) {
  Json out = Json::MakeArray();
  for (const std::string& file : brought.files) {
    Json one;
    if (brought.keeper != nullptr) {
      TENON_ASSIGN(const auto bytes, files.Map(file));
      one["sha256"] = HashOf(bytes->view());
    } else {
      TENON_ASSIGN(const platform::FileInfo info, files.Info(file));
      one["file"] = file;
      one["bytes"] = info.bytes;
      one["changed"] = info.modified;
    }
    out.Push(std::move(one));
  }
  return out;
}

// One of the source's files, which must have the columns `known` as the first has.
Result<std::unique_ptr<ingest::Pieces>> OpenFile(const Call& call, const Kits& kits, const ingest::SourceSpec& source, const std::vector<std::string>& known,
                                                 std::size_t file) {
  ingest::SourceSpec one = source;
  one.files = {source.files[file]};
  const auto other = [&](const table::Schema& schema) {
    return Error(Code::kInvalidArgument, Str(one.files[0], ": other columns (", Join(schema.Names(), ", "), ") than in ", source.files[0], " (", Join(known, ", "), ")"));
  };
  auto pieces = ingest::ReadPieces(call, one, kits.readers);
  if (!pieces.ok()) {  // types of columns that it lacks, perhaps: then the columns are what is wrong
    one.types.clear();
    auto untyped = ingest::ReadPieces(call, one, kits.readers);
    if (untyped.ok() && *untyped != nullptr && (*untyped)->schema()->Names() != known) return other(*(*untyped)->schema());
    return pieces;
  }
  if (*pieces == nullptr) return Error(Code::kInvalidArgument, Str(one.files[0], ": is of another format than ", source.files[0]));
  if ((*pieces)->schema()->Names() != known) return other(*(*pieces)->schema());
  return pieces;
}

class Opener {
 public:
  Opener(const Call& call, platform::Files& files, const Project& project, const model::Predictor& predictor, const Kits& kits, const PredictSpec& spec,
         ingest::TableForm form, const std::string& kept)
      : call_(call), files_(files), project_(project), predictor_(predictor), kits_(kits), spec_(spec), form_(form), kept_(kept), plain_(SourceLike(project, spec)) {}

  Result<Opened> Open() {
    out_.work["in"] = spec_.in;
    if (ingest::SendsRows(plain_)) {
      TENON_TRY(OpenSent());
      return std::move(out_);
    }
    TENON_ASSIGN(ingest::Brought brought, ingest::Bring(call_, plain_));
    TENON_ASSIGN(out_.work["files"], WorkOf(files_, brought));
    out_.keeper = std::move(brought.keeper);
    plain_.files = std::move(brought.files);
    SettleFormat(project_, plain_.files[0], &plain_);
    ingest::SourceSpec untyped = plain_;
    untyped.types.clear();
    untyped.files = {plain_.files[0]};
    TENON_ASSIGN(auto pieces, ingest::ReadPieces(call_, untyped, kits_.readers));
    std::unique_ptr<table::BatchReader> look;
    if (pieces == nullptr) {
      TENON_ASSIGN(look, ingest::Read(call_, plain_, kits_.readers));
    }
    const std::vector<std::string> known = (pieces != nullptr ? pieces->schema() : look->schema())->Names();
    TENON_ASSIGN(out_.views, OpenFileViews(call_, files_, project_, predictor_, kits_, known));
    Reading reading = HowToRead(project_, predictor_, plain_, known, out_.views.get());
    if (reading.by_sql) {
      pieces.reset();
      if (look == nullptr) {  // the query is over columns with types
        TENON_ASSIGN(look, ingest::Read(call_, plain_, kits_.readers));
      }
      TENON_TRY(OpenQuery(reading.source, std::move(look)));
    } else if (pieces != nullptr) {
      TENON_TRY(OpenPieces(reading.source, known));
    } else {
      TENON_TRY(OpenBatches(reading.source, std::move(look)));
    }
    return std::move(out_);
  }

 private:
  // What a server sends: its rows are copied, since another time it may send others, or in another order.
  Result<void> OpenSent() {
    out_.work["source"] = plain_.ToJson();
    out_.work["sql"] = project_.source.sql;
    TENON_TRY(TakeKept());
    if (out_.rows != nullptr) return {};
    TENON_ASSIGN(auto look, ingest::Read(call_, plain_, kits_.readers));
    const std::vector<std::string> known = look->schema()->Names();
    TENON_ASSIGN(out_.views, OpenFileViews(call_, files_, project_, predictor_, kits_, known));
    const Reading reading = HowToRead(project_, predictor_, plain_, known, out_.views.get());
    if (reading.by_sql) {
      look.reset();
      TENON_ASSIGN(look, ingest::Read(call_, reading.source, kits_.readers));
    }
    return Keep(std::move(look));
  }

  // What the project's sql makes of `rows`.
  Result<void> OpenQuery(const ingest::SourceSpec& source, std::unique_ptr<table::BatchReader> rows) {
    TENON_ASSIGN(const bool each, ingest::RowByRow(call_, *rows->schema(), source.sql), "data.sql");
    out_.work["sql"] = source.sql;
    if (!each) {
      TENON_TRY(TakeKept());
      if (out_.rows != nullptr) return {};
    }
    TENON_ASSIGN(auto answer, ingest::QueryOver(call_, std::move(rows), source.sql), "data.sql");
    if (!each) return Keep(std::move(answer));
    TENON_TRY(CheckInputs(predictor_, *answer->schema(), out_.views.get(), spec_.in));
    out_.fields = answer->schema()->fields();
    out_.rows = SourceOver(std::move(answer), spec_.in);
    return {};
  }

  // Rows that come in the same order each time.
  Result<void> OpenBatches(const ingest::SourceSpec& source, std::unique_ptr<table::BatchReader> reader) {
    TENON_TRY(CheckInputs(predictor_, *reader->schema(), out_.views.get(), spec_.in));
    const bool typed = std::ranges::all_of(source.types, [&](const auto& one) {
      const int at = reader->schema()->Find(one.first);
      return at < 0 || table::NameOf((*reader->schema())[at].type) == one.second;
    });
    if (!typed) {
      reader.reset();
      TENON_ASSIGN(reader, ingest::Read(call_, source, kits_.readers));
    }
    out_.fields = reader->schema()->fields();
    out_.rows = SourceOver(std::move(reader), spec_.in);
    return {};
  }

  Result<void> TakeKept() {
    if (kept_.empty() || spec_.fresh) return {};
    auto before = OpenKeptRows(files_, kept_, out_.work, spec_.in);
    if (!before.ok() && before.error().code() == Code::kDataLoss) {
      call_.Say(Level::kWarning, Str(before.error().ForPeople(), "; the rows are read again"));
      return {};
    }
    TENON_ASSIGN(out_.rows, std::move(before));
    if (out_.rows == nullptr) return {};
    out_.fields = out_.rows->schema()->fields();
    TENON_ASSIGN(out_.views, OpenFileViews(call_, files_, project_, predictor_, kits_, out_.rows->schema()->Names()));
    call_.Say(Level::kInfo, Str(kept_, ": the rows that were read before"));
    return {};
  }

  Result<void> Keep(std::unique_ptr<table::BatchReader> reader) {
    TENON_TRY(CheckInputs(predictor_, *reader->schema(), out_.views.get(), spec_.in));
    out_.fields = reader->schema()->fields();
    if (kept_.empty()) {
      out_.rows = SourceOver(std::move(reader), spec_.in);
      return {};
    }
    TENON_TRY(KeepRows(call_, files_, kept_, out_.work, *reader), kept_);
    out_.anew = true;
    TENON_ASSIGN(out_.rows, OpenKeptRows(files_, kept_, out_.work, spec_.in));
    return {};
  }

  // Files that any thread can read parts of.
  Result<void> OpenPieces(ingest::SourceSpec source, const std::vector<std::string>& known) {
    const auto open = [&](const Call& call, std::size_t file) { return OpenFile(call, kits_, source, known, file); };
    TENON_ASSIGN(std::shared_ptr<ingest::Pieces> first, open(call_, 0));
    TENON_TRY(CheckInputs(predictor_, *first->schema(), out_.views.get(), spec_.in));
    std::vector<int> columns;
    if (form_ == ingest::TableForm::kCsv && first->plain()) {
      columns = Needed(*first->schema());
    } else {
      ingest::Looked looked;
      TENON_TRY(ingest::LearnToo(call_, *first, &looked));
      std::shared_ptr<ingest::Pieces> last = first;
      for (std::size_t file = 1; file < source.files.size(); ++file) {
        TENON_ASSIGN(last, open(call_, file));
        TENON_TRY(ingest::LearnToo(call_, *last, &looked));
      }
      for (const table::Field& field : last->schema()->fields()) {
        const bool typed = std::ranges::any_of(source.types, [&](const auto& one) { return one.first == field.name; });
        if (!typed) source.types.emplace_back(field.name, std::string(NameOf(field.type)));
      }
      if (source.files.size() > 1) {
        TENON_ASSIGN(first, open(call_, 0));
      }
    }
    return TakePieces(std::move(source), known, std::move(first), std::move(columns));
  }

  Result<void> TakePieces(ingest::SourceSpec source, const std::vector<std::string>& known, std::shared_ptr<const ingest::Pieces> first, std::vector<int> columns) {
    RowFiles rows;
    for (const std::string& file : source.files) {
      TENON_ASSIGN(const platform::FileInfo info, files_.Info(file));
      rows.names.push_back(out_.keeper != nullptr && source.files.size() == 1 ? Shown() : file);
      rows.bytes.push_back(info.bytes);
    }
    out_.fields = first->schema()->fields();
    rows.open = [source = std::move(source), known, &kits = kits_](const Call& call, std::size_t file) -> Result<std::shared_ptr<const ingest::Pieces>> {
      TENON_ASSIGN(std::shared_ptr<const ingest::Pieces> pieces, OpenFile(call, kits, source, known, file));
      return pieces;
    };
    out_.rows = SourceOver(std::move(rows), std::move(first), std::move(columns));
    return {};
  }

  std::string Shown() const { return spec_.in == "-" ? "standard input" : ingest::Shown(spec_.in); }

  // What the model does not read is not looked at.
  std::vector<int> Needed(const table::Schema& schema) const {
    std::vector<int> columns;
    const auto take = [&](const std::string& name) {
      const int place = schema.Find(name);
      if (place >= 0 && std::ranges::find(columns, place) == columns.end()) columns.push_back(place);
    };
    for (const table::Field& field : predictor_.graph().inputs()) take(field.name);
    if (out_.views != nullptr) {
      for (const std::string& entity : out_.views->columns.entities) take(entity);
      for (const std::string& time : out_.views->columns.times) take(time);
      for (const table::Field& field : out_.views->columns.events) take(field.name);
    }
    return columns;
  }

  const Call& call_;
  platform::Files& files_;
  const Project& project_;
  const model::Predictor& predictor_;
  const Kits& kits_;
  const PredictSpec& spec_;
  ingest::TableForm form_;
  const std::string& kept_;
  ingest::SourceSpec plain_;
  Opened out_;
};

}  // namespace

Result<Opened> OpenRows(const Call& call, platform::Files& files, const Project& project, const model::Predictor& predictor, const Kits& kits,
                        const PredictSpec& spec, ingest::TableForm form, const std::string& kept) {
  return Opener(call, files, project, predictor, kits, spec, form, kept).Open();
}

}  // namespace tenon::pipeline
