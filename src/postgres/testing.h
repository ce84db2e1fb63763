#pragma once

// What the tests against a real server share.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "postgres/postgres.h"
#include "rig/postgres.h"

namespace tidegate::postgres {

using namespace std::chrono_literals;
constexpr auto kPatience = 60s;  // on a loaded machine; nothing waits for it when all is well

/// One server a suite, one empty database a test.
class DatabaseTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<rig::PostgresServer>(); }
  static void TearDownTestSuite() { server_.reset(); }

  void SetUp() override {
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    url_ = server_->create_database(name.substr(0, 60));
    sql_ = std::make_unique<rig::Sql>(url_);
    log_start_ = server_->log().size();
  }
  /// A test that failed shows what the server wrote meanwhile: our own errors carry no text of the server's.
  void TearDown() override {
    if (!HasFailure() || !server_) return;
    const std::string log = server_->log();
    const std::size_t shown = 4'000;  // bytes; enough for the last errors
    const std::size_t from =
        std::max(std::min(log_start_, log.size()), log.size() - std::min(log.size(), shown));
    std::cout << "the server's log ends with:\n" << log.substr(from) << '\n';
  }

  [[nodiscard]] Options options() const {
    Options options;
    options.url = url_;
    return options;
  }
  [[nodiscard]] Options options_as(const std::string& role) const {
    Options options;
    options.url = server_->url_as(role, url_.substr(url_.rfind('/') + 1));
    return options;
  }
  std::unique_ptr<source::ChangeStream> stream_of(const Options& options) {
    return std::move(make_source(options, clock_, metrics_)->open_stream()).value();
  }
  /// `orders(id, status, total)` with key and FULL, published.
  void make_orders() {
    sql_->exec(
        "create table orders (id int8 primary key, status text collate \"C\", total numeric(10,2));"
        "alter table orders replica identity full; create publication tidegate for table orders");
  }

  static inline std::unique_ptr<rig::PostgresServer> server_;
  std::string url_;
  std::size_t log_start_ = 0;
  std::unique_ptr<rig::Sql> sql_;
  SystemClock clock_;
  metrics::Registry metrics_;
};

/// Calls `next` until `wanted` says that an event is the last one that a test waits for; gives that one.
/// Fails the test on any error and when patience ends.
inline std::optional<source::StreamEvent> read_until(
    source::ChangeStream& stream, const std::function<bool(const source::StreamEvent&)>& wanted) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    auto event = stream.next(1s);
    if (!event) {
      ADD_FAILURE() << event.error().message;
      return std::nullopt;
    }
    if (wanted(*event)) return std::move(*event);
  }
  ADD_FAILURE() << "the event did not come";
  return std::nullopt;
}

template <class Event>
Event read_next(source::ChangeStream& stream) {
  auto event =
      read_until(stream, [](const source::StreamEvent& e) { return std::holds_alternative<Event>(e); });
  return event ? std::get<Event>(std::move(*event)) : Event{};
}

/// A transaction's changes, wherever they lie.
inline std::vector<source::Change> changes_in(const source::Transaction& transaction) {
  std::vector<source::Change> changes;
  const Status read = transaction.changes.each([&](const auto& change) { changes.push_back(*change); });
  EXPECT_TRUE(read.ok()) << (read ? "" : read.error().message);
  return changes;
}

/// The first error that `next` gives; a failure where none comes.
inline Error read_error(source::ChangeStream& stream) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < until) {
    auto event = stream.next(1s);
    if (!event) return event.error();
  }
  ADD_FAILURE() << "no error came";
  return {};
}

/// A table as its rows by the text of the key's first column.
using State = std::map<std::string, query::Row>;

inline void apply(State& state, const source::Change& change) {
  const auto key = [&](const query::Row& row) { return row[change.table->key[0]].value(); };
  if (change.kind == source::ChangeKind::truncate) state.clear();
  if (change.old_row) state.erase(key(*change.old_row));
  if (change.new_row) state[key(*change.new_row)] = *change.new_row;
}

}  // namespace tidegate::postgres
