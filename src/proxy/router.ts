import type { ClientHello } from "../client-hello/hello.ts"
import type { ConnectionPolicy } from "./policy.ts"
import type { DialTarget } from "./target.ts"

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
