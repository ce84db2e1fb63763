-- What REPLICA IDENTITY FULL costs in WAL, beside DEFAULT: `psql -f bench/identity_wal.sql DATABASE`, as a
-- superuser of a server that is otherwise idle, with wal_level logical. Bytes of WAL for one UPDATE of a small
-- column of a row whose text is of some size, stored outside of the row and not compressed. The mean of 200;
-- whole pages that follow a checkpoint are written before. Makes and drops the schema tidegate_wal.
\set ON_ERROR_STOP on
\set QUIET on
set client_min_messages = warning;
drop schema if exists tidegate_wal cascade;
create schema tidegate_wal;
set search_path = tidegate_wal;
create table result (bytes int, identity text, wal numeric);
create table docs (id int primary key, n int, body text);
alter table docs alter body set storage external;
create procedure measure(bytes int, identity text) language plpgsql as $$
declare
  before pg_lsn;
begin
  execute 'alter table docs replica identity ' || identity;
  truncate docs;
  insert into docs values (1, 0, repeat('x', bytes));
  commit;
  for i in 1..220 loop
    if i = 21 then
      before := pg_current_wal_insert_lsn();
    end if;
    update docs set n = i;
    commit;
  end loop;
  insert into result values (bytes, identity, (pg_current_wal_insert_lsn() - before) / 200);
end
$$;
checkpoint;
call measure(0, 'default');
call measure(0, 'full');
call measure(1000, 'default');
call measure(1000, 'full');
call measure(10000, 'default');
call measure(10000, 'full');
call measure(30000, 'default');
call measure(30000, 'full');
call measure(100000, 'default');
call measure(100000, 'full');
call measure(1000000, 'default');
call measure(1000000, 'full');
select d.bytes as "text, bytes", round(d.wal) as "DEFAULT, WAL bytes", round(f.wal) as "FULL, WAL bytes",
  round(f.wal / d.wal, 1) as times
from result d join result f on f.bytes = d.bytes and f.identity = 'full' where d.identity = 'default' order by 1;
drop schema tidegate_wal cascade;
