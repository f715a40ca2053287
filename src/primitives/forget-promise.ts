/**
 * Takes a promise from where none belongs: that it rejects must not end the process, as nobody else will hear of it.
 */
export function forgetPromise(value: unknown): void {
  Promise.resolve(value).catch(() => undefined)
}

/** The same where somebody's function was to answer at once. @throws TypeError that says so */
export function refusePromise(answer: object): void {
  if (!("then" in answer)) return
  forgetPromise(answer)
  throw new TypeError("it must answer at once, not with a promise")
}
