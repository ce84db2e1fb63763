#include "query/schema.h"

#include <gtest/gtest.h>

#include <set>

#include "query/testing.h"

namespace tidegate::query {
namespace {

std::shared_ptr<const TableSchema> named(std::string schema, std::string name, std::uint32_t relation) {
  TableSchema table = things();
  table.schema = std::move(schema);
  table.name = std::move(name);
  table.relation = relation;
  return shared(std::move(table));
}

TEST(CatalogueTest, finds_by_whole_name_and_bare_only_in_the_default_schema) {
  const Catalogue catalogue(
      {named("public", "orders", 1), named("shop", "items", 2), named("main", "notes", 3)});
  EXPECT_EQ(catalogue.find("public.orders")->relation, 1u);
  EXPECT_EQ(catalogue.find("orders")->relation, 1u);
  EXPECT_EQ(catalogue.find("shop.items")->relation, 2u);
  EXPECT_EQ(catalogue.find("items"), nullptr);
  EXPECT_EQ(catalogue.find("notes")->relation, 3u);
  EXPECT_EQ(catalogue.find("Orders"), nullptr);
  EXPECT_EQ(catalogue.find(""), nullptr);
  EXPECT_EQ(catalogue.find_relation(2)->name, "items");
  EXPECT_EQ(catalogue.find_relation(9), nullptr);
}

TEST(CatalogueTest, a_bare_name_never_hides_a_whole_one) {
  const Catalogue catalogue({named("public", "shop.items", 1), named("shop", "items", 2)});
  EXPECT_EQ(catalogue.find("shop.items")->relation, 2u);
  EXPECT_EQ(catalogue.find("public.shop.items")->relation, 1u);
}

TEST(CatalogueTest, names_that_can_t_be_told_apart_are_refused) {
  const Catalogue catalogue({named("a.b", "c", 1), named("a", "b.c", 2), named("a", "b", 3)});
  ASSERT_NE(catalogue.find("a.b.c"), nullptr);
  EXPECT_NE(catalogue.find("a.b.c")->refusal.find("rename one"), std::string::npos);
  EXPECT_NE(catalogue.find_relation(1)->refusal, "");
  EXPECT_NE(catalogue.find_relation(2)->refusal, "");
  EXPECT_EQ(catalogue.find("a.b")->refusal, "");
}

TEST(TableSchemaTest, columns_are_found_by_their_exact_name) {
  const TableSchema table = things();
  EXPECT_EQ(table.find("id"), 0);
  EXPECT_EQ(table.find("ID"), -1);
  EXPECT_TRUE(table.is_key(0));
  EXPECT_FALSE(table.is_key(1));
  EXPECT_EQ(table.qualified(), "public.things");
}

TEST(TypeNameTest, every_type_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (int type = 0; type <= static_cast<int>(Type::other); ++type)
    names.insert(type_name(static_cast<Type>(type)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Type::other) + 1);
  EXPECT_EQ(type_name(Type::timestamptz), "timestamp with time zone");
}

}  // namespace
}  // namespace tidegate::query
