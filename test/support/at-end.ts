import { afterAll } from "vitest"

const ends: (() => unknown)[] = []

/**
 * Has something ended once all tests of the file are over, however they went: the last that was begun first. Unlike a
 * hook it may be asked for from anywhere, from within another hook too, where servers are started.
 */
export function atEnd(end: () => unknown): void {
  ends.push(end)
}

// Imported, this file belongs to the test file: what is registered here runs after every other hook of it.
afterAll(async () => {
  const failures: unknown[] = []
  for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
    try {
      await end()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, "not everything could be ended")
})
