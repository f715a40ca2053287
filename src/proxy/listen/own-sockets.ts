import type { AddressInfo } from "node:net"
import { networkInterfaces } from "node:os"
import { canonicalIp, withoutZone } from "../../primitives/ip-address.ts"
import type { DialEndpoint } from "../target.ts"

/** How long the addresses of this machine are remembered, in milliseconds: asking for them takes longer than a dial. */
const FORGET_AFTER = 5_000

/**
 * What a proxy listens on, so that it does not dial itself: a backend that leads back to the gateway would make each
 * connection open the next one, until none can be opened any more.
 */
export class OwnSockets {
  readonly #bound = new Map<string, AddressInfo>()
  #byPort: ReadonlyMap<number, readonly string[]> = new Map()
  #machine: ReadonlySet<string> = new Set()
  #askAt = 0

  /** A listener is bound. */
  add(key: string, address: AddressInfo): void {
    this.#bound.set(key, address)
    this.#index()
  }

  /** It is no longer. */
  delete(key: string): void {
    if (this.#bound.delete(key)) this.#index()
  }

  /** Whether a connection to the endpoint would come back to a listener, by whichever address of this machine. */
  has({ address, port }: DialEndpoint): boolean {
    const bound = this.#byPort.get(port)
    if (bound === undefined) return false
    const target = reached(address)
    return bound.some((own) => own === target || (isWildcard(own) && this.#isOfMachine(target)))
  }

  #index(): void {
    const byPort = new Map<number, string[]>()
    for (const { address, port } of this.#bound.values()) {
      const addresses = byPort.get(port)
      if (addresses === undefined) byPort.set(port, [canonical(address)])
      else addresses.push(canonical(address))
    }
    this.#byPort = byPort
  }

  #isOfMachine(address: string): boolean {
    // All of 127.0.0.0/8 is the loopback interface's (RFC 1122 section 3.2.1.3), which tells of one address only.
    if (address.startsWith("127.")) return true
    const now = performance.now()
    if (now >= this.#askAt) {
      this.#machine = addressesOfMachine()
      this.#askAt = now + FORGET_AFTER
    }
    return this.#machine.has(address)
  }
}

function addressesOfMachine(): ReadonlySet<string> {
  const interfaces = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return new Set(["127.0.0.1", "::1", ...interfaces.map(({ address }) => canonical(address))])
}

/** The address that a dial reaches: the system takes the unspecified one for loopback. */
function reached(address: string): string {
  const target = canonical(address)
  if (target === "0.0.0.0") return "127.0.0.1"
  return target === "::" ? "::1" : target
}

function isWildcard(address: string): boolean {
  return address === "::" || address === "0.0.0.0"
}

function canonical(address: string): string {
  return canonicalIp(withoutZone(address)) ?? address
}
