#pragma once

#include <librdkafka/rdkafka.h>

#include "log/log.h"

namespace tidegate::kafka {

/// The wire's headers (docs/PROTOCOL.md, "The log's records"): `lsn`, `xid`, `epoch` 8 bytes, `gen` 8 bytes
/// signed, `part`, `flags` 4 bytes, `format` 2 bytes, all big endian; `kind` as text, absent for a diff. The
/// caller owns what `to_wire` gives until librdkafka has taken it.
rd_kafka_headers_t* to_wire(const log::Headers& headers);

/// Of several headers of one name the last counts. One that has not its size, or a kind that nobody knows,
/// counts as absent and makes the record malformed. Foreign headers are passed over.
log::Headers from_wire(const rd_kafka_message_t& message);

}  // namespace tidegate::kafka
