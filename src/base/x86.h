#pragma once

// The intrinsics of x86-64, where that is what is built for; elsewhere nothing. Included last: a warning stays off after it.
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"        // GCC 12 takes the undefined registers of its own header for ours
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif
