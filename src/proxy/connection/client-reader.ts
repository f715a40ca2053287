import { randomUUID } from "node:crypto"
import type { Socket } from "node:net"
import type { ClientHello } from "../../client-hello/hello.ts"
import { ClientHelloParser } from "../../client-hello/parser.ts"
import type { Admission } from "../limits/gate.ts"
import type { ListenerPolicy } from "../policy.ts"
import type { ProxyAddress, ProxyHeader } from "../proxy-protocol/header.ts"
import { ProxyHeaderParser } from "../proxy-protocol/parser.ts"
import type { Prelude, PreludeStep } from "../starttls/prelude.ts"
import type { DialEndpoint } from "../target.ts"
import { guardPrelude } from "./guard-prelude.ts"
import { summarizeHello } from "./hello-summary.ts"
import type { RoutedHost } from "./host.ts"
import { type ConnectionInfo, type RejectReason, SILENT_CLIENT } from "./record.ts"
import type { RecordDraft } from "./record-draft.ts"
import { rejectReason } from "./refusal.ts"

/** Length of what {@link ConnectionInfo.uniqueId} is. */
const UNIQUE_ID_BYTES = 29

/** What a reader needs of the proxy. */
export interface ClientReaderHost extends RoutedHost {
  /** What the ids of connections of this gateway begin with, whichever of its proxies has them. */
  readonly family: string
}

/** The connection whose client is read: here is noted what the client tells. */
export interface ReadConnection extends ConnectionInfo {
  clientAddress: string
  clientPort: number
  via: DialEndpoint | undefined
  hello: ClientHello | undefined
  serverName: string | undefined
  /** Bytes read from the client so far. */
  bytesBefore: number
  /** What else its record will tell. */
  readonly draft: RecordDraft
  /** What it has been let in with. */
  readonly admission: Admission
}

/** Is told what a client's bytes amount to: one of the three, once. The reader must not be pushed to after that. */
export interface ClientObserver {
  /** The ClientHello is whole. */
  clientRead(hello: ClientHello): void
  /** It is to be refused. `farewell` is to be sent first, where its protocol has one. */
  clientRefused(reason: RejectReason, detail: string | undefined, farewell: Uint8Array | undefined): void
  /** It took its leave, in the way of its protocol, and is to be sent `farewell`. */
  clientLeft(code: string, farewell: Uint8Array | undefined): void
}

/** What is read next. */
type Stage =
  | { readonly name: "proxy-header"; readonly parser: ProxyHeaderParser }
  | { readonly name: "prelude"; readonly prelude: Prelude }
  | { readonly name: "hello" }

const HELLO: Stage = { name: "hello" }

/**
 * Reads what a client says until its ClientHello is whole, and answers it where its protocol speaks before TLS. The
 * socket, the deadline and the memory that is held are its observer's.
 *
 * ```text
 * (PROXY header →) (STARTTLS prelude →) ClientHello
 * ```
 */
export class ClientReader {
  readonly #connection: ReadConnection
  readonly #host: ClientReaderHost
  readonly #client: Socket
  readonly #policy: ListenerPolicy
  readonly #observer: ClientObserver
  readonly #parser: ClientHelloParser
  #stage: Stage = HELLO
  /** Bytes of the PROXY header, with which a client has said nothing yet. */
  #headerBytes = 0
  #destination: ProxyAddress | undefined

  /**
   * @param connection - whose client is read
   * @param host - the proxy
   * @param client - the client's socket, to answer
   * @param policy - what the listener asks
   * @param observer - is told what came of it
   */
  constructor(
    connection: ReadConnection,
    host: ClientReaderHost,
    client: Socket,
    policy: ListenerPolicy,
    observer: ClientObserver,
  ) {
    this.#connection = connection
    this.#host = host
    this.#client = client
    this.#policy = policy
    this.#observer = observer
    this.#parser = new ClientHelloParser({ maxBytes: policy.maxHelloBytes })
  }

  /** What the client connected to, as a PROXY header tells it. */
  get destination(): ProxyAddress | undefined {
    return this.#destination
  }

  /** What the client sent from the first byte of its ClientHello on, for replay. */
  get bytes(): Uint8Array {
    return this.#parser.bytes
  }

  /** Whether the client has said nothing. */
  get isSilent(): boolean {
    return this.#connection.bytesBefore === this.#headerBytes
  }

  /** What there is to say of a client whose ClientHello does not come. */
  get lateness(): string | undefined {
    // Where the gateway speaks first, a silent client has its own reasons.
    return this.isSilent && this.#stage.name !== "prelude" ? SILENT_CLIENT : undefined
  }

