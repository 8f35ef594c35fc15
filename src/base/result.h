#pragma once

#include <cassert>
#include <concepts>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/error.h"

namespace tenon {

// A value or the Error that stands in its place. Check ok() before * or ->.
template <typename T>
class [[nodiscard]] Result {
  static_assert(!std::is_same_v<std::remove_cv_t<T>, Error>, "Result<Error> is a mistake");
  static_assert(!std::is_reference_v<T>, "hold a pointer or a reference_wrapper");

 public:
  using value_type = T;
  // Implicit on purpose, so that a body says `return value;` and `return Error(...)`.
  template <typename U = T>
    requires std::convertible_to<U&&, T> && (!std::same_as<std::remove_cvref_t<U>, Error>)
  Result(U&& value) : held_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const noexcept { return held_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  T& operator*() & { assert(ok()); return *std::get_if<0>(&held_); }
  const T& operator*() const& { assert(ok()); return *std::get_if<0>(&held_); }
  T&& operator*() && { assert(ok()); return std::move(*std::get_if<0>(&held_)); }
  T* operator->() { assert(ok()); return std::get_if<0>(&held_); }
  const T* operator->() const { assert(ok()); return std::get_if<0>(&held_); }

  const Error& error() const& { assert(!ok()); return *std::get_if<1>(&held_); }
  Error&& error() && { assert(!ok()); return std::move(*std::get_if<1>(&held_)); }

 private:
  std::variant<T, Error> held_;
};

// For work that returns nothing but may fail.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::in_place_index<1>, std::move(error)) {}
  bool ok() const noexcept { return error_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }
  const Error& error() const& { assert(!ok()); return *std::get_if<1>(&error_); }
  Error&& error() && { assert(!ok()); return std::move(*std::get_if<1>(&error_)); }

 private:
  std::variant<std::monostate, Error> error_;
};

}  // namespace tenon

#define TENON_CONCAT_(a, b) a##b
#define TENON_CONCAT(a, b) TENON_CONCAT_(a, b)

// TENON_TRY(expr, "doing X"): pass a failure up, with what we were doing.
#define TENON_TRY(expr, ...)                                                   \
  do {                                                                         \
    if (auto tenon_r = (expr); !tenon_r)                                       \
      return std::move(tenon_r).error() __VA_OPT__(.Context(__VA_ARGS__));     \
  } while (false)

// TENON_ASSIGN(auto x, expr, "doing X"): the value of expr, or pass its failure up.
#define TENON_ASSIGN(decl, expr, ...) \
  TENON_ASSIGN_(TENON_CONCAT(tenon_r_, __COUNTER__), decl, expr __VA_OPT__(, ) __VA_ARGS__)
#define TENON_ASSIGN_(tmp, decl, expr, ...)                                    \
  auto tmp = (expr);                                                           \
  if (!tmp) return std::move(tmp).error() __VA_OPT__(.Context(__VA_ARGS__));   \
  decl = *std::move(tmp)
