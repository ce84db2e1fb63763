#include "integration/attacks.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "integration/raider.h"

namespace tidegate::test {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

/// Collects messages of one subscribe each.
class Collection {
 public:
  void add(const std::string& kind, const std::string& members) {
    out.push_back({kind, R"({"op":"subscribe","hashId":"x",)" + members + "}"});
  }
  void sql(const std::string& kind, const std::string& text, const std::string& more = "") {
    add(kind, R"("sql":)" + quoted(text) + more);
  }
  std::vector<Attack> out;
};

void add_tables(Collection& all) {
  for (const std::string table : {"secrets",
                                  "public.secrets",
                                  "\"secrets\"",
                                  "SECRETS",
                                  "\"Orders\"",
                                  "public.\"Orders\"",
                                  "Orders",
                                  "ORDERS",
                                  "other.orders",
                                  "\"other\".\"orders\"",
                                  "OTHER.ORDERS",
                                  "pg_catalog.pg_class",
                                  "PG_CATALOG.pg_class",
                                  "pg_stat_activity",
                                  "pg_catalog.pg_replication_slots",
                                  "information_schema.tables",
                                  "public . orders",
                                  "public/**/.orders",
                                  "\"public.orders\"",
                                  "shop.public.orders",
                                  "only orders",
                                  "orders as o",
                                  "orders, secrets",
                                  "orders join secrets on true",
                                  "(select * from secrets) s",
                                  "tidegate.ddl",
                                  "lateral (select 1) l",
                                  "orders tablesample system (100)",
                                  "pg_temp.orders",
                                  "orders*"}) {
    all.sql("tables", "select * from " + table);
    all.add("tables", R"("query":{"table":)" + quoted(table) + "}");
    all.add("tables", R"("table":)" + quoted(table) + R"(,"query":{})");
    all.add("tables", R"("table":)" + quoted(table) + R"(,"sql":"select * from orders")");
  }
}

void add_columns(Collection& all) {
  for (const std::string column :
       {"hush", "\"hush\"", "orders.hush", "tenant", "hush as id", "id, hush", "*, hush", "ctid", "xmin",
        "tableoid", "orders", "orders.*", "(select hush)", "row_to_json(orders)", "hush::text", "max(hush)",
        "hush || ''"}) {
    all.sql("columns", "select " + column + " from orders");
  }
  for (const std::string condition :
       {"hush = 'x'", "hush is not null", "not hush = 'x'", "hush > ''", "hush like '%'", "hush ~ '.'",
        "title = hush", "starts_with(hush, 's')", "hush in ('a')", "tenant = tenant",
        "hush between '' and 'z'", "hush -> 'a' = '1'", "hush is distinct from 'x'", "'s' = any(hush)",
        "length(hush) > 1", "hush + 1 > 2", "exists (select hush)"}) {
    all.sql("columns", "select id from orders where " + condition);
    all.sql("columns", "select id from orders where id > 0 or " + condition);
  }
  for (
      const std::string query :
      {R"({"table":"orders","columns":["hush"]})", R"({"table":"orders","columns":["id","tenant","hush"]})",
       R"({"table":"orders","where":[{"column":"hush","op":"is not null"}]})",
       R"({"table":"orders","where":{"or":[{"column":"id","op":">","value":0},{"column":"title","op":"=","other":"hush"}]}})",
       R"({"table":"orders","where":[{"column":["+","hush",1],"op":">","value":1}]})",
       R"({"table":"orders","where":[{"column":"hush","path":["a"],"op":"=","value":"1"}]})"}) {
    all.add("columns", R"("query":)" + query);
  }
}

void add_predicates(Collection& all, const Victim& victim) {
  for (const std::string& condition :
       std::vector<std::string>{"id = id",
                                "id is not null",
                                "id is null or id is not null",
                                "not (id is null)",
                                "not (id <> id)",
                                "id > 0 or id <= 0",
                                "(id > 0) is not unknown",
                                "not (not (id >= 0))",
                                "1 = 1",
                                "true",
                                "'a' = 'a'",
                                "tenant = '" + victim.name + "'",
                                "tenant <> ''",
                                "not tenant = ''",
                                "tenant is not null",
                                "tenant = '" + victim.name + "' or tenant <> '" + victim.name + "'",
                                "tenant in ('" + victim.name + "')",
                                "tenant like '%'",
                                "tenant ~ '.*'",
                                "starts_with(tenant, 'tn')",
                                "tenant is distinct from 'x'",
                                "not (tenant = 'x' and id = 1)",
                                "(tenant = 'x') is not true",
                                "(tenant = 'x') is unknown or id > 0",
                                "tenant = (select tenant from secrets)",
                                "id in (select id from secrets)",
                                "owner = 'ann' or owner <> 'ann'",
                                "owner is not null or not owner = 'zed'",
                                "id > 0 -- and tenant",
                                "id > 0 /* and */ or true",
                                "id > 0) or (id < 0",
                                "id > 0 or pg_sleep(0) is null",
                                "case when true then true end",
                                "coalesce(tenant, '') <> 'x'",
                                "current_user = 'postgres'",
                                "body like '%sx%'",
                                "body ~ 'sx[0-9a-f]+'"}) {
    for (const std::string table : {"orders", "notes"})
      all.sql("predicates", "select * from " + table + " where " + condition);
  }
  for (const std::string where :
       {R"({"or":[{"column":"id","op":">","value":0},{"not":{"column":"id","op":">","value":0}}]})",
        R"({"not":{"and":[{"column":"tenant","op":"=","value":"x"},{"column":"id","op":"=","value":1}]}})",
        R"({"column":"tenant","op":"is distinct from","value":null})", R"([])", R"({"and":[]})"}) {
    all.add("predicates", R"("query":{"table":"notes","where":)" + where + "}");
  }
}

void add_injections(Collection& all, const Victim& victim) {
  for (const std::string& evil : std::vector<std::string>{"' or 1=1 --",
                                                          "'; drop table orders; --",
                                                          "\\'; select * from secrets; --",
                                                          "') or ('1'='1",
                                                          "$1",
                                                          "$$x$$",
                                                          "\" or \"1\"=\"1",
                                                          "x\"; select * from secrets --",
                                                          "%s%n",
                                                          "${jndi:x}",
                                                          "\x01\x02",
                                                          "x' union select * from secrets --",
                                                          "x/**/or/**/1=1",
                                                          "' || (select hush from orders limit 1) || '",
                                                          "$claims.sub",
                                                          "{\"$ne\":null}",
                                                          "0x27204f52",
                                                          victim.name + "' or tenant='" + victim.name,
                                                          "\xce\xbb' or ''='",
                                                          "NULL",
                                                          "1; select pg_sleep(0)"}) {
    all.sql("injection", "select * from orders where title = '" + evil + "'");
    all.sql("injection", "select * from orders where title = $1", R"(,"params":[)" + quoted(evil) + "]");
    all.sql("injection", "select * from notes where id = $1", R"(,"params":[)" + quoted(evil) + "]");
    all.sql("injection", "select \"" + evil + "\" from orders");
    all.sql("injection", "select * from \"" + evil + "\"");
    all.sql("injection", evil);
    all.sql("injection", "select * from orders", R"(,"frames":)" + quoted(evil));
    all.sql("injection", "select * from orders", R"(,"deliver":)" + quoted(evil));
    all.sql("injection", "select * from orders", R"(,"cursor":)" + quoted(evil));
    all.add("injection", R"("table":)" + quoted(evil) + R"(,"query":{})");
    all.add("injection", R"("query":{"table":"orders","columns":[)" + quoted(evil) + "]}");
    all.add("injection",
            R"("query":{"table":"orders","where":[{"column":)" + quoted(evil) + R"(,"op":"=","value":1}]})");
    all.add("injection", R"("query":{"table":"orders","where":[{"column":"title","op":)" + quoted(evil) +
                             R"(,"value":"x"}]})");
    all.add("injection", R"("query":{"table":"orders","where":[{"column":"title","op":"=","value":)" +
                             quoted(evil) + "}]}");
    all.add("injection", R"("queryFbB64":)" + quoted(evil));
    all.out.push_back(
        {"injection", R"({"op":"subscribe","hashId":)" + quoted(evil) + R"(,"sql":"select * from orders"})"});
    all.out.push_back({"injection", R"({"op":"unsubscribe","hashId":)" + quoted(evil) + "}"});
    all.out.push_back({"injection", R"({"op":)" + quoted(evil) + "}"});
    all.out.push_back({"injection", R"({"op":"auth","token":)" + quoted(evil) + "}"});
  }
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const auto at = what.empty() ? std::string::npos : text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), with);
}

