import { lookup, Resolver } from "node:dns/promises"
import { isIP } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
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
import { isSafeDestination } from "./destinations.ts"

/** Finds where targets given by name can be dialled. */
export interface NameResolver {
  /**
   * Endpoints in the order to try. Answers at once when it knows, so that a connection need not wait.
   *
   * @param host - DNS name in lower case, or IP literal
   * @param port - TCP port
   * @param anyAddress - the name may lead anywhere: no address is forbidden
   * @param patience - milliseconds that a fresh answer may be waited for, where there is an outdated one
   * @throws {@link ProxyError} `ERR_TLSROUTE_NAME` or `ERR_TLSROUTE_FORBIDDEN_ADDRESS`, at once or by rejection
   */
  resolve(
    host: string,
    port: number,
    anyAddress?: boolean,
    patience?: number,
  ): readonly DialEndpoint[] | Promise<readonly DialEndpoint[]>
  /**
   * Where a name leads now, asked because nothing answered at any of its endpoints: what is remembered does not
   * count. `undefined` when there is nobody to ask. Throws and rejects as {@link NameResolver.resolve} does.
   */
  renew?(
    host: string,
    port: number,
    anyAddress?: boolean,
  ): readonly DialEndpoint[] | Promise<readonly DialEndpoint[]> | undefined
  /**
   * Has a listener told of every lookup that fails, those that an outdated answer makes up for among them.
   *
   * @returns ends that
   */
  onFailure?(listener: (failure: LookupFailure) => void): () => void
  /** Stops what is under way. */
  close?(): void
}

/** A lookup of a name that came to nothing. */
export interface LookupFailure {
  /** The name. */
  readonly host: string
  /** Why: a code of DNS or the system, such as `ENOTFOUND`, `ETIMEOUT` or `ESERVFAIL`, or the error's own. */
  readonly code: string
  /** Whether connections go on with an outdated answer. */
  readonly covered: boolean
}

/** An address with the seconds it may be kept. */
export interface AddressRecord {
  /** IP literal. */
  readonly address: string
  /** Time to live in seconds. */
  readonly ttl: number
}

/**
 * Asks for all addresses of a name. Rejects when there are none: with the code `ENOTFOUND` or `ENODATA` when that is
 * DNS's answer, with any other when there is no answer.
 */
export type AddressLookup = (host: string) => Promise<readonly AddressRecord[]>

