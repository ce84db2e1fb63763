// RFC 6455 and 7692 case by case, in the groups of the Autobahn suite, from outside: frames by hand through a bare
// socket, whole and byte by byte, and the same with clients of other makers. What that suite has echoed is here a
// `ping` command, padded: whoever gets the answer was understood.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import net from 'node:net';
import { test } from 'node:test';
import { Client, metric, start } from './gateway.mjs';

const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];
const MASK = Buffer.from([0x11, 0x80, 0xfe, 0x5b]);
/// A client's frame.
const frame = (opcode, payload = '', { fin = true, rsv = 0 } = {}) => {
  const bytes = Buffer.from(payload);
  const long = bytes.length > 65_535;
  const length = Buffer.alloc(bytes.length < 126 ? 0 : long ? 8 : 2);
  if (long) length.writeBigUInt64BE(BigInt(bytes.length));
  else if (length.length) length.writeUInt16BE(bytes.length);
  const second = 0x80 | (length.length === 0 ? bytes.length : long ? 127 : 126);
  const head = Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode, second]);
  return Buffer.concat([head, length, MASK, bytes.map((byte, i) => byte ^ MASK[i % 4])]);
};
const parts = (...pieces) => pieces.map((piece, i) => frame(i === 0 ? TEXT : CONTINUATION, piece, { fin: i === pieces.length - 1 }));
const close = (code, reason = '') => {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return frame(CLOSE, Buffer.concat([payload, Buffer.from(reason)]));
};
const command = '{"op":"ping"}';
/// The command in so many bytes.
const padded = (size) => command + ' '.repeat(size - command.length);
const hex = (text) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const within = (bytes) => Buffer.concat([Buffer.from('{"op":"ping","x":"'), bytes, Buffer.from('"}')]);

/// Sends it all and tells what came: 'text', 'ping:…', 'pong:…' and at last 'close:CODE', 'close:' or 'cut'.
const converse = (port, sent, extensions = '') => new Promise((resolve, reject) => {
  const came = [];
  let bytes = Buffer.alloc(0);
  let open = false;
  const socket = net.connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  socket.on('error', (error) => (error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : reject(error)));
  socket.on('close', () => resolve(came.at(-1)?.startsWith('close') ? came : [...came, 'cut']));
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
    + `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${extensions}\r\n`);
  const send = async () => {
    for (const one of sent) await new Promise((done) => { socket.write(one, done); });
  };
  const take = () => {
    if (bytes.length < 2) return false;
    const [first, second] = bytes;
    assert.equal(second & 0x80, 0, 'a server does not mask');
    const extra = { 126: 2, 127: 8 }[second] ?? 0;
    if (bytes.length < 2 + extra) return false;
    const length = extra === 8 ? Number(bytes.readBigUInt64BE(2)) : extra === 2 ? bytes.readUInt16BE(2) : second;
    if (bytes.length < 2 + extra + length) return false;
    const payload = bytes.subarray(2 + extra, 2 + extra + length);
    bytes = bytes.subarray(2 + extra + length);
    const opcode = first & 15;
    if (opcode === CLOSE) came.push(`close:${payload.length ? payload.readUInt16BE() : ''}`);
    else came.push(opcode === TEXT ? 'text' : `${opcode === PING ? 'ping' : 'pong'}:${payload.toString('latin1')}`);
    return true;
  };
  socket.on('data', (data) => {
    bytes = Buffer.concat([bytes, data]);
    if (!open) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      assert.match(bytes.toString('latin1', 0, end), /^HTTP\/1\.1 101 /);
      bytes = bytes.subarray(end + 4);
      open = true;
      send().catch(reject);
    }
    while (take());
  });
});
const by_byte = (sent) => [...Buffer.concat(sent)].map((byte) => Buffer.from([byte]));

/// Each case whole, in one piece, and byte by byte where it is short. A case that ends well is closed by us.
const all = async (cases, { port }) => {
  let count = 0;
  for (const [name, sent, ...expected] of cases) {
    const ends = /^close|^cut/.test(expected.at(-1) ?? '');
    const bytes = ends ? sent : [...sent, close(1000)];
    const wanted = ends ? expected : [...expected, 'close:1000'];
    const total = Buffer.concat(bytes).length;
    const ways = [bytes, [Buffer.concat(bytes)], ...(total <= 400 ? [by_byte(bytes)] : [])];
    for (const way of ways) {
      assert.deepEqual(await converse(port, way), wanted, name);
      count += 1;
    }
  }
  return count;
};
const group = (name, cases) => test(name, async (context) => {
  const gateway = await start();
  context.diagnostic(`${cases.length} cases, ${await all(cases, gateway)} conversations`);
  assert.deepEqual(await converse(gateway.port, [frame(TEXT, command), close(1000)]), ['text', 'close:1000'], 'it still serves');
});

