#pragma once

#include "transport/io.h"
#include "transport/stream.h"

/// Sockets as this module's names.
namespace tidegate::session {

namespace net = transport::net;
using transport::Acceptor;
using transport::as_values;
using transport::Awaitable;
using transport::ErrorStatus;
using transport::Executor;
using transport::Socket;
using transport::Stream;

}  // namespace tidegate::session
