// Counts the allocations of the test binary. In a file of its own: the compiler mistrusts replaced operators it can inline.

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#define TENON_HAS_FEATURE(what) __has_feature(what)
#else
#define TENON_HAS_FEATURE(what) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || TENON_HAS_FEATURE(address_sanitizer) || TENON_HAS_FEATURE(thread_sanitizer)

// Sanitizers replace the operators themselves: nothing is counted.
namespace tenon::transform {
std::int64_t Allocations();
std::int64_t Allocations() { return -1; }
}  // namespace tenon::transform

#else

namespace tenon::transform {
namespace {
std::atomic<std::int64_t> allocations{0};
}  // namespace
std::int64_t Allocations();
std::int64_t Allocations() { return allocations.load(); }
static void* Allocate(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* at = std::malloc(size == 0 ? 1 : size)) return at;
  std::abort();
}
}  // namespace tenon::transform

void* operator new(std::size_t size) { return tenon::transform::Allocate(size); }
void operator delete(void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }

#endif
