/**
 * cli/verbs/inspect-output.ts: what `kvorum inspect` writes, piece by piece: a log can be larger than memory.
 * Invariant: at most OUTPUT_CHARS and one piece wait here; JSON brackets are closed by whoever opened them.
 */
import type { RecordNote } from "../../storage/inspect.js";

const OUTPUT_CHARS = 64 * 1024;

/** Text on its way to standard output, handed over in large pieces, waiting for a slow reader. */
export class Output {
  private chunks: string[] = [];
  private chars = 0;

  get full(): boolean {
    return this.chars > OUTPUT_CHARS;
  }

  line(text: string): void {
    this.text(`${text}\n`);
  }

  text(text: string): void {
    this.chunks.push(text);
    this.chars += text.length;
  }

  /** A reader that has had enough (`| head`) is no error. */
  flush(): Promise<void> {
    const text = this.chunks.join("");
    this.chunks = [];
    this.chars = 0;
    return new Promise((resolve) => {
      const stop = (): void => resolve();
      process.stdout.once("error", stop);
      // After an error the listener stays: the stream may report it after the callback.
      process.stdout.write(text, (error) => {
        if (error == null) process.stdout.off("error", stop);
        resolve();
      });
    });
  }
}

/** A JSON array of batches or blocks, each with the records that follow it in a member "records". */
export class PartsJson {
  private readonly out: Output;
  private opened = false;
  private parts = 0;
  private partOpen = false;
  private records = 0;

  constructor(out: Output) {
    this.out = out;
  }

  open(): string {
    this.opened = true;
    this.parts = 0;
    return "[";
  }

  part(members: object): void {
    this.endPart();
    this.out.text(`${this.parts++ > 0 ? "," : ""}${JSON.stringify(members).slice(0, -1)}`);
    this.partOpen = true;
  }

  record(record: RecordNote): void {
    this.out.text(`${this.records++ > 0 ? "," : ',"records":['}${recordJson(record)}`);
  }

  /** @returns what closes the array; "" when there is none. */
  close(): string {
    this.endPart();
    const text = this.opened ? "]" : "";
    this.opened = false;
    return text;
  }

  private endPart(): void {
    if (!this.partOpen) return;
    this.out.text(this.records > 0 ? "]}" : "}");
    this.partOpen = false;
    this.records = 0;
  }
}

/** Keys are text where they are UTF-8, else base64. */
function recordJson({ key, ...record }: RecordNote): string {
  const text = key.toString("utf8");
  const shown = Buffer.from(text, "utf8").equals(key)
    ? { key: text, keyEncoding: "utf8" }
    : { key: key.toString("base64"), keyEncoding: "base64" };
  return JSON.stringify({ ...record, ...shown, keyBytes: key.length });
}
