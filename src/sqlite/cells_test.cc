// What SQLite stores, as cells in Postgres's text form. Invariant: a cell is NULL or its type's canonical
// text, and in a key different values are different cells.
#include "sqlite/cells.h"

#include <gtest/gtest.h>

#include "sqlite/connection.h"

namespace tidegate::sqlite {
namespace {

using query::Type;

class Cells : public ::testing::Test {
 protected:
  void SetUp() override { connection_ = std::move(*Connection::open("", std::chrono::milliseconds(0))); }

  std::string shown(Type type, const std::string& sql, bool key = false) {
    auto rows = connection_->prepare("SELECT " + sql);
    EXPECT_TRUE(rows.ok() && *rows->step()) << sql;
    const auto read = read_cell(type, rows->value(0), key);
    if (!read.fits) {
      EXPECT_FALSE(read.cell);
      return "misfit";
    }
    return read.cell.value_or("NULL");
  }

  std::unique_ptr<Connection> connection_;
};

TEST_F(Cells, DeclaredTypesAreReadByNameAndThenByAffinity) {
  EXPECT_EQ(column_type("INTEGER"), Type::int8);
  EXPECT_EQ(column_type("unsigned big int"), Type::int8);
  EXPECT_EQ(column_type("varchar(20)"), Type::text);
  EXPECT_EQ(column_type("Decimal(10, 2)"), Type::numeric);
  EXPECT_EQ(column_type("boolean"), Type::boolean);
  EXPECT_EQ(column_type("DATETIME"), Type::timestamp);
  EXPECT_EQ(column_type("double precision"), Type::float8);
  EXPECT_EQ(column_type("BLOB"), Type::bytea);
  EXPECT_EQ(column_type("uuid"), Type::uuid);
  EXPECT_EQ(column_type("json"), Type::json);
  EXPECT_EQ(column_type(""), Type::text);
  EXPECT_EQ(column_type("STRING"), Type::text);
}

TEST_F(Cells, NumbersKeepEveryDigit) {
  EXPECT_EQ(shown(Type::int8, "9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(shown(Type::int8, "-9223372036854775807 - 1"), "-9223372036854775808");
  EXPECT_EQ(shown(Type::float8, "0.1"), "0.1");
  EXPECT_EQ(shown(Type::float8, "1e15"), "1e+15");
  EXPECT_EQ(shown(Type::float8, "123456789012345.0"), "123456789012345");
  EXPECT_EQ(shown(Type::float8, "0.0001"), "0.0001");
  EXPECT_EQ(shown(Type::float8, "0.00001"), "1e-05");
  EXPECT_EQ(shown(Type::float8, "9e999"), "Infinity");
  EXPECT_EQ(shown(Type::float8, "-9e999"), "-Infinity");
  EXPECT_EQ(shown(Type::numeric, "12.50"), "12.5");
  EXPECT_EQ(shown(Type::numeric, "7"), "7");
  EXPECT_EQ(shown(Type::numeric, "1e20"), "100000000000000000000");
}

TEST_F(Cells, TextBlobsAndTimesAreAsPostgresPrintsThem) {
  EXPECT_EQ(shown(Type::text, "'it''s \"é\"'"), "it's \"é\"");
  EXPECT_EQ(shown(Type::text, "'a' || char(0) || 'b'"), std::string("a\0b", 3));
  EXPECT_EQ(shown(Type::text, "42"), "42");
  EXPECT_EQ(shown(Type::text, "NULL"), "NULL");
  EXPECT_EQ(shown(Type::json, "'{\"a\":1'"), "{\"a\":1");
  EXPECT_EQ(shown(Type::bytea, "x'00FF'"), "\\x00ff");
  EXPECT_EQ(shown(Type::bytea, "x''"), "\\x");
  EXPECT_EQ(shown(Type::boolean, "1"), "t");
  EXPECT_EQ(shown(Type::boolean, "0"), "f");
  EXPECT_EQ(shown(Type::uuid, "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"),
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
  EXPECT_EQ(shown(Type::timestamp, "'2024-02-29T10:00:00.120'"), "2024-02-29 10:00:00.12");
  EXPECT_EQ(shown(Type::timestamp, "'2024-02-29 10:00'"), "2024-02-29 10:00:00");
  EXPECT_EQ(shown(Type::date, "'2024-02-29'"), "2024-02-29");
  EXPECT_EQ(shown(Type::time, "'23:59:59.5'"), "23:59:59.5");
}

TEST_F(Cells, WhatDoesNotFitTheTypeIsNullAndCounted) {
  EXPECT_EQ(shown(Type::int8, "'abc'"), "misfit");
  EXPECT_EQ(shown(Type::int8, "1.5"), "misfit");
  EXPECT_EQ(shown(Type::boolean, "2"), "misfit");
  EXPECT_EQ(shown(Type::boolean, "'true'"), "misfit");
  EXPECT_EQ(shown(Type::numeric, "'12x'"), "misfit");
  EXPECT_EQ(shown(Type::float8, "x'00'"), "misfit");
  EXPECT_EQ(shown(Type::text, "x'41'"), "misfit");
  EXPECT_EQ(shown(Type::text, "cast(x'ff' as text)"), "misfit");
  EXPECT_EQ(shown(Type::bytea, "'text'"), "misfit");
  EXPECT_EQ(shown(Type::uuid, "'a0eebc99'"), "misfit");
  EXPECT_EQ(shown(Type::timestamp, "'2023-02-29 10:00:00'"), "misfit");
  EXPECT_EQ(shown(Type::timestamp, "1700000000"), "misfit");
  EXPECT_EQ(shown(Type::time, "'25:00:00'"), "misfit");
}

TEST_F(Cells, InAKeyNothingIsNormalised) {
  EXPECT_EQ(shown(Type::uuid, "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", true), "misfit");
  EXPECT_EQ(shown(Type::timestamp, "'2024-02-29T10:00:00'", true), "misfit");
  EXPECT_EQ(shown(Type::timestamp, "'2024-02-29 10:00:00'", true), "2024-02-29 10:00:00");
  EXPECT_EQ(shown(Type::text, "1", true), "misfit");
}

}  // namespace
}  // namespace tidegate::sqlite
