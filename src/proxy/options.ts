import type { OneOf } from "../primitives/one-of.ts"
import type { NameResolver } from "./backend/name-resolver.ts"
import type { BalancePolicy } from "./balance/policy.ts"
import type { ProxyLimits } from "./limits/gate.ts"
import type { LimitSharing } from "./limits/sharing.ts"
import type { ListenerPolicy, RefusalMode } from "./policy.ts"
import type { Router } from "./router.ts"

/** Time limits in milliseconds. `Infinity` turns one off. They are kept to about a third of a second, never early. */
export interface Deadlines {
  /** From accept to a whole ClientHello, whatever trickles in. Default 10 000. */
  readonly hello: number
  /** From the router's answer to an established backend connection, name lookup and every retry included. Default 5 000. */
  readonly dial: number
  /** Without a byte either way. Default 3 600 000. */
  readonly idle: number
  /** Without a byte, once one side has ended; counted from that end, or from the last byte after it. Default 120 000. */
  readonly halfClosed: number
  /** From accept to the end, whatever happens. Default `Infinity`. */
  readonly max: number
}

/** Limits used where an option is left out. */
const DEFAULT_DEADLINES: Deadlines = {
  hello: 10_000,
  dial: 5_000,
  idle: 3_600_000,
  halfClosed: 120_000,
  max: Number.POSITIVE_INFINITY,
}

/** Fills in the time limits that are left out. */
export function withDefaultDeadlines(given: NonNullable<SpliceProxyOptions["deadlines"]> = {}): Deadlines {
  const said = Object.entries(given).filter(([, limit]) => limit !== undefined)
  return { ...DEFAULT_DEADLINES, ...Object.fromEntries(said) }
}

/** Options of a `SpliceProxy`. */
export interface SpliceProxyOptions {
  /** Decides where connections go. */
  readonly router: Router
  /** Time limits; those left out keep their defaults. */
  readonly deadlines?: { readonly [Name in keyof Deadlines]?: Deadlines[Name] | undefined } | undefined
  /** How refused clients learn of it. Default `close`. */
  readonly refusal?: OneOf<RefusalMode> | undefined
  /** Largest ClientHello taken, in bytes on the wire. Default 65 536. */
  readonly maxHelloBytes?: number | undefined
  /** Endpoints tried per connection before it is refused. Default 3. */
  readonly dialAttempts?: number | undefined
  /** How endpoints of a target share connections. Default `least-connections`. */
  readonly balance?: OneOf<BalancePolicy> | undefined
  /** Limits of the proxy as a whole. */
  readonly limits?: ProxyLimits | undefined
  /** Keep in each record what the ClientHello told: ALPN, version, ECH, JA4. Costs about the time of parsing it again. Default false. */
  readonly describeHello?: boolean | undefined
  /** Resolves targets given by name. Default: a new `DnsCache`. */
  readonly names?: NameResolver | undefined
  /** @internal What the ids of all proxies of one gateway begin with: 8 hex digits. Default: random ones. */
  readonly family?: string | undefined
  /** @internal With whom limits are shared: other workers. Default: nobody. */
  readonly sharing?: LimitSharing | undefined
}

/** What to bind. */
export interface ListenOptions {
  /** Name of the listener, unique in the proxy; routers and records are told of it. */
  readonly key: string
  /** Address to bind. Default: every address, IPv6 and IPv4. */
  readonly host?: string | undefined
  /** TCP port; 0 lets the system choose. */
  readonly port: number
  /** What is asked of its connections before they are routed. Default: what the proxy's options say. */
  readonly policy?: ListenerPolicy | undefined
  /** Length of the kernel's queue of connections not accepted yet. Default 511. */
  readonly backlog?: number | undefined
  /** Share the port with other sockets that ask for it too (`SO_REUSEPORT`; Node.js 22.12 or newer, Linux and some BSDs). */
  readonly reusePort?: boolean | undefined
}

/** Milliseconds of a drain where no time is given. */
export const DEFAULT_DRAIN = 30_000

/** How to close. */
export interface CloseOptions {
  /** Milliseconds that live connections may go on before they are ended. Default 30 000; 0 ends them at once. */
  readonly drainTimeout?: number | undefined
  /**
   * Milliseconds before that time over which those that are left are ended, at moments drawn at random, so that
   * their clients do not all return at once. Default: a quarter of the time.
   */
  readonly spread?: number | undefined
}
