// The demo as a person sees it: two tabs, a filter, the buttons, and a stranger's sqlite3.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const run = promisify(execFile);
const binary = process.env.TIDEGATE_BINARY;
const arguments_ = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

const patience = 120_000; // ms; of what must happen, on a machine that has other things to do as well

let directory, demo, browser, address;

before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'tidegate-demo-'));
  demo = spawn(binary, ['demo', '--listen', '127.0.0.1:0'], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  address = await new Promise((resolve, reject) => {
    let said = '';
    const hear = (bytes) => {
      said += bytes;
      const found = said.match(/http:\/\/127\.0\.0\.1:\d+/);
      if (found) resolve(found[0]);
    };
    demo.stdout.on('data', hear);
    demo.stderr.on('data', hear);
    demo.on('exit', () => reject(new Error(`the demo ended: ${said}`)));
  });
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: arguments_, timeout: patience });
});

after(async () => {
  await browser?.close();
  demo?.removeAllListeners('exit');
  demo?.kill('SIGTERM');
  if (demo && demo.exitCode === null) await new Promise((resolve) => demo.on('exit', resolve));
  if (directory) await rm(directory, { recursive: true, force: true });
});

const open = async () => {
  const page = await browser.newPage();
  page.setDefaultTimeout(patience);
  await page.goto(address);
  await page.waitForSelector('#state[data-state="live"]');
  await page.waitForSelector('#rows tr[data-id]');
  return page;
};
const close = (...pages) => Promise.all(pages.map((page) => page.close()));
/// What the table shows: row id to the text of its cells.
const shown = (page) => page.$$eval('#rows tr[data-id]', (rows) => Object.fromEntries(
  rows.map((row) => [row.dataset.id, [...row.querySelectorAll('td:not(.actions)')].map((cell) => cell.innerText).join('|')])));
const sqlite = (sql) => run('sqlite3', ['-cmd', '.timeout 60000', path.join(directory, 'demo.db'), sql]);
/// Waits until the row's text contains (or, without `text`, the row is gone).
const row = (page, id, text) => page.waitForFunction(([key, wanted]) => {
  const found = document.querySelector(`#rows tr[data-id="${key}"]`);
  return wanted === undefined ? !found : found?.innerText.includes(wanted);
}, [String(id), text]);

/// Not by the mouse: the shop's new rows push the others down, and a button that moves between press and release is not clicked.
const press = (page, id, action) => page.$eval(`#rows tr[data-id="${id}"] [data-action=${action}]`, (button) => button.click());

test('the table changes by itself', async () => {
  const page = await open();
  const first = JSON.stringify(await shown(page));
  await page.waitForFunction((before) => JSON.stringify(Object.fromEntries(
    [...document.querySelectorAll('#rows tr[data-id]')].map((one) => [one.dataset.id,
      [...one.querySelectorAll('td:not(.actions)')].map((cell) => cell.innerText).join('|')]))) !== before, first);
  await close(page);
});

test('two tabs agree', async () => {
  const [one, two] = await Promise.all([open(), open()]);
  let last;
  // The shop goes on meanwhile, so they are compared until a moment at which both have drawn the same change.
  for (const until = Date.now() + patience; Date.now() < until;) {
    const [left, right] = await Promise.all([shown(one), shown(two)]);
    last = [left, right];
    if (JSON.stringify(left) === JSON.stringify(right)) break;
  }
  assert.deepEqual(last[0], last[1]);
  assert.ok(Object.keys(last[0]).length >= 20);
  await close(one, two);
});

test('the buttons add, change and delete a row, in every tab', async () => {
  const [one, two] = await Promise.all([open(), open()]);
  await one.fill('#customer', 'Ada of the Test');
  await one.click('#add');
  const found = await two.waitForFunction(() => [...document.querySelectorAll('#rows tr[data-id]')]
    .find((candidate) => candidate.innerText.includes('Ada of the Test'))?.dataset.id);
  const id = await found.jsonValue();
  await row(one, id, 'Ada of the Test');
  const status = () => one.$eval(`#rows tr[data-id="${id}"] .badge`, (badge) => badge.dataset.status);
  const before = await status();
  await press(one, id, 'advance');
  await one.waitForFunction(([key, was]) => {
    const badge = document.querySelector(`#rows tr[data-id="${key}"] .badge`);
    return badge && badge.dataset.status !== was;
  }, [id, before]);
  await press(two, id, 'delete');
  await row(one, id);
  await row(two, id);
  await close(one, two);
});

test('the filter is a query: rows come and go as they match', async () => {
  const page = await open();
  await sqlite("insert into orders select -2, 'Somebody', product, quantity, total, 'delivered', created_at from orders limit 1");
  await row(page, -2, '');
  await page.selectOption('#filter-status', 'paid');
  await row(page, -2);
  await sqlite("update orders set status = 'paid' where id = -2");
  await row(page, -2, '');
  const states = await page.$$eval('#rows tr[data-id] .badge', (badges) => [...new Set(badges.map((badge) => badge.dataset.status))]);
  assert.deepEqual(states, ['paid']);
  await sqlite('delete from orders where id = -2');
  await row(page, -2);
  await close(page);
});

test('rule 30: what sqlite3 writes shows up, replace included', async () => {
  const page = await open();
  await sqlite("insert into orders select -1, 'Somebody Else', product, 2, total, status, created_at from orders limit 1");
  await row(page, -1, 'Somebody Else');
  await sqlite("insert or replace into orders select -1, 'Replaced', product, 3, total, status, created_at from orders where id = -1");
  await row(page, -1, 'Replaced');
  await sqlite('delete from orders where id = -1');
  await row(page, -1);
  await close(page);
});
