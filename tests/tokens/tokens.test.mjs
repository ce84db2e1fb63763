// Tokens as an operator and an issuer see them: the real binary on a SQLite file, keys that Node makes and serves, tokens
// that Node signs.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { algorithms, jwk, make, pem, token } from './sign.mjs';

const binary = process.env.TIDEGATE_BINARY;
const claims = (more = {}) => ({ sub: 'ann', tenant: 'acme', exp: Math.floor(Date.now() / 1000) + 600, ...more });
const running = [];
const servers = [];
let directory;
const file = (name) => path.join(directory, name);
/// As issuers do it: a new file takes the old one's place.
const write = (name, text) => {
  writeFileSync(`${file(name)}.new`, text);
  renameSync(`${file(name)}.new`, file(name));
  return file(name);
};
const set = (...keys) => JSON.stringify({ keys });

before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'tidegate-tokens-'));
  execFileSync('sqlite3', [file('shop.db'), `create table orders (id integer primary key, tenant text not null);
    insert into orders values (1, 'acme'), (2, 'globex')`]);
  write('tidegate.toml', '[[table]]\nname = "orders"\ntenant_column = "tenant"\n');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', file('tls.key'), '-out', file('tls.crt'),
    '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' });
});
afterEach(async () => {
  for (const one of running.splice(0)) {
    if (one.exitCode !== null) continue;
    const ended = new Promise((resolve) => one.on('exit', resolve));
    one.kill('SIGTERM');
    await ended;
  }
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
after(() => rm(directory, { recursive: true, force: true }));

/// Starts it; `said()` is its log. With `listens` false it is expected to end.
const start = async (words, listens = '127.0.0.1:0') => {
  const child = spawn(binary, ['serve', '--database', `sqlite:${file('shop.db')}`, '--config', file('tidegate.toml'),
    ...(listens ? ['--listen', listens, '--admin-listen', '127.0.0.1:0', '--shards', '1'] : []), ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  running.push(child);
  let log = '';
  const gateway = { child, said: () => log };
  await new Promise((resolve, reject) => {
    child.stderr.on('data', (bytes) => {
      log += bytes;
      const found = log.match(/listening on [^"]*:(\d+)[^]*operators at [^"]*:(\d+)"/);
      if (found) resolve([gateway.port, gateway.admin_port] = [Number(found[1]), Number(found[2])]);
    });
    child.stderr.on('end', () => (listens ? reject(new Error(log)) : resolve()));
  });
  return gateway;
};
const get = (gateway, target) => new Promise((resolve, reject) => {
  http.get({ port: gateway.admin_port, path: target, agent: false }, (answer) => {
    let body = '';
    answer.on('data', (bytes) => { body += bytes; });
    answer.on('end', () => resolve({ status: answer.statusCode, body }));
  }).on('error', reject);
});
/// Asks for an upgrade: the status, and what a refusal says.
const upgrade = (gateway, { headers = {}, target = '/' }) => new Promise((resolve, reject) => {
  const request = http.request({ port: gateway.port, path: target, agent: false, headers: { Connection: 'Upgrade',
    Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers } });
  request.on('upgrade', (answer, socket) => {
    socket.destroy();
    resolve({ status: 101, body: '' });
  });
  request.on('response', (answer) => {
    let body = '';
    answer.on('data', (bytes) => { body += bytes; });
    answer.on('end', () => resolve({ status: answer.statusCode, body }));
  });
  request.on('error', reject);
  request.end();
});
const bearer = (gateway, text) => upgrade(gateway, { headers: { Authorization: `Bearer ${text}` } });
const until = async (condition) => {
  const end = Date.now() + 90_000;
  for (;;) {
    const last = await condition();
    if (last === true) return;
    if (Date.now() > end) assert.fail(`never: ${JSON.stringify(last)}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
};
const accepted = (gateway, text) => until(async () => {
  const answer = await bearer(gateway, text);
  return answer.status === 101 || answer;
});
const refused = async (gateway, text, why) => {
  const answer = await bearer(gateway, text);
  assert.equal(answer.status, 401);
  assert.match(answer.body, why);
  for (const part of text.split('.')) assert.ok(part.length < 8 || !answer.body.includes(part));
};
const ready = (gateway) => until(async () => (await get(gateway, '/readyz')).status === 200);
const unready = (gateway, why) => until(async () => {
  const answer = await get(gateway, '/readyz');
  return (answer.status === 503 && why.test(answer.body)) || answer;
});
const metric = async (gateway, name) => {
  const { body } = await get(gateway, '/metrics');
  const line = body.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.split(' ')[1]);
};
/// A server of keys: `answer` is what it gives, `asked` counts.
const issuer = (answer, tls = false) => new Promise((resolve, reject) => {
  const made = { answer, asked: 0 };
  const serve = (request, response) => {
    made.asked += 1;
    made.answer(response);
  };
  const server = tls ? https.createServer({ key: readFileSync(file('tls.key')), cert: readFileSync(file('tls.crt')) }, serve)
    : http.createServer(serve);
  servers.push(server);
  server.on('error', reject);
  server.listen(0, '127.0.0.1', () => {
    made.port = server.address().port;
    resolve(made);
  });
});
const gives = (text) => (response) => response.end(text);

test('every algorithm is verified, from a JWK Set and from PEM files', async () => {
  const [rsa, stranger] = [make('RS256'), make('RS256')];  // they take long to make
  const is_rsa = (algorithm) => /^[RP]S/.test(algorithm);
  const keys = algorithms.map((algorithm) => [algorithm, is_rsa(algorithm) ? rsa : make(algorithm)]);
  const jwks = write('all.json', set(...keys.map(([algorithm, key]) => jwk(key, { kid: algorithm, alg: algorithm, use: 'sig' }))));
  const gateway = await start(['--auth-jwks', jwks]);
  for (const [algorithm, key] of keys) {
    assert.deepEqual(await bearer(gateway, token(algorithm, key, claims(), { kid: algorithm })), { status: 101, body: '' }, algorithm);
    await refused(gateway, token(algorithm, is_rsa(algorithm) ? stranger : make(algorithm), claims(), { kid: algorithm }), /signature does not fit/);
  }
  const pems = keys.filter(([, key]) => key.publicKey).slice(-3);
  const words = pems.flatMap(([algorithm, key]) => ['--auth-public-key-file', write(`${algorithm}.pem`, pem(key))]);
  const other = await start(words);
  for (const [algorithm, key] of pems) await accepted(other, token(algorithm, key, claims()));
});

test('the algorithm of a token never decides how a key is used', async () => {
  const key = make('RS256');
  const gateway = await start(['--auth-public-key-file', write('rsa.pem', pem(key))]);
  await accepted(gateway, token('RS256', key, claims()));
  await refused(gateway, token('HS256', { secret: pem(key) }, claims()), /alg/);
  const [, body] = token('RS256', key, claims()).split('.');
  for (const alg of ['none', 'None', 'NONE', '']) {
    const header = Buffer.from(JSON.stringify({ alg })).toString('base64url');
    await refused(gateway, `${header}.${body}.`, /alg/);
  }
  const ended = await start(['--auth-secret-file', file('rsa.pem')], false);
  assert.match(ended.said(), /--auth-public-key-file/);
});

test('a token is taken from the header, the subprotocol, and a query parameter that is switched on', async () => {
  const key = make('ES256');
  const jwks = write('es.json', set(jwk(key)));
  const good = token('ES256', key, claims());
  const off = await start(['--auth-jwks', jwks]);
  assert.equal((await bearer(off, good)).status, 101);
  assert.equal((await upgrade(off, { headers: { 'Sec-WebSocket-Protocol': `json, bearer.${good}` } })).status, 101);
  assert.equal((await upgrade(off, { target: `/?access_token=${good}` })).status, 401);
  const on = await start(['--auth-jwks', jwks, '--auth-query-parameter', 'access_token']);
  assert.match(on.said(), /auth-query-parameter: tokens in URLs/);
  assert.equal((await upgrade(on, { target: `/x?a=1&access_token=${good}` })).status, 101);
  assert.equal((await upgrade(on, { target: `/x?other=${good}` })).status, 401);
  assert.equal((await upgrade(on, { target: `/?access_token=${good}`, headers: { Authorization: 'Bearer x' } })).status, 401);
});

test('claims are checked, and a refusal names the one that failed', async () => {
  const key = make('EdDSA');
  const gateway = await start(['--auth-jwks', write('ed.json', set(jwk(key))), '--auth-issuer', 'https://issuer',
    '--auth-audience', 'tidegate', '--auth-require', 'jti', '--auth-leeway-s', '5']);
  const sign = (more) => token('EdDSA', key, claims({ iss: 'https://issuer', aud: ['x', 'tidegate'], jti: '1', ...more }));
  const now = Math.floor(Date.now() / 1000);
  await accepted(gateway, sign({}));
  await refused(gateway, sign({ exp: now - 60 }), /exp: has expired/);
  await refused(gateway, sign({ exp: undefined }), /exp: missing/);
  await refused(gateway, sign({ nbf: now + 600 }), /nbf: is not valid yet/);
  await refused(gateway, sign({ iss: 'https://other' }), /iss: /);
  await refused(gateway, sign({ aud: 'other' }), /aud: /);
  await refused(gateway, sign({ jti: undefined }), /jti: missing/);
  await refused(gateway, sign({ sub: '' }), /sub: /);
  await refused(gateway, sign({ tenant: undefined }), /tenant: /);
  assert.equal(await metric(gateway, 'tidegate_auth_tokens_refused_total{reason="claim"}'), 6);
  assert.equal(await metric(gateway, 'tidegate_auth_tokens_refused_total{reason="expired"}'), 1);
});

test('a token shows the rows of its tenant', async () => {
  const key = make('ES384');
  const gateway = await start(['--auth-jwks', write('rows.json', set(jwk(key)))]);
  await ready(gateway);
  const tail = spawn(binary, ['tail', '--json', '--sql', 'select id, tenant from orders', '--url', `ws://127.0.0.1:${gateway.port}`,
    '--token', token('ES384', key, claims())], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(tail);
  let shown = '';
  tail.stdout.on('data', (bytes) => { shown += bytes; });
  await until(() => /"rows":\[[^\]]*acme/.test(shown) || shown);
  assert.doesNotMatch(shown, /globex/);
});

test('keys in files rotate without a restart', async () => {
  const [old, next] = [make('RS256'), make('RS256')];
  const jwks = write('rotate.json', set(jwk(old, { kid: 'old' })));
  const gateway = await start(['--auth-jwks', jwks]);
  const [first, second] = [token('RS256', old, claims(), { kid: 'old' }), token('RS256', next, claims(), { kid: 'next' })];
  await accepted(gateway, first);
  await refused(gateway, second, /kid: its key is not known here.*try again/);
  write('rotate.json', set(jwk(old, { kid: 'old' }), jwk(next, { kid: 'next' })));
  await accepted(gateway, second);
  await accepted(gateway, first);
  write('rotate.json', set(jwk(next, { kid: 'next' })));
  await until(async () => (await bearer(gateway, first)).status === 401);
  write('rotate.json', '{"keys":');
  await until(() => gateway.said().includes('the earlier ones stay'));
  await accepted(gateway, second);
});

test('keys from a URL rotate on an unknown kid, at a bounded rate, and stay while it is away', async () => {
  const [old, next] = [make('ES256'), make('PS256')];
  const served = await issuer(gives(set(jwk(old, { kid: 'old' }))));
  const began = Date.now();
  const gateway = await start(['--auth-jwks', `http://127.0.0.1:${served.port}/jwks`, '--auth-jwks-cooldown-ms', '500']);
  await ready(gateway);
  assert.match(gateway.said(), /keys come over http/);
  assert.match(gateway.said(), /auth-audience: not set/);
  const first = token('ES256', old, claims(), { kid: 'old' });
  await accepted(gateway, first);
  served.answer = gives(set(jwk(old, { kid: 'old' }), jwk(next, { kid: 'next' })));
  await accepted(gateway, token('PS256', next, claims(), { kid: 'next' }));

  for (let i = 0; i < 200; i += 1) await refused(gateway, token('ES256', old, claims(), { kid: `unknown ${i}` }), /try again/);
  assert.ok(served.asked <= 2 + (Date.now() - began) / 500, `${served.asked} in ${Date.now() - began} ms`);

  served.answer = (response) => response.socket.destroy();
  await bearer(gateway, token('ES256', old, claims(), { kid: 'asks for one' }));
  await until(async () => await metric(gateway, 'tidegate_auth_key_loads_total{result="failed"}') > 0);
  await accepted(gateway, first);
  assert.match(gateway.said(), /the earlier ones stay/);
  assert.equal((await get(gateway, '/readyz')).status, 200);

  served.answer = gives(set(jwk(next, { kid: 'next' })));
  await until(async () => (await bearer(gateway, first)).status === 401);
  assert.match(gateway.said(), /are there again/);
});

test('https verifies the certificate and its name', async () => {
  const key = make('ES256');
  const served = await issuer(gives(set(jwk(key))), true);
  const url = `https://localhost:${served.port}/jwks`;
  const trusting = await start(['--auth-jwks', url, '--auth-jwks-ca-file', file('tls.crt'), '--auth-audience', 'me']);
  await ready(trusting);
  await accepted(trusting, token('ES256', key, claims({ aud: 'me' })));
  const stranger = await start(['--auth-jwks', url]);
  await unready(stranger, /no TLS with its server.*--auth-jwks-ca-file/);
  const misnamed = await start(['--auth-jwks', `https://127.0.0.1:${served.port}/jwks`, '--auth-jwks-ca-file', file('tls.crt')]);
  await unready(misnamed, /no TLS with its server/);
  await refused(misnamed, token('ES256', key, claims()), /no key.*try again/);
});

test('what a URL must not do is told on /readyz', async () => {
  const served = await issuer(gives('x'.repeat(2 << 20)));
  const gateway = await start(['--auth-jwks', `http://127.0.0.1:${served.port}/jwks`, '--auth-jwks-cooldown-ms', '100']);
  await unready(gateway, /longer than 1048576 bytes/);
  served.answer = (response) => response.writeHead(302, { Location: '/elsewhere' }).end();
  await unready(gateway, /302.*redirects are not followed/);
  served.answer = gives('<html>');
  await unready(gateway, /not a JWK Set/);
  served.answer = gives(set(jwk(make('HS256'))));
  await unready(gateway, /a secret/);
  served.answer = gives(set(jwk(make('ES256'))));
  await ready(gateway);
});

test('without keys there is no start, and what to type is said', async () => {
  const none = await start([], false);
  assert.match(none.said(), /--auth-jwks/);
  const missing = await start(['--auth-jwks', file('nowhere.json')], false);
  assert.match(missing.said(), /nowhere\.json`: cannot be read/);
  const empty = await start(['--auth-jwks', write('empty.json', set())], false);
  assert.match(empty.said(), /no key that can be used/);
});

test('auth none warns, and listens beyond loopback only when told twice', async () => {
  const open = await start(['--auth', 'none']);
  assert.match(open.said(), /--auth none: nobody is verified/);
  const beyond = await start(['--auth', 'none', '--listen', '0.0.0.0:0'], false);
  assert.match(beyond.said(), /--auth-none-beyond-loopback/);
  const twice = await start(['--auth', 'none', '--auth-none-beyond-loopback'], '0.0.0.0:0');
  assert.match(twice.said(), /nobody is verified/);
});
