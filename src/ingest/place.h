#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/kinds.h"
#include "ingest/read.h"

namespace tenon::ingest {

// What a source is read from, on this machine: its files, or copies of what stands elsewhere; or the rows that a server sends.
struct Brought {
  std::unique_ptr<table::BatchReader> rows;  // else null
  std::vector<std::string> files;            // for SourceSpec::files; copies have the endings of their names
  std::string position;                      // up to where was read, whatever became of the records, as SourceSpec::since takes it; "": the place does not tell
  std::shared_ptr<const void> keeper;        // removes copies with its last user; null: the files are the user's
};
Result<Brought> Bring(const Call& call, const SourceSpec& spec);
// That position, of what ingest::Read gave; "": its place does not tell.
std::string PositionOf(const table::BatchReader& rows);
// Whether Bring gives rows and not files.
bool SendsRows(const SourceSpec& spec);

// Somewhere outside this machine's files that rows come from. Kinds: postgresql, http, s3, kafka. Made from `connect:` of a source.
class Place {
 public:
  virtual ~Place() = default;
  // What stands at an address of the place's scheme; `spec` says which rows (since, key). Errors say what the place
  // answered; no secret is in them.
  virtual Result<Brought> Bring(const Call& call, const std::string& address, const SourceSpec& spec) = 0;
};

Result<void> AddAll(Kinds<Place>& kinds);

// "https://x/y.csv" -> "http"; "" for the path of a file; invalid_argument, naming the schemes there are, for others.
Result<std::string> PlaceOf(std::string_view address);
// An address as messages may show it: without user names, passwords and queries.
std::string Shown(std::string_view address);
// "env:NAME" or "file:path" -> what stands there, without the line's end. invalid_argument, not repeating it, for what is
// neither: a secret does not stand in a project file.
Result<std::string> Secret(std::string_view given, const std::string& folder, std::string_view setting);

}  // namespace tenon::ingest
