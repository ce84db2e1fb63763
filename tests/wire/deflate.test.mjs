// permessage-deflate with clients of other makers: Node's `ws`, Python's `websockets`, frames written by hand. What
// they inflate is what others get uncompressed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { Client, metric, sql, start, table, until } from './gateway.mjs';

const ws = (gateway, deflate, protocols) => new Client(`ws://127.0.0.1:${gateway.port}/`, { perMessageDeflate: deflate }, protocols);
const both = { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 };
const text_of = (size, seed = 'row ') => seed.repeat(Math.ceil(size / seed.length)).slice(0, size);
const set = (id, text) => sql(`update orders set text = '${text}' where id = ${id}`);
const received = (client) => client.socket._socket.bytesRead;
/// What the answer to an offer says.
const negotiated = (gateway, offer) => new Promise((resolve, reject) => {
  const request = http.request({ port: gateway.port, agent: false, headers: { Connection: 'Upgrade', Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Extensions': offer } });
  request.on('upgrade', (answer, socket) => {
    socket.destroy();
    resolve(answer.headers['sec-websocket-extensions']);
  });
  request.on('error', reject);
  request.end();
});

test('it is negotiated where the operator allows it and the client offers something that fits', async () => {
  const answer = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover';
  const off = await start();
  assert.equal(await negotiated(off, 'permessage-deflate'), undefined);
  const gateway = await start(['--deflate']);
  assert.equal(await negotiated(gateway, 'permessage-deflate; client_max_window_bits'), answer);
  assert.equal(await negotiated(gateway, 'permessage-deflate; server_max_window_bits=9'), undefined);
  assert.equal(await negotiated(gateway, 'permessage-deflate; server_max_window_bits=9, permessage-deflate'), answer);
  assert.equal(await negotiated(gateway, 'permessage-bzip2'), undefined);
});

test('every client gets the same, in fewer bytes where it takes them compressed', async () => {
  const gateway = await start(['--deflate']);
  const clients = [ws(gateway, false), ws(gateway, both), ws(gateway, true)];
  for (const client of clients) {
    await client.opened;
    await client.subscribe();
    await client.next_of('snapshot');
  }
  const before = clients.map(received);
  for (const size of [1, 100, 400, 512, 600, 5_000, 70_000, 500_000, 3]) set(1, text_of(size, `${size} rows `));
  sql(`insert into orders select value + 10, '${text_of(300)}' from generate_series(1, 3000)`);
  sql('delete from orders where id > 10');
  sql("update orders set text = 'last' where id = 1");
  for (const client of clients) await until(() => client.rows.get('1') === 'last' && client.rows.size === 2);
  const [plain, ...compressed] = clients;
  const bytes = clients.map((client, i) => received(client) - before[i]);
  for (const client of compressed) assert.deepEqual(client.messages, plain.messages);
  assert.deepEqual(plain.rows, table());
  for (const each of bytes.slice(1)) assert.ok(each < bytes[0] / 5, `${bytes}`);
});

test('binary frames are the same, too, with the header and without', async () => {
  const binary = (client) => client.messages.filter((one) => typeof one !== 'string').map((one) => one.toString('hex'));
  for (const protocols of [['tidegate.v1'], ['json']]) {
    const gateway = await start(['--deflate']);  // each with a fresh snapshot
    const clients = [ws(gateway, false, protocols), ws(gateway, both, protocols)];
    for (const client of clients) {
      await client.opened;
      client.send({ op: 'subscribe', hashId: 'q', sql: 'select id, text from orders' });
      await client.next_of('snapshot');
    }
    for (const size of [10, 700, 60_000]) set(2, text_of(size));
    set(2, 'two');
    for (const client of clients) await until(() => binary(client).length === 4 || binary(client).length);
    assert.deepEqual(binary(clients[1]), binary(clients[0]));
  }
});

test('a client may compress what it sends, in fragments, with pings between', async () => {
  const gateway = await start(['--deflate']);
  const client = ws(gateway, both);
  await client.opened;
  client.send({ op: 'subscribe', hashId: 'q', sql: 'select id, text from orders', frames: 'json', more: text_of(100_000) });
  await client.next_of('snapshot');
  client.socket.send('{"op":', { fin: false, compress: true });
  client.socket.ping('mid');
  client.socket.send('"ping"}', { fin: true, compress: true });
  await client.next_of('pong');
  client.socket.send('{"op":"ping"}', { compress: false });
  await client.next_of('pong');
  assert.equal(client.code, undefined);
});

test('bombs, long messages and rubbish end the connection with its code, and nobody else feels it', async () => {
  const gateway = await start(['--deflate', '--payload-bytes-max', '65536']);
  const witness = ws(gateway, both);
  await witness.opened;
  const raw = (first, payload) => new Promise((resolve, reject) => {
    const socket = net.connect(gateway.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
      + 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n'));
    let all = Buffer.alloc(0);
    let sent = false;
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('no Close')));
    socket.on('data', (bytes) => {
      all = Buffer.concat([all, bytes]);
      const head = all.indexOf('\r\n\r\n');
      if (head < 0) return;
      const rest = all.subarray(head + 4);
      if (!sent) {
        sent = true;
        // A mask of zeros is a mask. A length must not take more bytes than it needs.
        const length = payload.length < 126 ? [0x80 | payload.length] : [0x80 | 127];
        const long = Buffer.alloc(8);
        long.writeBigUInt64BE(BigInt(payload.length));
        const header = Buffer.concat([Buffer.from([first, ...length]), payload.length < 126 ? Buffer.alloc(0) : long, Buffer.alloc(4)]);
        socket.write(Buffer.concat([header, payload]));
      }
      if (rest.length < 4) return;
      assert.equal(rest[0], 0x88);
      socket.removeAllListeners('close');
      socket.destroy();
      resolve(rest.readUInt16BE(2));
    });
  });
  const deflated = (bytes) => zlib.deflateRawSync(bytes, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4);
  assert.equal(await raw(0xc1, deflated(Buffer.alloc(200 << 20))), 1009);
  assert.equal(await raw(0xc1, Buffer.alloc(100_000)), 1009);
  assert.equal(await raw(0xc1, Buffer.from('no deflate at all')), 1007);
  assert.equal(await raw(0xc1, deflated(Buffer.from([0xc3, 0x28]))), 1007);
  assert.equal(await raw(0xe1, deflated(Buffer.from('{"op":"ping"}'))), 1002);
  witness.send({ op: 'ping' });
  await witness.next_of('pong');
});

test('a slow reader of compressed frames converges, and lagging makes no difference to what it sees', async () => {
  const gateway = await start(['--deflate', '--outbox-bytes-max', '65536', '--tail-bytes-max', '4194304']);
  const slow = ws(gateway, both);
  const quick = ws(gateway, both);
  for (const client of [slow, quick]) {
    await client.opened;
    await client.subscribe();
    await client.next_of('snapshot');
  }
  slow.socket.pause();
  const noise = () => Buffer.from(Array.from({ length: 150_000 }, () => Math.random() * 256)).toString('hex');
  for (let i = 0; i < 60; i += 1) set(1, noise());
  set(1, 'at last');
  await until(() => quick.rows.get('1') === 'at last');
  assert.ok(await metric(gateway, 'tidegate_lagging_total') >= 1);
  slow.socket.resume();
  await until(() => slow.rows.get('1') === 'at last' || slow.code || slow.rows.size);
  assert.deepEqual(slow.rows, table());
});

test("Python's websockets agrees, at both ends", async () => {
  const gateway = await start(['--deflate']);
  const program = `
import asyncio, json, sys, websockets
async def main():
    url = f'ws://127.0.0.1:{sys.argv[1]}/'
    async with websockets.connect(url, subprotocols=['tidegate.v1']) as packed, \\
               websockets.connect(url, subprotocols=['tidegate.v1'], compression=None) as plain:
        print([type(one).__name__ for one in packed.extensions], plain.extensions, flush=True)
        for one in (packed, plain):
            await one.send(json.dumps({'op': 'subscribe', 'hashId': 'q', 'frames': 'json', 'sql': 'select id, text from orders', 'more': 'x' * 5000}))
            while json.loads(await one.recv())['op'] != 'snapshot': pass
        print('live', flush=True)
        for i in range(4): assert await packed.recv() == await plain.recv()
        print('same', flush=True)
asyncio.run(main())`;
  const python = execFile('/usr/bin/python3', ['-c', program, String(gateway.port)]);
  let shown = '';
  let failed = '';
  python.stdout.on('data', (bytes) => { shown += bytes; });
  python.stderr.on('data', (bytes) => { failed += bytes; });
  await until(() => /live/.test(shown) || !!failed);
  for (const size of [10, 600, 100_000]) set(1, text_of(size));
  set(1, 'one');
  await until(() => /same/.test(shown) || !!failed);
  assert.equal(failed, '');
  assert.match(shown, /^\['PerMessageDeflate'\] \[\]\nlive\nsame/);
});
