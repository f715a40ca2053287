import type { Fault } from "../admit/fault.ts"

/**
 * What one listener asks of a port. Listeners are distinct by port and hostname; TLS cannot share a port
 * with another protocol over TCP, nor Passthrough with Terminate.
 */
export interface PortUse {
  readonly id: string
  readonly port: number
  /** Empty for every address. */
  readonly addresses: readonly string[]
  readonly protocol: string
  readonly mode: "Terminate" | "Passthrough"
  /** `*` for any. */
  readonly hostname: string
  /** False for a listener too broken to compare. */
  readonly usable: boolean
  /** Refuses the listener; the first reason stays. */
  refuse(fault: Fault): void
}

const OVER_TCP = new Set(["TLS", "HTTP", "HTTPS", "TCP"])

/** Why two listeners cannot both be accepted, or `undefined`. Their addresses are taken to meet. */
function conflictBetween(a: PortUse, b: PortUse): Fault | undefined {
  if (a.port !== b.port || !a.usable || !b.usable) return undefined
  if (a.protocol !== "TLS" && b.protocol !== "TLS") return undefined
  if (!OVER_TCP.has(a.protocol) || !OVER_TCP.has(b.protocol)) return undefined
  if (a.protocol !== b.protocol) {
    return { reason: "ProtocolConflict", message: `${b.id} uses port ${b.port} for ${b.protocol}` }
  }
  if (a.mode !== b.mode) {
    return { reason: "ProtocolConflict", message: `${b.id} uses port ${b.port} with tls.mode ${b.mode}` }
  }
  if (a.hostname !== b.hostname) return undefined
  const hostname = a.hostname === "*" ? "every hostname" : `hostname ${a.hostname}`
  return { reason: "HostnameConflict", message: `${b.id} has ${hostname} on port ${b.port} too` }
}

/** Inside one Gateway or one ListenerSet nobody wins: every listener that conflicts with another is refused. */
export function refuseConflictsWithin(uses: readonly PortUse[]): void {
  const faults = uses.map((use) => {
    const found = uses.filter((other) => other !== use).map((other) => conflictBetween(use, other))
    return found.find((fault) => fault?.reason === "ProtocolConflict") ?? found.find((fault) => fault !== undefined)
  })
  for (const [at, fault] of faults.entries()) if (fault !== undefined) uses[at]?.refuse(fault)
}

/** Uses of ports that later listeners must not conflict with. */
export class ListenerClaims {
  readonly #byPort = new Map<number, PortClaims>()

  constructor(claims: readonly PortUse[] = []) {
    for (const claim of claims) this.#add(claim)
  }

  /** Refuses each use that conflicts with an earlier claim on an address it shares; the others become claims. */
  refuseOrAdd(uses: readonly PortUse[]): void {
    const kept: PortUse[] = []
    for (const use of uses) {
      const fault = this.#conflict(use)
      if (fault === undefined) kept.push(use)
      else use.refuse({ reason: fault.reason, message: `${fault.message} and comes first` })
    }
    for (const use of kept) this.#add(use)
  }

  #conflict(use: PortUse): Fault | undefined {
    const claims = this.#byPort.get(use.port)
    if (claims === undefined) return undefined
    const passthrough = isPassthrough(use)
      ? (claims.passthrough.get(use.hostname) ?? [])
      : [...claims.passthrough.values()].flat()
    for (const claim of [...claims.others, ...passthrough]) {
      const fault = addressesMeet(use.addresses, claim.addresses) ? conflictBetween(use, claim) : undefined
      if (fault !== undefined) return fault
    }
    return undefined
  }

  #add(use: PortUse): void {
    let claims = this.#byPort.get(use.port)
    if (claims === undefined) {
      claims = { passthrough: new Map(), others: [] }
      this.#byPort.set(use.port, claims)
    }
    if (!isPassthrough(use)) {
      claims.others.push(use)
      return
    }
    const same = claims.passthrough.get(use.hostname)
    if (same === undefined) claims.passthrough.set(use.hostname, [use])
    else same.push(use)
  }
}

/** Claims on one port. Passthrough listeners conflict among themselves by hostname only, so they are kept by it. */
interface PortClaims {
  readonly passthrough: Map<string, PortUse[]>
  readonly others: PortUse[]
}

/** Whether two lists of addresses have one in common; an empty list stands for every address. */
export function addressesMeet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === 0 || b.length === 0 || a.some((address) => b.includes(address))
}

function isPassthrough(use: PortUse): boolean {
  return use.protocol === "TLS" && use.mode === "Passthrough"
}
