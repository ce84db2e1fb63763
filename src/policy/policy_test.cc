// C5, as far as the query decides it: a query is narrowed to the principal's tenant before it is hashed, and
// what a principal may not see does not exist for it.
#include <gtest/gtest.h>

#include "policy/access.h"
#include "query/testing.h"

namespace tidegate::policy {
namespace {

using query::compare;
using query::Op;

query::Catalogue catalogue() {
  query::TableSchema orders;
  orders.schema = "public";
  orders.name = "orders";
  orders.columns = {query::column("id", query::Type::int8), query::column("tenant", query::Type::text),
                    query::column("org", query::Type::int4), query::column("title", query::Type::text),
                    query::column("tags", query::Type::json)};
  orders.key = {0};
  query::TableSchema items = orders;
  items.schema = "shop";
  items.name = "items";
  query::TableSchema hidden = orders;
  hidden.name = "hidden";
  query::TableSchema broken = orders;
  broken.name = "broken";
  broken.refusal = "its replica identity is not full";
  // The same bare name in a schema that bare names don't reach.
  query::TableSchema other_orders = orders;
  other_orders.schema = "other";
  return query::Catalogue({query::shared(orders), query::shared(items), query::shared(hidden),
                           query::shared(broken), query::shared(other_orders)});
}

Options options() {
  Options options;
  options.tables["orders"] = {"tenant"};
  options.tables["shop.items"] = {""};
  options.tables["broken"] = {""};
  return options;
}

Principal principal(std::string tenant) {
  return {"someone", std::move(tenant), false};
}

Access access(const Options& rules) {
  return {std::make_shared<const query::Catalogue>(catalogue()), std::make_shared<const Options>(rules)};
}

Result<Narrowed> narrowed(const query::ParsedQuery& parsed, const Principal& who,
                          const Options& rules = options()) {
  return access(rules).narrow(parsed, who);
}

std::string routing(const Narrowed& narrowed, const std::string& tenant, const std::string& table) {
  return tenant + "/" + table + "/" + narrowed.query->hash().hex();
}

TEST(PolicyTest, a_tenant_sees_only_its_rows) {
  const auto acme = narrowed({"orders", {}, {}}, principal("acme"));
  ASSERT_TRUE(acme.ok()) << acme.error().message;
  const auto& table = acme->query->table();
  EXPECT_TRUE(acme->query->matches(query::row_with(table, "tenant", "acme")));
  EXPECT_FALSE(acme->query->matches(query::row_with(table, "tenant", "other")));
  EXPECT_FALSE(acme->query->matches(query::row_with(table, "tenant", std::nullopt)));
  EXPECT_EQ(acme->routing_key, routing(*acme, "acme", "public.orders"));
  EXPECT_NE(acme->query->to_sql().text.find(R"(WHERE ("tenant" OPERATOR(pg_catalog.=) $1::pg_catalog.text))"),
            std::string::npos);
  const auto other = narrowed({"orders", {}, {}}, principal("other"));
  EXPECT_NE(acme->query->hash(), other->query->hash());
}

TEST(PolicyTest, the_same_table_by_either_name_is_the_same_query) {
  EXPECT_EQ(narrowed({"orders", {}, {}}, principal("a"))->routing_key,
            narrowed({"public.orders", {}, {}}, principal("a"))->routing_key);
}

TEST(PolicyTest, a_client_s_own_condition_on_the_tenant_only_narrows) {
  const auto query =
      narrowed({"orders", {}, {compare("tenant", Op::eq, {query::string("other")})}}, principal("acme"));
  ASSERT_TRUE(query.ok());
  for (const std::string tenant : {"acme", "other"}) {
    EXPECT_FALSE(query->query->matches(query::row_with(query->query->table(), "tenant", tenant))) << tenant;
  }
  const auto wide =
      narrowed({"orders", {}, {compare("tenant", Op::ne, {query::string("acme")})}}, principal("acme"));
  EXPECT_FALSE(wide->query->matches(query::row_with(wide->query->table(), "tenant", "other")));
  const auto same =
      narrowed({"orders", {}, {compare("tenant", Op::eq, {query::string("acme")})}}, principal("acme"));
  EXPECT_EQ(same->routing_key, narrowed({"orders", {}, {}}, principal("acme"))->routing_key);
}

TEST(PolicyTest, rule_24_a_shared_table_is_shared_among_tenants) {
  const auto one = narrowed({"shop.items", {}, {}}, principal("acme"));
  const auto two = narrowed({"shop.items", {}, {}}, principal("other"));
  const auto none = narrowed({"shop.items", {}, {}}, principal(""));
  ASSERT_TRUE(one.ok() && two.ok() && none.ok());
  EXPECT_EQ(one->routing_key, routing(*one, "", "shop.items"));
  EXPECT_EQ(one->routing_key, two->routing_key);
  EXPECT_EQ(one->routing_key, none->routing_key);
}

TEST(PolicyTest, what_the_config_does_not_name_does_not_exist) {
  for (const std::string table : {"hidden", "public.hidden", "items", "nope", "", "other.orders", "ORDERS"}) {
    const auto query = narrowed({table, {}, {}}, principal("acme"));
    ASSERT_FALSE(query.ok()) << table;
    EXPECT_EQ(query.error().fault, Fault::not_found);
    EXPECT_EQ(query.error().message, "unknown table \"" + table + "\"");
  }
}

TEST(PolicyTest, without_a_tenant_nothing_of_a_divided_table_shows) {
  const auto query = narrowed({"orders", {"nope"}, {}}, principal(""));
  ASSERT_FALSE(query.ok());
  EXPECT_EQ(query.error().fault, Fault::denied);  // before the misspelt column is looked at
  EXPECT_EQ(query.error().message, "table \"public.orders\" is divided by tenant and the token names none");
}

TEST(PolicyTest, a_tenant_that_does_not_fit_its_column_is_denied) {
  Options rules = options();
  rules.tables["orders"].tenant_column = "org";
  EXPECT_TRUE(narrowed({"orders", {}, {}}, principal("42"), rules).ok());
  EXPECT_EQ(narrowed({"orders", {}, {}}, principal("042"), rules)->query->hash(),
            narrowed({"orders", {}, {}}, principal("42"), rules)->query->hash());
  for (const std::string tenant : {"acme", "4.2", "99999999999", "1 or true"}) {
    const auto query = narrowed({"orders", {}, {}}, principal(tenant), rules);
    ASSERT_FALSE(query.ok()) << tenant;
    EXPECT_EQ(query.error().fault, Fault::denied) << tenant;
  }
  EXPECT_EQ(narrowed({"orders", {}, {}}, principal(std::string("a\0b", 3))).error().fault, Fault::denied);
}

TEST(PolicyTest, a_table_whose_tenant_column_can_t_serve_does_not_exist) {
  Options rules = options();
  for (const std::string column : {"gone", "tags"}) {
    rules.tables["orders"].tenant_column = column;
    EXPECT_EQ(narrowed({"orders", {}, {}}, principal("1"), rules).error().fault, Fault::not_found) << column;
    const auto faults = access(rules).faults();
    ASSERT_EQ(faults.size(), 1u) << column;
    EXPECT_TRUE(faults.front().starts_with("table public.orders: tenant_column: ")) << faults.front();
    EXPECT_NE(faults.front().find(column), std::string::npos) << faults.front();
  }
}

TEST(PolicyTest, an_or_of_the_client_s_does_not_widen_what_its_tenant_may_see) {
  const auto wide =
      query::parse_sql("select id from orders where org = 1 or tenant = 'other' or not tenant = 'acme'", {});
  ASSERT_TRUE(wide.ok());
  const auto query = narrowed(*wide, principal("acme"));
  ASSERT_TRUE(query.ok()) << query.error().message;
  query::Row row = {"1", "other", "1", "x", std::nullopt};
  EXPECT_FALSE(query->query->matches(row));
  row[1] = std::nullopt;
  EXPECT_FALSE(query->query->matches(row));
  row[1] = "acme";
  EXPECT_TRUE(query->query->matches(row));
}

TEST(PolicyTest, a_table_named_twice_keeps_both_rules) {
  Options rules = options();
  rules.tables["public.orders"] = {""};
  const auto query = narrowed({"orders", {}, {}}, principal("acme"), rules);
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(query->query->where().size(), 1u);
}

TEST(PolicyTest, a_client_s_mistake_is_invalid_and_a_refused_table_denied) {
  EXPECT_EQ(narrowed({"orders", {"nope"}, {}}, principal("acme")).error().fault, Fault::invalid);
  const auto broken = narrowed({"broken", {}, {}}, principal("acme"));
  EXPECT_EQ(broken.error().fault, Fault::denied);
  EXPECT_EQ(broken.error().message, "its replica identity is not full");
}

TEST(PolicyTest, open_is_every_table_and_no_condition) {
  Options rules = options();
  rules.open = true;
  for (const std::string table : {"orders", "public.hidden", "shop.items"}) {
    const auto query = narrowed({table, {}, {}}, Principal(), rules);
    ASSERT_TRUE(query.ok()) << table;
    EXPECT_TRUE(query->query->where().empty());
    EXPECT_EQ(query->routing_key, routing(*query, "", query->query->table().qualified()));
  }
  EXPECT_EQ(narrowed({"nope", {}, {}}, Principal(), rules).error().fault, Fault::not_found);
  EXPECT_EQ(narrowed({"broken", {}, {}}, Principal(), rules).error().fault, Fault::denied);
}

TEST(PolicyTest, rule_24_a_tenant_can_t_leave_its_part_of_the_key) {
  const auto query = narrowed({"orders", {}, {}}, principal("a/public.orders/x"));
  EXPECT_EQ(query->routing_key, routing(*query, "a%2Fpublic.orders%2Fx", "public.orders"));
}

}  // namespace
}  // namespace tidegate::policy
