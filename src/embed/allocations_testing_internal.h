#pragma once

#include <cstdint>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TENON_COUNTS_ALLOCATIONS
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef TENON_COUNTS_ALLOCATIONS
#endif
#endif

namespace tenon::embed {

// Calls of malloc and its like in this process so far.
std::int64_t Allocations();

}  // namespace tenon::embed
