/**
 * core/ring/chains.ts: a table of replicas that is being changed, and the search for chains of changes in it: member v takes
 * a place from u, w takes one of v's places for it, and so on until someone is reached who had room, or u itself. Shortest first.
 *
 * Why it is enough: tables with even loads are flows from partitions over zones to members, all bounds whole numbers; two flows differ by
 * chains and cycles of exactly this kind, so while there is a better table a chain leads towards it (augmenting paths; Ford
 * and Fulkerson, 1962). The shortest one never spoils itself by passing the same row twice: what the second visit would
 * need, the first could have had.
 *
 * Where zones are so uneven that even loads crowd some, chains that crowd one row to free two are not looked for: about 1 % more
 * replicas stay crowded than would have to (measured over 900 uneven clusters). In clusters of hundreds of nodes searches that find nothing
 * are given up after a second's work, always the same: the table is even all the same, some rows may stay crowded.
 *
 * Invariants: `load`, `holds` and `over` are those of `table`; a place is partition * n + i; -1 in the table is a hole.
 * strict = the change must not crowd a zone: no zone gets more of a row than its share.
 */
import { assert } from "../../lib/assert.js";
import { type Zones, zoneShare } from "./tokens.js";

/** Places looked at by searches that found nothing, each against all members: about a second's work. Then no more strict ones are made. */
const WASTED_MAX = 100_000_000;

export class Chains {
  readonly table: Int16Array;
  readonly n: number;
  readonly zones: Zones;
  /** Replicas of each member. */
  readonly load: Int32Array;
  /** Goal of a search: somebody with room. */
  readonly roomy: (member: number) => boolean = (member) => this.hasRoom(member);
  /** 1 = filled since the beginning: changing it again moves no more data. */
  private readonly fresh: Uint8Array;
  private readonly partitions: number;
  private readonly share: number;
  /** Even load rounded down, and how many members may have one more. */
  private readonly floor: number;
  private readonly extras: number;
  /** Members above the floor. */
  private over = 0;
  /** member * partitions + partition: 1 = has a replica of it. */
  private readonly holds: Uint8Array;
  private wasted = 0;
  // Of a search: whom a member would follow on which place, and the queue.
  private readonly parent: Int32Array;
  private readonly via: Int32Array;
  private readonly queue: Int32Array;

  constructor(table: Int16Array, fresh: Uint8Array, n: number, zones: Zones) {
    const members = zones.of.length;
    this.table = table;
    this.fresh = fresh;
    this.n = n;
    this.zones = zones;
    this.partitions = table.length / n;
    this.share = zoneShare(n, zones);
    this.floor = Math.floor(table.length / members);
    this.extras = table.length % members;
    this.load = new Int32Array(members);
    this.holds = new Uint8Array(members * this.partitions);
    this.parent = new Int32Array(members);
    this.via = new Int32Array(members);
    this.queue = new Int32Array(members);
    for (let place = 0; place < table.length; place++) if (table[place] >= 0) this.count(place, table[place], 1);
  }

  hasRoom(member: number): boolean {
    const load = this.load[member];
    return load < this.floor || (load === this.floor && this.over < this.extras);
  }

  hasTooMuch(member: number): boolean {
    const load = this.load[member];
    return load > this.floor + 1 || (load === this.floor + 1 && this.over > this.extras);
  }

  /** May the member take this place, a hole or somebody's? */
  fits(place: number, member: number, strict: boolean): boolean {
    if (this.holds[member * this.partitions + Math.floor(place / this.n)] === 1) return false;
    if (!strict) return true;
    const zone = this.zones.of[member];
    const holder = this.table[place];
    if (holder >= 0 && this.zones.of[holder] === zone) return true;
    return this.inZone(place, zone) < this.share;
  }

  /** Give the place to the member. */
  put(place: number, member: number): void {
    if (this.table[place] >= 0) this.count(place, this.table[place], -1);
    this.table[place] = member;
    this.fresh[place] = 1;
    this.count(place, member, 1);
  }

  private count(place: number, member: number, by: number): void {
    const at = member * this.partitions + Math.floor(place / this.n);
    assert(this.holds[at] === (by === 1 ? 0 : 1), "a member twice in a row", place, member);
    this.holds[at] = by === 1 ? 1 : 0;
    const before = this.load[member] > this.floor;
    this.load[member] += by;
    const after = this.load[member] > this.floor;
    if (before !== after) this.over += by;
  }