/** Options of a {@link DnsCache}. */
export interface DnsCacheOptions {
  /**
   * Fixed answers, asked before anything else and not guarded: `host` or `host:port` to one or more
   * `address` or `address:port` (IPv6 in brackets when a port follows).
   */
  readonly overrides?: Readonly<Record<string, string | readonly string[]>>
  /** Tells whether an address may be dialled. Default {@link isSafeDestination}. */
  readonly allowAddress?: (address: string, host: string) => boolean
  /** Shortest time an answer is kept, in milliseconds, whatever its TTL. Default 1 000. */
  readonly minTtl?: number
  /** Longest time an answer is kept, in milliseconds, whatever its TTL. Default 300 000. */
  readonly maxTtl?: number
  /**
   * How long a connection waits for a fresh answer once the time to live is over, before it is given the outdated one,
   * in milliseconds. One that may wait less gives up sooner. Default 1 000.
   */
  readonly freshWait?: number
  /**
   * How long an outdated answer stays in use when DNS says that the name has no address any more, in milliseconds from
   * the end of its time to live. Default 30 000.
   */
  readonly staleFor?: number
  /**
   * How long an outdated answer stays in use when DNS does not answer, in milliseconds from the end of its time to
   * live (RFC 8767 section 4). Default 86 400 000, a day.
   */
  readonly staleOnFailureFor?: number
  /** How long a failure is remembered, in milliseconds. Default 2 000. */
  readonly failureTtl?: number
  /** Most names kept; the least recently used go first. Default 1 024. */
  readonly maxEntries?: number
  /** How addresses are found. Default: {@link systemLookup}. */
  readonly lookup?: AddressLookup
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

interface Entry {
  readonly host: string
  readonly anyAddress: boolean
  /** Last good answer, in the order to try. */
  addresses: readonly string[] | undefined
  /** When the time to live of that answer is over; like all times here, on the clock of `performance.now()`. */
  expiresAt: number
  /** When DNS is asked again. */
  askAt: number
  /** What came of the last lookup, when it was not an answer with addresses. */
  failure: ProxyError | undefined
  /** Whether DNS said so itself: the name has no address. */
  isDenied: boolean
  refresh: Promise<readonly string[]> | undefined
  /** Whether that lookup has been waited for long enough. */
  isSlow: boolean
  /** When it was last asked for want of an endpoint that answers. */
  renewedAt: number
  /** Endpoints per port, made once per answer. */
  readonly endpoints: Map<number, readonly DialEndpoint[]>
}

/** Codes by which DNS, or the system, says that a name has no address: an answer, where others are the lack of one. */
const DENIALS: ReadonlySet<unknown> = new Set(["ENOTFOUND", "ENODATA"])
/** A name none of whose endpoints answers is asked for this often at most, however many connections it has. */
const RENEW_EVERY_MS = 1_000
const MOST_ADDRESSES = 16
/** Wait for IPv6 addresses once IPv4 ones are there (RFC 8305 section 3, Resolution Delay). */
const RESOLUTION_DELAY_MS = 50
const PARTIAL_ANSWER_TTL_S = 10

/**
 * Resolves names through DNS and keeps the answers for their time to live. Once that is over the fresh answer is waited
 * for; the old one is given only while DNS is slow or does not answer, and for a moment after the name has lost its
 * addresses. Lookups of one name are shared.
 */
export class DnsCache implements NameResolver {
  readonly #overrides: ReadonlyMap<string, readonly string[]>
  readonly #allow: (address: string, host: string) => boolean
  readonly #minTtl: number
  readonly #maxTtl: number
  readonly #freshWait: number
  readonly #staleFor: number
  readonly #staleOnFailureFor: number
  readonly #failureTtl: number
  readonly #maxEntries: number
  readonly #lookup: AddressLookup
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Set<(failure: LookupFailure) => void>()

  /**
   * @param options - overrides, limits, and how addresses are found
   * @throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE` when one cannot be used
   */
  constructor(options: DnsCacheOptions = {}) {
    refuseUsage("DnsCache", options, OPTIONS)
    this.#overrides = new Map(
      Object.entries(options.overrides ?? {}).map(([key, value]) => [
        key.toLowerCase(),
        typeof value === "string" ? [value] : value,
      ]),
    )
    for (const [key, values] of this.#overrides) for (const value of values) parseOverride(key, value, 1)
    this.#allow = options.allowAddress ?? isSafeDestination
    this.#minTtl = options.minTtl ?? 1_000
    this.#maxTtl = options.maxTtl ?? 300_000
    this.#freshWait = options.freshWait ?? 1_000
    this.#staleFor = options.staleFor ?? 30_000
    this.#staleOnFailureFor = options.staleOnFailureFor ?? 86_400_000
    this.#failureTtl = options.failureTtl ?? 2_000
    this.#maxEntries = options.maxEntries ?? 1_024
    this.#lookup = options.lookup ?? ((host) => systemLookup(host))
  }

  resolve(
    host: string,
    port: number,
    anyAddress = false,
    patience = Number.POSITIVE_INFINITY,
  ): readonly DialEndpoint[] | Promise<readonly DialEndpoint[]> {
    const override = this.#override(host, port)
    if (override !== undefined) return override
    const entry = this.#entry(host, anyAddress)
    const now = performance.now()
    const isUsable = this.#isUsable(entry, now)
    if (now < entry.askAt) {
      if (isUsable) return endpointsOf(entry, port)
      if (entry.failure !== undefined) throw entry.failure
    }
    const refresh = this.#refresh(entry)
    if (!isUsable) return refresh.then(() => endpointsOf(entry, port))
    if (entry.isSlow) return endpointsOf(entry, port)
    return this.#inTime(entry, refresh, patience).then(() => endpointsOf(entry, port))
  }

