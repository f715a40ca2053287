import { lookup, Resolver } from "node:dns/promises"
import { isIP } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { ProxyError } from "../errors.ts"
import type { DialEndpoint } from "../target.ts"
import { isSafeDestination } from "./destinations.ts"

/** Finds where targets given by name can be dialled. */
export interface NameResolver {
  /**
   * Endpoints in the order to try. Answers at once when it knows, so that a connection need not wait.
   *
   * @param host - DNS name in lower case, or IP literal
   * @param port - TCP port
   * @param anyAddress - the name may lead anywhere: no address is forbidden
   * @throws {@link ProxyError} `ERR_TLSROUTE_NAME` or `ERR_TLSROUTE_FORBIDDEN_ADDRESS`, at once or by rejection
   */
  resolve(host: string, port: number, anyAddress?: boolean): readonly DialEndpoint[] | Promise<readonly DialEndpoint[]>
  /** Stops what is under way. */
  close?(): void
}

/** An address with the seconds it may be kept. */
export interface AddressRecord {
  /** IP literal. */
  readonly address: string
  /** Time to live in seconds. */
  readonly ttl: number
}

/** Asks for all addresses of a name; rejects when there are none. */
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
  /** How long an outdated answer is given while a new one is fetched, in milliseconds. Default 30 000. */
  readonly staleFor?: number
  /** How long a failure is remembered, in milliseconds. Default 2 000. */
  readonly failureTtl?: number
  /** Most names kept; the least recently used go first. Default 1 024. */
  readonly maxEntries?: number
  /** How addresses are found. Default: {@link systemLookup}. */
  readonly lookup?: AddressLookup
}

interface Entry {
  readonly host: string
  readonly anyAddress: boolean
  /** Last good answer, in the order to try. */
  addresses: readonly string[] | undefined
  expiresAt: number
  failure: ProxyError | undefined
  refresh: Promise<readonly string[]> | undefined
  /** Endpoints per port, made once per answer. */
  readonly endpoints: Map<number, readonly DialEndpoint[]>
}

const MOST_ADDRESSES = 16
/** Wait for IPv6 addresses once IPv4 ones are there (RFC 8305 section 3, Resolution Delay). */
const RESOLUTION_DELAY_MS = 50
const PARTIAL_ANSWER_TTL_S = 10

/**
 * Resolves names through DNS and keeps the answers for their time to live. While an answer is renewed the old
 * one is given, and when it cannot be renewed the last good one stays in use; lookups of one name are shared.
 */
export class DnsCache implements NameResolver {
  readonly #overrides: ReadonlyMap<string, readonly string[]>
  readonly #allow: (address: string, host: string) => boolean
  readonly #minTtl: number
  readonly #maxTtl: number
  readonly #staleFor: number
  readonly #failureTtl: number
  readonly #maxEntries: number
  readonly #lookup: AddressLookup
  readonly #entries = new Map<string, Entry>()

  /** @param options - overrides, limits, and how addresses are found */
  constructor(options: DnsCacheOptions = {}) {
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
    this.#staleFor = options.staleFor ?? 30_000
    this.#failureTtl = options.failureTtl ?? 2_000
    this.#maxEntries = options.maxEntries ?? 1_024
    this.#lookup = options.lookup ?? ((host) => systemLookup(host))
  }

  resolve(host: string, port: number, anyAddress = false): readonly DialEndpoint[] | Promise<readonly DialEndpoint[]> {
    const override = this.#overrides.get(`${host}:${port}`) ?? this.#overrides.get(host)
    if (override !== undefined) return override.map((value) => parseOverride(host, value, port))
    const entry = this.#entry(host, anyAddress)
    const now = performance.now()
    if (entry.addresses !== undefined && now < entry.expiresAt) return endpointsOf(entry, port)
    if (entry.failure !== undefined && now < entry.expiresAt) throw entry.failure
    const refresh = this.#refresh(entry)
    if (entry.addresses === undefined) return refresh.then(() => endpointsOf(entry, port))
    if (now < entry.expiresAt + this.#staleFor) return endpointsOf(entry, port)
    return refresh.then(() => endpointsOf(entry, port))
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
      failure: undefined,
      refresh: undefined,
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
    })
    // Whoever waits sees the failure; a renewal in the background has nobody waiting.
    entry.refresh.catch(() => {})
    return entry.refresh
  }

  async #fetch(entry: Entry): Promise<readonly string[]> {
    const { host, anyAddress } = entry
    try {
      const records = isIP(host) === 0 ? await this.#lookup(host) : [{ address: host, ttl: Number.POSITIVE_INFINITY }]
      if (records.length === 0) throw new Error("no address")
      const allowed = records.filter(({ address }) => anyAddress || this.#allow(address, host))
      if (allowed.length === 0) throw forbidden(host, records)
      const ttl = Math.min(...allowed.map((record) => record.ttl * 1000))
      this.#accept(entry, interleave(allowed.map(({ address }) => address)).slice(0, MOST_ADDRESSES))
      entry.expiresAt = performance.now() + Math.min(this.#maxTtl, Math.max(this.#minTtl, ttl))
      return entry.addresses ?? []
    } catch (error) {
      const failure = error instanceof ProxyError ? error : unresolved(host, error)
      entry.expiresAt = performance.now() + this.#failureTtl
      // An answer that turned forbidden is an answer: only silence and failure keep the last good one.
      if (failure.code === "ERR_TLSROUTE_NAME" && entry.addresses !== undefined) return entry.addresses
      entry.addresses = undefined
      entry.failure = failure
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
  const ipv6 = resolver.resolve6(host, { ttl: true }).catch(() => [])
  const ipv4 = await resolver.resolve4(host, { ttl: true }).catch(() => [])
  const inTime = ipv4.length === 0 ? await ipv6 : await Promise.race([ipv6, sleep(RESOLUTION_DELAY_MS, undefined)])
  if (inTime === undefined) {
    resolver.cancel()
    return ipv4.map(({ address, ttl }) => ({ address, ttl: Math.min(ttl, PARTIAL_ANSWER_TTL_S) }))
  }
  if (inTime.length + ipv4.length > 0) return [...inTime, ...ipv4]
  const found = await lookup(host, { all: true, verbatim: true })
  return found.map(({ address }) => ({ address, ttl: 30 }))
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

function unresolved(host: string, cause: unknown): ProxyError {
  const code = (cause as NodeJS.ErrnoException).code
  return new ProxyError("ERR_TLSROUTE_NAME", `${host} has no address${code === undefined ? "" : ` (${code})`}`, {
    cause,
  })
}