  /** Replicas in this zone of the row that the place is in. */
  private inZone(place: number, zone: number): number {
    const start = place - (place % this.n);
    let found = 0;
    for (let i = start; i < start + this.n; i++) {
      if (this.table[i] >= 0 && this.zones.of[this.table[i]] === zone) found++;
    }
    return found;
  }

  /** Does this place's zone have more than its share of the row? */
  isCrowded(place: number): boolean {
    return this.inZone(place, this.zones.of[this.table[place]]) > this.share;
  }

  /** Replicas above the share of their zone, over all rows. */
  crowding(): number {
    const found = new Uint16Array(this.zones.count);
    let total = 0;
    for (let place = 0; place < this.table.length; place++) {
      if (place % this.n === 0) found.fill(0);
      if (++found[this.zones.of[this.table[place]]] > this.share) total++;
    }
    return total;
  }

  /** What no table with even loads gets rid of: zones whose members hold more than the zone's share of all rows. */
  crowdingUnavoidable(): number {
    const least = new Float64Array(this.zones.count);
    for (let member = 0; member < this.load.length; member++) least[this.zones.of[member]] += this.floor;
    return least.reduce((sum, load) => sum + Math.max(0, load - this.share * this.partitions), 0);
  }

  /**
   * Fill the place by the shortest chain that ends with a member for whom `goal` holds.
   * @param freshOnly only places filled since the beginning are taken from anybody. @returns false: there is none, nothing was changed.
   */
  search(place: number, goal: (member: number) => boolean, freshOnly: boolean, strict: boolean): boolean {
    this.via.fill(-1);
    let tail = 0;
    for (let member = 0; member < this.load.length; member++) {
      if (this.fits(place, member, strict)) tail = this.reach(member, -1, place, tail);
    }
    return this.follow(tail, goal, freshOnly, strict);
  }

  /**
   * Take a crowded place from its holder, who is given another's for it somewhere (or is one ahead of the member that ends up with
   * one more). @returns false: no chain does that without crowding another row.
   */
  exchange(place: number, freshOnly: boolean): boolean {
    const holder = this.table[place];
    const zone = this.zones.of[holder];
    if (freshOnly && this.fresh[place] === 0) return false;
    this.via.fill(-1);
    let tail = 0;
    for (let member = 0; member < this.load.length; member++) {
      const fits = this.zones.of[member] !== zone && this.fits(place, member, true);
      if (fits) tail = this.reach(member, -1, place, tail);
    }
    const before = this.load[holder];
    // One that has no replica too many may still give one away when another of its zone has one for it.
    const spare =
      before <= this.floor ? this.load.findIndex((load, m) => load > this.floor && this.zones.of[m] === zone) : -1;
    const goal = (member: number): boolean =>
      member === holder || this.load[member] < before || (spare >= 0 && this.load[member] <= this.floor);
    if (!this.follow(tail, goal, freshOnly, true)) return false;
    if (this.load[holder] < this.floor) this.handOver(spare, holder);
    return true;
  }

  /** Give one of a member's places to another of its zone, who has fewer: so there is one in a row that he is not in. */
  private handOver(from: number, to: number): void {
    const place = this.table.findIndex((member, at) => member === from && this.fits(at, to, true));
    assert(place >= 0, "nothing to hand over", from, to);
    this.put(place, to);
  }

  private reach(member: number, parent: number, via: number, tail: number): number {
    this.via[member] = via;
    this.parent[member] = parent;
    this.queue[tail] = member;
    return tail + 1;
  }

  /** Breadth first from the members in the queue on. */
  private follow(tail: number, goal: (member: number) => boolean, freshOnly: boolean, strict: boolean): boolean {
    const { table, queue, via } = this;
    if (strict && this.wasted > WASTED_MAX) return false;
    let looked = 0;
    for (let head = 0; head < tail; head++) {
      const member = queue[head];
      if (goal(member)) {
        this.apply(member);
        return true;
      }
      for (let place = 0; place < table.length && tail < queue.length; place++) {
        if (table[place] !== member || (freshOnly && this.fresh[place] === 0)) continue;
        looked += queue.length;
        for (let next = 0; next < queue.length; next++) {
          if (via[next] < 0 && this.fits(place, next, strict)) tail = this.reach(next, member, place, tail);
        }
      }
    }
    this.wasted += looked + table.length;
    return false;
  }

  /** The last of the chain takes its place from the one before it, and so on to the first. */
  private apply(last: number): void {
    for (let member = last; member >= 0; member = this.parent[member]) this.put(this.via[member], member);
  }
}