void add_places(Collection& all, const Victim& victim) {
  const std::string own = replaced(victim.cursor, victim.query, victim.own);
  std::vector<std::string> cursors{victim.cursor, own};
  for (const std::string& base : {victim.cursor, own}) {
    if (const auto at = base.find(R"("offset":)"); at != std::string::npos) {
      for (const std::string offset : {"-1", "0", "9223372036854775807"}) {
        const auto end = base.find_first_of(",}", at);
        cursors.push_back(base.substr(0, at) + R"("offset":)" + offset + base.substr(end));
      }
    }
    if (const auto at = base.find(R"("lsn":")"); at != std::string::npos) {
      for (const std::string lsn : {"0", "18446744073709551615"})
        cursors.push_back(base.substr(0, at) + R"("lsn":")" + lsn + base.substr(base.find('"', at + 7)));
    }
    cursors.push_back(replaced(base, "{", R"({"snapshot":"1:1:","until":"18446744073709551615",)"));
    cursors.push_back(replaced(base, R"("partition":0)", R"("partition":1)"));
  }
  for (const std::string& cursor : cursors) {
    if (cursor.empty()) continue;
    for (const std::string frames : {"", R"(,"frames":"json")", R"(,"frames":"base64")"})
      all.sql("cursors", "select * from orders", frames + R"(,"cursor":)" + cursor);
    all.sql("cursors", "select * from orders", R"(,"deliver":"latest","cursor":)" + cursor);
  }
  for (const std::string version :
       {"0", "1", "18446744073709551615", "\"0\"", "\"18446744073709551615\"", "-1", "1e3"})
    all.sql("resumes", "select * from orders", R"(,"resumeFromVersion":)" + version);
}

