#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>

#include "transport/stream.h"

namespace tidegate::transport {

inline constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

/// One send(2) or sendmsg(2) without waiting.
Stream::Sent send_plainly(int socket, const iovec* pieces, std::size_t count);
/// What a send of these pieces came to: `outcome` is the bytes, or minus the error's number.
Stream::Sent sent_plainly(const iovec* pieces, std::size_t count, std::ptrdiff_t outcome);

}  // namespace tidegate::transport
