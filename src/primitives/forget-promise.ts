/**
 * Takes a promise from where none belongs: that it rejects must not end the process, as nobody else will hear of it.
 */
export function forgetPromise(value: unknown): void {
  Promise.resolve(value).catch(() => undefined)
}
