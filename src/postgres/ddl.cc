#include "postgres/ddl.h"

#include "base/encoding.h"
#include "postgres/types.h"

namespace tidegate::postgres {
namespace {

// Whatever goes wrong in it is its own affair: the user's statement goes on. It runs as its owner, so that no
// right is needed to look or to emit, and finds nothing by the user's search_path. A row of pg_attribute
// whose xmin is not older than the transaction was written by it: that column was added or altered; those
// behind all others were added. An added column, and one with another name, may have the name that a dropped
// one had, and has other values.
//
// A published partitioned table changes with its partitions: what a statement did to them is known by
// comparing before and behind it. A new partition has no rows, but gets what its root's publication needs.
constexpr const char* kBody = R"sql(
declare
  told record;
  fresh record;
begin
  if tg_event = 'ddl_command_start' then
    perform pg_catalog.set_config('tidegate.partitions', tidegate.partitions()::text, false);
    return;
  end if;
  for told in
    with recursive touched(relation, rewritten) as (
      select pg_catalog.pg_event_trigger_table_rewrite_oid()::pg_catalog.oid, true
      where tg_event = 'table_rewrite' and pg_catalog.pg_event_trigger_table_rewrite_reason() & 6 <> 0
      union
      select c.objid, false from pg_catalog.pg_event_trigger_ddl_commands() c
      where tg_event = 'ddl_command_end' and c.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      union
      select r.oid, false from pg_catalog.pg_event_trigger_ddl_commands() c
      join pg_catalog.pg_class r on r.relnamespace = c.objid
      where tg_event = 'ddl_command_end' and c.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
      union
      select r.oid, false from pg_catalog.pg_event_trigger_ddl_commands() c
      join pg_catalog.pg_publication p on p.oid = c.objid
      join pg_catalog.pg_publication_tables e on e.pubname = p.pubname
      join pg_catalog.pg_namespace n on n.nspname = e.schemaname
      join pg_catalog.pg_class r on r.relnamespace = n.oid and r.relname = e.tablename
      where tg_event = 'ddl_command_end' and c.classid = 'pg_catalog.pg_publication'::pg_catalog.regclass
      union
      select i.inhrelid, false from touched t join pg_catalog.pg_inherits i on i.inhparent = t.relation
      where not t.rewritten
    ), retyped as (
      select a.attrelid, a.attname from pg_catalog.pg_event_trigger_ddl_commands() c
      join pg_catalog.pg_type t on c.objid in (t.oid, t.typelem, t.typbasetype)
      join pg_catalog.pg_attribute a on a.atttypid = t.oid
      where tg_event = 'ddl_command_end' and c.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
      and c.command_tag = 'ALTER TYPE' and a.attnum > 0 and not a.attisdropped
    ), renamed as (
      select c.objid as attrelid, a.attname from pg_catalog.pg_event_trigger_ddl_commands() c
      join pg_catalog.pg_attribute a on a.attrelid = c.objid and a.attnum = c.objsubid
      where tg_event = 'ddl_command_end' and c.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      and c.command_tag = 'ALTER TABLE'
    ), added as (
      select t.relation as attrelid, a.attname from touched t
      join pg_catalog.pg_attribute a on a.attrelid = t.relation
      where tg_tag = 'ALTER TABLE' and not t.rewritten and a.attnum > 0 and not a.attisdropped
      and pg_catalog.age(a.xmin) <= 0 and a.attnum > (select pg_catalog.max(b.attnum)
        from pg_catalog.pg_attribute b where b.attrelid = t.relation and pg_catalog.age(b.xmin) > 0)
    ), said as (
      select t.relation, t.rewritten, (select pg_catalog.array_agg(a.attname) from pg_catalog.pg_attribute a
        where t.rewritten and a.attrelid = t.relation and a.attnum > 0 and not a.attisdropped
        and pg_catalog.age(a.xmin) <= 0) as columns
      from touched t
      union all
      select a.attrelid, true, pg_catalog.array_agg(a.attname)
      from (select * from retyped union select * from renamed union select * from added) a group by a.attrelid
      union all
      select k.key::pg_catalog.oid, tg_tag <> 'CREATE TABLE', null
      from pg_catalog.jsonb_each_text(
        nullif(pg_catalog.current_setting('tidegate.partitions', true), '')::pg_catalog.jsonb) k
      where tg_event = 'ddl_command_end' and k.value is distinct from tidegate.partitions() ->> k.key
    ), told as (
      select distinct coalesce(a.relid::pg_catalog.oid, s.relation) as relation, s.rewritten, s.columns from said s
      left join lateral pg_catalog.pg_partition_ancestors(s.relation) a on true
    )
    select o.relation, o.rewritten, n.nspname as schema, r.relname as name, o.columns
    from told o join pg_catalog.pg_class r on r.oid = o.relation
    join pg_catalog.pg_namespace n on n.oid = r.relnamespace
    where r.relkind in ('r', 'p') and r.relpersistence = 'p' and (tg_tag = 'ALTER PUBLICATION' or exists (
      select from pg_catalog.pg_publication p
      where p.puballtables
      or exists (select from pg_catalog.pg_publication_rel e where e.prpubid = p.oid and e.prrelid = r.oid)
      or exists (select from pg_catalog.pg_publication_tables e where e.pubname = p.pubname
        and e.schemaname = n.nspname and e.tablename = r.relname)))
    union all
    select coalesce((select t.objid from pg_catalog.pg_event_trigger_dropped_objects() t
        where t.object_type = 'table' and t.address_names = d.address_names),
        pg_catalog.to_regclass(pg_catalog.format('%I.%I', d.address_names[1], d.address_names[2]))::pg_catalog.oid),
      false, d.address_names[1], d.address_names[2], null
    from pg_catalog.pg_event_trigger_dropped_objects() d
    where tg_event = 'sql_drop' and d.object_type = 'publication relation'
  loop
    perform pg_catalog.pg_logical_emit_message(true, 'tidegate', pg_catalog.concat_ws(' ', 'altered',
      told.relation, told.rewritten, pg_catalog.encode(pg_catalog.convert_to(told.schema::text, 'UTF8'), 'hex'),
      pg_catalog.encode(pg_catalog.convert_to(told.name::text, 'UTF8'), 'hex'),
      (select pg_catalog.string_agg(pg_catalog.encode(pg_catalog.convert_to(c::text, 'UTF8'), 'hex'), ' ')
       from pg_catalog.unnest(told.columns) c)));
  end loop;
  if tg_event = 'ddl_command_end' then
    perform pg_catalog.set_config('tidegate.partitions', '', false);
  end if;
  if tg_event <> 'ddl_command_end' or tg_tag not in ('CREATE TABLE', 'ALTER TABLE') then
    return;
  end if;
  begin
  for fresh in
    select distinct l.oid::pg_catalog.regclass as name, r.relreplident = 'f' and l.relreplident <> 'f' as in_part
    from pg_catalog.pg_inherits i
    cross join lateral pg_catalog.pg_partition_ancestors(i.inhrelid) a
    join pg_catalog.pg_class r on r.oid = a.relid and tidegate.partitions() ? r.oid::text
    cross join lateral pg_catalog.pg_partition_tree(i.inhrelid) t
    join pg_catalog.pg_class l on l.oid = t.relid and l.relkind = 'r'
    where pg_catalog.age(i.xmin) <= 0 and not exists (select from pg_catalog.pg_trigger g
      where g.tgrelid = l.oid and g.tgname = 'tidegate_truncated')
  loop
    if fresh.in_part then
      execute pg_catalog.format('alter table %s replica identity full', fresh.name);
    end if;
    execute pg_catalog.format('create or replace trigger tidegate_truncated after truncate on %1$s for each statement '
      'execute function tidegate.tell_truncate(); alter table %1$s enable always trigger tidegate_truncated',
      fresh.name);
  end loop;
  exception when others then
    null;
  end;
exception when others then
  null;
end
)sql";

// The published partitioned tables, each with a mark of its partitions.
constexpr const char* kPartitions = R"sql(
  select coalesce(pg_catalog.jsonb_object_agg(r.oid, (
      select pg_catalog.md5(pg_catalog.string_agg(t.relid::pg_catalog.oid::text, ' '
        order by t.relid::pg_catalog.oid))
      from pg_catalog.pg_partition_tree(r.oid) t where t.isleaf)), '{}')
  from pg_catalog.pg_class r join pg_catalog.pg_namespace n on n.oid = r.relnamespace
  where r.relkind = 'p' and exists (select from pg_catalog.pg_publication_tables e
    where e.schemaname = n.nspname and e.tablename = r.relname)
)sql";

