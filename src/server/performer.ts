/**
 * server/performer.ts: what the server does for the cluster: works that another node sent are made whole again, and questions about what lies
 * on this node are answered.
 * Invariant: nothing a peer sends makes it throw.
 */
import { type Performer, QUESTION_COUNT, QUESTION_PAGE, type Work } from "../cluster/work.js";
import type { Host } from "../commands/context.js";
import { globMatches } from "../lib/glob.js";
import { viewed } from "../lib/view.js";
import type { Keyspace } from "../ports/keyspace.js";
import type { PageEntry, ReplicaKeys, ServerParts } from "./ports.js";
import { decodeCountQuestion, decodePageQuestion, encodeCount, encodePage, type PageQuestion } from "./questions.js";
import { decodeWork } from "./work-decoder.js";
import { Stage } from "./works.js";

/** An answer has to go into one frame. Keys are short as a rule: this is for when they are not. */
const PAGE_BYTES_MAX = 1024 * 1024;
/** Records of one look. */
const STEP_MAX = 64;
const COUNT_MAX = 4096;

export interface PerformerParts {
  readonly space: Keyspace;
  readonly config: Host;
  readonly keys: ReplicaKeys;
  readonly keySlot: ServerParts["keySlot"];
  /** As Cluster.expiryMs. */
  readonly expiryMs: () => number;
}

export class ServerPerformer implements Performer {
  private readonly parts: PerformerParts;
  private readonly stage: Stage;

  constructor(parts: PerformerParts) {
    this.parts = parts;
    this.stage = new Stage(parts.space, parts.config, parts.expiryMs);
  }

  decode(name: string, bytes: Buffer): Work | undefined {
    return decodeWork(this.stage, name, bytes);
  }

  answer(kind: number, bytes: Buffer): Buffer | undefined {
    if (kind === QUESTION_PAGE) return this.page(bytes);
    return kind === QUESTION_COUNT ? this.count(bytes) : undefined;
  }

  private get databases(): number {
    return this.stage.context.databases;
  }

  private page(bytes: Buffer): Buffer | undefined {
    const question = decodePageQuestion(bytes);
    if (question === undefined || question.db >= this.databases) return undefined;
    const { keys } = this.parts;
    const entries: PageEntry[] = [];
    let { cursor } = question;
    let left = Math.min(question.count, COUNT_MAX);
    let step = STEP_MAX;
    let total = 0;
    for (;;) {
      const page = keys.page(question.db, cursor, Math.min(left, step));
      const wanted = page.entries.filter((entry) => this.isWanted(question, entry));
      const length = wanted.reduce((sum, { key }) => sum + key.length, 0);
      if (length > PAGE_BYTES_MAX - total) {
        // It is the next page's; where it would be the first here, fewer are looked at, down to one, which goes whatever its length.
        if (total > 0) break;
        if (step > 1) {
          step >>>= 2;
          continue;
        }
      }
      entries.push(...wanted);
      total += length;
      cursor = page.next;
      left -= page.entries.length;
      if (cursor === 0 || left <= 0 || total >= PAGE_BYTES_MAX) break;
    }
    return encodePage(entries, cursor, keys.durableLsn);
  }

  private isWanted({ slot, pattern }: PageQuestion, { key }: PageEntry): boolean {
    if (slot !== undefined && this.parts.keySlot(viewed(key), 0, key.length) !== slot) return false;
    return pattern.length === 0 || globMatches(pattern, key, 0, key.length);
  }

  private count(bytes: Buffer): Buffer | undefined {
    const question = decodeCountQuestion(bytes);
    if (question === undefined || question.db >= this.databases) return undefined;
    let sum = 0;
    for (const partition of question.partitions) sum += this.parts.keys.keysIn(question.db, partition);
    return encodeCount(sum);
  }
}
