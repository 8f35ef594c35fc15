// Counts every allocation of the test's process, also those of the library under test, by standing in front of the C
// library's functions. Sanitizers stand there themselves: then nothing is counted.

#include "embed/allocations_testing_internal.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

namespace tenon::embed {
namespace {
std::atomic<std::int64_t> allocations{0};
}  // namespace

std::int64_t Allocations() { return allocations.load(); }
[[maybe_unused]] static void CountOne() { allocations.fetch_add(1, std::memory_order_relaxed); }
}  // namespace tenon::embed

#ifdef TENON_COUNTS_ALLOCATIONS
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* at, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* at);

void* malloc(std::size_t size) { return tenon::embed::CountOne(), __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) { return tenon::embed::CountOne(), __libc_calloc(count, size); }
void* realloc(void* at, std::size_t size) { return tenon::embed::CountOne(), __libc_realloc(at, size); }
void* memalign(std::size_t alignment, std::size_t size) { return tenon::embed::CountOne(), __libc_memalign(alignment, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return tenon::embed::CountOne(), __libc_memalign(alignment, size); }
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  tenon::embed::CountOne();
  *out = __libc_memalign(alignment, size);
  return *out == nullptr ? ENOMEM : 0;
}
void free(void* at) { __libc_free(at); }
}
#endif
