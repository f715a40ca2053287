import type { AddressInfo } from "node:net"
import { describe } from "../primitives/describe.ts"
import { forgetPromise } from "../primitives/forget-promise.ts"
import type { QuicState } from "../proxy/quic/quic-ports.ts"
import type { ListenerBinding } from "../routing/route-table.ts"
import { GatewayError } from "./errors.ts"

/** Where a binding listens, or why it does not. */
export type BindingState =
  | {
      readonly bound: true
      readonly binding: ListenerBinding
      readonly address: string
      readonly port: number
      /** STARTTLS protocol that is spoken there before TLS; absent where connections begin with TLS. */
      readonly starttls?: string | undefined
      /** The UDP port beside it; `undefined` where it takes no QUIC. */
      readonly quic?: QuicState | undefined
    }
  | {
      readonly bound: false
      readonly binding: ListenerBinding
      readonly starttls?: string | undefined
      readonly message: string
      /** The system's own code, for example `EADDRINUSE`, where it gave one. */
      readonly code: string | undefined
      readonly error: Error
      /** The socket that its listeners had before, which serves them until this one is bound. */
      readonly keeps?: { readonly address: string; readonly port: number } | undefined
    }

type Bound = BindingState & { readonly bound: true }

/** What opens and closes the sockets: the proxy, or the workers that run one each. */
export interface ListenTarget {
  /** Binds one socket; rejects when the system refuses. */
  listen(options: {
    readonly key: string
    readonly host: string | undefined
    readonly port: number
  }): Promise<AddressInfo>
  /** Stops accepting on it; the port is free when this settles. Established connections go on. */
  unlisten(key: string): unknown
  /** The UDP port beside it; `undefined` where it takes no QUIC. */
  quicState(key: string): QuicState | undefined
}

/** Where a Gateway's address and port are bound on this machine. */
export interface LocalAddressOptions {
  /** IP address for listeners whose Gateway asks for none. Default: every address. */
  readonly address?: string | undefined
  /** Local port for a Gateway's port: 0 lets the system choose. Default: the same port. */
  readonly mapPort?: Readonly<Record<number, number>> | ((port: number) => number) | undefined
}

const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 30_000

interface Slot {
  binding: ListenerBinding
  state: BindingState
  failures: number
  retry: NodeJS.Timeout | undefined
  /** Key of the socket that is wanted in the place of this one; `undefined` while it is wanted itself. */
  heir: string | undefined
}

/** Keeps the bound sockets equal to what the table wants: opens and closes only what changed, retries what failed. */
export class Bindings {
  readonly #target: ListenTarget
  readonly #local: LocalAddressOptions
  readonly #onChange: (state: BindingState) => void
  readonly #slots = new Map<string, Slot>()
  readonly #life = new AbortController()
  #queue: Promise<unknown> = Promise.resolve()

  constructor(target: ListenTarget, local: LocalAddressOptions, onChange: (state: BindingState) => void) {
    this.#target = target
    this.#local = local
    this.#onChange = onChange
  }

  /** State of every wanted binding, in the order wanted. */
  states(): readonly BindingState[] {
    const wanted = [...this.#slots.values()].filter(({ heir }) => heir === undefined)
    return wanted.map(({ state }) => {
      if (state.bound) {
        const quic = this.#target.quicState(state.binding.key)
        return quic === undefined ? state : { ...state, quic }
      }
      const keeps = this.#keptFor(state.binding.key)
      if (keeps === undefined) return state
      return { ...state, keeps, message: `${state.message}; ${keeps.address} port ${keeps.port} stays open until then` }
    })
  }

  /**
   * Sockets that are bound and no longer wanted, with the one that is wanted for the same listeners in their place:
   * until that is bound, the old one serves them.
   */
  successors(wanted: readonly ListenerBinding[]): ReadonlyMap<string, string> {
    const keys = new Set(wanted.map(({ key }) => key))
    const heirs = new Map(wanted.flatMap(({ key, listeners }) => listeners.map(({ id }) => [id, key] as const)))
    const successors = new Map<string, string>()
    for (const [key, { state }] of this.#slots) {
      if (!state.bound || keys.has(key)) continue
      const heir = state.binding.listeners.map(({ id }) => heirs.get(id)).find((found) => found !== undefined)
      if (heir !== undefined) successors.set(key, heir)
    }
    return successors
  }

  /** Makes `wanted` true as far as the system lets it. Calls run one after another. */
  reconcile(wanted: readonly ListenerBinding[]): Promise<readonly BindingState[]> {
    return this.#enqueue(async () => {
      const keys = new Set(wanted.map((binding) => binding.key))
      const successors = this.successors(wanted)
      for (const [key, slot] of this.#slots) {
        slot.heir = successors.get(key)
        if (!keys.has(key) && slot.heir === undefined) await this.#drop(key, slot)
      }
      for (const binding of wanted) {
        if (this.#life.signal.aborted) break
        await this.#want(binding)
      }
      return this.states()
    })
  }

  /** Stops retrying; nothing is bound from here on. What is bound stays so until the target closes. */
  stop(): void {
    this.#life.abort()
    for (const slot of this.#slots.values()) clearTimeout(slot.retry)
  }

  #enqueue<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(step)
    this.#queue = done.catch(() => undefined)
    return done
  }

