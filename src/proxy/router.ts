import type { ClientHello } from "../client-hello/hello.ts"
import type { ConnectionPolicy } from "./policy.ts"

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
  /** Address that the client connected to; costs a system call when it is read. */
  readonly localAddress: string | undefined
}

/** What to do with a connection. `route` is carried into events and records, unread by the proxy. */
export type RouteDecision =
  | {
      readonly action: "forward"
      readonly target: DialTarget
      readonly route?: string
      /** What the router calls the listener that the name belongs to, where a port has several. */
      readonly listener?: string
      /** What holds for the connection from now on. Default: what the proxy's options say. */
      readonly policy?: ConnectionPolicy
    }
  | { readonly action: "refuse"; readonly reason: string; readonly route?: string; readonly listener?: string }

/** Decides where a connection goes. Called on the hot path: it must not block, and need not allocate. */
export interface Router {
  /** Never throws; a refusal is a decision. */
  route(request: RouteRequest): RouteDecision
}
