import type { NameResolver } from "../backend/name-resolver.ts"
import type { Balancer } from "../balance/balancer.ts"
import type { Gate } from "../limits/gate.ts"
import type { OwnSockets } from "../listen/own-sockets.ts"
import type { ConnectionPolicy } from "../policy.ts"
import type { RouteDecision, Router } from "../router.ts"
import type { TimerWheel } from "../timer-wheel.ts"
import type { ConnectionInfo, Rejection } from "./record.ts"

/** What a connection needs of the proxy it belongs to, whatever it comes over. */
export interface RoutedHost {
  /** Router in force now. */
  readonly router: Router
  /** Tells this proxy from all others. */
  readonly instance: string
  /** Lets connections in. */
  readonly gate: Gate
  /** What holds for connections whose router gives them no policy. */
  readonly connectionPolicy: ConnectionPolicy
  /** Whether records tell of the ClientHello. */
  readonly describesHello: boolean
  /** Keeps deadlines. */
  readonly wheel: TimerWheel
  /** Chooses endpoints. */
  readonly balancer: Balancer
  /** Resolves names. */
  readonly names: NameResolver
  /** What must not be dialled, as connections would come back. */
  readonly own: OwnSockets
  /** A target was chosen. */
  connectionRouted(connection: ConnectionInfo, decision: RouteDecision): void
  /** It was refused. */
  connectionRejected(connection: ConnectionInfo, rejection: Rejection): void
  /** Something that is not the client's doing. */
  connectionError(error: Error): void
}
