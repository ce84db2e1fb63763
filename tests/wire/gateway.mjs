// A gateway on a SQLite file, started as an operator would, for tests that talk to it with strangers' clients.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach } from 'node:test';
import { WebSocket } from 'ws';

export const binary = process.env.TIDEGATE_BINARY;
const running = [];
const directory = mkdtempSync(path.join(tmpdir(), 'tidegate-wire-'));
export const file = (name) => path.join(directory, name);
/// Runs SQL on the served file.
export const sql = (text) => execFileSync('sqlite3', ['-cmd', '.timeout 20000', file('shop.db')], { input: text, encoding: 'utf8' });

sql('create table orders (id integer primary key, text text not null); insert into orders values (1, \'one\'), (2, \'two\')');

afterEach(async () => {
  for (const one of running.splice(0)) {
    if (one.exitCode !== null) continue;
    const ended = new Promise((resolve) => { one.on('exit', resolve); });
    one.kill('SIGTERM');
    await ended;
  }
});
after(() => rmSync(directory, { recursive: true, force: true }));

/// A certificate for `localhost` and 127.0.0.1 that signs itself, in files of that name.
export const certificate = (name) => {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file(`${name}.key`),
    '-out', file(`${name}.crt`), '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
  { stdio: 'ignore' });
  return { cert: file(`${name}.crt`), key: file(`${name}.key`) };
};

export const run = (words) => {
  const child = spawn(binary, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  const process_ = { child, log: '', shown: '' };
  child.stderr.on('data', (bytes) => { process_.log += bytes; });
  child.stdout.on('data', (bytes) => { process_.shown += bytes; });
  process_.ended = new Promise((resolve) => { child.on('close', (code) => resolve(code)); });
  return process_;
};
export const start = async (words = []) => {
  const gateway = run(['serve', '--database', `sqlite:${file('shop.db')}`, '--auth', 'none', '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--shards', '1', ...words]);
  gateway.child.on('close', () => { gateway.over = true; });
  await until(() => gateway.over || /"ready"/.test(gateway.log));
  assert.ok(!gateway.over, gateway.log);
  gateway.port = Number(gateway.log.match(/listening on [^"]*?:(\d+)/)[1]);
  gateway.admin_port = Number(gateway.log.match(/operators at [^"]*?:(\d+)/)[1]);
  return gateway;
};
/// Waits until it is true; what it was last where it never is.
export const until = async (condition) => {
  const end = Date.now() + 90_000;
  for (;;) {
    const last = await condition();
    if (last === true) return;
    if (Date.now() > end) assert.fail(`never: ${JSON.stringify(last)}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
};

/// A client of Node's `ws`: `next()` waits for its next message, `rows` is what its query shows by now.
export class Client {
  constructor(url, options = {}, protocols = ['tidegate.v1']) {
    this.socket = new WebSocket(url, protocols, options);
    this.messages = [];
    this.waiting = [];
    this.rows = new Map();
    this.socket.on('message', (data, binary_) => {
      const message = binary_ ? data : data.toString();
      if (!binary_) this.apply(JSON.parse(message));
      this.messages.push(message);
      this.waiting.splice(0).forEach((wake) => wake());
    });
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('open', resolve);
      this.socket.on('error', reject);
    });
    this.closed = new Promise((resolve) => { this.socket.on('close', (code) => resolve(code)); });
    this.closed.then((code) => {
      this.code = code;
      this.waiting.splice(0).forEach((wake) => wake());
    });
  }

  apply(message) {
    if (message.op === 'snapshot') {
      if (!message.part) this.rows.clear();
      for (const row of message.rows) this.rows.set(row.id, row.text);
    }
    for (const change of message.changes ?? []) {
      if (change.kind === 'delete') this.rows.delete(change.key[0]);
      else this.rows.set(change.row.id, change.row.text);
    }
  }

  send(message) { this.socket.send(JSON.stringify(message)); }

  async next() {
    while (this.messages.length === 0) {
      assert.equal(this.code, undefined, 'closed');
      await new Promise((resolve) => { this.waiting.push(resolve); });
    }
    return this.messages.shift();
  }

  /// The next message of this kind.
  async next_of(op) {
    for (;;) {
      const message = await this.next();
      if (typeof message === 'string' && JSON.parse(message).op === op) return JSON.parse(message);
    }
  }

  async subscribe(name = 'q', more = { sql: 'select id, text from orders' }) {
    this.send({ op: 'subscribe', hashId: name, frames: 'json', ...more });
    await this.next_of('ack');
  }
}

/// What the table holds.
export const table = () => new Map(sql('select id, text from orders').split('\n').filter(Boolean).map((line) => {
  const bar = line.indexOf('|');
  return [line.slice(0, bar), line.slice(bar + 1)];
}));
/// One of a gateway's metrics.
export const metric = async (gateway, name) => {
  const text = await (await fetch(`http://127.0.0.1:${gateway.admin_port}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.split(' ')[1]);
};
