#include "session/opening.h"

#include <gtest/gtest.h>

#include "session/routes.h"

namespace tidegate::session {
namespace {

TEST(Opening, NothingOfferedSelectsNothingAndSpeaksJson) {
  const auto opening = read_opening("", "");
  EXPECT_EQ(opening.selected, "");
  EXPECT_FALSE(opening.v1);
  EXPECT_FALSE(opening.token);
}

TEST(Opening, TheFirstKnownOfferIsSelected) {
  EXPECT_EQ(read_opening("json", "").selected, "json");
  EXPECT_EQ(read_opening("mqtt, tidegate.v1,json", "").selected, "tidegate.v1");
  EXPECT_TRUE(read_opening("mqtt, tidegate.v1,json", "").v1);
  EXPECT_FALSE(read_opening("json,tidegate.v1", "").v1);
  EXPECT_EQ(read_opening("mqtt", "").selected, "");
}

TEST(Opening, ATokenAmongTheOffersIsTakenButSelectedOnlyAlone) {
  const auto with = read_opening("bearer.a.b.c , json", "");
  EXPECT_EQ(with.selected, "json");
  EXPECT_EQ(with.token, "a.b.c");
  EXPECT_EQ(read_opening("bearer.abc", "").selected, "bearer.abc");
  EXPECT_EQ(read_opening("mqtt, bearer.abc", "").selected, "");
}

TEST(Opening, TheAuthorizationHeaderWins) {
  EXPECT_EQ(read_opening("bearer.a", "bearer  b").token, "b");
  EXPECT_EQ(read_opening("bearer.a", "Basic xyz").token, "a");
  EXPECT_FALSE(read_opening("", "Bear").token);
}

TEST(Opening, AQueryParameterComesAfterTheHeaders) {
  EXPECT_EQ(read_opening("json", "", "c").token, "c");
  EXPECT_EQ(read_opening("bearer.a", "", "c").token, "a");
  EXPECT_EQ(read_opening("", "Bearer b", "c").token, "b");
  EXPECT_FALSE(read_opening("", "", "").token);
}

TEST(Opening, TheKeyOfRfc6455IsAnsweredAsItSays) {
  EXPECT_EQ(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_FALSE(accept_of(""));
  EXPECT_FALSE(accept_of("dGhlIHNhbXBsZSBub25j"));
  EXPECT_FALSE(accept_of("not base64 at all!!!!!!!"));
}

TEST(QueryParameter, IsTheFirstOfItsExactName) {
  EXPECT_EQ(query_parameter("/?token=a.b-_c", "token"), "a.b-_c");
  EXPECT_EQ(query_parameter("/x?a=1&token=b&token=c#token=d", "token"), "b");
  EXPECT_EQ(query_parameter("/?token=", "token"), "");
  for (const char* target :
       {"/", "/?", "/token=a", "/?Token=a", "/?tokens=a", "/?atoken=a", "/?token", "/?a#&token=b"}) {
    EXPECT_EQ(query_parameter(target, "token"), "") << target;
  }
  EXPECT_EQ(query_parameter("/?=a", ""), "") << "switched off";
}

TEST(Opening, OriginsAreComparedWithoutRegardToCase) {
  const std::vector<std::string> allowed{"https://app.example.com", "http://localhost:3000"};
  EXPECT_TRUE(origin_allowed("https://APP.example.com", allowed));
  EXPECT_FALSE(origin_allowed("https://app.example.com.evil.org", allowed));
  EXPECT_FALSE(origin_allowed("null", allowed));
  EXPECT_TRUE(origin_allowed("", allowed)) << "no browser";
  EXPECT_TRUE(origin_allowed("https://anything", {}));
}

TEST(TemplatedKey, ReplacesPlacesOnceAndNeverWhatAClientSent) {
  EXPECT_EQ(templated_key("{hashId}", "x", "t", "a1"), "a1");
  EXPECT_EQ(templated_key("{tenant}/{table}/{hashId}", "{hashId}", "{tenant}", "z"), "{hashId}/{tenant}/z");
  EXPECT_EQ(templated_key("{other}-{hashId", "x", "t", "a"), "{other}-{hashId");
}

TEST(TemplatedKey, TrustAKeyThatDoesNotSayWhoseItIsIsNoKey) {
  // Which of these could be another tenant's: the name, the table's, the hashId.
  struct Case {
    std::string_view made_by, tenant, table, hash_id;
    bool told;
  };
  for (const Case& each : {
           Case{"{tenant}/{hashId}", "acme", "t", "eu/h", true},
           Case{"{tenant}/{hashId}", "acme/eu", "t", "h", false},
           Case{"{hashId}/{tenant}", "acme", "t", "x/eu", true},
           Case{"{hashId}/{tenant}", "eu/acme", "t", "x", false},
           Case{"{table}:{tenant}:{hashId}", "acme", "t", "a:b", true},
           Case{"{table}:{tenant}:{hashId}", "acme", "t:eu", "h", false},
           Case{"{table}:{tenant}:{hashId}", "a:cme", "t", "h", false},
           Case{"{tenant}::{hashId}", "acme:", "t", "h", false},
           Case{"cdc:{tenant}/{hashId}", "ac:me", "t", "h", true},
           Case{"{tenant}", "a/b:c", "t", "h", true},
           Case{"{table}/{hashId}", "a/b", "t/t", "h/h", true},
       }) {
    EXPECT_EQ(templated_key(each.made_by, each.tenant, each.table, each.hash_id).has_value(), each.told)
        << each.made_by << " " << each.tenant << " " << each.table << " " << each.hash_id;
  }
}

TEST(Routes, ExactBeforeTheLongestPrefixAndWithoutTheQuery) {
  std::map<std::string, HttpHandler> routes;
  for (const char* name : {"/metrics", "/demo/*", "/demo/api/*", "/demo/x"}) {
    routes[name] = [name](const HttpRequest&) { return HttpAnswer{200, "text/plain", name}; };
  }
  const auto at = [&](std::string_view target) {
    const auto* found = find_route(routes, target);
    return found ? (*found)({}).body : "none";
  };
  EXPECT_EQ(at("/metrics"), "/metrics");
  EXPECT_EQ(at("/metrics?x=1"), "/metrics");
  EXPECT_EQ(at("/metrics/"), "none");
  EXPECT_EQ(at("/demo/page.html"), "/demo/*");
  EXPECT_EQ(at("/demo/api/rows?id=/demo/x"), "/demo/api/*");
  EXPECT_EQ(at("/demo/x"), "/demo/x");
  EXPECT_EQ(at("/"), "none");
}

}  // namespace
}  // namespace tidegate::session
