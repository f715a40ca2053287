import { argumentRefuser, refuser } from "../primitives/option-checks.ts"

/** Stable codes of {@link KubernetesError}. */
export type KubernetesErrorCode =
  /** `@kubernetes/client-node` is not installed. */
  | "ERR_TLSROUTE_KUBERNETES_PEER_MISSING"
  /** An option that there is not, or that cannot be used. */
  | "ERR_TLSROUTE_KUBERNETES_OPTION"
  /** No cluster, context or credentials can be read. */
  | "ERR_TLSROUTE_KUBERNETES_CONFIG"
  /** The API server cannot be reached, or the connection broke. */
  | "ERR_TLSROUTE_KUBERNETES_UNREACHABLE"
  /** The API server answered with an error; see {@link KubernetesError.status}. */
  | "ERR_TLSROUTE_KUBERNETES_API"
  /** An answer was not what the Kubernetes API promises. */
  | "ERR_TLSROUTE_KUBERNETES_PROTOCOL"

/** Every error that this entry throws or reports. */
export class KubernetesError extends Error {
  override readonly name = "KubernetesError"
  /** Stable, for machines. */
  readonly code: KubernetesErrorCode
  /** HTTP status of the answer, when there was one. */
  readonly status: number | undefined
  /** `reason` of the `metav1.Status` in the answer, for example `Conflict` or `Expired`. */
  readonly reason: string | undefined
  /** How long the API server asks to wait before the next try, in milliseconds. */
  readonly retryAfterMs: number | undefined

  /** @internal */
  constructor(
    code: KubernetesErrorCode,
    message: string,
    details: {
      readonly cause?: unknown
      readonly status?: number
      readonly reason?: string
      readonly retryAfterMs?: number
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.status = details.status
    this.reason = details.reason
    this.retryAfterMs = details.retryAfterMs
  }
}

/** Refuses options that cannot be what was meant: throws {@link KubernetesError} `ERR_TLSROUTE_KUBERNETES_OPTION`. */
export const refuseOptions = refuser(optionError)

/** The same, for an argument that is no object of options. */
export const refuseArgument = argumentRefuser(optionError)

function optionError(message: string): KubernetesError {
  return new KubernetesError("ERR_TLSROUTE_KUBERNETES_OPTION", message)
}

/** The resource version, or the page of a list, is older than the server remembers: list again. */
export const isExpired = (error: unknown): boolean =>
  error instanceof KubernetesError && (error.status === 410 || error.reason === "Expired")

/** The object, or the kind itself, is not there. */
export const isNotFound = (error: unknown): boolean => error instanceof KubernetesError && error.status === 404

/** The credentials give no right to it. */
export const isForbidden = (error: unknown): boolean =>
  error instanceof KubernetesError && (error.status === 401 || error.status === 403)

/** Someone wrote the object since it was read. */
export const isConflict = (error: unknown): boolean => error instanceof KubernetesError && error.status === 409

/** Whether trying again may give another answer. */
export const mayPass = (error: unknown): boolean =>
  error instanceof KubernetesError && (error.status === undefined || error.status === 429 || error.status >= 500)

/** One line for people, with the cause that the network gave. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? error.cause.message : ""
  return cause !== "" && !error.message.includes(cause) ? `${error.message}: ${cause}` : error.message
}
