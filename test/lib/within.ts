/**
 * test/lib/within.ts: a time limit for one awaited thing. uvu has none of its own, and the runner's limit for a whole file
 * says only that the file hung, not where.
 */

/**
 * Wait for `promise`, at most `ms` milliseconds.
 * @param what named in the error: "the third reply".
 * @throws {Error} when the time is up; what the promise does later is ignored.
 */
export function within<T>(ms: number, promise: PromiseLike<T>, what: string): Promise<T> {
  // Made here and not in the timer, so that the stack shows the caller.
  const late = new Error(`not within ${ms} ms: ${what}`);
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(late), ms);
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
