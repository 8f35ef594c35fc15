#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tenon::platform {

// The part of librdkafka's C interface that is used; it has been stable since 1.6 (rdkafka.h, BSD-2-Clause).
struct KafkaRawMessage {
  int error;
  void* topic;
  std::int32_t partition;
  void* payload;
  std::size_t size;
  void* key;
  std::size_t key_size;
  std::int64_t offset;
  void* own;
};
struct KafkaRawTopic {
  char* name;
  int partitions;
  void* partition;
  int error;
};
struct KafkaRawMetadata {
  int brokers;
  void* broker;
  int topics;
  KafkaRawTopic* topic;
};
struct KafkaRawPlace {
  char* topic;
  std::int32_t partition;
  std::int64_t offset;
  void* metadata;
  std::size_t metadata_size;
  void* opaque;
  int error;
  void* own;
};
struct KafkaRawPlaces {
  int count;
  int size;
  KafkaRawPlace* at;
};
using KafkaRebalance = void(void*, int, KafkaRawPlaces*, void*);

constexpr int kProducer = 0, kConsumer = 1;  // rd_kafka_type_t
constexpr std::int64_t kBeginning = -2;  // RD_KAFKA_OFFSET_BEGINNING
constexpr int kAssign = -175;            // of a rebalance: partitions are given, else taken
constexpr int kEndOfPartition = -191, kTimedOut = -185, kOffsetOutOfRange = 1, kAutoOffsetReset = -140, kFatal = -150, kUnknownTopic = 3, kUnknownPartition = -190;
constexpr std::size_t kMostRecords = 10000;

// Its functions, by what they do.
struct KafkaFunctions {
  void* (*conf_new)();
  void (*conf_destroy)(void*);
  int (*conf_set)(void*, const char*, const char*, char*, std::size_t);
  void (*conf_opaque)(void*, void*);
  void (*conf_rebalance)(void*, KafkaRebalance*);
  void* (*create)(int, void*, char*, std::size_t);
  void (*destroy)(void*);
  int (*close)(void*);
  int (*poll_set_consumer)(void*);
  KafkaRawPlaces* (*list_new)(int);
  KafkaRawPlace* (*list_add)(KafkaRawPlaces*, const char*, std::int32_t);
  void (*list_destroy)(KafkaRawPlaces*);
  int (*assign)(void*, const KafkaRawPlaces*);
  int (*subscribe)(void*, const KafkaRawPlaces*);
  void* (*more)(void*, const KafkaRawPlaces*);
  void* (*fewer)(void*, const KafkaRawPlaces*);
  const char* (*protocol)(void*);
  void (*error_destroy)(void*);
  int (*commit)(void*, const KafkaRawPlaces*, int);
  void* (*queue)(void*);
  void (*queue_destroy)(void*);
  ssize_t (*consume_batch)(void*, int, KafkaRawMessage**, std::size_t);
  void (*message_destroy)(KafkaRawMessage*);
  std::int64_t (*timestamp)(const KafkaRawMessage*, int*);
  const char* (*error_text)(int);
  int (*query_offsets)(void*, const char*, std::int32_t, std::int64_t*, std::int64_t*, int);
  int (*seen_offsets)(void*, const char*, std::int32_t, std::int64_t*, std::int64_t*);
  void* (*topic_new)(void*, const char*, void*);
  void (*topic_destroy)(void*);
  int (*metadata)(void*, int, void*, const KafkaRawMetadata**, int);
  void (*metadata_destroy)(const KafkaRawMetadata*);
  int (*committed)(void*, KafkaRawPlaces*, int);
  void* (*membership)(void*);                            // of a consumer in its group
  void* (*membership_new)(const char*);
  void* (*membership_write)(const void*, void**, std::size_t*);
  void* (*membership_read)(void**, const void*, std::size_t);
  void (*membership_destroy)(void*);
  void (*free)(void*, void*);
  int (*produce)(void*, std::int32_t, int, void*, std::size_t, const void*, std::size_t, void*);
  int (*last_error)();
  int (*poll)(void*, int);
  void* (*begin_all)(void*, int);                        // init_transactions
  void* (*begin)(void*);
  void* (*send_offsets)(void*, const KafkaRawPlaces*, const void*, int);
  void* (*commit_transaction)(void*, int);
  void* (*abort_transaction)(void*, int);
  int (*error_code)(const void*);
  const char* (*error_string)(const void*);
};

// A client with these settings, the later ones first in rank; invalid_argument naming one that is wrong. `prepare` sees the settings' object.
template <typename Prepare>
Result<void*> MakeKafkaClient(const KafkaFunctions& k, int kind, const std::vector<std::pair<std::string, std::string>>& settings, const Prepare& prepare) {
  void* conf = k.conf_new();
  char why[512] = "";
  for (const auto& [name, value] : settings) {
    if (k.conf_set(conf, name.c_str(), value.c_str(), why, sizeof why) == 0) continue;
    k.conf_destroy(conf);
    return Error(Code::kInvalidArgument, std::string("properties: ") + why);
  }
  prepare(conf);
  void* client = k.create(kind, conf, why, sizeof why);
  if (client != nullptr) return client;
  k.conf_destroy(conf);
  return Error(Code::kInvalidArgument, std::string("cannot begin with Kafka: ") + why);
}

class KafkaReader;
class KafkaOwner;
struct KafkaSettings;
// What KafkaReader::Open gives, over these functions; tests bring their own.
Result<std::unique_ptr<KafkaReader>> OpenKafkaReader(const KafkaFunctions& functions, const KafkaSettings& settings, KafkaOwner* owner);

// Loads the library when first asked. unavailable, naming the package, when it is not there.
Result<KafkaFunctions> LoadKafka();

}  // namespace tenon::platform
