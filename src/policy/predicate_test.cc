// Policies of rows and columns, as far as the query decides them. Invariants:
// 1. a claim is a value, never text, and never NULL: who lacks it is refused;
// 2. a column that is not allowed is told from one that does not exist by nobody;
// 3. equal effective queries have equal hashes, whoever asks.
#include <gtest/gtest.h>

#include "policy/access.h"
#include "query/testing.h"

namespace tidegate::policy {
namespace {

using query::compare;
using query::Op;

/// `public.things` of the query tests, with a team's name and two columns that policies hide.
std::shared_ptr<const query::TableSchema> table() {
  auto table = query::things();
  table.columns.push_back(query::column("team", query::Type::text));
  table.columns.push_back(query::column("secret", query::Type::text));
  table.columns.push_back(query::column("cost", query::Type::int4));
  return query::shared(std::move(table));
}

TablePolicy rows(const std::string& text) {
  auto predicate = Predicate::parse(text, "public.things");
  if (!predicate) ADD_FAILURE() << text << ": " << predicate.error().message;
  return {"", {}, predicate ? *predicate : nullptr};
}

Access access(TablePolicy policy, std::shared_ptr<const query::TableSchema> of = table()) {
  auto options = std::make_shared<Options>();
  options->tables["things"] = std::move(policy);
  return {std::make_shared<const query::Catalogue>(std::vector{std::move(of)}), std::move(options)};
}

Principal with_claims(const std::string& claims) {
  return {"ann", "acme", false, claims};
}

Result<Narrowed> narrowed(const TablePolicy& policy, const std::string& claims,
                          const query::ParsedQuery& parsed = {"things", {}, {}}) {
  return access(policy).narrow(parsed, with_claims(claims));
}

query::ParsedQuery sql(const std::string& text) {
  auto parsed = query::parse_sql(text, {});
  if (!parsed) ADD_FAILURE() << text << ": " << parsed.error().message;
  return *parsed;
}

std::string parse_error(const std::string& text) {
  const auto predicate = Predicate::parse(text, "public.things");
  return predicate ? "accepted: " + text : predicate.error().message;
}

// The WHERE that the database is asked with, and the values.
std::string where(const Result<Narrowed>& narrowed) {
  if (!narrowed) return "refused: " + narrowed.error().message;
  auto sql = narrowed->query->to_sql();
  const auto at = sql.text.find(" WHERE ");
  std::string out = at == std::string::npos ? "" : sql.text.substr(at + 7);
  for (const std::string& parameter : sql.parameters) out += " | " + parameter;
  return out;
}

TEST(PredicateTest, a_claim_is_bound_as_a_value) {
  const auto owner = rows("title = $claims.sub");
  EXPECT_EQ(where(narrowed(owner, R"({"sub":"ann"})")),
            R"(("title" OPERATOR(pg_catalog.=) $1::pg_catalog.text) | ann)");
  const std::string evil = R"(' or 1=1 --)";
  EXPECT_EQ(where(narrowed(owner, R"({"sub":"' or 1=1 --"})")),
            R"(("title" OPERATOR(pg_catalog.=) $1::pg_catalog.text) | )" + evil);
  EXPECT_EQ(narrowed(owner, R"({"sub":"$claims.sub"})")->query->where().front().values.front(),
            "$claims.sub");
  EXPECT_EQ(where(narrowed(rows("count = $claims.org and done = $claims.ok"), R"({"org":7,"ok":true})")),
            R"(("count" OPERATOR(pg_catalog.=) $1::pg_catalog.int4) AND ("done" OPERATOR(pg_catalog.=) )"
            R"($2::pg_catalog.bool) | 7 | t)");
}

TEST(PredicateTest, rule_24_who_may_see_the_same_shares_a_query) {
  const auto policy = rows("title = $claims.sub or $claims.role = 'admin'");
  const auto one = narrowed(policy, R"({"sub":"ann","role":"admin"})");
  const auto two = narrowed(policy, R"({"sub":"bob","role":"admin"})");
  const auto ann = narrowed(policy, R"({"sub":"ann","role":"user"})");
  ASSERT_TRUE(one.ok() && two.ok() && ann.ok());
  EXPECT_EQ(one->routing_key, two->routing_key);
  EXPECT_TRUE(one->query->where().empty());
  EXPECT_NE(ann->query->hash(), one->query->hash());
  // The policy's condition and the same one of the client's own are one query.
  const auto own =
      narrowed(policy, R"({"sub":"bob","role":"admin"})", sql("select * from things where title = 'ann'"));
  EXPECT_EQ(own->routing_key, ann->routing_key);
}

TEST(PredicateTest, what_is_about_claims_alone_is_decided_before_binding) {
  const std::string claims =
      R"({"role":"admin","level":3,"roles":["a","b\"c"],"ok":true,"sub":"ann","app":{"x":{"y":1}},"n":[1,2]})";
  const auto shows = [&](const std::string& text) {
    const auto result = narrowed(rows(text), claims);
    if (!result)
      return result.error().message.starts_with("no row of table") ? std::string("none")
                                                                   : result.error().message;
    return result->query->where().empty() ? std::string("all") : std::string("some");
  };
  for (const std::string all :
       {"$claims.role = 'admin'", "'admin' = $claims.role", "$claims.role in ('x', 'admin')",
        "$claims.role like 'adm%'", "$claims.level >= 3", "$claims.level between 1 and 3",
        "'b\"c' = any($claims.roles)", "$claims.ok", "not ($claims.role = 'user')", "$claims.role <> 'user'",
        "$claims.ok is true", "$claims.app.x.y = 1", "$claims.role = 'admin' or title = $claims.sub",
        "($claims.ok) is not unknown", "$claims.role = $claims.role", "$claims.roles && array['a', 'z']",
        "2 = any($claims.n)", "not (title = $claims.sub and $claims.role = 'user')"}) {
    EXPECT_EQ(shows(all), "all") << all;
  }
  for (const std::string none :
       {"$claims.role = 'user'", "$claims.level > 3", "'c' = any($claims.roles)", "not $claims.ok",
        "$claims.role = 'user' and title = $claims.sub", "$claims.ok is false", "$claims.ok is unknown"}) {
    EXPECT_EQ(shows(none), "none") << none;
  }
  for (const std::string some :
       {"$claims.role = 'user' or title = $claims.sub", "$claims.role = 'admin' and title = $claims.sub",
        "not ($claims.role = 'user' or title = $claims.sub)", "(title = $claims.sub) is not true"}) {
    EXPECT_EQ(shows(some), "some") << some;
  }
  const auto misfit = narrowed(rows("$claims.role < 5"), claims);
  ASSERT_FALSE(misfit.ok());
  EXPECT_EQ(misfit.error().fault, Fault::denied);
  EXPECT_EQ(misfit.error().message,
            "the policy of table \"public.things\": $claims.role (text): `<` can't take 5; it takes a string "
            "(at byte 0)");
}

TEST(PredicateTest, a_claim_that_is_missing_or_null_refuses) {
  const auto policy = rows("title = $claims.sub or $claims.role = 'admin'");
  for (const std::string claims : {R"({"role":"admin"})", R"({"role":"admin","sub":null})", "{}", "", "[]",
                                   "null", R"({"sub":"ann"})", R"({"sub":{"a":1},"role":"admin"})"}) {
    const auto refused =
        narrowed(policy, claims, {"things", {"nope"}, {}});  // before the column is looked at
    ASSERT_FALSE(refused.ok()) << claims;
    EXPECT_EQ(refused.error().fault, Fault::denied) << claims;
    EXPECT_TRUE(refused.error().message.find("$claims.sub") != std::string::npos ||
                refused.error().message.find("$claims.role") != std::string::npos)
        << refused.error().message;
  }
  EXPECT_EQ(narrowed(policy, "{}").error().message,
            "the policy of table \"public.things\": $claims.sub is missing in the token");
  const auto nested = rows("title = $claims.app.user");
  for (const std::string claims : {R"({"app":{}})", R"({"app":"x"})", R"({"app":{"user":null}})",
                                   R"({"app":null})", R"({"app":[{"user":"x"}]})", R"({"app.user":"x"})"}) {
    EXPECT_EQ(narrowed(nested, claims).error().fault, Fault::denied) << claims;
  }
  EXPECT_TRUE(narrowed(nested, R"({"app":{"user":"x"}})").ok());
}

TEST(PredicateTest, an_array_stands_where_a_list_does_and_nowhere_else) {
  const std::string claims =
      R"({"teams":["a","b,\"{}"],"none":[],"one":"{a,b}","mixed":["a",1],"holes":["a",null],"ids":[3,1]})";
  const std::string both =
      R"(("team" OPERATOR(pg_catalog.=) ANY (ARRAY[$1::pg_catalog.text, $2::pg_catalog.text])) | a | b,"{})";
  EXPECT_EQ(where(narrowed(rows("team = any($claims.teams)"), claims)), both);
  EXPECT_EQ(where(narrowed(rows("team in ($claims.teams)"), claims)), both);
  EXPECT_EQ(where(narrowed(rows("team = any($claims.teams::text[])"), claims)), both);
  EXPECT_TRUE(narrowed(rows("team in ('z', $claims.teams, $claims.one)"), claims).ok());
  EXPECT_TRUE(narrowed(rows("tags && $claims.teams"), claims).ok());
  EXPECT_TRUE(narrowed(rows("$claims.one = any(tags)"), claims).ok());
  EXPECT_TRUE(narrowed(rows("count = any($claims.ids)"), claims).ok());
  // Nobody is in no list.
  EXPECT_TRUE(where(narrowed(rows("team = any($claims.none)"), claims)).starts_with("refused: no row"));
  EXPECT_EQ(where(narrowed(rows("team <> all($claims.none)"), claims)), "");
  EXPECT_EQ(where(narrowed(rows("team = any($claims.none) or title = 'x'"), claims)),
            R"(("title" OPERATOR(pg_catalog.=) $1::pg_catalog.text) | x)");
  // A string that looks like an array is none; an array is no string.
  for (const std::string text :
       {"team = any($claims.one)", "team = $claims.teams", "team = $claims.mixed",
        "team = any($claims.mixed)", "team = any($claims.holes)", "team like $claims.teams",
        "$claims.teams = any(tags)", "tags && $claims.one", "tags && $claims.none",
        "count = any($claims.teams)"}) {
    const auto refused = narrowed(rows(text), claims);
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_EQ(refused.error().fault, Fault::denied) << text;
    EXPECT_NE(refused.error().message.find("$claims."), std::string::npos) << refused.error().message;
  }
}

