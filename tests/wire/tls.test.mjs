// TLS as clients of other makers see it: Node's OpenSSL, `ws`, curl, `openssl s_client`, Python's ssl.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { Client, certificate, file, metric, run, sql, start, table, until } from './gateway.mjs';

const shell = promisify(execFile);
const shown = certificate('shown');
const other = certificate('other');
const secure = (more = []) => start(['--tls-certificate-file', shown.cert, '--tls-key-file', shown.key, ...more]);
const ca = () => readFileSync(shown.cert);
const wss = (gateway, more = {}) => new Client(`wss://localhost:${gateway.port}/`, { ca: ca(), ...more });
/// A handshake: what was agreed on, or the error.
const connect = (gateway, more = {}) => new Promise((resolve) => {
  const socket = tls.connect({ port: gateway.port, host: '127.0.0.1', servername: 'localhost', ca: ca(), ...more }, () => {
    resolve({ socket, protocol: socket.getProtocol(), cipher: socket.getCipher().standardName, alpn: socket.alpnProtocol });
  });
  socket.on('error', (error) => resolve({ error: error.message + (error.reason ?? '') }));
});
const get = async (gateway, target, certificates = shown.cert) => (
  await shell('curl', ['-sS', '--fail', '--max-time', '60', '--cacert', certificates, `https://localhost:${gateway.port}${target}`])).stdout;

