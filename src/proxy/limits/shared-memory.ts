import { hashText } from "../../primitives/string-hash.ts"
import type { LimitSharing, RateLimiter, SharedCount } from "./sharing.ts"

/** Memory in which the proxies of several threads count together. Plain data, which `postMessage` shares. */
export interface LimitMemory {
  /** Proxies that share it. */
  readonly proxies: number
  /** Per proxy, then per row: counts, by hash of the key. */
  readonly counts: SharedArrayBuffer
  /** Per row: when a bucket will be full again, by hash of scope and client. */
  readonly buckets: SharedArrayBuffer
  /** Differ from run to run, so that nobody can choose keys that collide. One for each row. */
  readonly seeds: readonly number[]
}

/**
 * Numbers are found by hash alone. Keys that collide are counted together, which makes a limit tighter, never wider;
 * so each number is kept in two rows by two hashes, and the smaller one counts: both collide for one key in a thousand
 * while ten thousand are live.
 */
const ROWS = 2
/** Numbers per row; a power of two. */
const WIDTH = 262_144

/**
 * Makes memory for proxies that share their limits.
 *
 * @param proxies - how many share
 */
export function limitMemory(proxies: number): LimitMemory {
  return {
    proxies,
    counts: new SharedArrayBuffer(proxies * ROWS * WIDTH * Int32Array.BYTES_PER_ELEMENT),
    buckets: new SharedArrayBuffer(ROWS * WIDTH * BigInt64Array.BYTES_PER_ELEMENT),
    seeds: Array.from({ length: ROWS }, () => Math.floor(Math.random() * 2 ** 32)),
  }
}

/** Takes what a proxy has counted out of the memory: it is gone, and its connections with it. */
export function forgetProxy({ counts }: LimitMemory, proxy: number): void {
  new Int32Array(counts).fill(0, proxy * ROWS * WIDTH, (proxy + 1) * ROWS * WIDTH)
}

/**
 * For proxies in threads of one process: limits hold exactly, whichever proxy a connection comes to. Each proxy counts
 * in a part of the memory that it alone writes to, so that what one that died had counted can be taken out; and it
 * counts before it looks at the others, so that two can both be refused the last place, and never both have it.
 *
 * @param memory - from {@link limitMemory}
 * @param proxy - number of this proxy, from 0
 */
export function sharedLimits(memory: LimitMemory, proxy: number): LimitSharing {
  const counts = new Int32Array(memory.counts)
  const buckets = new BigInt64Array(memory.buckets)
  return {
    proxies: memory.proxies,
    proxiesInProcess: memory.proxies,
    count: (key) => new MemoryCount(counts, memory, proxy, slotsOf(key, memory.seeds)),
    rateLimiter: (key, { perSecond, burst }) =>
      burst === Number.POSITIVE_INFINITY
        ? UNLIMITED
        : new MemoryRateLimiter(buckets, memory.seeds, key, perSecond, burst),
  }
}

const UNLIMITED: RateLimiter = { take: () => true }

class MemoryCount implements SharedCount {
  readonly #counts: Int32Array
  readonly #proxies: number
  readonly #proxy: number
  readonly #slots: readonly number[]

  constructor(counts: Int32Array, { proxies }: LimitMemory, proxy: number, slots: readonly number[]) {
    this.#counts = counts
    this.#proxies = proxies
    this.#proxy = proxy
    this.#slots = slots
  }

  add(by: 1 | -1): void {
    for (const slot of this.#slots) Atomics.add(this.#counts, this.#proxy * ROWS * WIDTH + slot, by)
  }

  allowance(max: number): number {
    if (max === Number.POSITIVE_INFINITY) return max
    return max - Math.min(...this.#slots.map((slot) => this.#ofOthers(slot)))
  }

  #ofOthers(slot: number): number {
    let sum = 0
    for (let proxy = 0; proxy < this.#proxies; proxy++) {
      if (proxy !== this.#proxy) sum += Atomics.load(this.#counts, proxy * ROWS * WIDTH + slot)
    }
    return sum
  }
}

/** As `ClientRateLimiter`, in shared memory: the time at which a bucket will be full again, in microseconds. */
class MemoryRateLimiter implements RateLimiter {
  readonly #buckets: BigInt64Array
  readonly #seeds: readonly number[]
  readonly #key: string
  readonly #interval: bigint
  readonly #tolerance: bigint

  constructor(buckets: BigInt64Array, seeds: readonly number[], key: string, perSecond: number, burst: number) {
    this.#buckets = buckets
    this.#seeds = seeds
    this.#key = key
    this.#interval = BigInt(Math.max(1, Math.round(1_000_000 / perSecond)))
    this.#tolerance = this.#interval * BigInt(Math.floor(burst))
  }

  take(client: string): boolean {
    // The one monotonic clock that all threads read alike.
    const now = process.hrtime.bigint() / 1000n
    const slots = slotsOf(`${this.#key} ${client}`, this.#seeds)
    const isWithin = slots.map((slot) => this.#advance(slot, now) - now <= this.#tolerance).includes(true)
    if (!isWithin) for (const slot of slots) Atomics.sub(this.#buckets, slot, this.#interval)
    return isWithin
  }

  #advance(slot: number, now: bigint): bigint {
    for (;;) {
      const fullAt = Atomics.load(this.#buckets, slot)
      const next = (fullAt > now ? fullAt : now) + this.#interval
      if (Atomics.compareExchange(this.#buckets, slot, fullAt, next) === fullAt) return next
    }
  }
}

/** Where a key's numbers are, one place in each row. */
function slotsOf(key: string, seeds: readonly number[]): readonly number[] {
  return seeds.map((seed, row) => row * WIDTH + (hashText(key, seed) & (WIDTH - 1)))
}