TEST(PredicateTest, a_claim_that_does_not_fit_its_column_refuses_with_the_reason) {
  const auto policy = rows("count = $claims.org");
  for (const std::string value : {R"("acme")", "1.5", "99999999999", "true", R"("1 or true")"}) {
    const auto refused = narrowed(policy, R"({"org":)" + value + "}");
    ASSERT_FALSE(refused.ok()) << value;
    EXPECT_EQ(refused.error().fault, Fault::denied) << value;
    EXPECT_TRUE(refused.error().message.starts_with(
        "the token's $claims.org does not fit table \"public.things\": column \"count\" (integer)"))
        << refused.error().message;
  }
  auto hidden = policy;
  hidden.columns = {"id", "title"};
  EXPECT_EQ(narrowed(hidden, R"({"org":"acme"})").error().message,
            "the token's $claims.org does not fit table \"public.things\"");
  EXPECT_EQ(narrowed(rows("title = $claims.a"), R"({"a":"x\u0000y"})").error().fault, Fault::denied);
  EXPECT_EQ(narrowed(rows("$claims.a > 1"), R"({"a":1e5000})").error().fault, Fault::denied);
}

// ---- columns ----

TEST(ColumnsTest, a_column_that_is_not_allowed_is_one_that_does_not_exist) {
  auto policy = rows("secret = $claims.sub");
  policy.columns = {"id", "title", "count", "doc", "total"};
  const Access limited = access(policy);
  const auto who = with_claims(R"({"sub":"ann"})");
  auto without = query::things();
  without.columns = {without.columns[0], without.columns[3], without.columns[2], without.columns[14]};
  const std::string place = "table \"public.things\" has no column ";
  for (const std::string text : {"select secret from things",
                                 "select id, secret from things",
                                 "select id from things where secret = 'x'",
                                 "select id from things where secret is null",
                                 "select id from things where title = secret",
                                 "select id from things where secret = title",
                                 "select id from things where not (title = 'x' or secret = 'y')",
                                 "select id from things where secret like 'a%'",
                                 "select id from things where cost + 1 > 2",
                                 "select id from things where count < cost",
                                 "select id from things where count::bigint + cost > 5",
                                 "select id from things where cost is null",
                                 "select id from things where cost::bigint + 1 is null",
                                 "select id from things where done",
                                 "select id from things where ref = 'x'",
                                 "select id from things where 'x' = any(tags)",
                                 "select id from things where tags -> 'a' = '1'",
                                 "select id from things where cost in (1, 2)",
                                 "select id from things where small = count",
                                 "select id from things where cost between 1 and 2",
                                 "select id from things where mood is distinct from 'x'",
                                 "select id from things where secret ->> 'a' = 'b'"}) {
    const auto refused = limited.narrow(sql(text), who);
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_EQ(refused.error().fault, Fault::invalid) << text;
    // The same message as of a table without the column, and as of a name that nobody has.
    std::string unknown = text;
    for (const std::string name : {"secret", "cost", "done", "ref", "tags", "small", "mood"}) {
      for (auto at = unknown.find(name); at != std::string::npos; at = unknown.find(name, at + 1))
        unknown.replace(at, name.size(), std::string(name.size(), 'z'));
    }
    auto there = query::things();
    std::erase_if(there.columns, [&](const auto& column) {
      return std::find(policy.columns.begin(), policy.columns.end(), column.name) == policy.columns.end();
    });
    const auto absent = query::Query::bind(sql(text), query::shared(there));
    EXPECT_EQ(refused.error().message, absent.error().message) << text;
    std::string renamed = refused.error().message;
    for (const std::string name : {"secret", "cost", "done", "ref", "tags", "small", "mood"}) {
      for (auto at = renamed.find(name); at != std::string::npos; at = renamed.find(name, at + 1))
        renamed.replace(at, name.size(), std::string(name.size(), 'z'));
    }
    EXPECT_EQ(renamed, limited.narrow(sql(unknown), who).error().message) << text;
    EXPECT_NE(refused.error().message.find(place), std::string::npos) << refused.error().message;
  }
}