test('TLS 1.2 and 1.3 with forward secrecy are spoken, and nothing else', async () => {
  const gateway = await secure();
  const legacy = { ciphers: 'ALL:@SECLEVEL=0', minVersion: 'TLSv1' };
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const { protocol, cipher, alpn, error, socket } = await connect(gateway, { minVersion: version, maxVersion: version, ALPNProtocols: ['h2', 'http/1.1'] });
    assert.equal(protocol, version, error);
    assert.match(cipher, version === 'TLSv1.2' ? /^TLS_ECDHE_.*(GCM|POLY1305)/ : /^TLS_/);
    assert.equal(alpn, 'http/1.1');
    socket.destroy();
  }
  assert.match((await connect(gateway, { ...legacy, maxVersion: 'TLSv1.1' })).error, /protocol version|alert/);
  assert.match((await connect(gateway, { ...legacy, maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:@SECLEVEL=0' })).error, /alert/);
  assert.match((await connect(gateway, { ...legacy, maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0' })).error, /alert/);
  assert.match((await connect(gateway, { ALPNProtocols: ['h2'] })).error, /alert/);
  assert.equal(await metric(gateway, 'tidegate_tls_refused_total{reason="version"}'), 1);
  assert.equal(await metric(gateway, 'tidegate_tls_refused_total{reason="protocol"}'), 3);
});

test('a certificate that is not trusted, or of another name, is refused by clients', async () => {
  const gateway = await secure();
  assert.match((await connect(gateway, { ca: readFileSync(other.cert) })).error, /self-signed/);
  assert.match((await connect(gateway, { servername: 'example.com' })).error, /altnames/);
  await assert.rejects(get(gateway, '/healthz', other.cert), /certificate/);
  await until(async () => await metric(gateway, 'tidegate_tls_refused_total{reason="certificate"}') >= 1);
  const tail = run(['tail', '--url', `wss://localhost:${gateway.port}`, '--table', 'orders']);
  assert.notEqual(await tail.ended, 0);
  assert.match(tail.log, /no TLS with localhost: .*self-signed/);
});

test('one port speaks HTTP and WebSocket, with the same data as ever', async () => {
  const gateway = await secure();
  assert.equal(await get(gateway, '/healthz'), 'ok\n');
  const client = wss(gateway);
  await client.opened;
  await client.subscribe();
  await client.next_of('snapshot');
  sql(`update orders set text = '${'big '.repeat(100_000)}' where id = 2`);
  assert.equal((await client.next_of('diff')).changes[0].row.text.length, 400_000);
  assert.deepEqual(client.rows, table());
  sql("update orders set text = 'two' where id = 2");
  const tail = run(['tail', '--url', `wss://localhost:${gateway.port}`, '--ca-file', shown.cert, '--sql', 'select id, text from orders where id = 1']);
  await until(() => /"text":"one"/.test(tail.shown) || tail.log);
});

test('HTTP without TLS is cut, and the log says why', async () => {
  const gateway = await secure();
  await assert.rejects(shell('curl', ['-sS', '--max-time', '60', `http://127.0.0.1:${gateway.port}/healthz`]));
  await until(() => /spoke HTTP without TLS.*https:\/\//.test(gateway.log));
  assert.equal(await metric(gateway, 'tidegate_tls_refused_total{reason="plain_http"}'), 1);
});

test('SIGHUP shows a new certificate to new connections, and sessions go on', async () => {
  const live = certificate('live');
  const gateway = await start(['--tls-certificate-file', live.cert, '--tls-key-file', live.key]);
  const old = readFileSync(live.cert);
  const before_ = new Client(`wss://localhost:${gateway.port}/`, { ca: old });
  await before_.opened;
  await before_.subscribe();
  copyFileSync(other.cert, live.cert);
  gateway.child.kill('SIGHUP');  // the key is still the old one's
  await until(() => /--tls-key-file: .*is not the key of .*the earlier certificate stays/.test(gateway.log));
  (await connect(gateway, { ca: old })).socket.destroy();
  copyFileSync(other.key, live.key);
  gateway.child.kill('SIGHUP');
  await until(() => /holds now/.test(gateway.log));
  assert.match((await connect(gateway, { ca: old })).error, /self-signed/);
  const after_ = new Client(`wss://localhost:${gateway.port}/`, { ca: readFileSync(other.cert) });
  await after_.opened;
  await after_.subscribe();
  sql("update orders set text = 'rotated' where id = 1");
  for (const client of [before_, after_]) await until(() => client.rows.get('1') === 'rotated' || [...client.rows]);
  writeFileSync(live.cert, 'rubbish');
  gateway.child.kill('SIGHUP');
  await until(() => /no certificates in PEM that can be used/.test(gateway.log));
  assert.equal(await metric(gateway, 'tidegate_tls_certificate_loads_total{result="failed"}'), 2);
  assert.equal(before_.code ?? after_.code, undefined);
  sql("update orders set text = 'one' where id = 1");
});

test('sessions are resumed by tickets', async () => {
  const gateway = await secure();
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    const first = tls.connect({ port: gateway.port, servername: 'localhost', ca: ca(), minVersion: version, maxVersion: version });
    const session = await new Promise((resolve) => { first.on('session', resolve); });
    first.destroy();
    const { socket } = await connect(gateway, { session, minVersion: version, maxVersion: version });
    assert.ok(socket.isSessionReused(), version);
    socket.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  }
  await until(async () => await metric(gateway, 'tidegate_tls_handshakes_total{kind="resumed"}') === 2);
});

test('a client that asks for a renegotiation is served on without one', async () => {
  const gateway = await secure();
  const { socket } = await connect(gateway, { maxVersion: 'TLSv1.2' });
  const outcome = await new Promise((resolve) => {
    socket.renegotiate({}, (error) => resolve(error ? 'refused' : 'renegotiated'));
    socket.on('close', () => resolve('refused'));
    socket.on('error', () => resolve('refused'));
  });
  assert.equal(outcome, 'refused');
  assert.equal(await get(gateway, '/healthz'), 'ok\n');
});

test('what is sent along with the request is read, however OpenSSL holds it', async () => {
  const gateway = await secure();
  const { socket } = await connect(gateway);
  const message = Buffer.from('{"op":"ping"}');
  const frame = Buffer.concat([Buffer.from([0x81, 0x80 | message.length, 0, 0, 0, 0]), message]);
  socket.write(Buffer.concat([Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-More: ${'x'.repeat(600)}\r\n`
    + 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'), ...Array(40).fill(frame)]));
  let came = '';
  socket.on('data', (bytes) => { came += bytes.toString('latin1'); });
  const begun = Date.now();
  await until(() => came.split('pong').length === 41);
  assert.ok(!came.includes('\x89'), `no ping of ours was needed, ${Date.now() - begun} ms`);
  socket.destroy();
});

test('a slow reader falls behind, delays nobody, and converges when it reads again', async () => {
  const gateway = await secure(['--outbox-bytes-max', '65536', '--tail-bytes-max', '1048576']);
  const slow = wss(gateway);
  const quick = wss(gateway);
  for (const client of [slow, quick]) {
    await client.opened;
    await client.subscribe();
    await client.next_of('snapshot');
  }
  slow.socket.pause();
  for (let i = 0; i < 60; i += 1) sql(`update orders set text = '${String(i).repeat(200_000 / String(i).length)}' where id = 1`);
  sql("update orders set text = 'at last' where id = 1");
  await until(() => quick.rows.get('1') === 'at last');
  assert.ok(await metric(gateway, 'tidegate_lagging_total') >= 1);
  slow.socket.resume();
  await until(() => slow.rows.get('1') === 'at last' || slow.code || slow.rows.get('1').slice(0, 9));
  assert.deepEqual(slow.rows, table());
});

test('a thousand pings against a full connection get a thousand pongs', async () => {
  const gateway = await secure();
  const client = wss(gateway);
  await client.opened;
  await client.subscribe();
  let pongs = 0;
  client.socket.on('pong', (data) => { assert.equal(data.toString(), String(pongs)); pongs += 1; });
  client.socket.pause();
  for (let i = 0; i < 10; i += 1) sql(`update orders set text = '${String(i).repeat(500_000)}' where id = 1`);
  for (let i = 0; i < 1_000; i += 1) client.socket.ping(String(i));
  client.socket.resume();
  await until(() => pongs === 1_000 || pongs);
  sql("update orders set text = 'one' where id = 1");
  await until(() => client.rows.get('1') === 'one');
});

test('clients that leave without a word, or close one half, are forgotten', async () => {
  const gateway = await secure();
  const [vanished, halved] = [wss(gateway), wss(gateway, { allowHalfOpen: true })];
  for (const client of [vanished, halved]) {
    await client.opened;
    await client.subscribe();
    client.socket.on('error', () => {});
  }
  assert.equal(await metric(gateway, 'tidegate_connections'), 2);
  vanished.socket._socket._handle.close();  // TCP's end without TLS's
  halved.socket._socket.end();
  await until(async () => await metric(gateway, 'tidegate_connections') === 0);
  const never = net.connect(gateway.port, '127.0.0.1');  // and handshakes that never begin do nothing
  assert.equal(await get(gateway, '/healthz'), 'ok\n');
  never.destroy();
});

test('openssl s_client and Python verify it, too', async () => {
  const gateway = await secure();
  const said = execFileSync('openssl', ['s_client', '-connect', `localhost:${gateway.port}`, '-CAfile', shown.cert, '-verify_return_error', '-verify_hostname',
    'localhost', '-brief'], { input: '', stdio: ['pipe', 'pipe', 'pipe'], encoding: 'utf8', shell: false });
  assert.equal(said, '');
  const program = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
with context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), server_hostname='localhost') as one:
    one.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')
    answer = b''
    while part := one.recv(4096): answer += part
    print(one.version(), answer.split(b'\\r\\n\\r\\n')[1])
    one.unwrap()`;
  const { stdout } = await shell('python3', ['-c', program, String(gateway.port), shown.cert]);
  assert.equal(stdout, "TLSv1.3 b'ok\\n'\n");
});

test('half of the settings, or files that do not fit, are refused at the start', async () => {
  const fails = async (words, why) => {
    const ended = run(['serve', '--database', `sqlite:${file('shop.db')}`, '--auth', 'none', '--listen', '127.0.0.1:0', ...words]);
    assert.notEqual(await ended.ended, 0);
    assert.match(ended.log, why);
  };
  await fails(['--tls-certificate-file', shown.cert], /--tls-certificate-file: needs its key: give --tls-key-file/);
  await fails(['--tls-key-file', shown.key], /--tls-key-file: needs the certificate/);
  await fails(['--tls-certificate-file', shown.cert, '--tls-key-file', other.key], /--tls-key-file: .*is not the key of/);
  await fails(['--tls-certificate-file', file('none'), '--tls-key-file', other.key], /--tls-certificate-file: .*No such file/);
});
