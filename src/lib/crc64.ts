/**
 * lib/crc64.ts: CRC-64 as Redis ends its snapshots and DUMP payloads with it: polynomial 0xad93d23594c935a9 (Jones), both
 * ways reflected, starting from 0, nothing added at the end. crc64("123456789") = 0xe9c6d914c4b8d9ca.
 * Two 32-bit halves in tables: bigints would be some fifty times slower.
 */

const POLYNOMIAL_HIGH = 0x95ac9329;
const POLYNOMIAL_LOW = 0xac4bc9b5;
const HIGH: Uint32Array = new Uint32Array(256);
const LOW: Uint32Array = new Uint32Array(256);

for (let byte = 0; byte < 256; byte++) {
  let high = 0;
  let low = byte;
  for (let bit = 0; bit < 8; bit++) {
    const carry = low & 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (carry) {
      high ^= POLYNOMIAL_HIGH;
      low ^= POLYNOMIAL_LOW;
    }
  }
  HIGH[byte] = high;
  LOW[byte] = low;
}

/** Write the CRC of bytes[at .. at + length) as 8 bytes, lowest first, at out[outAt]. About 1 ns a byte. */
export function writeCrc64(bytes: Uint8Array, at: number, length: number, out: Uint8Array, outAt: number): void {
  let high = 0;
  let low = 0;
  for (let i = at; i < at + length; i++) {
    const index = (low ^ bytes[i]) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ LOW[index];
    high = (high >>> 8) ^ HIGH[index];
  }
  for (let i = 0; i < 4; i++) {
    out[outAt + i] = low >>> (8 * i);
    out[outAt + 4 + i] = high >>> (8 * i);
  }
}
