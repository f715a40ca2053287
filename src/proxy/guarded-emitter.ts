import { captureRejectionSymbol, EventEmitter, errorMonitor } from "node:events"
import { describe } from "../primitives/describe.ts"
import { ProxyError } from "./errors.ts"

/** Events by name, with their arguments. */
type EventMap<Events> = { [Event in keyof Events]: unknown[] }

/**
 * An emitter whose listeners cannot end the process: what one throws, or rejects with, becomes an `error` event,
 * and an `error` that nobody deals with becomes a process warning. Listeners after one that throws are not told of
 * that event.
 */
export abstract class GuardedEmitter<Events extends EventMap<Events>> extends EventEmitter<Events> {
  constructor() {
    super({ captureRejections: true })
  }

  /** @internal Emits an event, whatever its listeners do. */
  tell<E extends keyof Events & string>(event: E, ...args: Events[E]): void {
    try {
      ;(this as EventEmitter).emit(event, ...args)
    } catch (cause) {
      // Without a listener the error itself is thrown, once those who only watch errors were told of it.
      if (event === "error" && cause === args[0]) warn(cause)
      else this.#listenerFailed(event, cause)
    }
  }

  /** @internal Takes what an asynchronous listener rejected with. */
  override [captureRejectionSymbol](cause: unknown, ...[event]: readonly unknown[]): void {
    this.#listenerFailed(event, cause)
  }

  #listenerFailed(event: unknown, cause: unknown): void {
    const message = `A listener of the event "${String(event)}" failed: ${describe(cause)}`
    const error = new ProxyError("ERR_TLSROUTE_LISTENER", message, { cause })
    if (event === "error" || event === errorMonitor) warn(error)
    else this.tell("error" as keyof Events & string, ...([error] as unknown as Events[keyof Events & string]))
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : describe(error))
}
