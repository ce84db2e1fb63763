#pragma once

// What the matcher's tests share: a table, queries over it, rows and transactions.

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "query/query.h"
#include "source/source.h"

namespace tidegate::matcher {

inline std::shared_ptr<query::TableSchema> orders_schema() {
  auto table = std::make_shared<query::TableSchema>();
  table->schema = "public";
  table->name = "orders";
  table->relation = 7;
  const auto column = [&](const char* name, query::Type type) {
    query::ColumnSchema schema;
    schema.name = name;
    schema.type = type;
    schema.declared = std::string(query::type_name(type));
    table->columns.push_back(schema);
  };
  column("id", query::Type::int4);
  column("region", query::Type::text);
  column("total", query::Type::numeric);
  column("title", query::Type::text);
  table->key = {0};
  return table;
}

inline const std::shared_ptr<const query::TableSchema>& orders() {
  static const std::shared_ptr<const query::TableSchema> table = orders_schema();
  return table;
}

/// A query over `orders` from the JSON form.
inline std::shared_ptr<const query::Query> orders_query(std::string_view json) {
  auto parsed = query::parse_json(json);
  EXPECT_TRUE(parsed.ok()) << (parsed ? "" : parsed.error().message);
  auto bound = query::Query::bind(*parsed, orders());
  EXPECT_TRUE(bound.ok()) << (bound ? "" : bound.error().message);
  return *bound;
}

inline query::Row order(int id, query::Cell region, query::Cell total, query::Cell title = "t") {
  return {std::to_string(id), std::move(region), std::move(total), std::move(title)};
}

inline source::Change inserted(query::Row row) {
  return {orders(), source::ChangeKind::insert, {}, std::move(row)};
}
inline source::Change updated(query::Row before, query::Row after) {
  return {orders(), source::ChangeKind::update, std::move(before), std::move(after)};
}
inline source::Change removed(query::Row row) {
  return {orders(), source::ChangeKind::remove, std::move(row), {}};
}
inline source::Change truncated() {
  return {orders(), source::ChangeKind::truncate, {}, {}};
}

inline source::Transaction transaction(std::uint64_t lsn, std::optional<std::uint64_t> xid,
                                       std::vector<source::Change> changes) {
  source::Transaction transaction;
  transaction.lsn = Lsn(lsn);
  if (xid) transaction.xid = Xid(*xid);
  transaction.commit_time_us = 1'000'000;
  transaction.changes = std::move(changes);
  return transaction;
}

inline std::uint64_t pick(std::mt19937_64& random, std::uint64_t below) {
  return random() % below;
}

/// A random row: few values, so that predicates, keys and index buckets meet often; NULLs; one number in two
/// spellings.
inline query::Row random_order(std::mt19937_64& random, int id) {
  static const std::vector<query::Cell> regions{"eu", "us", "asia", std::nullopt};
  static const std::vector<query::Cell> totals{"1", "1.0", "5", "5.50", "10", std::nullopt};
  return order(id, regions[pick(random, 4)], totals[pick(random, 6)], pick(random, 2) ? "a" : "b");
}

inline std::string random_condition(std::mt19937_64& random) {
  static const std::vector<std::string> conditions{
      R"({"column":"region","op":"=","value":"eu"})",
      R"({"column":"region","op":"in","values":["us","asia"]})",
      R"({"column":"region","op":"<>","value":"us"})",
      R"({"column":"region","op":"is null"})",
      R"({"column":"total","op":"=","value":"1.00"})",
      R"({"column":"total","op":"in","values":["5.5","10"]})",
      R"({"column":"total","op":">","value":1})",
      R"({"column":"total","op":"<=","value":5})",
      R"({"column":"id","op":"=","value":3})",
      R"({"column":"id","op":">=","value":4})",
      R"({"column":"title","op":"=","value":"a"})",
  };
  return conditions[pick(random, conditions.size())];
}

inline std::shared_ptr<const query::Query> random_query(std::mt19937_64& random) {
  std::string json = pick(random, 2) ? R"({"where":[)" : R"({"columns":["id","region"],"where":[)";
  const auto count = pick(random, 4);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i > 0) json += ',';
    json += random_condition(random);
  }
  return orders_query(json + "]}");
}

}  // namespace tidegate::matcher
