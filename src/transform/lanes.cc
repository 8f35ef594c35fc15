#include "transform/lanes_internal.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/x86.h"

#define TENON_INLINE __attribute__((always_inline)) inline

namespace tenon::transform {
namespace {

constexpr std::int64_t kFew = 8;  // fewer are not worth the choice

TENON_INLINE void Fill(const double* __restrict in, std::int64_t n, double fill, double* __restrict out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = in[i] != in[i] ? fill : in[i];
}

TENON_INLINE void Divide(const double* __restrict in, std::int64_t n, double shift, double factor, double* __restrict out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = (in[i] - shift) / factor;
}

TENON_INLINE void Narrow(const double* __restrict in, std::int64_t n, float* __restrict out) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  for (std::int64_t i = 0; i < n; ++i) {
    const auto value = static_cast<float>(in[i]);
    out[i] = value != value ? kNaN : value;
  }
}

#if defined(__x86_64__)
#define TENON_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))
#define TENON_AVX2 __attribute__((target("avx2")))
TENON_AVX512 void FillAvx512(const double* in, std::int64_t n, double fill, double* out) { Fill(in, n, fill, out); }
TENON_AVX2 void FillAvx2(const double* in, std::int64_t n, double fill, double* out) { Fill(in, n, fill, out); }
TENON_AVX512 void DivideAvx512(const double* in, std::int64_t n, double shift, double factor, double* out) {
  Divide(in, n, shift, factor, out);
}
TENON_AVX2 void DivideAvx2(const double* in, std::int64_t n, double shift, double factor, double* out) {
  Divide(in, n, shift, factor, out);
}
TENON_AVX512 void NarrowAvx512(const double* in, std::int64_t n, float* out) { Narrow(in, n, out); }
TENON_AVX2 void NarrowAvx2(const double* in, std::int64_t n, float* out) { Narrow(in, n, out); }

bool HasAvx512() {
  return __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
bool HasAvx2() { return __builtin_cpu_supports("avx2"); }

// Whole lines of 64 bytes, to an aligned place.
TENON_AVX512 void StreamAvx512(const float* from, std::size_t lines, float* to) {
  for (std::size_t i = 0; i < lines; ++i) _mm512_stream_ps(to + 16 * i, _mm512_loadu_ps(from + 16 * i));
}
void StreamAny(const float* from, std::size_t lines, float* to) {
  for (std::size_t i = 0; i < 4 * lines; ++i) _mm_stream_ps(to + 4 * i, _mm_loadu_ps(from + 4 * i));
}

void Stream(const float* from, std::size_t size, float* to) {
  const std::size_t odd = reinterpret_cast<std::uintptr_t>(to) / sizeof(float) % 16;
  const std::size_t head = std::min(size, odd == 0 ? 0 : 16 - odd);
  std::copy_n(from, head, to);
  const std::size_t lines = (size - head) / 16;
  HasAvx512() ? StreamAvx512(from + head, lines, to + head) : StreamAny(from + head, lines, to + head);
  const std::size_t done = head + 16 * lines;
  std::copy_n(from + done, size - done, to + done);
}
#endif

void Copy(const float* from, std::size_t size, float* to, bool past_caches) {
#if defined(__x86_64__)
  if (past_caches) return Stream(from, size, to);
#endif
  static_cast<void>(past_caches);
  std::memcpy(to, from, size * sizeof(float));
}

}  // namespace

void FillMissing(const double* in, std::int64_t n, double fill, double* out) {
  if (n < kFew) return Fill(in, n, fill, out);
#if defined(__x86_64__)
  if (HasAvx512()) return FillAvx512(in, n, fill, out);
  if (HasAvx2()) return FillAvx2(in, n, fill, out);
#endif
  Fill(in, n, fill, out);
}

void ShiftAndDivide(const double* in, std::int64_t n, double shift, double factor, double* out) {
  if (n < kFew) return Divide(in, n, shift, factor, out);
#if defined(__x86_64__)
  if (HasAvx512()) return DivideAvx512(in, n, shift, factor, out);
  if (HasAvx2()) return DivideAvx2(in, n, shift, factor, out);
#endif
  Divide(in, n, shift, factor, out);
}

void ToFloats(const double* in, std::int64_t n, float* out) {
  if (n < kFew) return Narrow(in, n, out);
#if defined(__x86_64__)
  if (HasAvx512()) return NarrowAvx512(in, n, out);
  if (HasAvx2()) return NarrowAvx2(in, n, out);
#endif
  Narrow(in, n, out);
}

void CopyRows(const float* from, std::int64_t rows, std::int64_t width, float* to, std::int64_t stride, bool past_caches) {
  if (stride == width) return Copy(from, static_cast<std::size_t>(rows * width), to, past_caches);
  for (std::int64_t row = 0; row < rows; ++row) Copy(from + row * width, static_cast<std::size_t>(width), to + row * stride, past_caches);
}

void PublishCopies() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace tenon::transform
