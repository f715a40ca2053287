import { hashText } from "../../primitives/string-hash.ts"

/**
 * Table sizes: primes, each about twice the one before. With at least a hundred slots per endpoint, shares
 * differ by about one per cent at most.
 */
const SIZES = [251, 509, 1021, 2039, 4093, 8191, 16_381, 32_749, 65_521, 131_071, 262_139, 524_287]
const SLOTS_PER_ENDPOINT = 100

/**
 * Consistent hashing with equal shares (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
 * Balancer", NSDI 2016, section 3.4): endpoints take turns in filling a table, each in its own order of slots.
 *
 * @param keys - what tells endpoints apart; equal in every process that should agree
 * @returns for each slot the index of its endpoint; empty when there are none
 */
export function maglevTable(keys: readonly string[]): Uint32Array {
  if (keys.length === 0) return new Uint32Array(0)
  const size = SIZES.find((prime) => prime >= keys.length * SLOTS_PER_ENDPOINT) ?? (SIZES.at(-1) as number)
  // The order of the keys must not matter: two processes may learn of endpoints in different orders.
  const order = keys.map((_, index) => index).sort((a, b) => ((keys[a] ?? "") < (keys[b] ?? "") ? -1 : 1))
  const position = order.map((index) => hashText(keys[index] ?? "", 1) % size)
  const skip = order.map((index) => (hashText(keys[index] ?? "", 2) % (size - 1)) + 1)
  const table = new Uint32Array(size).fill(order.length)
  for (let filled = 0; filled < size; ) {
    for (let turn = 0; turn < order.length && filled < size; turn++) {
      let slot = position[turn] as number
      while (table[slot] !== order.length) slot = (slot + (skip[turn] as number)) % size
      position[turn] = slot
      table[slot] = turn
      filled++
    }
  }
  return table.map((turn) => order[turn] as number)
}
