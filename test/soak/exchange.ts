import type { SoakRecord } from "./messages.ts"
import { Pattern } from "./pattern.ts"
import type { Fault, Plan } from "./plan.ts"

/** One side's account of one direction. */
export class Flow {
  readonly pattern: Pattern
  sent = 0
  received = 0
  /** Whether the receiver has seen its end, after all of it. */
  ended = false

  constructor(seed: number) {
    this.pattern = new Pattern(seed)
  }
}

/** What became of one connection, as both of its ends saw it. */
export class Exchange {
  readonly plan: Plan
  readonly up: Flow
  readonly down: Flow
  readonly failures: string[] = []
  /** Backend that it reached. */
  backend: string | undefined
  connected = false
  /** Of the client's TCP socket, once it is closed. */
  bytesWritten = 0
  bytesRead = 0
  /** Whether the client, or the backend, was told of an error: a reset. */
  clientError: string | undefined
  backendError: string | undefined
  localPort = 0
  /** What the client was told by the gateway itself. */
  refusal = Buffer.alloc(0)
  /** What the gateway recorded, once it has. */
  record: SoakRecord | undefined
  /** It was reset before it was accepted, so that no record can be told for its own. */
  isForgotten = false

  constructor(plan: Plan) {
    this.plan = plan
    this.up = new Flow(2 * plan.id)
    this.down = new Flow(2 * plan.id + 1)
  }

  /** Checks bytes as they come. */
  receive(flow: Flow, chunk: Buffer): void {
    const wrong = flow.pattern.firstWrong(flow.received, chunk)
    const way = flow === this.up ? "to the backend" : "to the client"
    if (wrong !== undefined) this.failures.push(`byte ${wrong} ${way} is not what was sent`)
    flow.received += chunk.length
    if (flow.received > flow.sent) this.failures.push(`${flow.received} bytes came ${way}, of ${flow.sent} sent`)
  }

  /** Notes what came from nobody but the gateway. */
  refused(chunk: Buffer): void {
    this.refusal = Buffer.concat([this.refusal, chunk])
  }

  /** Whether everything went both ways and ended as it should. */
  get isWhole(): boolean {
    const { plan, up, down } = this
    return up.ended && down.ended && up.received === plan.up && down.received === plan.down
  }

  /** How it ended, in a line. */
  toString(): string {
    const { plan, up, down } = this
    return [
      `connection ${plan.id} (${plan.protocol}, ${plan.route}, ${plan.fault}, ${plan.ending})`,
      `up ${up.received}/${up.sent}/${plan.up}${up.ended ? " ended" : ""}`,
      `down ${down.received}/${down.sent}/${plan.down}${down.ended ? " ended" : ""}`,
      `backend ${this.backend ?? "none"} at ${this.record?.endpoint}, errors ${this.clientError ?? "-"} ${this.backendError ?? "-"}`,
    ].join("; ")
  }
}

/** Faults of a client that never is a TLS client, so that no backend may hear of it. */
export const NEVER_ROUTED: ReadonlySet<Fault> = new Set<Fault>([
  "hello-ended",
  "hello-reset",
  "hello-stalled",
  "garbage",
  "unknown-name",
])