// The stream says nothing of a TRUNCATE of one partition, where its changes come as its root's.
constexpr const char* kTruncate = R"sql(
declare
  told record;
begin
  for told in
    select r.oid, n.nspname as schema, r.relname as name
    from pg_catalog.pg_partition_ancestors(tg_relid) a
    join pg_catalog.pg_class r on r.oid = a.relid and tidegate.partitions() ? r.oid::text
    join pg_catalog.pg_namespace n on n.oid = r.relnamespace
  loop
    perform pg_catalog.pg_logical_emit_message(true, 'tidegate', pg_catalog.concat_ws(' ', 'altered', told.oid, true,
      pg_catalog.encode(pg_catalog.convert_to(told.schema::text, 'UTF8'), 'hex'),
      pg_catalog.encode(pg_catalog.convert_to(told.name::text, 'UTF8'), 'hex')));
  end loop;
  return null;
exception when others then
  return null;
end
)sql";

constexpr const char* kPresent =
    "select count(*) = 4 and (select count(*) = 2 from pg_proc p join pg_namespace n on n.oid = "
    "p.pronamespace "
    "where n.nspname = 'tidegate' and (p.proname, p.prosrc) in (('partitions', $2), ('tell_truncate', $3))) "
    "from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid join pg_namespace n on "
    "n.oid = p.pronamespace where n.nspname = 'tidegate' and e.evtenabled = 'A' and p.prosrc = $1 and "
    "p.prosecdef "
    "and e.evtevent in ('ddl_command_start', 'ddl_command_end', 'table_rewrite', 'sql_drop')";

