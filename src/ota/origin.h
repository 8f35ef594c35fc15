#pragma once

#include <string>

namespace tenon::ota {

// Where a device asks, whom it takes for it, and how it is known there.
struct Origin {
  std::string host;
  int port = 0;
  bool tls = false;
  std::string ca;   // PEM file of who signs the service's certificate; "": whom the system trusts
  std::string key;  // API key that goes with every request; "": none
};

}  // namespace tenon::ota
