import type { RejectReason } from "../connection/record.ts"
import type { ScopePolicy } from "../policy.ts"
import { ByteBudget } from "./byte-budget.ts"
import { isAdmitted } from "./cidr.ts"
import { clientKey } from "./client-key.ts"
import { ConnectionCounts } from "./connection-counts.ts"
import { DescriptorHeadroom } from "./descriptors.ts"
import { ALONE, type LimitSharing, type RateLimiter } from "./sharing.ts"

/** Limits of a proxy as a whole. */
export interface ProxyLimits {
  /** What is asked of every connection. */
  readonly scope?: ScopePolicy | undefined
  /** Bytes that connections without a backend may hold together, their ClientHellos above all. Default 64 MiB. */
  readonly maxHelloMemory?: number | undefined
  /** File descriptors kept free; new connections are shed when no others are left. Default 64, or an eighth of the process's limit if that is less. */
  readonly descriptorReserve?: number | undefined
}

/** Why a connection is turned away. */
export interface GateRefusal {
  /** Why. */
  readonly reason: RejectReason
  /** Key of the scope whose policy it is, where it is one's. */
  readonly detail: string | undefined
}

/** What one connection has taken, to be given back when it ends. */
export class Admission {
  /** Counts it is in. */
  readonly keys: string[] = []
  /** Bytes of the hello budget. */
  helloBytes = 0
  /** Whether it has been let in and no backend has been reached yet. */
  isUndialed = false
}

interface Rate {
  readonly limiter: RateLimiter
  readonly perSecond: number
  readonly burst: number
  usedAt: number
}

const DEFAULT_HELLO_MEMORY = 64 * 1024 * 1024
/** Milliseconds for which the buckets of a scope that is not asked for are kept. */
const FORGET_RATE_AFTER = 600_000
/** Scopes with a rate beyond which forgotten ones are looked for. */
const MANY_RATES = 256

/** Lets connections in, or not: everything that is decided before, or besides, where a connection goes. */
export class Gate {
  readonly #scopes: readonly ScopePolicy[]
  readonly #counts: ConnectionCounts
  readonly #rates = new Map<string, Rate>()
  readonly #descriptors: DescriptorHeadroom
  readonly #helloMemory: ByteBudget
  readonly #sharing: LimitSharing
  #undialed = 0

  /**
   * @param limits - of the proxy as a whole
   * @param sharing - with whom they are shared
   * @param descriptors - tells what is left of file descriptors
   */
  constructor(limits: ProxyLimits = {}, sharing: LimitSharing = ALONE, descriptors?: DescriptorHeadroom) {
    const { scope, descriptorReserve: reserve } = limits
    this.#scopes = scope === undefined ? [] : [scope]
    this.#sharing = sharing
    this.#counts = new ConnectionCounts(sharing)
    this.#helloMemory = new ByteBudget((limits.maxHelloMemory ?? DEFAULT_HELLO_MEMORY) / sharing.proxies)
    this.#descriptors =
      descriptors ??
      new DescriptorHeadroom({ sharers: sharing.proxiesInProcess, ...(reserve === undefined ? {} : { reserve }) })
  }

  /** Bytes held by connections without a backend. */
  get helloMemory(): number {
    return this.#helloMemory.used
  }

  /** Most file descriptors that the process may open; `Infinity` where that is not known. */
  get descriptorLimit(): number {
    return this.#descriptors.limit ?? Number.POSITIVE_INFINITY
  }

