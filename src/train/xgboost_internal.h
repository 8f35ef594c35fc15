#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tenon::train {

// The part of XGBoost (its C API, 2.1 or later) that boosting by our own gradients needs. The library is loaded when
// first asked for. Whatever it reports becomes an Error: invalid_argument with its words. One thread an object.
class Xgboost {
 public:
  // Rows in the library's form; copies them. NaN is missing.
  class Rows {
   public:
    ~Rows();
    Rows(Rows&& other) noexcept;
    Rows& operator=(Rows&&) = delete;

   private:
    friend class Xgboost;
    Rows(std::shared_ptr<const Xgboost> library, void* handle);
    std::shared_ptr<const Xgboost> library_;
    void* handle_;
  };

  // Trees under growth.
  class Booster {
   public:
    ~Booster();
    Booster(Booster&& other) noexcept;
    Booster& operator=(Booster&&) = delete;
    // Adds a tree an output that lowers the loss with these first and second derivatives (rows x outputs).
    Result<void> Grow(const Rows& rows, int round, std::span<const float> gradient, std::span<const float> hessian,
                      int outputs);
    // What the trees add up to for each row, with its base margin: rows x outputs; valid until the next call.
    Result<std::span<const float>> Margins(const Rows& rows);
    Result<std::string> SaveJson() const;

   private:
    friend class Xgboost;
    Booster(std::shared_ptr<const Xgboost> library, void* handle);
    std::shared_ptr<const Xgboost> library_;
    void* handle_;
  };

  // unavailable when the library is not installed, internal when it is too old.
  static Result<std::shared_ptr<const Xgboost>> Load();
  // Of the library that was loaded, as it says itself: "3.2.0".
  const std::string& version() const { return version_; }

  // base_margin: the same number for every row, one an output.
  static Result<Rows> MakeRows(const std::shared_ptr<const Xgboost>& library, const float* values, std::int64_t rows,
                               int features, std::span<const double> base_margin, int threads);
  // `known`: the rows whose margins it will be asked for; it keeps them up to date. They outlive the booster.
  static Result<Booster> MakeBooster(const std::shared_ptr<const Xgboost>& library, std::span<const Rows* const> known,
                                     const std::vector<std::pair<std::string, std::string>>& parameters);

  ~Xgboost();

 private:
  struct Functions;
  Xgboost(std::unique_ptr<const Functions> functions, std::string version);
  Result<void> Checked(int status) const;
  std::unique_ptr<const Functions> functions_;
  std::string version_;
};

}  // namespace tenon::train
