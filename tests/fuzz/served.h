#pragma once

// A worker with two versions behind one endpoint, as a server's thread has it, without sockets.

#include <memory>

#include "edge/worker_internal.h"
#include "fuzz/models.h"
#include "platform/memory_files.h"
#include "serve/feedback.h"
#include "serve/testing.h"

namespace tenon::fuzz {

class ServedLoan {
 public:
  ServedLoan() : feedback_(files_, "log") {
    auto route = std::make_shared<serve::Route>();
    route->name = "loan";
    route->sticky = "customer";
    for (int version : {1, 2}) {
      auto served = std::make_shared<serve::Served>(*Must(serve::testing::MakeLoan(Ops(), version), "a version"));
      served->passed = {"customer"};
      served->most_instances = 64;
      route->arms.push_back({served, version == 1 ? serve::Role::kChampion : serve::Role::kChallenger, version == 1 ? 1 : 0.5});
    }
    endpoints_.Set(std::shared_ptr<const serve::Route>(std::move(route)));
    edge::ServerOptions options;
    options.threads = 1;
    options.most_body = 4096;
    options.repository = true;
    options.tallies = &tallies_;
    options.feedback = &feedback_;
    shared_ = std::make_unique<edge::Shared>(endpoints_, nullptr, [] { return true; }, options);
    worker_ = std::make_unique<edge::Worker>(*shared_, 0);
  }
  edge::Worker& worker() { return *worker_; }
  // What requests may have changed is as before.
  void Restore() {
    if (endpoints_.Find("loan") == nullptr) Hold(endpoints_.Restore("loan"), "an endpoint that was unloaded can be loaded");
    if (++restored_ % 256 == 0) Must(feedback_.Sync(), "the feedback log");
  }
  bool old() const { return restored_ > 20000; }

 private:
  platform::MemoryFiles files_;
  serve::FeedbackLog feedback_;
  serve::Tallies tallies_;
  serve::Endpoints endpoints_;
  std::unique_ptr<edge::Shared> shared_;
  std::unique_ptr<edge::Worker> worker_;
  std::int64_t restored_ = 0;
};

// Made anew now and then: its logs are in memory.
inline ServedLoan& Loan() {
  static std::unique_ptr<ServedLoan> loan;
  if (loan == nullptr || loan->old()) {
    loan.reset();
    loan = std::make_unique<ServedLoan>();
  }
  return *loan;
}

}  // namespace tenon::fuzz
