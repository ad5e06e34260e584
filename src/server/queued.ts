/**
 * server/queued.ts: the commands that a client has queued between MULTI and EXEC, one behind the other in a few blocks of bytes. Objects
 * of their own would take hundreds of bytes each, most of them in the heap of the process, which is smaller than what a client may make
 * us hold.
 * Invariants: `bytes` is what the blocks take, used or not; commands are read in the order they came, each once.
 * A command lies in one block, in 32-bit numbers: its index in ALL_SPECS, how many arguments, the length of each; then their bytes.
 */
import type { Args } from "../codec/resp/args.js";
import type { CommandSpec } from "../commands/spec.js";
import { ALL_SPECS } from "../commands/table.js";
import { type Viewed, viewedOf } from "../lib/view.js";

const BLOCK_BYTES_MIN = 512;
const BLOCK_BYTES_MAX: number = 64 * 1024;
/** A new block is a quarter of what is there, so that what is not used of it is little. */
const GROWTH = 4;
/** What an argument costs in the log beyond its bytes, roughly. */
const LOGGED_OVERHEAD_BYTES = 64;

export class Queued {
  /** How many they are. */
  count = 0;
  bytes = 0;
  /** One of them writes; one needs memory. */
  writes = false;
  denyOom = false;
  /** What those that were not read yet may write to the log, roughly. */
  unreadBytes = 0;
  private readonly blocks: Viewed[] = [];
  /** Where each block's commands end. */
  private readonly ends: number[] = [];
  private block = 0;
  private at = 0;

  add(spec: CommandSpec, args: Args): void {
    const { count } = args;
    let size = 8 + 4 * count;
    for (let i = 0; i < count; i++) size += args.length[i];
    const last = this.roomFor(size);
    const block = this.blocks[last];
    let at = block.writeUInt32LE(spec.index, this.ends[last]);
    at = block.writeUInt32LE(count, at);
    for (let i = 0; i < count; i++) at = block.writeUInt32LE(args.length[i], at);
    for (let i = 0; i < count; i++) at += args.bytes.copy(block, at, args.start[i], args.start[i] + args.length[i]);
    this.ends[last] = at;
    this.count++;
    this.unreadBytes += loggedBytes(args);
    this.writes ||= spec.write;
    this.denyOom ||= spec.denyOom;
  }

  /** The next command; its arguments go to `args`, which are lent the bytes. @returns undefined after the last one. */
  read(args: Args): CommandSpec | undefined {
    if (this.at === this.ends[this.block]) {
      this.block++;
      this.at = 0;
    }
    if (this.block >= this.blocks.length) return undefined;
    const block = this.blocks[this.block];
    const spec = ALL_SPECS[block.readUInt32LE(this.at)];
    const count = block.readUInt32LE(this.at + 4);
    let start = this.at + 8 + 4 * count;
    args.bytes = block;
    args.count = 0;
    for (let i = 0, at = this.at + 8; i < count; i++, at += 4) {
      const length = block.readUInt32LE(at);
      args.push(start, length);
      start += length;
    }
    this.at = start;
    this.unreadBytes -= loggedBytes(args);
    return spec;
  }

  /** @returns the last block: it has room for `size` more. */
  private roomFor(size: number): number {
    const last = this.blocks.length - 1;
    if (last >= 0 && this.ends[last] + size <= this.blocks[last].length) return last;
    const usual = Math.min(BLOCK_BYTES_MAX, Math.max(BLOCK_BYTES_MIN, Math.ceil(this.bytes / GROWTH)));
    const block = viewedOf(Math.max(size, usual));
    this.bytes += block.length;
    this.ends.push(0);
    return this.blocks.push(block) - 1;
  }
}

function loggedBytes({ count, length }: Args): number {
  let bytes = count * LOGGED_OVERHEAD_BYTES;
  for (let i = 0; i < count; i++) bytes += length[i];
  return bytes;
}