group('1, 9, 10: messages by size, whole and chopped', [
  ['1.1.1 empty text: told what is wrong', [frame(TEXT)], 'text'],
  ...[13, 124, 125, 126, 127, 128, 65_535, 65_536, 262_144, 1_048_576].map((size) => [`text of ${size}`, [frame(TEXT, padded(size))], 'text']),
  ['one more than the limit', [frame(TEXT, padded(1_048_577))], 'close:1009'],
  ['the limit counts over fragments', parts(padded(524_288), ' '.repeat(524_288), ' '), 'close:1009'],
  ...[0, 1, 125, 126, 65_536].map((size) => [`1.2 binary of ${size}: passed over`, [frame(BINARY, Buffer.alloc(size, 0xfe)), frame(TEXT, command)], 'text']),
  ['10.1.1 a text of 64 KiB in writes of 1300', frame(TEXT, padded(65_536)).toString('latin1').match(/[^]{1,1300}/g).map((one) => Buffer.from(one, 'latin1')), 'text'],
  ...[64, 256, 1024, 65_536].map((size) => [`9.3 a text of 1 MiB in frames of ${size}`, parts(command, ...Array(1_040_000 / size | 0).fill(' '.repeat(size))), 'text']),
]);

group('2: pings and pongs', [
  ['2.1 an empty ping', [frame(PING)], 'pong:'],
  ['2.2 with a payload', [frame(PING, 'Hello, world!')], 'pong:Hello, world!'],
  ['2.3 with bytes', [frame(PING, hex('00fffefdfcfb00ff'))], `pong:${hex('00fffefdfcfb00ff').toString('latin1')}`],
  ['2.4 of 125 bytes', [frame(PING, Buffer.alloc(125, 0xfe))], `pong:${'\xfe'.repeat(125)}`],
  ['2.5 of 126 bytes', [frame(PING, Buffer.alloc(126, 0xfe))], 'close:1002'],
  ['2.7 a pong nobody asked for', [frame(PONG)]],
  ['2.8 with a payload', [frame(PONG, 'unsolicited')]],
  ['2.9 and a ping', [frame(PONG, 'unsolicited'), frame(PING, 'p')], 'pong:p'],
  ['2.10 ten pings', Array.from({ length: 10 }, (_, i) => frame(PING, `${i}`)), ...Array.from({ length: 10 }, (_, i) => `pong:${i}`)],
]);

group('3, 4: reserved bits and opcodes', [
  ...[1, 2, 3, 4, 5, 6, 7].flatMap((rsv) => [
    [`3 rsv ${rsv} on a text`, [frame(TEXT, command, { rsv })], 'close:1002'],
    [`3 rsv ${rsv} after a text`, [frame(TEXT, command), frame(TEXT, command, { rsv }), frame(PING)], 'text', 'close:1002'],
    [`3 rsv ${rsv} on a ping`, [frame(PING, 'p', { rsv })], 'close:1002'],
    [`3 rsv ${rsv} on a close`, [frame(CLOSE, hex('03e8'), { rsv })], 'close:1002'],
  ]),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) => [
    [`4 opcode ${opcode}`, [frame(opcode)], 'close:1002'],
    [`4 opcode ${opcode} with a payload, after a text`, [frame(TEXT, command), frame(opcode, 'payload'), frame(PING)], 'text', 'close:1002'],
  ]),
  ['5.1 a frame without a mask', [Buffer.from([0x81, 2, 0x7b, 0x7d])], 'close:1002'],
  ['5.2 a length in more bytes than it needs', [Buffer.concat([hex('81fe007d'), MASK, Buffer.alloc(125)])], 'close:1002'],
  ['5.2 a length in eight that two would hold', [Buffer.concat([hex('81ff000000000000ffff'), MASK])], 'close:1002'],
  ['5.2 a length of 2^63', [Buffer.concat([hex('81ff8000000000000000'), MASK])], 'close:1002'],
]);

