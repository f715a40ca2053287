import type { ClientHello } from "../client-hello/hello.ts"

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
  | { readonly kind: "name"; readonly id: string; readonly host: string; readonly port: number }

/** What the router is asked, once per connection. */
export interface RouteRequest {
  /** Key given to `listen`. */
  readonly listener: string
  /** The parsed ClientHello. */
  readonly hello: ClientHello
  /** The client's address, as the socket or a trusted PROXY header tells it. */
  readonly clientAddress: string
  /** The client's port. */
  readonly clientPort: number
}

/** What to do with a connection. `route` is carried into events and records, unread by the proxy. */
export type RouteDecision =
  | { readonly action: "forward"; readonly target: DialTarget; readonly route?: string }
  | { readonly action: "refuse"; readonly reason: string; readonly route?: string }

/** Decides where a connection goes. Called on the hot path: it must not block, and need not allocate. */
export interface Router {
  /** Never throws; a refusal is a decision. */
  route(request: RouteRequest): RouteDecision
}