std::string trigger(const std::string& event, const std::string& condition = "") {
  const std::string name = "tidegate_" + event;
  return "CREATE EVENT TRIGGER " + name + " ON " + event + condition +
         " EXECUTE FUNCTION tidegate.tell_ddl(); ALTER EVENT TRIGGER " + name + " ENABLE ALWAYS; ";
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

}  // namespace

const std::string& ddl_trigger_sql() {
  static const std::string sql =
      std::string(
          "BEGIN; DROP SCHEMA IF EXISTS tidegate CASCADE; CREATE SCHEMA tidegate; "
          "CREATE FUNCTION tidegate.partitions() RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER "
          "SET search_path = pg_catalog, pg_temp AS $tidegate$") +
      kPartitions +
      "$tidegate$; CREATE FUNCTION tidegate.tell_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY "
      "DEFINER "
      "SET search_path = pg_catalog, pg_temp AS $tidegate$" +
      kTruncate +
      "$tidegate$; CREATE FUNCTION tidegate.tell_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY "
      "DEFINER "
      "SET search_path = pg_catalog, pg_temp AS $tidegate$" +
      kBody + "$tidegate$; " +
      trigger("ddl_command_start",
              " WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'DROP TABLE', 'DROP SCHEMA', 'DROP OWNED')") +
      trigger("ddl_command_end") + trigger("table_rewrite") + trigger("sql_drop") + "COMMIT";
  return sql;
}

Result<bool> has_ddl_trigger(Connection& connection) {
  const auto rows = connection.query(kPresent, {kBody, kPartitions, kTruncate});
  if (!rows) return rows.error();
  return rows->at(0)[0] == "t";
}

std::optional<source::TableAltered> altered_of(std::string_view message) {
  const auto words = words_of(message);
  if (words.size() < 5 || words[0] != "altered") return std::nullopt;
  source::TableAltered altered;
  altered.relation = static_cast<std::uint32_t>(parse_u64(words[1]).value_or(0));
  altered.rewritten = words[2] == "t";
  std::vector<std::string> names;
  for (std::size_t i = 3; i < words.size(); ++i) {
    auto name = hex_decode(words[i]);
    if (!name) return std::nullopt;
    names.push_back(std::move(*name));
  }
  if (altered.relation == 0) return std::nullopt;
  altered.name = names[0] + "." + names[1];
  altered.columns.assign(names.begin() + 2, names.end());
  return altered;
}

}  // namespace tidegate::postgres
