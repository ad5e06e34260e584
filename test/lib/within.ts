/**
 * test/lib/within.ts: a time limit for one awaited thing. uvu has none of its own, and the runner's limit for a whole file
 * says only that the file hung, not where.
 */

/** Time that passes between two looks counts as no more than this. */
const STEP_MS = 500;

/**
 * Wait for `promise`, at most `ms` milliseconds in which this process ran: when a machine stands still, or stops all that is of less
 * importance, what is waited for stood still too, and would be given up the moment that both go on.
 * @param what named in the error: "the third reply".
 * @throws {Error} when the time is up; what the promise does later is ignored.
 */
export function within<T>(ms: number, promise: PromiseLike<T>, what: string): Promise<T> {
  // Made here and not in the timer, so that the stack shows the caller.
  const late = new Error(`not within ${ms} ms: ${what}`);
  return new Promise<T>((resolve, reject) => {
    let left = ms;
    const look = (): void => {
      if (left <= 0) return reject(late);
      const step = Math.min(left, STEP_MS);
      left -= step;
      timer = setTimeout(look, step);
    };
    let timer: NodeJS.Timeout;
    look();
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