TEST(ColumnsTest, all_columns_are_those_that_are_allowed) {
  auto policy = rows("secret = $claims.sub and cost > 5");
  policy.columns = {"title", "id"};
  for (const std::string text : {"select * from things", "select id, title from things"}) {
    const auto query = access(policy).narrow(sql(text), with_claims(R"({"sub":"ann"})"));
    ASSERT_TRUE(query.ok()) << query.error().message;
    std::string columns;
    query->query->append_columns_json(columns);
    EXPECT_EQ(columns,
              R"([{"name":"id","type":"bigint","key":true},{"name":"title","type":"text","key":false}])");
    query::Row row(query->query->table().columns.size(), "marked");
    std::string json;
    query->query->append_row_json(json, row);
    EXPECT_EQ(json, R"({"id":"marked","title":"marked"})");
    EXPECT_EQ(query->query->where().size(), 2u);  // which may name what is hidden
  }
}

TEST(ColumnsTest, two_lists_leave_what_both_allow) {
  auto options = std::make_shared<Options>();
  options->tables["things"].columns = {"id", "title", "count"};
  options->tables["public.things"].columns = {"id", "count", "secret"};
  const Access both(std::make_shared<const query::Catalogue>(std::vector{table()}), options);
  const auto query = both.narrow({"things", {}, {}}, with_claims("{}"));
  ASSERT_TRUE(query.ok()) << query.error().message;
  EXPECT_EQ(query->query->columns(), (std::vector<int>{0, 2}));
}

