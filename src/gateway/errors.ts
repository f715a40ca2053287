import type { ResourceProblem } from "../routing/resources.ts"

/** Stable codes of {@link GatewayError}. */
export type GatewayErrorCode =
  /** A listener's port could not be bound. */
  | "ERR_TLSROUTE_BIND"
  /** The source threw; the last snapshot stays in force. */
  | "ERR_TLSROUTE_SOURCE"
  /** The first snapshot asks for no port, or a part of it could not be read. */
  | "ERR_TLSROUTE_UNUSABLE"
  /** An option cannot be used. */
  | "ERR_TLSROUTE_OPTION"
  /** A worker died; it is being replaced. */
  | "ERR_TLSROUTE_WORKER"
  /** A method was called in a state that does not allow it. */
  | "ERR_TLSROUTE_STATE"

/** What a gateway throws from its methods or reports in its `error` event. */
export class GatewayError extends Error {
  override readonly name = "GatewayError"

  /**
   * @param code - stable code
   * @param message - what is wrong and what to do
   * @param options - the cause, when another error led here
   * @param problems - what is wrong with the configuration, where that is why
   */
  constructor(
    readonly code: GatewayErrorCode,
    message: string,
    options?: ErrorOptions,
    readonly problems: readonly ResourceProblem[] = [],
  ) {
    super(message, options)
  }
}
