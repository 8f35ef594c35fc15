#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "feature/online_store.h"

namespace tenon::feature {

// The log of a table: what was put, batch by batch, each with its checksum. docs/formats/online-record.md.
std::string RecordLogHead(const RecordLayout& layout);
// One batch as a frame.
std::string RecordFrame(const RecordLayout& layout, std::span<const OnlineEntry> entries, Newest newest);
// Visits the batches in order, up to the end or the first frame that is not whole, and says how many bytes were whole
// (0: not even the head, or it is of other features).
std::size_t ReadRecordLog(const RecordLayout& layout, std::string_view bytes,
                          const std::function<Result<void>(std::span<const OnlineEntry>, Newest)>& visit, Result<void>* failed);

}  // namespace tenon::feature
