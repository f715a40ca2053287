import { isIP } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { describe } from "../../primitives/describe.ts"
import { forgetOldest } from "../../primitives/forget-oldest.ts"
import {
  type Checks,
  callable,
  either,
  listOf,
  milliseconds,
  recordOf,
  text,
  wholeNumber,
} from "../../primitives/option-checks.ts"
import { ProxyError, refuseArgument, refuseUsage } from "../errors.ts"
import type { DialEndpoint } from "../target.ts"
import { LONGEST_TIMER } from "../timer-wheel.ts"
import { type AddressLookup, type AddressRecord, codeOf, isDenial, systemLookup } from "./address-lookup.ts"
import { CachedName, type Keeping } from "./cached-name.ts"
import { isSafeDestination } from "./destinations.ts"
import { NameOverrides } from "./name-overrides.ts"
import type { LookupFailure, NameResolver } from "./name-resolver.ts"

/** Options of a {@link DnsCache}. */
export interface DnsCacheOptions {
  /**
   * Fixed answers, asked before anything else and not guarded: `host` or `host:port` to one or more
   * `address` or `address:port` (IPv6 in brackets when a port follows).
   */
  readonly overrides?: Readonly<Record<string, string | readonly string[]>> | undefined
  /** Tells whether an address may be dialled: only `true` lets it, at once. Default {@link isSafeDestination}. */
  readonly allowAddress?: ((address: string, host: string) => boolean) | undefined
  /** Shortest time an answer is kept, in milliseconds, whatever its TTL. Default 1 000. */
  readonly minTtl?: number | undefined
  /** Longest time an answer is kept, in milliseconds, whatever its TTL. Default 300 000. */
  readonly maxTtl?: number | undefined
  /**
   * How long a connection waits for a fresh answer once the time to live is over, before it is given the outdated one,
   * in milliseconds. One that may wait less gives up sooner. Default 1 000.
   */
  readonly freshWait?: number | undefined
  /**
   * How long an outdated answer stays in use when DNS says that the name has no address any more, in milliseconds from
   * the end of its time to live. Default 30 000.
   */
  readonly staleFor?: number | undefined
  /**
   * How long an outdated answer stays in use when DNS does not answer, in milliseconds from the end of its time to
   * live (RFC 8767 section 4). Default 86 400 000, a day.
   */
  readonly staleOnFailureFor?: number | undefined
  /** How long a failure is remembered, in milliseconds. Default 2 000. */
  readonly failureTtl?: number | undefined
  /** Most names kept; the least recently used go first. Default 1 024. */
  readonly maxEntries?: number | undefined
  /** How addresses are found. Default: {@link systemLookup}. */
  readonly lookup?: AddressLookup | undefined
}

const OPTIONS: Checks<DnsCacheOptions> = {
  overrides: recordOf(either(text, listOf(text, "addresses")), "addresses by name"),
  allowAddress: callable,
  minTtl: milliseconds,
  maxTtl: milliseconds,
  freshWait: milliseconds,
  staleFor: milliseconds,
  staleOnFailureFor: milliseconds,
  failureTtl: milliseconds,
  maxEntries: wholeNumber(1),
  lookup: callable,
}

/** A name none of whose endpoints answers is asked for this often at most, however many connections it has. */
const RENEW_EVERY_MS = 1_000
const MOST_ADDRESSES = 16

/**
 * Resolves names through DNS and keeps the answers for their time to live. Once that is over the fresh answer is waited
 * for; the old one is given only while DNS is slow or does not answer, and for a moment after the name has lost its
 * addresses. Lookups of one name are shared.
 */
export class DnsCache implements NameResolver {
  readonly #overrides: NameOverrides
  readonly #allow: (address: string, host: string) => boolean
  readonly #keeping: Keeping
  readonly #freshWait: number
  readonly #maxEntries: number
  readonly #lookup: AddressLookup
  readonly #entries = new Map<string, CachedName>()
  readonly #listeners = new Set<(failure: LookupFailure) => void>()

