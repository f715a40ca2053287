/** One IP address and TCP port to dial. */
export interface DialEndpoint {
  /** IP literal. */
  readonly address: string
  /** TCP port. */
  readonly port: number
  /** Topology zone, when known. */
  readonly zone?: string
}

/** Where to send a connection. `id` is stable across configurations: load and health are kept by it. */
export type DialTarget =
  | { readonly kind: "endpoints"; readonly id: string; readonly endpoints: readonly DialEndpoint[] }
  | {
      readonly kind: "name"
      readonly id: string
      readonly host: string
      readonly port: number
      /** The name is trusted to lead anywhere, this machine included. Default false. */
      readonly anyAddress?: boolean
    }
