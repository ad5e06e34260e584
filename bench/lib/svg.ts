/**
 * bench/lib/svg.ts: horizontal bars, each drawn against its own limit, as a picture without a library.
 * Invariants: text is escaped; a bar's limit is always at the same place, so one look tells which are past it.
 */

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly limit: number;
  readonly good: boolean;
  /** Written after the bar. */
  readonly note: string;
}

const WIDTH = 960;
const ROW = 22;
const TOP = 64;
const LEFT = 400;
const LIMIT_AT = 240;
const RIGHT_MAX = 360;
const GOOD = "#2f855a";
const BAD = "#c53030";

function escapeText(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

export function barPicture(title: string, caption: string, bars: readonly Bar[]): string {
  const height = TOP + bars.length * ROW + 24;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="16" y="24" font-size="16" font-weight="bold">${escapeText(title)}</text>`,
    `<text x="16" y="44" fill="#555555">${escapeText(caption)}</text>`,
  ];
  bars.forEach((bar, index) => {
    const y = TOP + index * ROW;
    const share = Number.isFinite(bar.value) ? Math.max(0, bar.value / bar.limit) : 0;
    const length = Math.min(RIGHT_MAX, share * LIMIT_AT);
    out.push(
      `<text x="${LEFT - 8}" y="${y + 14}" text-anchor="end">${escapeText(bar.label)}</text>`,
      `<rect x="${LEFT}" y="${y + 3}" width="${length.toFixed(1)}" height="14" fill="${bar.good ? GOOD : BAD}"/>`,
      `<text x="${LEFT + length + 6}" y="${y + 14}" fill="#333333">${escapeText(bar.note)}</text>`,
    );
  });
  const line = LEFT + LIMIT_AT;
  out.push(
    `<line x1="${line}" y1="${TOP - 4}" x2="${line}" y2="${height - 20}" stroke="#000000" stroke-dasharray="4 3"/>`,
    `<text x="${line}" y="${height - 6}" text-anchor="middle">bar</text>`,
    "</svg>",
  );
  return `${out.join("\n")}\n`;
}