  async #drop(key: string, slot: Slot): Promise<void> {
    clearTimeout(slot.retry)
    this.#slots.delete(key)
    if (slot.state.bound) await this.#target.unlisten(key)
  }

  async #want(binding: ListenerBinding): Promise<void> {
    const slot = this.#slots.get(binding.key)
    if (slot?.state.bound === true) {
      slot.binding = binding
      slot.state = { ...slot.state, binding }
      return
    }
    let state = await this.#bind(binding)
    if (this.#life.signal.aborted) return
    if (!state.bound && state.code === "EADDRINUSE") state = await this.#takeOver(binding, state)
    if (this.#life.signal.aborted) return
    const failures = state.bound ? 0 : (slot?.failures ?? 0) + 1
    clearTimeout(slot?.retry)
    const next: Slot = { binding, state, failures, retry: undefined, heir: undefined }
    this.#slots.set(binding.key, next)
    if (!state.bound) this.#scheduleRetry(next)
    else for (const [key, old] of this.#predecessors(binding.key)) await this.#drop(key, old)
  }

  /** What holds a port may be the very socket that is to be replaced: it gives way, and comes back if that is no use. */
  async #takeOver(binding: ListenerBinding, failed: BindingState): Promise<BindingState> {
    const local = this.#localPort(binding.port)
    const holders = this.#predecessors(binding.key).filter(([, { state }]) => state.bound && state.port === local)
    if (holders.length === 0) return failed
    for (const [key] of holders) await this.#target.unlisten(key)
    const state = await this.#bind(binding)
    if (state.bound) return state
    for (const [key, slot] of holders) {
      slot.state = await this.#bind(slot.binding)
      if (!slot.state.bound) this.#slots.delete(key)
    }
    return state
  }

  #predecessors(key: string): readonly (readonly [string, Slot])[] {
    return [...this.#slots].filter(([, { heir }]) => heir === key)
  }

  #keptFor(key: string): { readonly address: string; readonly port: number } | undefined {
    const [kept] = this.#predecessors(key).flatMap(([, { state }]) => (state.bound ? [state] : []))
    return kept === undefined ? undefined : { address: kept.address, port: kept.port }
  }

  #scheduleRetry(slot: Slot): void {
    const delay = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (slot.failures - 1))
    slot.retry = setTimeout(() => {
      void this.#enqueue(() => this.#retry(slot.binding.key))
    }, delay)
    slot.retry.unref()
  }

  async #retry(key: string): Promise<void> {
    const slot = this.#slots.get(key)
    if (slot === undefined || slot.state.bound || this.#life.signal.aborted) return
    const before = this.#summary()
    await this.#want(slot.binding)
    if (this.#life.signal.aborted) return
    const now = this.#slots.get(key)
    // That it failed once more in the same way is no news.
    if (now !== undefined && this.#summary() !== before) this.#onChange(now.state)
  }

  /** What there is to tell of all sockets. */
  #summary(): string {
    return this.states()
      .map((state) => (state.bound ? `${state.address} ${state.port}` : state.message))
      .join("\n")
  }

  async #bind(binding: ListenerBinding): Promise<BindingState> {
    const host = binding.address ?? this.#local.address
    try {
      const port = this.#localPort(binding.port)
      const bound = await this.#target.listen({ key: binding.key, host, port })
      return { bound: true, binding, address: bound.address, port: bound.port }
    } catch (cause) {
      const code = systemCode(cause)
      const own = code === "EADDRINUSE" ? this.#holder(binding) : undefined
      const why = own === undefined ? describe(cause) : takenByItself(binding, host, own)
      const message = `${why}; wanted by ${listenerNames(binding)}`
      const error = new GatewayError("ERR_TLSROUTE_BIND", message, { cause })
      return { bound: false, binding, message, code, error }
    }
  }

  /** The socket of another binding that has the port which this one asks for, where there is one. */
  #holder(binding: ListenerBinding): Bound | undefined {
    const port = this.#localPort(binding.port)
    const host = binding.address ?? this.#local.address
    // What gives way to this one is no hindrance.
    const others = [...this.#slots].filter(([key, { heir }]) => key !== binding.key && heir !== binding.key)
    return others
      .flatMap(([, { state }]) => (state.bound ? [state] : []))
      .find((state) => state.port === port && overlap(host, state.binding.address ?? this.#local.address))
  }

  #localPort(port: number): number {
    const { mapPort } = this.#local
    if (mapPort === undefined) return port
    const local = typeof mapPort === "function" ? mapPort(port) : (mapPort[port] ?? port)
    if (Number.isInteger(local) && local >= 0 && local <= 65_535) return local
    forgetPromise(local)
    throw new GatewayError("ERR_TLSROUTE_OPTION", `mapPort gave ${describe(local)} for ${port}, which is no port`)
  }
}

/** Whether two addresses to listen on have one in common. */
function overlap(a: string | undefined, b: string | undefined): boolean {
  return a === b || [a, b].some((each) => each === undefined || each === "::" || each === "0.0.0.0")
}

/** What to do where two bindings come to one port, by `mapPort` or by addresses of which one stands for all. */
function takenByItself({ port }: ListenerBinding, host: string | undefined, own: Bound): string {
  const way =
    own.binding.port === port
      ? "choose another port for one of them"
      : `map port ${port} to another port than port ${own.binding.port} (mapPort, --map-port)`
  return `Cannot listen on ${host ?? "*"}:${own.port}: ${listenerNames(own.binding)} has this port already; ${way} (EADDRINUSE)`
}

/** The system's code in an error of the proxy, of a worker, or of the system itself. */
function systemCode(cause: unknown): string | undefined {
  const { reason, code } = Object(cause) as { readonly reason?: unknown; readonly code?: unknown }
  return [reason, code].find((word): word is string => typeof word === "string" && /^E[A-Z]+$/.test(word))
}

function listenerNames(binding: ListenerBinding): string {
  return binding.listeners.map((listener) => listener.id).join(", ")
}