  /** Counts an accepted connection, before anything is known of it but its listener. */
  enter(admission: Admission, scopes: readonly ScopePolicy[]): GateRefusal | undefined {
    if (!this.#descriptors.take(this.#undialed)) return { reason: "no-descriptors", detail: undefined }
    admission.isUndialed = true
    this.#undialed++
    return this.#count(admission, this.#scopes) ?? this.#count(admission, scopes)
  }

  /** Holds the listener's and the proxy's own rules about clients against the client, once its address is known. */
  admitClient(admission: Admission, scopes: readonly ScopePolicy[], address: string): GateRefusal | undefined {
    return this.#admit(admission, this.#scopes, address) ?? this.#admit(admission, scopes, address)
  }

  /** Whether scopes, the proxy's own included, let a client in by its address alone: one that has been let in, and moves. */
  allows(scopes: readonly ScopePolicy[], address: string): boolean {
    const lets = ({ access }: ScopePolicy) => access === undefined || isAdmitted(access, address)
    return this.#scopes.every(lets) && scopes.every(lets)
  }

  /** Holds all rules of further scopes against a connection that has been routed. */
  admitRouted(admission: Admission, scopes: readonly ScopePolicy[], address: string): GateRefusal | undefined {
    return this.#admit(admission, scopes, address) ?? this.#count(admission, scopes)
  }

  /** Holds bytes for a connection without a backend; false when there are too many. */
  holdHello(admission: Admission, bytes: number): boolean {
    if (!this.#helloMemory.take(bytes)) return false
    admission.helloBytes += bytes
    return true
  }

  /** The connection has a backend, or will not have one: its bytes are let go. */
  settled(admission: Admission): void {
    this.#helloMemory.give(admission.helloBytes)
    admission.helloBytes = 0
    if (admission.isUndialed) this.#undialed--
    admission.isUndialed = false
  }

  /** The connection is over. */
  leave(admission: Admission): void {
    this.settled(admission)
    for (const key of admission.keys) this.#counts.release(key)
    admission.keys.length = 0
  }

  #count(admission: Admission, scopes: readonly ScopePolicy[]): GateRefusal | undefined {
    for (const { key, maxConnections } of scopes) {
      if (maxConnections === Number.POSITIVE_INFINITY) continue
      if (!this.#counts.acquire(key, maxConnections)) return { reason: "too-many-connections", detail: key }
      admission.keys.push(key)
    }
    return undefined
  }

  #admit(admission: Admission, scopes: readonly ScopePolicy[], address: string): GateRefusal | undefined {
    for (const { key, access } of scopes) {
      if (access !== undefined && !isAdmitted(access, address)) return { reason: "denied", detail: key }
    }
    for (const scope of scopes) {
      const refusal = this.#admitToScope(admission, scope, address)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }

  #admitToScope(admission: Admission, scope: ScopePolicy, address: string): GateRefusal | undefined {
    const { key, rate, maxConnectionsPerClient } = scope
    if (rate !== undefined && !this.#rate(key, rate).take(clientKey(address))) {
      return { reason: "rate-limited", detail: key }
    }
    if (maxConnectionsPerClient === Number.POSITIVE_INFINITY) return undefined
    const ofClient = `${key} ${clientKey(address)}`
    if (!this.#counts.acquire(ofClient, maxConnectionsPerClient)) {
      return { reason: "too-many-of-client", detail: key }
    }
    admission.keys.push(ofClient)
    return undefined
  }

  /** Buckets are kept by the scope's key: a new configuration with the same rate lets nobody off. */
  #rate(key: string, { perSecond, burst }: NonNullable<ScopePolicy["rate"]>): RateLimiter {
    const now = performance.now()
    let rate = this.#rates.get(key)
    if (rate === undefined || rate.perSecond !== perSecond || rate.burst !== burst) {
      if (this.#rates.size >= MANY_RATES) this.#forgetRates(now)
      rate = { limiter: this.#sharing.rateLimiter(key, { perSecond, burst }), perSecond, burst, usedAt: now }
      this.#rates.set(key, rate)
    }
    rate.usedAt = now
    return rate.limiter
  }

  #forgetRates(now: number): void {
    for (const [key, { usedAt }] of this.#rates) if (now - usedAt > FORGET_RATE_AFTER) this.#rates.delete(key)
  }
}
