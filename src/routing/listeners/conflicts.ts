import type { Fault } from "../admit/fault.ts"

/**
 * What one TLS listener asks of a port. Such listeners are distinct by port and hostname, and Passthrough cannot
 * share a port with Terminate. Listeners of protocols that are not served ask for nothing: they are refused for their
 * protocol, and stand in nobody's way.
 */
export interface PortUse {
  readonly id: string
  readonly port: number
  /** Empty for every address. */
  readonly addresses: readonly string[]
  readonly mode: "Terminate" | "Passthrough"
  /** `*` for any. */
  readonly hostname: string
  /** Refuses the listener; the first reason stays. */
  refuse(fault: Fault): void
}

/** Why two listeners cannot both be accepted, or `undefined`. Their addresses are taken to meet. */
function conflictBetween(a: PortUse, b: PortUse): Fault | undefined {
  if (a.port !== b.port) return undefined
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

/** Uses of ports, all of mode Passthrough, that later listeners must not conflict with. */
export class ListenerClaims {
  readonly #claims = new Map<string, PortUse[]>()

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
    const claim = this.#claims.get(keyOf(use))?.find(({ addresses }) => addressesMeet(use.addresses, addresses))
    return claim === undefined ? undefined : conflictBetween(use, claim)
  }

  #add(use: PortUse): void {
    const same = this.#claims.get(keyOf(use))
    if (same === undefined) this.#claims.set(keyOf(use), [use])
    else same.push(use)
  }
}

/** Passthrough listeners conflict among themselves by port and hostname only. */
function keyOf({ port, hostname }: PortUse): string {
  return `${port} ${hostname}`
}

/** Whether two lists of addresses have one in common; an empty list stands for every address. */
export function addressesMeet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === 0 || b.length === 0 || a.some((address) => b.includes(address))
}