const [begin, end] = [command.slice(0, 6), command.slice(6)];
const [first, second] = [frame(TEXT, begin, { fin: false }), frame(CONTINUATION, end)];
group('5: fragments', [
  ['5.1 a ping in two', [frame(PING, 'p', { fin: false }), frame(CONTINUATION, 'q')], 'close:1002'],
  ['5.2 a pong in two', [frame(PONG, 'p', { fin: false }), frame(CONTINUATION, 'q')], 'close:1002'],
  ['a close in two', [frame(CLOSE, hex('03'), { fin: false }), frame(CONTINUATION, hex('e8'))], 'close:1002'],
  ['5.3 a text in two', [first, second], 'text'],
  ['5.6 with a ping between', [first, frame(PING, 'mid'), second], 'pong:mid', 'text'],
  ['a pong between', [first, frame(PONG, 'mid'), second], 'text'],
  ['a close between', [first, close(1000)], 'close:1000'],
  ['5.9 a continuation of nothing', [frame(CONTINUATION, 'x'), frame(TEXT, command)], 'close:1002'],
  ['5.10 one that is not the last', [frame(CONTINUATION, 'x', { fin: false }), frame(TEXT, command)], 'close:1002'],
  ['5.12 after a text', [frame(TEXT, command), frame(CONTINUATION, 'x')], 'text', 'close:1002'],
  ['5.18 a text within a text', [first, frame(TEXT, end)], 'close:1002'],
  ['a binary within a text', [first, frame(BINARY, end, { fin: false })], 'close:1002'],
  ['5.19 five, with pings', [...parts('{"op"', ':', '', '"ping"', '}').flatMap((one, i) => [one, frame(PING, `${i}`)])], 'pong:0', 'pong:1', 'pong:2', 'pong:3', 'text', 'pong:4'],
  ['empty ones', parts('', '', command, '', ''), 'text'],
  ['a byte each', parts(...command), 'text'],
  ['a binary in two: passed over', [frame(BINARY, 'a', { fin: false }), frame(CONTINUATION, 'b'), frame(TEXT, command)], 'text'],
]);

const repeat = (byte, count) => Buffer.alloc(count, byte);
const lonely = (from, to) => Buffer.concat(Array.from({ length: to - from + 1 }, (_, i) => Buffer.from([from + i, 0x20])));
const planes = Array.from({ length: 17 }, (_, plane) => [plane * 0x10000 + 0xfffe, plane * 0x10000 + 0xffff]).flat();
const utf8 = {
  good: ['κόσμε', 'Hello-µ@ßöäüàá-UTF-8!!', ...[0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0x10000, ...planes].map((one) => String.fromCodePoint(one))].map((one) => Buffer.from(one)),
  bad: [
    '80', 'bf', '80bf', '80bf80', '80bf80bf', '80bf80bf80', '80bf80bf80bf',  // continuations of nothing
    'c0', 'e080', 'f08080', 'f8808080', 'fc80808080', 'df', 'efbf', 'f7bfbf', 'fbbfbfbf', 'fdbfbfbfbf',  // without the last
    'c0e080f08080f8808080fc80808080', 'fe', 'ff', 'fefeffff',
    'c0af', 'e080af', 'f08080af', 'f8808080af', 'fc80808080af',  // longer than need be
    'c1bf', 'e09fbf', 'f08fbfbf', 'f887bfbfbf', 'fc83bfbfbfbf', 'c080', 'e08080', 'f0808080',
    'eda080', 'edadbf', 'edae80', 'edafbf', 'edb080', 'edbe80', 'edbfbf',  // surrogates, alone and in pairs
    'eda080edb080', 'edadbfedb080', 'edae80edbfbf', 'edafbfedbfbf',
    'f4908080', 'f7bfbfbf', 'f888808080', 'fbbfbfbfbf', 'fc8480808080', 'fdbfbfbfbfbf',  // beyond 10ffff
  ].map(hex).concat([repeat(0x80, 64), Buffer.from(Array.from({ length: 64 }, (_, i) => 0x80 + i)),
    lonely(0xc0, 0xdf), lonely(0xe0, 0xef), lonely(0xf0, 0xf7), lonely(0xf8, 0xfb), lonely(0xfc, 0xfd)]),
};
const cut = Buffer.from('κόσμε');
group('6: UTF-8', [
  ...utf8.good.map((bytes) => [`6 ${bytes.toString('hex')}`, [frame(TEXT, within(bytes))], 'text']),
  ...utf8.good.map((bytes) => {
    const whole = within(bytes);
    return [`6.2 ${bytes.toString('hex')}, a byte a frame`, parts(...Array.from(whole, (_, i) => whole.subarray(i, i + 1))), 'text'];
  }),
  ...utf8.bad.map((bytes) => [`6 ${bytes.toString('hex')}`, [frame(TEXT, within(bytes))], 'close:1007']),
  ...utf8.bad.map((bytes) => [`6.3 ${bytes.toString('hex')}, by itself`, [frame(TEXT, bytes)], 'close:1007']),
  ['6.4.1 in a fragment: before the last comes', [frame(TEXT, Buffer.concat([cut, hex('f4908080')]), { fin: false })], 'close:1007'],
  ['6.4.3 in a frame, with its last byte', [frame(TEXT, Buffer.concat([cut, hex('f4908080'), cut]))], 'close:1007'],
  ['a character of two messages is none', [frame(TEXT, cut.subarray(0, 1)), frame(TEXT, cut.subarray(1))], 'close:1007'],
]);