  /**
   * @param options - overrides, limits, and how addresses are found
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` when one cannot be used
   */
  constructor(options: DnsCacheOptions = {}) {
    refuseUsage("DnsCache", options, OPTIONS)
    this.#overrides = new NameOverrides(options.overrides ?? {})
    const { allowAddress = isSafeDestination } = options
    // Fails closed: a promise, as an async function answers, is not true.
    this.#allow = (address, host) => allowAddress(address, host) === true
    this.#keeping = {
      minTtl: options.minTtl ?? 1_000,
      maxTtl: options.maxTtl ?? 300_000,
      staleFor: options.staleFor ?? 30_000,
      staleOnFailureFor: options.staleOnFailureFor ?? 86_400_000,
      failureTtl: options.failureTtl ?? 2_000,
    }
    this.#freshWait = options.freshWait ?? 1_000
    this.#maxEntries = options.maxEntries ?? 1_024
    this.#lookup = options.lookup ?? ((host) => systemLookup(host))
  }

  resolve(
    host: string,
    port: number,
    anyAddress = false,
    patience = Number.POSITIVE_INFINITY,
  ): readonly DialEndpoint[] | Promise<readonly DialEndpoint[]> {
    const override = this.#overrides.find(host, port)
    if (override !== undefined) return override
    const entry = this.#entry(host, anyAddress)
    const now = performance.now()
    const isUsable = entry.isUsable(now)
    if (now < entry.askAt) {
      if (isUsable) return entry.endpoints(port)
      if (entry.failure !== undefined) throw entry.failure
    }
    const refresh = this.#refresh(entry)
    if (!isUsable) return refresh.then(() => entry.endpoints(port))
    if (entry.isSlow) return entry.endpoints(port)
    return this.#inTime(entry, refresh, patience).then(() => entry.endpoints(port))
  }

  renew(
    host: string,
    port: number,
    anyAddress = false,
  ): readonly DialEndpoint[] | Promise<readonly DialEndpoint[]> | undefined {
    if (this.#overrides.find(host, port) !== undefined || isIP(host) !== 0) return undefined
    const entry = this.#entry(host, anyAddress)
    const now = performance.now()
    if (now < entry.renewedAt + RENEW_EVERY_MS && entry.refresh === undefined) return entry.endpoints(port)
    entry.renewedAt = now
    return this.#refresh(entry).then(() => entry.endpoints(port))
  }

  onFailure(listener: (failure: LookupFailure) => void): () => void {
    refuseArgument("onFailure", listener, callable)
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Waits for the lookup under way, for a moment. Whoever comes after that moment does not wait for it any more. */
  async #inTime(entry: CachedName, refresh: Promise<unknown>, patience: number): Promise<void> {
    const isShort = patience < this.#freshWait
    const over = new AbortController()
    const wait = Math.min(isShort ? patience : this.#freshWait, LONGEST_TIMER)
    const moment = sleep(wait, true, { signal: over.signal }).catch(() => false)
    const isLate = await Promise.race([refresh, moment]).catch((error: ProxyError) => {
      // What was usable when the wait began may not be any more.
      if (!entry.isUsable(performance.now())) throw error
    })
    over.abort()
    if (isLate === true && !isShort && entry.refresh === refresh) entry.isSlow = true
  }

  #entry(host: string, anyAddress: boolean): CachedName {
    // No DNS name has a space in it.
    const key = anyAddress ? `${host} any` : host
    const known = this.#entries.get(key)
    if (known !== undefined) {
      // Moved to the end, so that the least recently used name comes first.
      this.#entries.delete(key)
      this.#entries.set(key, known)
      return known
    }
    const entry = new CachedName(host, anyAddress, this.#keeping)
    this.#entries.set(key, entry)
    forgetOldest(this.#entries, this.#maxEntries)
    return entry
  }

  #refresh(entry: CachedName): Promise<void> {
    entry.refresh ??= this.#fetch(entry).finally(() => {
      entry.refresh = undefined
      entry.isSlow = false
    })
    // Whoever waits sees the failure; a lookup that outlasts them has nobody waiting.
    entry.refresh.catch(() => {})
    return entry.refresh
  }

  async #fetch(entry: CachedName): Promise<void> {
    const { host, anyAddress } = entry
    try {
      const records = isIP(host) === 0 ? await this.#lookup(host) : [{ address: host, ttl: Number.POSITIVE_INFINITY }]
      if (records.length === 0) throw noAddress(host)
      const allowed = records.filter(({ address }) => anyAddress || this.#allow(address, host))
      if (allowed.length === 0) throw forbidden(host, records)
      const ttl = Math.min(...allowed.map((record) => record.ttl * 1000))
      entry.answered(interleave(allowed.map(({ address }) => address)).slice(0, MOST_ADDRESSES), ttl)
    } catch (error) {
      const failure = error instanceof ProxyError ? error : unresolved(host, error)
      const covered = entry.failed(failure, isDenial(error))
      for (const listener of this.#listeners)
        void tell(listener, { host, code: codeOf(error) ?? failure.code, covered })
      if (!covered) throw failure
    }
  }
}

/** A listener is others' code: what it throws, or rejects with, must not pass for a failed lookup. */
async function tell(listener: (failure: LookupFailure) => unknown, failure: LookupFailure): Promise<void> {
  try {
    await listener(failure)
  } catch (cause) {
    const message = `A listener of failed lookups failed: ${describe(cause)}`
    process.emitWarning(new ProxyError("ERR_TLSROUTE_LISTENER", message, { cause }))
  }
}

/** IPv6 and IPv4 in turn, IPv6 first (RFC 8305 section 4): a family that does not work costs one attempt. */
function interleave(addresses: readonly string[]): string[] {
  const six = addresses.filter((address) => isIP(address) === 6)
  const four = addresses.filter((address) => isIP(address) === 4)
  const length = Math.max(six.length, four.length)
  return Array.from({ length }, (_, index) => [six[index], four[index]])
    .flat()
    .filter((address) => address !== undefined)
}

function forbidden(host: string, records: readonly AddressRecord[]): ProxyError {
  const addresses = records.map(({ address }) => address).join(", ")
  return new ProxyError(
    "ERR_TLSROUTE_FORBIDDEN_ADDRESS",
    `${host} resolves to ${addresses}, which names may not lead to; allow it by name, or give a fixed address`,
  )
}

function noAddress(host: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${host} has no address`), { code: "ENODATA" })
}

function unresolved(host: string, cause: unknown): ProxyError {
  const code = codeOf(cause)
  return new ProxyError("ERR_TLSROUTE_NAME", `${host} has no address${code === undefined ? "" : ` (${code})`}`, {
    cause,
  })
}
