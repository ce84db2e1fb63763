#include <fmt/format.h>

#include <boost/json.hpp>
#include <boost/url.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "app/commands.h"
#include "base/encoding.h"
#include "client/client.h"

namespace tidegate::app {
namespace {

namespace json = boost::json;

/// Prints what a subscription sends, a line a row: `=` of the snapshot, `+` inserted, `~` updated, `-`
/// deleted.
class Printer {
 public:
  explicit Printer(bool raw) : raw_(raw) {}

  Status print(std::string_view text) {
    if (raw_) {
      line(text);
      return {};
    }
    json::error_code failed;
    const json::value message = json::parse(json::string_view(text.data(), text.size()), failed);
    if (failed || !message.is_object())
      return Error{Fault::invalid, "the server sent something that is no JSON"};
    const json::object& object = message.get_object();
    const json::value* op = object.if_contains("op");
    const std::string name = op != nullptr && op->is_string() ? std::string(op->get_string()) : "";
    if (name == "snapshot") snapshot(object);
    if (name == "diff") diff(object);
    if (name == "status") line("# status " + json::serialize(object));
    if (name == "error")
      return Error{Fault::invalid, field(object, "code") + ": " + field(object, "message")};
    return {};
  }

 private:
  static std::string field(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(json::string_view(name.data(), name.size()));
    if (value == nullptr) return "";
    return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
  }

  void snapshot(const json::object& message) {
    const std::string part = field(message, "part");
    if (part.empty() || part == "0") line("# snapshot as of " + field(message, "version"));
    for (const json::value& row : message.at("rows").as_array()) line("= " + json::serialize(row));
    std::fflush(stdout);
  }

  void diff(const json::object& message) {
    line("# change at " + field(message, "version"));
    for (const json::value& change : message.at("changes").as_array()) {
      const std::string kind = field(change.as_object(), "kind");
      if (kind == "delete") {
        line("- " + field(change.as_object(), "key"));
      } else {
        line((kind == "insert" ? "+ " : "~ ") + field(change.as_object(), "row"));
      }
    }
  }

  static void line(std::string_view text) {
    fmt::print("{}\n", text);
    std::fflush(stdout);
  }

  bool raw_;
};

Result<client::Settings> connection(const config::Tail& settings) {
  const auto url = boost::urls::parse_uri(settings.url);
  if (url.has_error() || (url->scheme() != "ws" && url->scheme() != "wss")) {
    return Error{Fault::invalid,
                 "--url: '" + settings.url + "' is not of the form ws://host:port/ or wss://host:port/"};
  }
  client::Settings made;
  made.host = url->host_address();
  made.tls = url->scheme() == "wss";
  made.ca_file = settings.ca_file;
  if (url->has_port()) made.port = url->port_number();
  made.target = url->encoded_path().empty() ? "/" : std::string(url->encoded_path());
  made.subprotocols = {"tidegate.v1"};
  if (!settings.token.empty()) made.headers.emplace_back("Authorization", "Bearer " + settings.token);
  return made;
}

std::string subscribe_message(const config::Tail& settings) {
  std::string text = R"({"op":"subscribe","hashId":"tail","frames":"json",)";
  if (!settings.sql.empty()) {
    text += R"("sql":)";
    append_json_string(text, settings.sql);
  } else {
    text += R"("query":{"table":)";
    append_json_string(text, settings.table);
    text += "}";
  }
  return text + "}";
}

}  // namespace

Status tail(Process process) {
  const config::Tail& settings = process.settings.tail;
  if (settings.sql.empty() == settings.table.empty()) {
    return Error{Fault::invalid,
                 "what to watch: give either --table orders or --sql \"select * from orders where …\""};
  }
  auto target = connection(settings);
  if (!target) return target.error();
  Printer printer(settings.json);
  client::Handlers handlers;
  handlers.on_text = [&](std::string_view text) {
    if (Status printed = printer.print(text); !printed) process.interrupts.fail(printed.error());
  };
  handlers.on_close = [&](std::uint16_t code) {
    process.interrupts.fail(
        {Fault::unavailable, fmt::format("the server closed the connection (code {})", code)});
  };
  handlers.on_error = [&](const client::Failure& failure) {
    const std::string said =
        failure.http_status == 0 ? "" : fmt::format(" (HTTP {}: {})", failure.http_status, failure.body);
    process.interrupts.fail(
        {Fault::unavailable, "no connection to " + settings.url + ": " + failure.message + said});
  };
  client::Loop loop;
  client::Client connection(loop, *target, std::move(handlers));
  connection.send_text(subscribe_message(settings));
  return process.interrupts.wait();
}

}  // namespace tidegate::app
