#pragma once

#include <memory>
#include <string>

#include "base/call.h"
#include "edge/server.h"
#include "pipeline/kits.h"
#include "pipeline/project.h"
#include "store/store.h"

namespace tenon::app {

// A project's champion answering over HTTP: the endpoint, its inference log, and a watch on the registry that takes a
// promoted or rolled back version within a second while requests go on. Stops when destroyed. A version that fails its
// replay check is refused and the one before stays.
class Service {
 public:
  virtual ~Service() = default;
  virtual int port() const = 0;
  virtual int grpc_port() const = 0;          // the same, unless gRPC has one of its own
  virtual std::string model() const = 0;      // "loan-approval@3", what answers now
  virtual std::string log_folder() const = 0;
  // Asks the registry, the keys and the certificate's files now; called by the owner's loop about five times a second.
  // What to tell people now, or "": what changed, and what is refused: once, again when it is something else, and when it is
  // over.
  virtual std::string Refresh(const Call& call) = 0;
  // Who may ask, for people: "open to everybody" or what is needed.
  virtual std::string who() const = 0;
  // Of each version that answers: whether its rows are asked in batches, and why. Empty where the project does not ask for it.
  virtual std::string batching() const = 0;
  // What the process before did not write to the inference log any more; "": nothing that is known.
  virtual std::string missing() const = 0;
  virtual std::vector<edge::AnswerStreamState> streams() const = 0;  // as serve.streams
  virtual void StopStreams() = 0;  // what is under way is kept; requests are still answered
  virtual void Stop() = 0;
};

// What a service is started with beside the project's own settings.
struct ServiceOptions {
  edge::ServerOptions server;  // without `tls` and `access`, which the service makes
  pipeline::TlsSpec tls;
  bool to_end = false;         // its streams end where nothing more is there
  bool insecure = false;       // may be open to everybody where other machines reach it
};

// `store` is open for reading at least and outlives the service. failed_precondition when no version is champion, and
// when an address that other machines reach would be open to everybody.
Result<std::unique_ptr<Service>> StartService(const Call& call, const pipeline::Project& project, store::Store& store,
                                              const pipeline::Kits& kits, const ServiceOptions& options);

}  // namespace tenon::app
