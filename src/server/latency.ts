/**
 * server/latency.ts: delays over latency-monitor-threshold, by kind of event, as LATENCY shows them.
 * Invariants: at most SAMPLES_MAX samples per event, one per second (the worst); events are our own few names.
 */
import type { Config } from "../config/config.js";

const SAMPLES_MAX = 160;

export interface LatencySample {
  readonly seconds: number;
  readonly ms: number;
}

interface Series {
  samples: LatencySample[];
  maxMs: number;
}

export class LatencyMonitor {
  private readonly series = new Map<string, Series>();
  private readonly config: Config;

  constructor(config: Config) {
    this.config = config;
  }

  /** Note an event that took `ms`, if it is long enough. */
  add(event: string, ms: number, nowMs: number): void {
    const threshold = this.config.latencyMonitorThreshold;
    if (threshold === 0 || ms < threshold) return;
    let series = this.series.get(event);
    if (series === undefined) this.series.set(event, (series = { samples: [], maxMs: 0 }));
    const sample = { seconds: Math.floor(nowMs / 1000), ms: Math.round(ms) };
    series.maxMs = Math.max(series.maxMs, sample.ms);
    const last = series.samples.at(-1);
    if (last?.seconds === sample.seconds) {
      if (sample.ms > last.ms) series.samples[series.samples.length - 1] = sample;
      return;
    }
    series.samples.push(sample);
    if (series.samples.length > SAMPLES_MAX) series.samples.shift();
  }

  latest(): { event: string; last: LatencySample; maxMs: number }[] {
    return [...this.series].map(([event, { samples, maxMs }]) => ({
      event,
      last: samples.at(-1) as LatencySample,
      maxMs,
    }));
  }

  history(event: string): readonly LatencySample[] {
    return this.series.get(event)?.samples ?? [];
  }

  /** Forget the named events, or all of them. @returns how many were there. */
  reset(events: readonly string[]): number {
    const names = events.length === 0 ? [...this.series.keys()] : events;
    return names.filter((name) => this.series.delete(name)).length;
  }
}
