import type { EventEmitter } from "node:events"
import type { SpliceProxyEvents } from "../proxy/events.ts"
import type { GuardedEmitter } from "../proxy/guarded-emitter.ts"
import type { GatewayEvents } from "./events.ts"

/** Events of the data plane that the gateway passes on. */
export const RELAYED = [
  "connection",
  "route",
  "reject",
  "waiting",
  "close",
  "drops",
  "eject",
  "lookupFailed",
] as const satisfies readonly Exclude<keyof SpliceProxyEvents, "error" | "quic">[]

type Relayed = (typeof RELAYED)[number]

/**
 * Passes one event of the data plane on to the gateway's listeners. A data plane prepares an event only when
 * somebody listens, so the gateway listens only while somebody does.
 */
export class EventRelay {
  readonly #event: Relayed
  readonly #plane: EventEmitter
  readonly #gateway: EventEmitter
  readonly #pass: (...args: SpliceProxyEvents[Relayed]) => void
  #isOn = false

  constructor(event: Relayed, plane: EventEmitter<SpliceProxyEvents>, gateway: GuardedEmitter<GatewayEvents>) {
    this.#event = event
    this.#plane = plane as unknown as EventEmitter
    this.#gateway = gateway as unknown as EventEmitter
    this.#pass = (...args) => gateway.tell(event, ...args)
  }

  /** Follows who listens; again, once all of a gateway's listeners were removed, this one's among them. */
  watch(): void {
    for (const name of ["newListener", "removeListener"]) {
      this.#gateway.off(name, this.#listenersChange)
      this.#gateway.on(name, this.#listenersChange)
    }
    this.#turn(this.#gateway.listenerCount(this.#event) > 0)
  }

  // A listener is told of before it is added, and after it is removed.
  readonly #listenersChange = (name: string | symbol): void => {
    if (name === this.#event && this.#gateway.listenerCount(name) === 0) this.#turn(!this.#isOn)
  }

  #turn(isOn: boolean): void {
    if (isOn === this.#isOn) return
    this.#isOn = isOn
    if (isOn) this.#plane.on(this.#event, this.#pass)
    else this.#plane.off(this.#event, this.#pass)
  }
}
