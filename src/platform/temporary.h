#pragma once

#include <string>
#include <string_view>

#include "platform/files.h"

namespace tenon::platform {

// The file that Files::Write fills before it is renamed to `path`: beside it, hidden, its name telling process and
// count: ".model.bin.4711-3.tenon-part". Every call gives another name.
std::string TemporaryPath(const std::string& path);
bool IsTemporaryName(std::string_view name);

// Removes what writers that died left in `folder` (not below it), and says how many there were. Only to be called while
// nobody else writes there, such as under the folder's writer lock. Fine when there is no such folder.
Result<int> ClearTemporaries(Files& files, const std::string& folder);

}  // namespace tenon::platform
