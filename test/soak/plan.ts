import { body, handshake, inRecords, serverName, versions } from "../client-hello/build.ts"
import { Random } from "./random.ts"

/**
 * Routes of the gateway. `stable`, `proxied` and `weighted` are always there and must serve every client, and so must
 * `named`, whose backend is a name in a zone that changes and fails, `capped`, which is held to a rate, and `patient`,
 * over which one side is silent for longer than the other has to answer its end, before that end; endpoints of
 * `moving` come and go, and some refuse; `flapping` is there now and then; `draining` ends its connections when it goes.
 */
export type RouteName =
  | "stable"
  | "proxied"
  | "weighted"
  | "named"
  | "capped"
  | "patient"
  | "moving"
  | "flapping"
  | "draining"

/** What goes wrong with a connection, on purpose. */
export type Fault =
  /** Nothing. */
  | "none"
  /** The client resets it while the streams flow, or the backend does. */
  | "client-reset"
  | "backend-reset"
  /** The client leaves in the middle of its ClientHello, by FIN or by RST, or never goes on. */
  | "hello-ended"
  | "hello-reset"
  | "hello-stalled"
  /** It sends something else. */
  | "garbage"
  /** It asks for a name that nobody routes. */
  | "unknown-name"

/** Listeners of the gateway. */
export type ListenerName = "first" | "closing" | "flapping"

/** What one client does, and what its backend does to it: the same for the same seed and number. */
export interface Plan {
  readonly id: number
  readonly protocol: "raw" | "tls"
  readonly route: RouteName
  readonly serverName: string
  readonly fault: Fault
  /** Bytes after the ClientHello or handshake, each way. */
  readonly up: number
  readonly down: number
  /** Who ends its stream first, and has the other's last bytes come after its own end. */
  readonly ending: "client-first" | "backend-first" | "both"
  /** Milliseconds for which who ends first says nothing before that. */
  readonly silence: number
  /** Bytes of the faulty side's stream after which the fault comes. */
  readonly faultAfter: number
  /** Of a raw client: its ClientHello, and in what pieces it is sent. */
  readonly hello: Buffer
  readonly helloPieces: readonly number[]
  /** Milliseconds that each side waits now and then before it reads on. */
  readonly clientPause: number
  readonly backendPause: number
  /** Which of the gateway's sockets it connects to: they refuse in different ways, and `flapping` comes and goes. */
  readonly listener: ListenerName
}

/**
 * Name that a connection asks for, by a wildcard or, where nothing is to go wrong with it, by a name that others have
 * too. Its first letters tell the backend whether to speak TLS.
 */
function nameOf(id: number, protocol: Plan["protocol"], route: RouteName, fault: Fault): string {
  if (fault === "unknown-name") return `${protocol}${id}.nobody.example`
  return fault === "none" && id % 3 === 0 ? `raw.${route}.example` : `${protocol}${id}.${route}.example`
}

/** Longer than the other side has to answer an end on the `patient` route. */
const SILENCE = 5_000

/** Makes the plan of a connection. */
export function makePlan(seed: number, id: number): Plan {
  const random = new Random(seed, id)
  const route = random.pick<RouteName>(
    [30, "stable"],
    [10, "named"],
    [10, "capped"],
    [2, "patient"],
    [15, "proxied"],
    [15, "weighted"],
    [10, "moving"],
    [10, "flapping"],
    [10, "draining"],
  )
  const isPatient = route === "patient"
  const fault = random.pick<Fault>(
    [isPatient ? 1_000_000 : 70, "none"],
    [6, "client-reset"],
    [6, "backend-reset"],
    [3, "hello-ended"],
    [4, "hello-reset"],
    [2, "hello-stalled"],
    [4, "garbage"],
    [5, "unknown-name"],
  )
  // A bare FIN is what is silent: TLS says so first.
  const isTls =
    random.percent(35) &&
    !isPatient &&
    !fault.startsWith("hello") &&
    fault !== "garbage" &&
    !(fault === "none" && id % 3 === 0)
  const protocol = isTls ? "tls" : "raw"
  const name = nameOf(id, protocol, route, fault)
  const up = size(random)
  const down = size(random)
  const hello = makeHello(random, id, name)
  return {
    id,
    protocol,
    route,
    serverName: name,
    fault,
    up,
    down,
    ending: random.pick([1, "client-first"], [1, "backend-first"], [isPatient ? 0 : 1, "both"]),
    silence: isPatient ? SILENCE : 0,
    faultAfter: random.below(1 + (fault === "backend-reset" ? down : up)),
    hello,
    helloPieces: random.percent(70) ? [hello.length] : pieces(random, hello.length),
    clientPause: random.percent(10) ? 1 + random.below(8) : 0,
    backendPause: random.percent(10) ? 1 + random.below(8) : 0,
    listener: random.pick([8, "first"], [1, "closing"], [1, "flapping"]),
  }
}

/** Most streams are short, some are empty, a few are long. */
function size(random: Random): number {
  return random.pick([10, 0], [45, random.below(2_000)], [35, random.below(100_000)], [10, random.below(3_000_000)])
}

/** The connection's number is where its random bytes begin, which are the backend's first news of it. */
function makeHello(random: Random, id: number, name: string): Buffer {
  const padding = { type: 21, data: new Uint8Array(random.percent(20) ? random.below(20_000) : random.below(300)) }
  const message = Buffer.from(handshake(body({ extensions: [serverName(name), versions(0x0304), padding] })))
  message.writeUInt32BE(id, 6)
  const records = [...(random.percent(70) ? [] : pieces(random, message.length)), 0x4000, 0x4000]
  return Buffer.from(inRecords(message, records))
}

/** Up to eight pieces, of 1 to 16 384 bytes each. */
function pieces(random: Random, total: number): number[] {
  return Array.from({ length: random.below(8) }, () => 1 + random.below(Math.min(0x4000, total)))
}
