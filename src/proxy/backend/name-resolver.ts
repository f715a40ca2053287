import type { DialEndpoint } from "../target.ts"

/** Finds where targets given by name can be dialled. */
export interface NameResolver {
  /**
   * Endpoints in the order to try. Answers at once when it knows, so that a connection need not wait.
   *
   * @param host - DNS name in lower case, or IP literal
   * @param port - TCP port
   * @param anyAddress - the name may lead anywhere: no address is forbidden
   * @param patience - milliseconds that a fresh answer may be waited for, where there is an outdated one
   * @throws {@link ProxyError} `ERR_TLSROUTE_NAME` or `ERR_TLSROUTE_FORBIDDEN_ADDRESS`, at once or by rejection
   */
  resolve(
    host: string,
    port: number,
    anyAddress?: boolean,
    patience?: number,
  ): readonly DialEndpoint[] | Promise<readonly DialEndpoint[]>
  /**
   * Where a name leads now, asked because nothing answered at any of its endpoints: what is remembered does not
   * count. `undefined` when there is nobody to ask. Throws and rejects as {@link NameResolver.resolve} does.
   */
  renew?(
    host: string,
    port: number,
    anyAddress?: boolean,
  ): readonly DialEndpoint[] | Promise<readonly DialEndpoint[]> | undefined
  /**
   * Has a listener told of every lookup that fails, those that an outdated answer makes up for among them.
   *
   * @returns ends that
   */
  onFailure?(listener: (failure: LookupFailure) => void): () => void
  /** Stops what is under way. */
  close?(): void
}

/** A lookup of a name that came to nothing. */
export interface LookupFailure {
  /** The name. */
  readonly host: string
  /** Why: a code of DNS or the system, such as `ENOTFOUND`, `ETIMEOUT` or `ESERVFAIL`, or the error's own. */
  readonly code: string
  /** Whether connections go on with an outdated answer. */
  readonly covered: boolean
}