  renew(
    host: string,
    port: number,
    anyAddress = false,
  ): readonly DialEndpoint[] | Promise<readonly DialEndpoint[]> | undefined {
    if (this.#override(host, port) !== undefined || isIP(host) !== 0) return undefined
    const entry = this.#entry(host, anyAddress)
    const now = performance.now()
    if (now < entry.renewedAt + RENEW_EVERY_MS && entry.refresh === undefined) return endpointsOf(entry, port)
    entry.renewedAt = now
    return this.#refresh(entry).then(() => endpointsOf(entry, port))
  }

  onFailure(listener: (failure: LookupFailure) => void): () => void {
    refuseArgument("onFailure", listener, callable)
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #override(host: string, port: number): readonly DialEndpoint[] | undefined {
    const values = this.#overrides.get(`${host}:${port}`) ?? this.#overrides.get(host)
    return values?.map((value) => parseOverride(host, value, port))
  }

  /** Whether the last good answer may still be given. */
  #isUsable({ addresses, expiresAt, failure, isDenied }: Entry, now: number): boolean {
    if (addresses === undefined) return false
    if (failure === undefined) return now < expiresAt + this.#staleOnFailureFor
    return now < expiresAt + (isDenied ? this.#staleFor : this.#staleOnFailureFor)
  }

  /** Waits for the lookup under way, for a moment. Whoever comes after that moment does not wait for it any more. */
  async #inTime(entry: Entry, refresh: Promise<unknown>, patience: number): Promise<void> {
    const isShort = patience < this.#freshWait
    const over = new AbortController()
    const wait = Math.min(isShort ? patience : this.#freshWait, LONGEST_TIMER)
    const moment = sleep(wait, true, { signal: over.signal }).catch(() => false)
    const isLate = await Promise.race([refresh, moment]).catch((error: ProxyError) => {
      // What was usable when the wait began may not be any more.
      if (!this.#isUsable(entry, performance.now())) throw error
    })
    over.abort()
    if (isLate === true && !isShort && entry.refresh === refresh) entry.isSlow = true
  }

  #entry(host: string, anyAddress: boolean): Entry {
    // No DNS name has a space in it.
    const key = anyAddress ? `${host} any` : host
    const known = this.#entries.get(key)
    if (known !== undefined) {
      // Moved to the end: a Map iterates in order of insertion, so the least recently used name comes first.
      this.#entries.delete(key)
      this.#entries.set(key, known)
      return known
    }
    const entry: Entry = {
      host,
      anyAddress,
      addresses: undefined,
      expiresAt: 0,
      askAt: 0,
      failure: undefined,
      isDenied: false,
      refresh: undefined,
      isSlow: false,
      renewedAt: Number.NEGATIVE_INFINITY,
      endpoints: new Map(),
    }
    this.#entries.set(key, entry)
    if (this.#entries.size > this.#maxEntries) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    return entry
  }

  #refresh(entry: Entry): Promise<readonly string[]> {
    entry.refresh ??= this.#fetch(entry).finally(() => {
      entry.refresh = undefined
      entry.isSlow = false
    })
    // Whoever waits sees the failure; a lookup that outlasts them has nobody waiting.
    entry.refresh.catch(() => {})
    return entry.refresh
  }

