/**
 * test/unit/server/performer.test.ts: what a node answers to questions about the keys that lie on it.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { QUESTION_PAGE } from "../../../src/cluster/work.js";
import { ServerPerformer } from "../../../src/server/performer.js";
import type { PageEntry, ReplicaKeys } from "../../../src/server/ports.js";
import { decodePage, encodePageQuestion, type SeenPage } from "../../../src/server/questions.js";
import { HOST } from "../../lib/command-driver.js";
import { ModelKeyspace } from "../../lib/model-keyspace.js";

const MIB = 1024 * 1024;

class ListedKeys implements ReplicaKeys {
  readonly durableLsn = 1;
  private readonly keys: readonly Buffer[];

  constructor(keys: readonly Buffer[]) {
    this.keys = keys;
  }
  page(_db: number, cursor: number, count: number): { entries: PageEntry[]; next: number } {
    const end = cursor + count;
    const entries = this.keys.slice(cursor, end).map((key, i) => entryOf(key, cursor + i));
    return { entries, next: end < this.keys.length ? end : 0 };
  }
  keysIn(): number {
    return this.keys.length;
  }
}

function entryOf(key: Buffer, position: number): PageEntry {
  const ballot = { epoch: 0, hlc: 1, node: 0 };
  return { position, key, ballot, live: true, type: 0, expireAt: 0, chosen: true, lsn: 1 };
}

/** All pages from cursor 0 on, as one after the other is asked for. */
function pagesOf(keys: readonly Buffer[], count = 500): SeenPage[] {
  const performer = new ServerPerformer({
    space: new ModelKeyspace(),
    config: HOST,
    keys: new ListedKeys(keys),
    keySlot: () => 0,
    expiryMs: () => 0,
  });
  const pages: SeenPage[] = [];
  let cursor = 0;
  do {
    const question = encodePageQuestion({ db: 0, slot: undefined, pattern: Buffer.alloc(0), cursor, count });
    const answer = performer.answer(QUESTION_PAGE, question);
    const page = answer === undefined ? undefined : decodePage(answer);
    if (page === undefined) throw new Error("no answer");
    pages.push(page);
    cursor = page.next;
  } while (cursor !== 0 && pages.length < 1000);
  return pages;
}

function namesOf(pages: readonly SeenPage[]): string[] {
  return pages.flatMap(({ entries }) => entries.map(({ key }) => key.latin1Slice()));
}

const key = (i: number, bytes: number): Buffer => Buffer.alloc(bytes, `${i} `);

for (const place of [0, 1, 10, 19])
  test(`twenty keys, of which the one at ${place} is longer than a page`, () => {
    const keys = Array.from({ length: 20 }, (_, i) => key(i, i === place ? 1.1 * MIB : 100));
    const pages = pagesOf(keys);
    assert.equal(
      namesOf(pages),
      keys.map((bytes) => bytes.latin1Slice()),
    );
    for (const { entries } of pages)
      assert.ok(entries.reduce((sum, entry) => sum + entry.key.length, 0) <= MIB || entries.length === 1);
  });

test("names that are too long together come on several pages, whatever count was asked for", () => {
  const keys = Array.from({ length: 150 }, (_, i) => key(i, 17 * 1024));
  for (const count of [1, 64, 500]) {
    const pages = pagesOf(keys, count);
    assert.equal(
      namesOf(pages),
      keys.map((bytes) => bytes.latin1Slice()),
    );
    for (const { entries } of pages) {
      assert.ok(entries.length > 0 && entries.length <= count);
      assert.ok(entries.reduce((sum, entry) => sum + entry.key.length, 0) <= MIB);
    }
  }
});

test("short names come on one page", () => {
  assert.is(pagesOf(Array.from({ length: 300 }, (_, i) => key(i, 20))).length, 1);
});

test.run();
