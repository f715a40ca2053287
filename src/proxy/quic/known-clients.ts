/** Clients remembered in each half of the memory: about 2 MB in all. */
const MOST = 16_384
/** Milliseconds after which the older half is forgotten: as long as a browser may keep to what it was told of HTTP/3. */
const HALF_LIFE = 30 * 60_000

/**
 * Clients that have lately shown, over TCP or QUIC, that they receive what is sent to their address: whoever forges
 * addresses does not know which ones these are. A browser comes over TCP before it is told of HTTP/3.
 */
export class KnownClients {
  readonly #now: () => number
  #young = new Set<string>()
  #old: ReadonlySet<string> = new Set()
  #youngSince: number

  /** @param now - monotonic clock in milliseconds */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#youngSince = now()
  }

  /** Remembers a client. */
  add(client: string): void {
    this.#age()
    this.#young.add(client)
  }

  /** Whether a client is remembered. */
  has(client: string): boolean {
    this.#age()
    return this.#young.has(client) || this.#old.has(client)
  }

  #age(): void {
    const age = this.#now() - this.#youngSince
    if (age < HALF_LIFE && this.#young.size < MOST) return
    this.#old = age < 2 * HALF_LIFE ? this.#young : new Set()
    this.#young = new Set()
    this.#youngSince = this.#now()
  }
}
