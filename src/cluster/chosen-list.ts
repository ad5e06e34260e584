/**
 * cluster/chosen-list.ts: what one peer is to be told of chosen states, collected and sent as one CHOSEN message for each epoch: one notice
 * is a dot and a key, and a message of its own would be half header.
 * Nothing depends on a notice: a replica without the mark costs a reader a trip. So those that find no room are lost, and nobody waits.
 *
 * Invariant: at most itemsMax notices of bytesMax bytes; a single one may have more.
 * Use: while (list.size > 0) claim list.bytes, list.writeNext(writer); without a claim, list.clear().
 */
import { CHOSEN_BYTES, CHOSEN_ITEM_BYTES, type MessageWriter } from "../codec/frame/message-writer.js";
import type { ChosenNotice } from "../core/register/messages.js";
import { assert } from "../lib/assert.js";

export class ChosenList {
  private readonly notices: ChosenNotice[] = [];
  private itemBytes = 0;
  private readonly itemsMax: number;
  private readonly bytesMax: number;

  constructor(itemsMax: number, bytesMax: number) {
    this.itemsMax = itemsMax;
    this.bytesMax = bytesMax;
  }

  /** Notices that wait. */
  get size(): number {
    return this.notices.length;
  }

  /** An upper bound of the next message's bytes. */
  get bytes(): number {
    return CHOSEN_BYTES + this.itemBytes;
  }

  // HOT: once per write and replica. Guard: bench/micro/register-wire.ts
  /** @returns false: there is no room, and nothing was done; write what is there, then ask again. */
  add(notice: ChosenNotice): boolean {
    const bytes = bytesOf(notice);
    const { notices } = this;
    if (notices.length > 0 && (notices.length >= this.itemsMax || this.itemBytes + bytes > this.bytesMax)) return false;
    notices.push(notice);
    this.itemBytes += bytes;
    return true;
  }

  /** Write those of one epoch as one message, and forget them. There must be some. */
  writeNext(writer: MessageWriter): void {
    const { notices } = this;
    assert(notices.length > 0, "no notice waits");
    const { epoch } = notices[0] as ChosenNotice;
    let kept = 0;
    writer.chosenBegin(epoch);
    for (const notice of notices) {
      if (notice.epoch === epoch) {
        writer.chosenAdd(notice.ballot, notice.key);
        this.itemBytes -= bytesOf(notice);
      } else notices[kept++] = notice;
    }
    writer.chosenEnd();
    notices.length = kept;
  }

  clear(): void {
    this.notices.length = 0;
    this.itemBytes = 0;
  }
}

function bytesOf(notice: ChosenNotice): number {
  return CHOSEN_ITEM_BYTES + notice.key.length - 1;
}
