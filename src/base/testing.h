#pragma once

// Assertions for tests on Result: ASSERT_OK(expr), ASSERT_CODE(kNotFound, expr), ASSERT_OK_AND_ASSIGN(auto x, expr).

#include <gtest/gtest.h>

#include "base/result.h"

#define ASSERT_OK(expr)                                                              \
  do {                                                                               \
    auto&& tenon_ok = (expr);                                                        \
    ASSERT_TRUE(tenon_ok.ok()) << #expr << ": " << tenon_ok.error().ToString();      \
  } while (false)

#define ASSERT_CODE(code_name, expr)                                                 \
  do {                                                                               \
    auto&& tenon_code = (expr);                                                      \
    ASSERT_FALSE(tenon_code.ok()) << #expr << " succeeded";                          \
    ASSERT_EQ(tenon_code.error().code(), ::tenon::Code::code_name)                   \
        << tenon_code.error().ToString();                                            \
  } while (false)

#define ASSERT_OK_AND_ASSIGN(decl, expr) ASSERT_OK_AND_ASSIGN_(TENON_CONCAT(tenon_r_, __COUNTER__), decl, expr)
#define ASSERT_OK_AND_ASSIGN_(tmp, decl, expr)                                       \
  auto tmp = (expr);                                                                 \
  ASSERT_TRUE(tmp.ok()) << #expr << ": " << tmp.error().ToString();                  \
  decl = *std::move(tmp)