void add_names(Collection& all, const Victim& victim) {
  const std::string key = victim.name + "/public.orders/" + victim.query;
  for (const std::string& name :
       {victim.query, key, "%2F" + key, std::string("q"), std::string("admin"), std::string("ann")}) {
    all.out.push_back({"names", R"({"op":"unsubscribe","hashId":)" + quoted(name) + "}"});
    all.out.push_back(
        {"names", R"({"op":"subscribe","hashId":)" + quoted(name) + R"(,"sql":"select * from orders"})"});
    all.out.push_back({"names", R"({"op":"subscribe","hashId":)" + quoted(name) +
                                    R"(,"table":"orders","queryFbB64":"AA=="})"});
    for (const std::string member : {"queryKey", "routingKey", "routing_key", "key", "query_hash", "channel",
                                     "tenant", "x-tenant", "same_as", "claims"}) {
      all.sql("keys", "select * from orders", fmt::format(R"(,"{}":{})", member, quoted(name)));
      all.add("keys", fmt::format(R"("query":{{"table":"orders","{}":{}}})", member, quoted(name)));
    }
  }
  for (int channel = 0; channel < 20; ++channel) {
    all.sql("keys", "select * from orders", fmt::format(R"(,"channel":{})", channel));
  }
}

}  // namespace

std::vector<Attack> attacks_on(const Victim& victim) {
  Collection all;
  add_tables(all);
  add_columns(all);
  add_predicates(all, victim);
  add_injections(all, victim);
  add_places(all, victim);
  add_names(all, victim);
  return std::move(all.out);
}

std::vector<ForgedToken> tokens_against(const std::string& victim, const std::string& secret) {
  constexpr std::string_view kRest = R"("sub":"ann","role":"admin","exp":4000000000)";
  const auto claims = [&](const std::string& tenant) {
    return fmt::format(R"({{"tenant":{},{}}})", tenant, kRest);
  };
  const std::string theirs = claims(quoted(victim));
  const std::string good = signed_token(claims(R"("nobody")"), secret);
  const auto signature = [](const std::string& token) { return token.substr(token.rfind('.')); };
  const auto body = [](const std::string& token) { return token.substr(0, token.rfind('.')); };
  std::vector<ForgedToken> all{
      {"none", body(signed_token(theirs, secret, R"({"alg":"none"})")) + "."},
      {"None, signed", signed_token(theirs, secret, R"({"alg":"None"})")},
      {"another secret", signed_token(theirs, "0123456789abcdef0123456789abcdeg")},
      {"an empty secret", signed_token(theirs, "")},
      {"another's signature", body(signed_token(theirs, "x")) + signature(good)},
      {"RS256 with the secret", signed_token(theirs, secret, R"({"alg":"RS256"})")},
      {"its own key", signed_token(theirs, "k", R"({"alg":"HS256","jwk":{"kty":"oct","k":"aw"}})")},
      {"expired",
       signed_token(fmt::format(R"({{"tenant":"{}","sub":"ann","role":"admin","exp":1}})", victim), secret)},
      {"no expiry",
       signed_token(fmt::format(R"({{"tenant":"{}","sub":"ann","role":"admin"}})", victim), secret)},
      {"two tenants",
       signed_token(fmt::format(R"({{"tenant":"nobody","tenant":"{}",{}}})", victim, kRest), secret)},
      {"a list of tenants", signed_token(claims(fmt::format(R"(["{}"])", victim)), secret)},
      {"no tenant", signed_token(fmt::format("{{{}}}", kRest), secret)},
      {"a NUL", signed_token(claims(fmt::format(R"("{}\u0000")", victim)), secret)},
      {"nothing", ""}};
  for (const std::string& tenant :
       {victim + "' or '1'='1", std::string("%"), std::string("tn__q"), victim + " ", " " + victim,
        victim + "/public.orders", "TN" + victim.substr(2, 2) + "Q", std::string("*"),
        std::string("' or ''='"), std::string("$claims.sub"), std::string("null")}) {
    all.push_back({"good", signed_token(claims(quoted(tenant)), secret)});
  }
  for (const std::string role : {R"(["admin"])", R"({"x":"admin"})", "null", "true", R"("admin' or '1'='1")"})
    all.push_back(
        {"good",
         signed_token(fmt::format(R"({{"tenant":"nobody","sub":"ann","role":{},"exp":4000000000}})", role),
                      secret)});
  return all;
}

}  // namespace tidegate::test
