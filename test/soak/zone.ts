import { setTimeout as sleep } from "node:timers/promises"
import type { AddressLookup } from "../../src/proxy/backend/address-lookup.ts"

/** Names that the changing zone answers for. */
export const ZONE = "*.soak.test"

/** A resolver that remembers a failed renewal for a second would be asked for the wrong address twice in that time. */
const BETWEEN_MOVES_MS = 1_500

/**
 * A DNS that changes its mind at every question: one address that is right, two of which the first is dead, the right
 * one late, none because it fails, none because there is no such name, and now and then the dead one alone. A gateway
 * that waits, remembers and asks again as it should serves every connection all the while.
 *
 * @param alive - address where the backend is
 * @param dead - address where nobody listens
 */
export function changingZone(alive: string, dead: string): AddressLookup {
  let question = 0
  let movedAt = Number.NEGATIVE_INFINITY
  const records = (...addresses: readonly string[]) => addresses.map((address) => ({ address, ttl: 0 }))
  return async () => {
    question += 1
    const now = performance.now()
    switch (question % 7) {
      case 2:
        return records(dead, alive)
      case 3:
        await sleep(150)
        return records(alive)
      case 4:
        throw Object.assign(new Error("the name server is out of order"), { code: "ESERVFAIL" })
      case 5:
        throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" })
      case 6:
        if (now - movedAt < BETWEEN_MOVES_MS) return records(alive)
        movedAt = now
        return records(dead)
      default:
        return records(alive)
    }
  }
}