  /**
   * Begins. A client whose protocol has that is greeted, once it is known who it is.
   *
   * @param isProxy - whether a PROXY header may come first
   */
  start(isProxy: boolean): void {
    if (isProxy) this.#stage = { name: "proxy-header", parser: new ProxyHeaderParser() }
    else this.#begin()
  }

  /** Takes the next bytes. */
  push(chunk: Uint8Array): void {
    const stage = this.#stage
    switch (stage.name) {
      case "proxy-header":
        this.#readProxyHeader(stage.parser, chunk)
        return
      case "prelude":
        this.#readPrelude(stage.prelude, chunk)
        return
      case "hello":
        this.#readHello(chunk)
        return
    }
  }

  // The PROXY header

  #readProxyHeader(parser: ProxyHeaderParser, chunk: Uint8Array): void {
    const result = parser.push(chunk)
    if (result.status === "incomplete") return
    if (result.status === "invalid") {
      this.#refuse("invalid-proxy-header", result.error.code)
      return
    }
    this.#stage = HELLO
    if (result.status === "complete") {
      this.#headerBytes = this.#connection.bytesBefore - result.rest.length
      if (this.#hasSent(result.header)) {
        this.#refuse("loop", "OWN_UNIQUE_ID")
        return
      }
      this.#believe(result.header)
    } else if (this.#policy.proxyProtocol?.mode === "required") {
      this.#refuse("no-proxy-header", undefined)
      return
    }
    const { admission, clientAddress } = this.#connection
    const refusal = this.#host.gate.admitClient(admission, this.#policy.scopes, clientAddress)
    if (refusal !== undefined) {
      this.#refuse(refusal.reason, refusal.detail)
      return
    }
    // What came behind the header is read by whatever comes first now.
    if (this.#begin() && result.rest.length > 0) this.push(result.rest)
  }

  /** Whether this gateway has told a backend of the same connection: the id is one of its own. */
  #hasSent({ uniqueId }: ProxyHeader): boolean {
    if (uniqueId?.length !== UNIQUE_ID_BYTES) return false
    return Buffer.from(uniqueId).toString("latin1").startsWith(this.#host.family)
  }

  #believe({ addresses }: ProxyHeader): void {
    if (addresses === undefined) return
    const connection = this.#connection
    connection.via = { address: connection.clientAddress, port: connection.clientPort }
    connection.clientAddress = addresses.source.address
    connection.clientPort = addresses.source.port
    this.#destination = addresses.destination
  }

  // STARTTLS

  /** It is known who the client is. False when it is refused for what its listener's protocol answered. */
  #begin(): boolean {
    const { starttls } = this.#policy
    if (starttls === undefined) return true
    const { protocol, greetingName } = starttls
    const prelude = guardPrelude(this.#host, () => protocol.toClient({ greetingName, nonce: randomUUID }))
    this.#stage = { name: "prelude", prelude }
    if (prelude.isBroken) {
      this.#refuse("starttls-failed", "STARTTLS_FAULT")
      return false
    }
    if (prelude.opening !== undefined) this.#client.write(prelude.opening)
    return true
  }

  #readPrelude(prelude: Prelude, chunk: Uint8Array): void {
    const step = prelude.push(chunk)
    if (step.status === "refused") {
      this.#endPrelude(step)
      return
    }
    if (step.send !== undefined) this.#client.write(step.send)
    if (step.status === "more") return
    this.#stage = HELLO
    if (step.rest.length > 0) this.#readHello(step.rest)
  }

  #endPrelude({ code, send }: PreludeStep & { readonly status: "refused" }): void {
    if (code === "STARTTLS_QUIT") this.#observer.clientLeft(code, send)
    else this.#refuse("starttls-failed", code, send)
  }

  // The ClientHello

  #readHello(chunk: Uint8Array): void {
    const { draft } = this.#connection
    const result = this.#parser.push(chunk)
    if (result.status === "incomplete") return
    if (result.status === "invalid") {
      draft.offeredName = result.error.offeredName
      this.#refuse(rejectReason(result.error.code), result.error.code)
      return
    }
    draft.helloAt = performance.now()
    draft.offeredName = result.hello.offeredName
    this.#connection.hello = result.hello
    this.#connection.serverName = result.hello.serverName
    if (this.#host.describesHello) draft.offered = summarizeHello(result.hello)
    this.#observer.clientRead(result.hello)
  }

  #refuse(reason: RejectReason, detail: string | undefined, farewell?: Uint8Array): void {
    this.#observer.clientRefused(reason, detail, farewell)
  }
}
