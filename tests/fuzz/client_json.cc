// Any text as a client's message, by the rules of either mode: a message whose fields are what the rules
// promise, or a refusal in UTF-8; and what answers it is JSON again, whatever the client called its query.
#include <boost/json.hpp>
#include <string>

#include "base/utf8.h"
#include "input.h"
#include "protocol/messages.h"

namespace {

using namespace tidegate;
using protocol::Rules;

bool is_json(const std::string& text) {
  boost::system::error_code failed;
  boost::json::parse(text, failed);
  return !failed;
}

void check(const protocol::Ping&, Rules) {}
void check(const protocol::Auth&, Rules rules) {
  fuzz::require(rules == Rules::managed, "in pass-through nobody shows a token");
}
void check(const protocol::Subscribe& message, Rules rules) {
  const int forms = static_cast<int>(message.query_flatbuffer.has_value()) +
                    static_cast<int>(message.query_json.has_value()) +
                    static_cast<int>(message.sql.has_value());
  fuzz::require(forms == 1, "a query has exactly one form");
  if (rules == Rules::pass_through) {
    fuzz::require(!message.table.empty() && !message.hash_id.empty() && message.query_flatbuffer.has_value(),
                  "the seed's fields are there");
  }
  fuzz::require(is_json(protocol::ack_message(message.hash_id)), "its answer is JSON");
  if (message.cursor) {
    fuzz::require(message.cursor->partition.value() >= 0 && message.cursor->offset.value() >= -1,
                  "a cursor's numbers are those of places");
  }
}
void check(const protocol::Unsubscribe& message, Rules) {
  fuzz::require(is_json(protocol::unsubscribed_message(message.hash_id)), "its answer is JSON");
}
void check(const protocol::Invalid& message, Rules) {
  const std::string answer = protocol::error_message(message.code, message.message, message.hash_id);
  fuzz::require(is_json(answer), "a refusal is JSON");
  fuzz::require(whole_characters(answer) == answer.size(), "a refusal is UTF-8");
  fuzz::require(!message.message.empty() && message.message.size() < 500, "a refusal says why, and is short");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::bytes_of(data, size);
  for (const Rules rules : {Rules::pass_through, Rules::managed}) {
    const auto message = protocol::parse_client_message(text, rules);
    std::visit([rules](const auto& each) { check(each, rules); }, message);
  }
  return 0;
}
