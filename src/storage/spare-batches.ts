/**
 * storage/spare-batches.ts: the builders that batches are gathered in, kept from one flush to the next: fresh memory costs more than what is
 * written into it.
 * Invariant: of those that grew beyond their usual size one at most is kept as it is, the open one included.
 */
import { BatchBuilder } from "./wal-format.js";

const BATCH_BYTES_START = 64 * 1024;

export class SpareBatches {
  private readonly spares: BatchBuilder[] = [];

  /** An empty batch, to begin with `firstLsn`. */
  take(firstLsn: number): BatchBuilder {
    const batch = this.spares.pop() ?? new BatchBuilder(BATCH_BYTES_START);
    batch.begin(firstLsn);
    return batch;
  }

  /** It is on the disk. @param open the batch that is being gathered now. */
  give(batch: BatchBuilder, open: BatchBuilder): void {
    batch.trim(batch.outsized && (open.outsized || this.spares.some(({ outsized }) => outsized)));
    this.spares.push(batch);
  }
}
