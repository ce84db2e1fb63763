#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

/// The Asio types of whatever speaks over a socket, with a concrete executor: one io_context a thread, no
/// strands.
namespace tidegate::transport {

namespace net = boost::asio;
using ErrorStatus = boost::system::error_code;
using Executor = net::io_context::executor_type;
using Socket = net::basic_stream_socket<net::ip::tcp, Executor>;
using Acceptor = net::basic_socket_acceptor<net::ip::tcp, Executor>;
template <class T>
using Awaitable = net::awaitable<T, Executor>;
/// Completion as a tuple that begins with the error: errors as values, also in coroutines.
inline constexpr net::as_tuple_t<net::use_awaitable_t<Executor>> as_values{};

}  // namespace tidegate::transport
