/**
 * lib/room.ts: room in front of large bytes, for a head that somebody is to write there later: so the bytes of a value that came from a client
 * become a record, of which the value is the end, without a copy. (Copying 64 MiB is a quarter of a second and more in which nothing else runs,
 * most of it for the system to lay out the memory.)
 * Invariants: room is given for the bytes that begin right behind it, and taken once; nobody else writes to it, or reads what is in it. Who finds none
 * copies. Nothing is kept for it beyond the buffer's life.
 */

/** Fewer bytes are copied. */
export const LARGE_BYTES: number = 1024 * 1024;
/** What a buffer for large bytes has in front. */
export const ROOM_BYTES = 512;

interface Room {
  /** Of the buffer's memory: where it ends, and the bytes begin that it is for. */
  readonly end: number;
  readonly bytes: number;
}

const rooms: WeakMap<ArrayBufferLike, Room> = new WeakMap();

/** memory[end - bytes .. end) is nobody's. */
export function giveRoom(memory: ArrayBufferLike, end: number, bytes: number): void {
  rooms.set(memory, { end, bytes });
}

/** @returns the bytes with `wanted` more in front, to be written by whoever asked; undefined: there is no such room. */
export function takeRoom(large: Buffer, wanted: number): Buffer | undefined {
  const { buffer, byteOffset, length } = large;
  const room = rooms.get(buffer);
  if (room === undefined || room.end !== byteOffset || room.bytes < wanted) return undefined;
  rooms.delete(buffer);
  return Buffer.from(buffer, byteOffset - wanted, wanted + length);
}