const codes = { good: [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999], bad: [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] };
group('7: closing', [
  ['7.1.2 two closes', [close(1000), close(1000)], 'close:1000'],
  ['7.1.3 a ping after it', [close(1000), frame(PING, 'p')], 'close:1000'],
  ['7.1.4 a text after it', [close(1000), frame(TEXT, command)], 'close:1000'],
  ['7.1.5 the rest of a text after it', [first, close(1000), second], 'close:1000'],
  ['7.1.6 a megabyte, a close, a ping', [frame(TEXT, padded(1_000_000)), close(1000), frame(PING)], 'text', 'close:1000'],
  ['7.3.1 without a code', [frame(CLOSE)], 'close:'],
  ['7.3.2 half a code', [frame(CLOSE, 'x')], 'close:1002'],
  ['7.3.4 with a reason', [close(1000, 'Hello, world!')], 'close:1000'],
  ['7.3.5 of 123 bytes', [close(1000, '*'.repeat(123))], 'close:1000'],
  ['7.3.6 of 124', [close(1000, '*'.repeat(124))], 'close:1002'],
  ['7.5.1 that is no UTF-8', [frame(CLOSE, Buffer.concat([hex('03e8'), cut, hex('eda080')]))], 'close:1007'],
  ...codes.good.map((code) => [`7.7 ${code}`, [close(code)], `close:${code}`]),
  ...codes.bad.map((code) => [`7.9 ${code}`, [close(code)], 'close:1002']),
]);

test('12, 13: permessage-deflate by size and by parameters, with Node\'s ws', async (context) => {
  const gateway = await start(['--deflate']);
  const offers = [true, { serverNoContextTakeover: true }, { clientNoContextTakeover: true }, { serverNoContextTakeover: true, clientNoContextTakeover: true },
    ...[9, 12, 15].flatMap((bits) => [{ clientMaxWindowBits: bits }, { serverMaxWindowBits: bits }])];
  let packed = 0;
  for (const offer of offers) {
    const client = new Client(`ws://127.0.0.1:${gateway.port}/`, { perMessageDeflate: offer === true ? { threshold: 0 } : { ...offer, threshold: 0 } });
    await client.opened;
    if (/permessage-deflate/.test(client.socket.extensions)) packed += 1;
    for (const size of [16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072, 1_048_576]) {
      client.socket.send(padded(size));
      await client.next_of('pong');
    }
    for (const pieces of [2, 7, 64]) {
      const text = padded(65_536);
      const size = Math.ceil(text.length / pieces);
      for (let i = 0; i < pieces; i += 1) client.socket.send(text.slice(i * size, (i + 1) * size), { fin: i + 1 === pieces, compress: true });
      await client.next_of('pong');
    }
    client.socket.close(1000);
    assert.equal(await client.closed, 1000);
  }
  context.diagnostic(`${offers.length} offers, ${packed} accepted, 14 messages each`);
  assert.ok(packed >= 4);
});

test("Python's websockets: sizes, fragments, pings, closes, with and without compression", async (context) => {
  const gateway = await start(['--deflate']);
  const program = `
import asyncio, json, sys, websockets
url = f'ws://127.0.0.1:{sys.argv[1]}/'
async def answered(one):
    assert json.loads(await one.recv())['op'] == 'pong'
async def main():
    messages = 0
    for compression in ('deflate', None):
        async with websockets.connect(url, subprotocols=['tidegate.v1'], compression=compression) as one:
            for size in (13, 125, 126, 127, 65535, 65536, 1048576):
                await one.send('{"op":"ping"}' + ' ' * (size - 13)); await answered(one)
                messages += 1
            for pieces in (['{"op"', ':"ping"}'], list('{"op":"ping"}'), ['{"op":"ping"}'] + [' ' * 1000] * 500):
                await one.send(pieces); await answered(one)
                messages += 1
            for payload in (b'', b'hello', bytes(125)):
                await (await one.ping(payload))
            await one.send('{"op":"ping","x":"κόσμε"}'); await answered(one)
    for code in (1000, 1001, 3000, 4999):
        one = await websockets.connect(url, subprotocols=['tidegate.v1'])
        await one.close(code, 'bye')
        assert one.close_code == code, one.close_code
    one = await websockets.connect(url, subprotocols=['tidegate.v1'])
    await one.send('{"op":"ping"}' + ' ' * 1048576)
    try: await one.recv()
    except websockets.ConnectionClosed as closed: assert closed.rcvd.code == 1009, closed
    else: raise AssertionError('it was taken')
    print(messages, 'messages')
asyncio.run(main())`;
  context.diagnostic(execFileSync('/usr/bin/python3', ['-c', program, String(gateway.port)], { encoding: 'utf8' }).trim());
  assert.equal(await metric(gateway, 'tidegate_connections_closed_total{code="1009"}'), 1);
});
