import { forgetOldest } from "../../primitives/forget-oldest.ts"
import type { LookupFailure } from "../../proxy/backend/name-resolver.ts"
import type { ConnectionInfo, ConnectionRecord } from "../../proxy/connection/record.ts"
import type { BackendTarget } from "../../routing/route-table.ts"

/** What is known to fail about a backend. */
export interface BackendFailure {
  /** Connections in a row that did not reach it; 0 where only its name could not be looked up. */
  readonly connections: number
  /** Why: an outcome and its detail, or that the name cannot be looked up, with the code. */
  readonly why: string
  /** Milliseconds since 1970, of the last one. */
  readonly last: number
  /** Connections go on with an older answer of DNS. */
  readonly covered: boolean
}

/** Outcomes that tell of the backend, and not of the client or a limit. */
const OUTCOMES: ReadonlySet<string> = new Set([
  "no-endpoints",
  "unresolved",
  "forbidden-address",
  "loop",
  "dial-failed",
  "dial-timeout",
])
/** Backends, and names, that are remembered. */
const MOST = 1_000
/** A name in use is looked up again within five minutes; one that goes on failing, within seconds. In milliseconds. */
const LOOKUP_COUNTS_FOR = 60_000

/** Remembers which backends connections do not reach, until one does. Those that failed longest ago are forgotten first. */
export class Failures {
  readonly #targets = new Map<string, BackendFailure>()
  readonly #hosts = new Map<string, BackendFailure>()

  /** Takes how a connection ended. */
  ended(record: ConnectionRecord): void {
    const { kind, target, outcome, detail, since } = record
    if (target === undefined) return
    if (kind === "spliced") this.#reached(target, since)
    if (kind !== "refused" || !OUTCOMES.has(outcome)) return
    const connections = (this.#targets.get(target)?.connections ?? 0) + 1
    const why = detail === undefined ? outcome : `${outcome}, ${detail}`
    keepLatest(this.#targets, target, { connections, why, last: Date.now(), covered: false })
  }

  /** Takes that a name could not be looked up. */
  lookupFailed({ host, code, covered }: LookupFailure): void {
    keepLatest(this.#hosts, host, { connections: 0, why: `lookup failed, ${code}`, last: Date.now(), covered })
  }

  /** Looks at a live connection: that it has reached its backend speaks for that. */
  see({ target, state, since }: ConnectionInfo): void {
    if (this.#targets.size === 0 || target === undefined) return
    if (state === "splicing" || state === "half-closed") this.#reached(target, since)
  }

  /** What is known to fail about a backend; `undefined` where nothing is. */
  of(target: BackendTarget): BackendFailure | undefined {
    const lookup = target.kind === "name" ? this.#hosts.get(target.host) : undefined
    const isRecent = lookup !== undefined && Date.now() - lookup.last < LOOKUP_COUNTS_FOR
    return this.#targets.get(target.id) ?? (isRecent ? lookup : undefined)
  }

  /** A connection that began before the last failure says nothing of what is since. */
  #reached(target: string, since: number): void {
    const failure = this.#targets.get(target)
    if (failure !== undefined && since > failure.last) this.#targets.delete(target)
  }
}

function keepLatest(map: Map<string, BackendFailure>, key: string, failure: BackendFailure): void {
  map.delete(key)
  map.set(key, failure)
  forgetOldest(map, MOST)
}
