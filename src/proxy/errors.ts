import { argumentRefuser, refuser } from "../primitives/option-checks.ts"

/** Stable codes of {@link ProxyError}. */
export type ProxyErrorCode =
  /** A port could not be bound, or the key is taken. */
  | "ERR_TLSROUTE_LISTEN"
  /** A bound listener reported an error later, for example no file descriptors left. */
  | "ERR_TLSROUTE_ACCEPT"
  /** The router threw or answered nonsense; the connection was refused. */
  | "ERR_TLSROUTE_ROUTER"
  /** A listener of an event threw, or rejected; what the event told of goes on. */
  | "ERR_TLSROUTE_LISTENER"
  /** The prelude of a STARTTLS protocol threw or answered nonsense; the connection was refused. */
  | "ERR_TLSROUTE_STARTTLS"
  /** A name could not be resolved to any address. */
  | "ERR_TLSROUTE_NAME"
  /** A name resolved only to addresses that must not be dialled. */
  | "ERR_TLSROUTE_FORBIDDEN_ADDRESS"
  /** A method was called in a state that does not allow it, or with an option that cannot work. */
  | "ERR_TLSROUTE_PROXY_USAGE"

/** What the proxy throws from its methods or reports in its `error` event. */
export class ProxyError extends Error {
  override readonly name: string = "ProxyError"

  /**
   * @param code - stable code
   * @param message - what is wrong and what to do
   * @param options - the cause, when another error led here
   */
  constructor(
    readonly code: ProxyErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** Refuses options that cannot be what was meant: throws {@link ProxyError} `ERR_TLSROUTE_PROXY_USAGE`. */
export const refuseUsage = refuser(usageError)

/** The same, for an argument that is no object of options. */
export const refuseArgument = argumentRefuser(usageError)

function usageError(message: string): ProxyError {
  return new ProxyError("ERR_TLSROUTE_PROXY_USAGE", message)
}

/** A port that could not be bound. */
export class ListenError extends ProxyError {
  override readonly name = "ListenError"

  /**
   * @param key - key given to `listen`
   * @param host - address asked for; `undefined` stands for every address
   * @param port - port asked for
   * @param reason - the system's own code, for example `EADDRINUSE` or `EACCES`
   * @param options - the cause; and `transport`, where the port is one of UDP
   */
  constructor(
    readonly key: string,
    readonly host: string | undefined,
    readonly port: number,
    readonly reason: string,
    options?: ErrorOptions & { readonly transport?: "udp" },
  ) {
    const where = `${options?.transport === "udp" ? "UDP " : ""}${host ?? "*"}:${port}`
    super("ERR_TLSROUTE_LISTEN", `Cannot listen on ${where}: ${advice(reason, port)}`, options)
  }
}

function advice(reason: string, port: number): string {
  if (reason === "EADDRINUSE") return "something has this port already; stop it or choose another port (EADDRINUSE)"
  if (reason === "EACCES")
    return `not allowed; ports below 1024 need a privilege, so map port ${port} to a higher one (EACCES)`
  if (reason === "EADDRNOTAVAIL") return "no network interface has this address (EADDRNOTAVAIL)"
  if (reason === "ERR_SOCKET_BAD_PORT") return "ports are whole numbers from 0 to 65535 (ERR_SOCKET_BAD_PORT)"
  return reason
}
