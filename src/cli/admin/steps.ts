import { setImmediate as nextTurn } from "node:timers/promises"

/** Work that may wait for its next part whenever it yields. */
export type Steps<T> = Generator<undefined, T, undefined>

/** Milliseconds that a turn of the event loop may take, a step more or less. */
const A_TURN = 0.5

/**
 * Takes steps, a few in each turn of the event loop: bytes and connections have theirs in between.
 *
 * @param goesOn - asked before each turn but the first; false gives the rest up
 * @returns what came of it; `undefined` where it was given up
 */
export async function inTurns<T>(steps: Steps<T | undefined>, goesOn: () => boolean): Promise<T | undefined> {
  for (;;) {
    const until = performance.now() + A_TURN
    do {
      const step = steps.next()
      if (step.done) return step.value
    } while (performance.now() < until)
    await nextTurn()
    if (goesOn()) continue
    // What it holds open is let go.
    steps.return(undefined)
    return undefined
  }
}
