#pragma once

#include <string_view>
#include <vector>

#include "platform/database.h"

namespace tenon::store {

// One step from the format of meta.db before it to the one after it. Released steps never change; a new format is a new
// step at the end of the list.
struct Migration {
  int version = 0;  // of the format after it
  std::vector<std::string_view> statements;
};

// The steps of meta.db, oldest first, versions 1, 2, ...
const std::vector<Migration>& Migrations();

// The version of the format found; 0 for an empty database.
Result<int> VersionOf(platform::Database& database);

// Brings the database to the newest of `steps`, all in one transaction. failed_precondition when the database is newer
// than that.
Result<void> Migrate(platform::Database& database, const std::vector<Migration>& steps);

}  // namespace tenon::store
