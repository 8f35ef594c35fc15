#include "edge/http_connection_internal.h"

namespace tenon::edge {

void TimerWheel::Link(Connection* connection, std::int64_t tick) {
  connection->wheel_tick = tick;
  Connection*& head = slots_[static_cast<std::size_t>(tick % kSlots)];
  connection->previous = nullptr;
  connection->next = head;
  if (head != nullptr) head->previous = connection;
  head = connection;
}

void TimerWheel::Remove(Connection* connection) {
  if (connection->wheel_tick == 0) return;
  Connection*& head = slots_[static_cast<std::size_t>(connection->wheel_tick % kSlots)];
  if (connection->previous != nullptr) connection->previous->next = connection->next;
  if (connection->next != nullptr) connection->next->previous = connection->previous;
  if (head == connection) head = connection->next;
  connection->next = connection->previous = nullptr;
  connection->wheel_tick = 0;
}

void TimerWheel::Set(Connection* connection, std::int64_t now, std::int64_t due) {
  connection->due = due;
  if (connection->wheel_tick != 0 && connection->wheel_tick <= due) return;  // looked at again when its slot comes
  Remove(connection);
  Link(connection, std::min(due, now + kSlots - 2));
}

}  // namespace tenon::edge