TEST(ColumnsTest, the_reason_for_a_refused_table_does_not_name_what_is_hidden) {
  auto refused = std::make_shared<query::TableSchema>(*table());
  refused->refusal = "column \"secret\" is generated";
  const auto told = access(rows("title = 'x'"), refused).narrow({"things", {}, {}}, with_claims("{}"));
  EXPECT_EQ(told.error().message, refused->refusal);
  auto policy = rows("title = 'x'");
  policy.columns = {"id"};
  const auto untold = access(policy, refused).narrow({"things", {}, {}}, with_claims("{}"));
  EXPECT_EQ(untold.error().message, "table \"public.things\" can't be served; the server's log says why");
}

// ---- what the configuration may hold ----

TEST(PredicateTest, what_does_not_parse_says_where) {
  EXPECT_EQ(parse_error("title = $claims.sub or"), "sql: syntax error at end of input (at byte 22)");
  EXPECT_EQ(parse_error("title = $claims.sub; drop table x"), "sql: more than one statement (at byte 20)");
  EXPECT_EQ(parse_error("title = $1"), "`$` begins a claim, as in $claims.sub, and nothing else (at byte 8)");
  EXPECT_EQ(parse_error("title = $$x$$"),
            "`$` begins a claim, as in $claims.sub, and nothing else (at byte 8)");
  EXPECT_EQ(parse_error("title = $claims"), "$claims needs a name behind it, as in $claims.sub (at byte 8)");
  EXPECT_EQ(parse_error("title = $claims.1"),
            "a claim's name is letters, digits and _, or anything in double quotes (at byte 8)");
  EXPECT_EQ(parse_error("title = $claimsub"),
            "$claims needs a name behind it, as in $claims.sub (at byte 8)");
  EXPECT_EQ(parse_error("exists (select 1)"), "sql: a subquery is not supported here (at byte 0)");
  EXPECT_EQ(parse_error("title = 'x' order by title"), "sql: ORDER BY is not supported (at byte 21)");
  EXPECT_EQ(parse_error("title = 'x' union select 2"),
            "sql: UNION, INTERSECT or EXCEPT is not supported (at byte 0)");
  EXPECT_EQ(parse_error("$claims.sub is null"),
            "sql: a claim is never NULL here: who lacks it is refused (at byte 0)");
  EXPECT_EQ(parse_error("true"), "sql: a constant is not supported here (at byte 0)");
  EXPECT_EQ(parse_error(""), "sql: syntax error at end of input (at byte 0)");
  EXPECT_EQ(parse_error("other.title = $claims.sub"),
            "sql: \"other\" is not the table of this query (at byte 0)");
  EXPECT_NE(parse_error("count > $claims.a + 1").find("arithmetic takes numbers"), std::string::npos);
  EXPECT_NE(parse_error("doc -> $claims.a = '1'").find("-> takes a member's name"), std::string::npos);
}

