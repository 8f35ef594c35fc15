#pragma once

#include "ingest/sensitive.h"
#include "store/store.h"
#include "table/batch.h"

namespace tenon::dataset {

// What DatasetSnapshot::about() says of sensitive columns; what cannot be read there is none.
ingest::Sensitive SensitiveOf(const Json& about);

// The rows without the columns to drop and with pseudonyms in place of the values to hide: texts of 32 hexadecimal digits, of
// HMAC-SHA-256 with the store's own key over the value as text. The same value has the same pseudonym in all snapshots of a
// store, and another one in every other store. Nulls stay. The key is made at first use (record "secret"/"pseudonyms"), and
// is written nowhere else. Errors: invalid_argument for a name that is no column.
Result<std::vector<table::Batch>> Treat(const ingest::Sensitive& sensitive, std::vector<table::Batch> batches, store::Store& store);

// That key, and the pseudonym of a value as text.
Result<std::string> StoreKey(store::Store& store);
std::string PseudonymOf(std::string_view key, std::string_view text);
// A value as people write it; what is equal has one text.
std::string KeyText(const table::Column& column, std::int64_t row);

}  // namespace tenon::dataset
