/**
 * commands/long-double.ts: the arithmetic of INCRBYFLOAT: x86's 80-bit long double (64 bits of mantissa), done in bigints, so
 * that results match Redis on x86 to the last digit (10.5 + 0.1 = 10.6) and are the same on every machine.
 * Invariants: |mantissa| < 2^64; a finite value is mantissa * 2^exponent; every operation rounds once, half to even.
 * Source: strtold and printf of C11 as glibc has them; Redis util.c string2ld and ld2string (LD_STR_HUMAN).
 */

export interface LongDouble {
  readonly mantissa: bigint;
  readonly exponent: number;
  readonly finite: boolean;
}

const MANTISSA_BITS = 64;
/** Exponent of the last bit of the smallest subnormal. */
const EXPONENT_MIN = -16445;
/** Finite values are below 2^16384. */
const TOP_EXPONENT = 16384;
/** Longest text that is looked at, as in Redis (MAX_LONG_DOUBLE_CHARS). */
const TEXT_CHARS_MAX = 5 * 1024 - 1;
/** Decimal exponents beyond this overflow or vanish whatever the digits are. */
const DECIMAL_EXPONENT_MAX = 20_000;
const FRACTION_DIGITS = 17;

const ZERO: LongDouble = { mantissa: 0n, exponent: 0, finite: true };
const INFINITY: LongDouble = { mantissa: 0n, exponent: 0, finite: false };

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;
const HEX = /^([+-]?)0[xX]([\da-fA-F]*)(?:\.([\da-fA-F]*))?(?:[pP]([+-]?\d+))?$/;
const INFINITE = /^[+-]?inf(?:inity)?$/i;

/** @returns undefined when the text is no number, is too large, or is not zero but too small to tell from it. */
export function parseLongDouble(text: string): LongDouble | undefined {
  if (text.length === 0 || text.length > TEXT_CHARS_MAX) return undefined;
  if (INFINITE.test(text)) return INFINITY;
  const hex = HEX.exec(text);
  const match = hex ?? DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, sign, whole, fraction = "", power = "0"] = match;
  const digits = whole + fraction;
  if (digits === "") return undefined;
  const magnitude = BigInt(hex === null ? digits : `0x${digits}`);
  if (magnitude === 0n) return ZERO;
  const exponent = Number(power) - fraction.length * (hex === null ? 1 : 4);
  if (Math.abs(exponent) > DECIMAL_EXPONENT_MAX + digits.length * 4) return undefined;
  const base = hex === null ? 10n : 2n;
  const scale = base ** BigInt(Math.abs(exponent));
  const value = exponent >= 0 ? rounded(magnitude * scale, 1n) : rounded(magnitude, scale);
  if (value === undefined || value.mantissa === 0n) return undefined;
  return sign === "-" ? { ...value, mantissa: -value.mantissa } : value;
}

/** The sum; undefined when it is infinite or no number. */
export function addLongDoubles(a: LongDouble, b: LongDouble): LongDouble | undefined {
  if (!a.finite || !b.finite) return undefined;
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent));
  if (sum === 0n) return ZERO;
  const size = sum < 0n ? -sum : sum;
  const value = exponent >= 0 ? rounded(size << BigInt(exponent), 1n) : rounded(size, 1n << BigInt(-exponent));
  return value === undefined || sum > 0n ? value : { ...value, mantissa: -value.mantissa };
}

/** In decimal with at most 17 digits after the point, no trailing zeros and no exponent. */
export function formatLongDouble(value: LongDouble): string {
  const negative = value.mantissa < 0n;
  let scaled = (negative ? -value.mantissa : value.mantissa) * 10n ** BigInt(FRACTION_DIGITS);
  if (value.exponent >= 0) scaled <<= BigInt(value.exponent);
  else scaled = divideRounded(scaled, 1n << BigInt(-value.exponent));
  const digits = scaled.toString().padStart(FRACTION_DIGITS + 1, "0");
  const whole = digits.slice(0, -FRACTION_DIGITS);
  const fraction = digits.slice(-FRACTION_DIGITS).replace(/0+$/, "");
  const text = fraction === "" ? whole : `${whole}.${fraction}`;
  return negative && text !== "0" ? `-${text}` : text;
}

/** The long double nearest to numerator / denominator, both above 0; undefined when that is infinite. */
function rounded(numerator: bigint, denominator: bigint): LongDouble | undefined {
  // The quotient has 64 or 65 bits; with 65 it is taken again, one bit shorter, so that rounding happens once.
  let exponent = Math.max(bitLength(numerator) - bitLength(denominator) - MANTISSA_BITS, EXPONENT_MIN);
  let mantissa = quotient(numerator, denominator, exponent);
  if (bitLength(mantissa) > MANTISSA_BITS) {
    exponent++;
    mantissa = quotient(numerator, denominator, exponent);
    // Rounding up may have carried into one bit more.
    if (bitLength(mantissa) > MANTISSA_BITS) {
      exponent++;
      mantissa >>= 1n;
    }
  }
  if (bitLength(mantissa) + exponent > TOP_EXPONENT) return undefined;
  return { mantissa, exponent, finite: true };
}

/** numerator / denominator / 2^exponent, rounded. */
function quotient(numerator: bigint, denominator: bigint, exponent: number): bigint {
  if (exponent >= 0) return divideRounded(numerator, denominator << BigInt(exponent));
  return divideRounded(numerator << BigInt(-exponent), denominator);
}

/** Division of integers at or above 0, half to even. */
function divideRounded(numerator: bigint, denominator: bigint): bigint {
  const whole = numerator / denominator;
  const twice = (numerator - whole * denominator) * 2n;
  return twice > denominator || (twice === denominator && (whole & 1n) === 1n) ? whole + 1n : whole;
}

function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  const hex = value.toString(16);
  return hex.length * 4 - Math.clz32(Number.parseInt(hex[0], 16)) + 28;
}
