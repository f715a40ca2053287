import { lookup, Resolver } from "node:dns/promises"
import { setTimeout as sleep } from "node:timers/promises"

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

/** Codes by which DNS, or the system, says that a name has no address: an answer, where others are the lack of one. */
const DENIALS: ReadonlySet<unknown> = new Set(["ENOTFOUND", "ENODATA"])
/** Wait for IPv6 addresses once IPv4 ones are there (RFC 8305 section 3, Resolution Delay). */
const RESOLUTION_DELAY_MS = 50
const PARTIAL_ANSWER_TTL_S = 10

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
    (error: unknown) => ({ records: [], failure: isDenial(error) ? undefined : error }),
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

/** Whether a lookup failed because the name has no address. */
export function isDenial(error: unknown): boolean {
  return DENIALS.has(codeOf(error))
}

/** A lookup is another's function, and may throw anything. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined | null)?.code
  return typeof code === "string" ? code : undefined
}