  async #fetch(entry: Entry): Promise<readonly string[]> {
    const { host, anyAddress } = entry
    try {
      const records = isIP(host) === 0 ? await this.#lookup(host) : [{ address: host, ttl: Number.POSITIVE_INFINITY }]
      if (records.length === 0) throw noAddress(host)
      const allowed = records.filter(({ address }) => anyAddress || this.#allow(address, host))
      if (allowed.length === 0) throw forbidden(host, records)
      const ttl = Math.min(...allowed.map((record) => record.ttl * 1000))
      this.#accept(entry, interleave(allowed.map(({ address }) => address)).slice(0, MOST_ADDRESSES))
      entry.expiresAt = performance.now() + Math.min(this.#maxTtl, Math.max(this.#minTtl, ttl))
      entry.askAt = entry.expiresAt
      return entry.addresses ?? []
    } catch (error) {
      const failure = error instanceof ProxyError ? error : unresolved(host, error)
      entry.failure = failure
      entry.isDenied = DENIALS.has(codeOf(error))
      entry.askAt = performance.now() + this.#failureTtl
      // An answer that turned forbidden is an answer, which nothing outlives.
      if (failure.code !== "ERR_TLSROUTE_NAME") entry.addresses = undefined
      const covered = entry.addresses !== undefined && this.#isUsable(entry, performance.now())
      for (const listener of this.#listeners) listener({ host, code: codeOf(error) ?? failure.code, covered })
      if (covered) return entry.addresses ?? []
      entry.addresses = undefined
      throw failure
    }
  }

  #accept(entry: Entry, addresses: readonly string[]): void {
    entry.failure = undefined
    const before = entry.addresses
    if (before?.length === addresses.length && before.every((address, index) => address === addresses[index])) return
    entry.addresses = addresses
    entry.endpoints.clear()
  }
}

/**
 * Addresses as DNS tells them, with their time to live; where DNS knows nothing, as the system's own lookup
 * tells them (hosts file included), kept for half a minute.
 *
 * Some name servers never answer when asked for IPv6 addresses (RFC 4074). Once the IPv4 addresses are there, the
 * others get a moment more (RFC 8305 section 3); an answer without them is kept for ten seconds at most.
 *
 * @param host - DNS name
 * @param servers - IP addresses, with ports, of the name servers to ask. Default: the system's
 */
export async function systemLookup(host: string, servers?: readonly string[]): Promise<readonly AddressRecord[]> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  if (servers !== undefined) resolver.setServers(servers)
  const ipv6 = answerOf(resolver.resolve6(host, { ttl: true }))
  const ipv4 = await answerOf(resolver.resolve4(host, { ttl: true }))
  const late: Answer = { records: [], failure: new Error("no answer yet") }
  const isEnough = ipv4.records.length > 0
  const inTime = isEnough ? await Promise.race([ipv6, sleep(RESOLUTION_DELAY_MS, late)]) : await ipv6
  if (inTime === late) resolver.cancel()
  const records = [...inTime.records, ...ipv4.records]
  const failure = inTime.failure ?? ipv4.failure
  if (records.length === 0) return systemAnswer(host, failure)
  // Half of an answer is soon asked for again.
  if (failure === undefined) return records
  return records.map(({ address, ttl }) => ({ address, ttl: Math.min(ttl, PARTIAL_ANSWER_TTL_S) }))
}

/** What DNS knows of one kind of address; `failure` when it gave no answer, which having none is. */
interface Answer {
  readonly records: readonly AddressRecord[]
  readonly failure: unknown
}

function answerOf(query: Promise<readonly AddressRecord[]>): Promise<Answer> {
  return query.then(
    (records) => ({ records, failure: undefined }),
    (error: unknown) => ({ records: [], failure: DENIALS.has(codeOf(error)) ? undefined : error }),
  )
}

/** What the system's own lookup knows. That it knows nothing is no answer of a DNS that gave none. */
async function systemAnswer(host: string, failure: unknown): Promise<readonly AddressRecord[]> {
  try {
    const found = await lookup(host, { all: true, verbatim: true })
    return found.map(({ address }) => ({ address, ttl: 30 }))
  } catch (error) {
    throw failure ?? error
  }
}

function endpointsOf(entry: Entry, port: number): readonly DialEndpoint[] {
  const made = entry.endpoints.get(port)
  if (made !== undefined) return made
  const endpoints = (entry.addresses ?? []).map((address) => ({ address, port }))
  entry.endpoints.set(port, endpoints)
  return endpoints
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

function parseOverride(host: string, value: string, port: number): DialEndpoint {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(value)
  const plain = isIP(value) === 0 ? /^([^:]+):(\d+)$/.exec(value) : undefined
  const address = bracketed?.[1] ?? plain?.[1] ?? value
  const givenPort = bracketed?.[2] ?? plain?.[2]
  const endpoint = { address, port: givenPort === undefined ? port : Number(givenPort) }
  if (isIP(address) !== 0 && endpoint.port > 0 && endpoint.port < 65_536) return endpoint
  throw new ProxyError(
    "ERR_TLSROUTE_PROXY_USAGE",
    `The override of ${host} must be an IP address with an optional port, not "${value}"`,
  )
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

/** A lookup is another's function, and may throw anything. */
function codeOf(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined | null)?.code
  return typeof code === "string" ? code : undefined
}

function unresolved(host: string, cause: unknown): ProxyError {
  const code = codeOf(cause)
  return new ProxyError("ERR_TLSROUTE_NAME", `${host} has no address${code === undefined ? "" : ` (${code})`}`, {
    cause,
  })
}
