// The operators' surface. Invariants:
// 1. without a token nobody may do anything, and what may be read says nothing of anybody;
// 2. with one nothing but the bare state of health is shown to who does not show it;
// 3. a call that is wrong does nothing, and its answer names what is.

#include "admin/admin.h"

#include <gtest/gtest.h>

#include "client/http_get.h"

namespace tidegate::admin {
namespace {

const std::string kToken = "0123456789abcdef";

class AdminTest : public testing::Test {
 protected:
  AdminTest() {
    calls.ready = [] { return Status(Error{Fault::unavailable, "the database db7 is away"}); };
    calls.metrics = [] { return std::string("tidegate_connections 3\n"); };
    calls.connections = [this](const session::Selection& which, std::size_t max) {
      asked = which;
      session::ConnectionView view{
          .id = {1, SessionId(7)}, .address = "::1", .subject = "a\"n", .tenant = "acme"};
      return Result(std::vector<session::ConnectionView>(std::min<std::size_t>(max, 150), view));
    };
    calls.disconnect = [this](const session::Selection& which) {
      asked = which;
      return Result<std::size_t>(2);
    };
    calls.revoke = [this](auth::Revocation one) {
      revoked = one;
      return Result<std::string>("{}");
    };
  }
  session::HttpAnswer ask(const std::string& method, const std::string& target, const std::string& body = "",
                          const std::string& token = kToken) {
    const auto made = routes(options, calls, clock);
    auto found = made.find(target.substr(0, target.find('?')));
    if (found == made.end() && target.starts_with("/admin/queries/")) found = made.find("/admin/queries/*");
    if (found == made.end()) found = made.find(target.starts_with("/admin/") ? "/admin/*" : "*");
    return found->second({method, target, body, token.empty() ? "" : "Bearer " + token});
  }

  SystemClock clock;
  Options options{.token = kToken};
  Calls calls;
  std::optional<session::Selection> asked;
  std::optional<auth::Revocation> revoked;
};

TEST_F(AdminTest, WithoutATokenNobodyMayDoAnything) {
  options.token.clear();
  for (const char* path :
       {"/admin/connections", "/admin/disconnect", "/admin/revoke", "/admin/reload", "/admin/x"}) {
    for (const std::string& shown : {std::string(), kToken}) {
      const auto answer = ask("POST", path, R"({"subject":"ann"})", shown);
      EXPECT_EQ(answer.status, 403) << path;
      EXPECT_NE(answer.body.find("--admin-token-file"), std::string::npos) << answer.body;
    }
  }
  EXPECT_FALSE(asked);
  EXPECT_EQ(ask("GET", "/metrics", "", "").body, "tidegate_connections 3\n");
  EXPECT_EQ(ask("GET", "/readyz", "", "").body, "not ready: the database db7 is away\n");
}

TEST_F(AdminTest, WithATokenNothingButHealthIsShownWithoutIt) {
  for (const std::string& shown :
       {std::string(), std::string("0123456789abcdeF"), kToken + "x", kToken.substr(1)}) {
    EXPECT_EQ(ask("GET", "/metrics", "", shown).status, 401);
    EXPECT_EQ(ask("GET", "/admin/connections", "", shown).status, 401);
    EXPECT_EQ(ask("GET", "/readyz", "", shown).body, "not ready\n");
    EXPECT_EQ(ask("GET", "/healthz", "", shown).status, 200);
  }
  EXPECT_FALSE(asked);
  EXPECT_EQ(ask("GET", "/readyz").body, "not ready: the database db7 is away\n");
  EXPECT_EQ(ask("GET", "/metrics").status, 200);
}

TEST_F(AdminTest, WhatIsForEverybodySaysNoReason) {
  const auto made = public_routes(calls.ready);
  EXPECT_EQ(made.size(), 2u);
  EXPECT_EQ(made.at("/readyz")({}).body, "not ready\n");
  EXPECT_EQ(made.at("/readyz")({}).status, 503);
  EXPECT_EQ(made.at("/healthz")({}).body, "ok\n");
}

TEST_F(AdminTest, ConnectionsAreSelectedAndPaged) {
  const auto answer = ask("GET", "/admin/connections?principal=a%22n&tenant=acme%20ltd");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(asked->subject, "a\"n");
  EXPECT_EQ(asked->tenant, "acme ltd");
  EXPECT_NE(answer.body.find(R"("id":"1.7","address":"::1","subject":"a\"n","tenant":"acme")"),
            std::string::npos)
      << answer.body;
  EXPECT_NE(answer.body.find(R"("more":true)"), std::string::npos);
  EXPECT_NE(ask("GET", "/admin/connections?max=500").body.find(R"("more":false)"), std::string::npos);
}

TEST_F(AdminTest, WrongCallsDoNothingAndSayWhatIsWrong) {
  const auto wrong = [&](const std::string& method, const std::string& target, const std::string& body,
                         int status, const std::string& words) {
    const auto answer = ask(method, target, body);
    EXPECT_EQ(answer.status, status) << target << body << answer.body;
    EXPECT_NE(answer.body.find(words), std::string::npos) << answer.body;
  };
  wrong("GET", "/admin/connections?who=x", "", 400, "'who'");
  wrong("GET", "/admin/connections?max=0", "", 400, "'max'");
  wrong("GET", "/admin/connections?tenant=%zz", "", 400, "hexadecimal");
  wrong("POST", "/admin/connections", "", 405, "GET");
  wrong("GET", "/admin/queries/xyz", "", 404, "nothing of the kind");
  wrong("POST", "/admin/reload", "", 404, "nothing of the kind");
  wrong("GET", "/admin/nothing", "", 404, "nothing of the kind");
  wrong("POST", "/admin/disconnect", "{}", 400, "name a");
  wrong("POST", "/admin/disconnect", "[1]", 400, "JSON object");
  wrong("POST", "/admin/disconnect", R"({"subjekt":"a"})", 400, "'subjekt'");
  wrong("POST", "/admin/disconnect", R"({"subject":1})", 400, "'subject'");
  wrong("POST", "/admin/disconnect", R"({"id":"7"})", 400, "'id'");
  wrong("POST", "/admin/revoke", R"({"subject":"a"})", 400, "'until'");
  wrong("POST", "/admin/revoke", R"({"subject":"a","at":1,"until":99999999999})", 400, "'at'");
  wrong("POST", "/admin/revoke", R"({"subject":"a","until":1})", 400, "is over");
  EXPECT_FALSE(asked);
  EXPECT_FALSE(revoked);
}

TEST_F(AdminTest, ASubjectIsRevokedAsOfNow) {
  const std::int64_t before = unix_us(clock.wall()) / 1'000'000;
  EXPECT_EQ(ask("POST", "/admin/revoke", R"({"subject":"a","until":99999999999})").status, 200);
  ASSERT_TRUE(revoked);
  EXPECT_GE(revoked->at_unix_s, before);
  EXPECT_EQ(revoked->until_unix_s, 99999999999);
}

TEST_F(AdminTest, TheSurfaceIsAServerOfItsOwn) {
  options.address = "127.0.0.1";
  options.port = 0;
  Surface surface(options, calls, clock, nullptr);
  ASSERT_TRUE(surface.start());
  const auto url = "http://127.0.0.1:" + std::to_string(surface.port());
  const auto page = client::http_get(url + "/healthz", {}, {});
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(*page, "ok\n");
  EXPECT_FALSE(client::http_get(url + "/admin/connections", {}, {}));
  surface.stop();
}

}  // namespace
}  // namespace tidegate::admin
