import { ClientRateLimiter, type ClientRateLimiterOptions } from "./client-rate-limiter.ts"

/** One number that several proxies count together. */
export interface SharedCount {
  /** Counts one more of this proxy's, or one less. */
  add(by: 1 | -1): void
  /** Most that this proxy may have, of `max` for all of them together. */
  allowance(max: number): number
}

/** Lets clients in at a rate. */
export interface RateLimiter {
  /** Takes one connection from the client's bucket. False when it is empty; the bucket is then left as it is. */
  take(client: string): boolean
}

/** How limits hold for several proxies together: the workers of one gateway. */
export interface LimitSharing {
  /** Proxies that share. */
  readonly proxies: number
  /** Those of them that share this process's file descriptors. */
  readonly proxiesInProcess: number
  /** The number under a key. */
  count(key: string): SharedCount
  /** The buckets under a key. */
  rateLimiter(key: string, rate: Pick<ClientRateLimiterOptions, "perSecond" | "burst">): RateLimiter
}

const UNSHARED: SharedCount = { add() {}, allowance: (max) => max }

/** For a proxy that shares with nobody. */
export const ALONE: LimitSharing = {
  proxies: 1,
  proxiesInProcess: 1,
  count: () => UNSHARED,
  rateLimiter: (_key, rate) => new ClientRateLimiter(rate),
}

/**
 * For proxies that cannot see each other's counts, processes: each has an equal share of every limit, and at least
 * one. So all together stay within the limit, unless it is smaller than their number, and one that gets more than its
 * share of the connections refuses some that others had room for.
 *
 * @param proxies - how many share
 */
export function equalShares(proxies: number): LimitSharing {
  const share = (max: number): number =>
    max === Number.POSITIVE_INFINITY ? max : Math.max(1, Math.floor(max / proxies))
  const count: SharedCount = { add() {}, allowance: share }
  return {
    proxies,
    proxiesInProcess: 1,
    count: () => count,
    rateLimiter: (_key, { perSecond, burst }) =>
      new ClientRateLimiter({ perSecond: perSecond / proxies, burst: share(burst) }),
  }
}
