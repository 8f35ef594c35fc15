#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "ingest/read.h"
#include "store/store.h"
#include "table/batch.h"

namespace tenon::dataset {

inline constexpr std::string_view kPartition = "kafka_partition", kOffset = "kafka_offset";  // of rows that were records of a topic

// Whether the rows of a source are records of a topic.
bool OfTopic(const ingest::SourceSpec& spec);
// The record that each partition goes on with, {"0": 118}: behind the last of the rows, or where `before` (null: none) has it later, because
// the rows that were there are erased. Empty when the rows say nothing of it.
// `position`: up to where the source says it was read (ingest::PositionOf), past records that became no rows.
Json OffsetsOf(const table::Schema& schema, const std::vector<table::Batch>& rows, const Json* before, std::string_view position = {});
// Rows of a topic in the order of partition and offset, however often and in which order they were read: the same records are the same rows.
void SortByPlace(std::vector<table::Batch>* rows);
// The same as SourceSpec::since has it: "0:118,1:40".
std::string SinceOf(const Json& offsets);
// Beside the snapshot's record ("offsets"), for history and show.
Result<void> NoteOffsets(store::Store& store, const std::string& snapshot, const Json& offsets);

}  // namespace tenon::dataset
