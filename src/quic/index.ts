/**
 * Reads who is asked for in QUIC, version 1 (RFC 9000, RFC 9001) and version 2 (RFC 9369): from a client's datagrams to
 * its ClientHello, held to the same checks as one over TCP.
 *
 * ```ts
 * import { connectionClose, QuicHelloReader, readLongPacket } from "tlsroute/quic"
 *
 * const reader = new QuicHelloReader()
 * socket.on("message", (datagram, { address, port }) => {
 *   const result = reader.push(datagram)
 *   if (result.status === "complete") console.log(result.hello.serverName, result.hello.ja4)
 *   if (result.status === "invalid") {
 *     const packet = readLongPacket(datagram)
 *     const close = packet && connectionClose(packet, 50)
 *     if (close) socket.send(close, port, address)
 *   }
 * })
 * ```
 *
 * One reader takes one connection: who reads from a socket keeps one for each client address and connection id. Only
 * Initial packets are decrypted, with keys that anybody on the path can derive. What else a connection says stays secret.
 *
 * @module tlsroute/quic
 * @packageDocumentation
 */

export type { ClientHelloError } from "../client-hello/errors.ts"
export type { ClientHello } from "../client-hello/hello.ts"
export { OptionError } from "../primitives/option-checks.ts"
export { connectionClose } from "./connection-close.ts"
export { QuicError, type QuicErrorCode } from "./errors.ts"
export { type QuicHelloOptions, QuicHelloReader, type QuicHelloResult } from "./hello-reader.ts"
export { hasLongHeader, type LongPacket, readLongPacket, readLongPackets } from "./packet.ts"
export { versionNegotiation } from "./version-negotiation.ts"
export { type PacketType, QUIC_V1, QUIC_V2, QUIC_VERSIONS, type QuicVersion } from "./versions.ts"
