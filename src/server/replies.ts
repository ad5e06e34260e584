/**
 * server/replies.ts: the replies of one client in the order of its commands, while some of them are not known yet: a command whose answer
 * comes later leaves a hole, and what is answered at once behind a hole waits for it.
 * Invariants: places leave in the order they came, each once; the first place is a hole, or is about to leave. `bytes` counts what waits.
 */

/** One reply, or several in a row that were there at once. */
export class Place {
  /** undefined: it is not known yet. */
  bytes: Buffer | undefined;
  /** In place of bytes: writes the reply when its turn has come, into the shared writer. */
  write: (() => void) | undefined = undefined;
  /** The client does not want it (CLIENT REPLY). */
  muted = false;

  constructor(bytes: Buffer | undefined) {
    this.bytes = bytes;
  }

  get known(): boolean {
    return this.bytes !== undefined || this.write !== undefined;
  }
}

export class Replies {
  /** Bytes of replies that wait for one before them. */
  bytes = 0;
  private places: (Place | undefined)[] = [];
  private head = 0;

  get count(): number {
    return this.places.length - this.head;
  }

  /** The first place; undefined: there is none. */
  get first(): Place | undefined {
    return this.places[this.head];
  }

  get last(): Place | undefined {
    return this.count === 0 ? undefined : this.places[this.places.length - 1];
  }

  /** A hole behind all others. */
  open(): Place {
    const place = new Place(undefined);
    this.places.push(place);
    return place;
  }

  /** A reply that is known, behind all others. @param bytes kept. */
  add(bytes: Buffer): void {
    this.places.push(new Place(bytes));
    this.bytes += bytes.length;
  }

  fill(place: Place, bytes: Buffer): void {
    place.bytes = bytes;
    this.bytes += bytes.length;
  }

  /** The first place leaves. */
  shift(): void {
    const place = this.places[this.head] as Place;
    this.bytes -= place.bytes?.length ?? 0;
    this.places[this.head++] = undefined;
    if (this.head === this.places.length) {
      this.places = [];
      this.head = 0;
    } else if (this.head >= 64 && this.head * 2 >= this.places.length) {
      this.places.splice(0, this.head);
      this.head = 0;
    }
  }

  clear(): void {
    this.places = [];
    this.head = 0;
    this.bytes = 0;
  }
}
