#include "platform/kafka_raw_internal.h"

#include "platform/library.h"

namespace tenon::platform {

Result<KafkaFunctions> LoadKafka() {
  TENON_ASSIGN(const Library library, Library::Open("librdkafka.so.1"), "Kafka needs Debian's package librdkafka1");
  KafkaFunctions out{};
  TENON_TRY(library.Bind("rd_kafka_conf_new", &out.conf_new));
  TENON_TRY(library.Bind("rd_kafka_conf_destroy", &out.conf_destroy));
  TENON_TRY(library.Bind("rd_kafka_conf_set", &out.conf_set));
  TENON_TRY(library.Bind("rd_kafka_conf_set_opaque", &out.conf_opaque));
  TENON_TRY(library.Bind("rd_kafka_conf_set_rebalance_cb", &out.conf_rebalance));
  TENON_TRY(library.Bind("rd_kafka_new", &out.create));
  TENON_TRY(library.Bind("rd_kafka_destroy", &out.destroy));
  TENON_TRY(library.Bind("rd_kafka_consumer_close", &out.close));
  TENON_TRY(library.Bind("rd_kafka_poll_set_consumer", &out.poll_set_consumer));
  TENON_TRY(library.Bind("rd_kafka_topic_partition_list_new", &out.list_new));
  TENON_TRY(library.Bind("rd_kafka_topic_partition_list_add", &out.list_add));
  TENON_TRY(library.Bind("rd_kafka_topic_partition_list_destroy", &out.list_destroy));
  TENON_TRY(library.Bind("rd_kafka_assign", &out.assign));
  TENON_TRY(library.Bind("rd_kafka_subscribe", &out.subscribe));
  TENON_TRY(library.Bind("rd_kafka_incremental_assign", &out.more));
  TENON_TRY(library.Bind("rd_kafka_incremental_unassign", &out.fewer));
  TENON_TRY(library.Bind("rd_kafka_rebalance_protocol", &out.protocol));
  TENON_TRY(library.Bind("rd_kafka_error_destroy", &out.error_destroy));
  TENON_TRY(library.Bind("rd_kafka_commit", &out.commit));
  TENON_TRY(library.Bind("rd_kafka_queue_get_consumer", &out.queue));
  TENON_TRY(library.Bind("rd_kafka_queue_destroy", &out.queue_destroy));
  TENON_TRY(library.Bind("rd_kafka_consume_batch_queue", &out.consume_batch));
  TENON_TRY(library.Bind("rd_kafka_message_destroy", &out.message_destroy));
  TENON_TRY(library.Bind("rd_kafka_message_timestamp", &out.timestamp));
  TENON_TRY(library.Bind("rd_kafka_err2str", &out.error_text));
  TENON_TRY(library.Bind("rd_kafka_query_watermark_offsets", &out.query_offsets));
  TENON_TRY(library.Bind("rd_kafka_get_watermark_offsets", &out.seen_offsets));
  TENON_TRY(library.Bind("rd_kafka_topic_new", &out.topic_new));
  TENON_TRY(library.Bind("rd_kafka_topic_destroy", &out.topic_destroy));
  TENON_TRY(library.Bind("rd_kafka_metadata", &out.metadata));
  TENON_TRY(library.Bind("rd_kafka_metadata_destroy", &out.metadata_destroy));
  TENON_TRY(library.Bind("rd_kafka_committed", &out.committed));
  TENON_TRY(library.Bind("rd_kafka_consumer_group_metadata", &out.membership));
  TENON_TRY(library.Bind("rd_kafka_consumer_group_metadata_new", &out.membership_new));
  TENON_TRY(library.Bind("rd_kafka_consumer_group_metadata_write", &out.membership_write));
  TENON_TRY(library.Bind("rd_kafka_consumer_group_metadata_read", &out.membership_read));
  TENON_TRY(library.Bind("rd_kafka_consumer_group_metadata_destroy", &out.membership_destroy));
  TENON_TRY(library.Bind("rd_kafka_mem_free", &out.free));
  TENON_TRY(library.Bind("rd_kafka_produce", &out.produce));
  TENON_TRY(library.Bind("rd_kafka_last_error", &out.last_error));
  TENON_TRY(library.Bind("rd_kafka_poll", &out.poll));
  TENON_TRY(library.Bind("rd_kafka_init_transactions", &out.begin_all));
  TENON_TRY(library.Bind("rd_kafka_begin_transaction", &out.begin));
  TENON_TRY(library.Bind("rd_kafka_send_offsets_to_transaction", &out.send_offsets));
  TENON_TRY(library.Bind("rd_kafka_commit_transaction", &out.commit_transaction));
  TENON_TRY(library.Bind("rd_kafka_abort_transaction", &out.abort_transaction));
  TENON_TRY(library.Bind("rd_kafka_error_code", &out.error_code));
  TENON_TRY(library.Bind("rd_kafka_error_string", &out.error_string));
  return out;
}

}  // namespace tenon::platform
