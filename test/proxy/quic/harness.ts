import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { onTestFinished } from "vitest"
import type { ConnectionRecord } from "../../../src/proxy/connection/record.ts"
import type { SpliceProxyOptions } from "../../../src/proxy/options.ts"
import type { ConnectionPolicy, ListenerPolicy } from "../../../src/proxy/policy.ts"
import { SpliceProxy } from "../../../src/proxy/proxy.ts"
import type { DialEndpoint } from "../../../src/proxy/target.ts"
import { initialKeys } from "../../../src/quic/initial-keys.ts"
import { readLongPacket } from "../../../src/quic/packet.ts"
import { InitialProtection } from "../../../src/quic/protection.ts"
import { serverName, versions } from "../../client-hello/build.ts"
import { cryptoFrame, datagram, message, type PacketFields, packet } from "../../quic/build.ts"
import { freePort } from "../../support/free-port.ts"
import { connectionPolicy, listenerPolicy } from "../policy-harness.ts"

/** A UDP socket that keeps what comes until it is asked for. */
export class Peer {
  readonly #socket: Socket
  readonly #received: { readonly bytes: Buffer; readonly from: RemoteInfo }[] = []
  #waiting: (() => void) | undefined
  #isClosed = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on("message", (bytes, from) => {
      this.#received.push({ bytes, from })
      this.#waiting?.()
    })
    socket.on("error", () => undefined)
  }

  static async open(address = "127.0.0.1", port = 0): Promise<Peer> {
    const socket = createSocket("udp4")
    socket.bind(port, address)
    await once(socket, "listening")
    const peer = new Peer(socket)
    onTestFinished(() => peer.close())
    return peer
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
  }

  get port(): number {
    return this.#socket.address().port
  }

  get endpoint(): DialEndpoint {
    return { address: "127.0.0.1", port: this.port }
  }

  /** Datagrams that nobody has asked for yet. */
  get pending(): number {
    return this.#received.length
  }

  send(bytes: Uint8Array, to: { readonly port: number }): void {
    this.#socket.send(bytes, to.port, "127.0.0.1")
  }

  async next(): Promise<{ readonly bytes: Buffer; readonly from: RemoteInfo }> {
    for (;;) {
      const received = this.#received.shift()
      if (received !== undefined) return received
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    }
  }
}

/** A proxy on loopback that takes QUIC, with all that it tells. */
export interface QuicProxy {
  readonly proxy: SpliceProxy
  /** Its UDP port, and its TCP port. */
  readonly at: AddressInfo
  /** Records so far. */
  readonly records: readonly ConnectionRecord[]
  /** The next record. */
  readonly closed: () => Promise<ConnectionRecord>
}

/** What a test asks for, besides the backends by name. */
export interface QuicProxyOptions {
  readonly listener?: Partial<ListenerPolicy>
  readonly connection?: Partial<ConnectionPolicy>
  readonly balance?: ConnectionPolicy["backend"]["balance"]
  readonly proxy?: Partial<SpliceProxyOptions>
}

/** Starts a proxy that knows these names. */
export async function quicProxy(
  names: Readonly<Record<string, readonly DialEndpoint[]>>,
  options: QuicProxyOptions = {},
): Promise<QuicProxy> {
  const { balance = "round-robin" } = options
  const policy = connectionPolicy(options.connection, { balance })
  const proxy = new SpliceProxy({
    router: {
      route({ hello }) {
        const endpoints = names[hello.serverName ?? ""]
        if (endpoints === undefined) return { action: "refuse", reason: "NoRoute" }
        return { action: "forward", target: { kind: "endpoints", id: hello.serverName ?? "", endpoints }, policy }
      },
    },
    ...options.proxy,
  })
  onTestFinished(() => proxy.close({ drainTimeout: 0 }))
  const records: ConnectionRecord[] = []
  let taken = 0
  proxy.on("close", (record) => records.push(record))
  await proxy.listen({
    key: "test",
    host: "127.0.0.1",
    port: await freePort(),
    policy: listenerPolicy({ quic: true, ...options.listener }),
  })
  const at = proxy.quicAddress("test")
  if (at === undefined) throw new Error("the proxy takes no QUIC")
  const closed = async () => {
    while (records.length <= taken) await once(proxy, "close")
    taken += 1
    return records[taken - 1] as ConnectionRecord
  }
  return { proxy, at, records, closed }
}

/** The ClientHello's datagram of a client that asks for a name. */
export function helloFor(name: string, fields: PacketFields = {}): Uint8Array {
  return datagram(cryptoFrame(0, message({ extensions: [serverName(name), versions(0x0304)] })), fields)
}

/** A packet of a server, which nobody here can or must open but by its header. */
export function fromServer(type: "initial" | "handshake" | "retry", fields: PacketFields = {}, size = 60): Buffer {
  return Buffer.from(packet(new Uint8Array(size), { type, side: "server", destination: new Uint8Array(0), ...fields }))
}

/** A packet with a short header. */
export function short(id: Uint8Array, content = "secret"): Buffer {
  return Buffer.concat([Buffer.from([0x40]), id, Buffer.from(content)])
}

/** Frames of a packet that answers the Initial of a client, opened with the client's id. */
export function opened(answer: Uint8Array, id: Uint8Array): Buffer {
  const packet = readLongPacket(answer)
  if (packet?.version === undefined) throw new Error("no packet that can be opened")
  const payload = new InitialProtection(initialKeys(packet.version, id, "server")).open(answer, packet, -1)?.payload
  if (payload === undefined) throw new Error("not for these keys")
  return Buffer.from(payload)
}