TEST(PredicateTest, only_what_is_outside_of_strings_names_and_comments_is_a_claim) {
  const std::string same = where(narrowed(rows("title = 'x' and team = $claims.sub"), R"({"sub":"s"})"));
  for (const std::string text :
       {"title = 'x' /* $claims.no /* $claims.no */ '$claims.no */ and team = $claims.sub -- $claims.no",
        "things.title = 'x' and public.things.team = $claims.sub", "title='x'and team=$claims.sub",
        "\"title\" = 'x' and \"team\" = $claims.\"sub\""}) {
    EXPECT_EQ(where(narrowed(rows(text), R"({"sub":"s"})")), same) << text;
  }
  EXPECT_EQ(where(narrowed(rows("title = '$claims.no' and title <> 'it''s $claims.no'"), "{}")),
            where(narrowed(rows("title <> 'it''s $claims.no' and title = '$claims.no'"), "{}")));
  EXPECT_EQ(where(narrowed(rows(R"(title = E'\'$claims.no')"), "{}")),
            R"(("title" OPERATOR(pg_catalog.=) $1::pg_catalog.text) | '$claims.no)");
  EXPECT_TRUE(
      narrowed(rows(R"(title = $claims."https://x/y"."a""b")"), R"({"https://x/y":{"a\"b":"s"}})").ok());
}

TEST(PredicateTest, a_policy_that_does_not_fit_the_table_hides_it_and_is_told) {
  struct Case {
    TablePolicy policy;
    std::string fault;
  };
  auto no_key = rows("title = $claims.sub");
  no_key.columns = {"title"};
  auto no_column = no_key;
  no_column.columns = {"id", "nope"};
  for (const Case& each :
       {Case{rows("nope = $claims.sub"), "rows: table \"public.things\" has no column \"nope\" (at byte 0)"},
        Case{rows("$claims.a = 'x' or count < 'x'"),
             "rows: column \"count\" (integer): `<` can't take \"x\"; it takes a whole number (at byte 19)"},
        Case{rows("title < $claims.sub"),
             "rows: column \"title\" can't be compared by `<`: the order of strings is only known where the "
             "column's collation is \"C\" (at byte 0)"},
        Case{rows("doc = $claims.sub"),
             "rows: column \"doc\": a claim can't be compared with jsonb; `->>` gives text (at byte 0)"},
        Case{rows("cost + 1 > 5"), "rows: "},  // rule 22
        Case{no_key, "columns: the key's column \"id\" is missing; clients tell rows apart by it"},
        Case{no_column, "columns: the table has no column \"nope\""}}) {
    const Access broken = access(each.policy);
    ASSERT_EQ(broken.faults().size(), 1u) << each.fault;
    EXPECT_TRUE(broken.faults().front().starts_with("table public.things: " + each.fault))
        << broken.faults().front() << "\n"
        << each.fault;
    EXPECT_EQ(broken.find("things"), nullptr);
    EXPECT_EQ(broken.narrow({"things", {}, {}}, with_claims(R"({"sub":"s","a":"x"})")).error().message,
              "unknown table \"things\"");
  }
  Options options;
  options.tables["nowhere"] = {};
  const Access absent(std::make_shared<const query::Catalogue>(std::vector{table()}),
                      std::make_shared<const Options>(options));
  EXPECT_EQ(absent.faults(), std::vector<std::string>{"table nowhere: no published table has this name"});
}

// Rule 25: whether an old row was in the result must be told.
TEST(PredicateTest, rule_25_a_predicate_over_what_changes_don_t_tell_hides_the_table) {
  auto partly = std::make_shared<query::TableSchema>(*table());
  partly->replica_identity = "default";
  partly->identity_remedy = "alter table …";
  for (std::size_t i = 1; i < partly->columns.size(); ++i) partly->columns[i].old_told = false;
  EXPECT_EQ(access(rows("team = $claims.team"), partly).find("things"), nullptr);
  EXPECT_NE(access(rows("id = $claims.id"), partly).find("things"), nullptr);
}

// A client's hundred conditions and a policy's come back from the canonical form as they were.
TEST(PredicateTest, rule_24_a_client_s_bounds_are_its_own) {
  query::ParsedQuery parsed{"things", {}, {}};
  std::string policy = "title <> $claims.sub";
  for (int i = 0; i < 100; ++i) {
    parsed.where.push_back(compare("count", Op::gt, {query::number(std::to_string(i))}));
    if (i < 99) policy += " and cost > " + std::to_string(i);
  }
  const auto query = narrowed(rows(policy), R"({"sub":"ann"})", parsed);
  ASSERT_TRUE(query.ok()) << query.error().message;
  EXPECT_EQ(query->query->where().size(), 200u);
  const query::Catalogue catalogue({table()});
  const auto again = query::Query::from_canonical(query->query->canonical(), catalogue);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ((*again)->hash(), query->query->hash());
}

TEST(AccessTest, the_claims_that_count_are_those_that_policies_name) {
  const Access one = access(rows("title = $claims.sub or $claims.app.role = 'x'"));
  const auto same = [&](const std::string& left, const std::string& right) {
    return one.same_claims(with_claims(left), with_claims(right));
  };
  EXPECT_TRUE(
      same(R"({"sub":"a","app":{"role":"x"},"exp":1})", R"({"exp":2,"app":{"y":1,"role":"x"},"sub":"a"})"));
  EXPECT_FALSE(same(R"({"sub":"a","app":{"role":"x"}})", R"({"sub":"a","app":{"role":"y"}})"));
  EXPECT_FALSE(same(R"({"sub":"a","app":{"role":"x"}})", R"({"sub":"a"})"));
  EXPECT_FALSE(same(R"({"sub":["a"]})", R"({"sub":["a","b"]})"));
  EXPECT_FALSE(same(R"({"sub":"1"})", R"({"sub":1})"));
}

}  // namespace
}  // namespace tidegate::policy
