import { createServer, type Socket } from "node:net"
import { setImmediate as turn } from "node:timers/promises"
import { TLSSocket as ServerTls, type TLSSocket, connect as tlsConnect } from "node:tls"
import type { Prelude, StarttlsProtocol } from "../../../src/proxy/starttls/prelude.ts"
import type { DialEndpoint } from "../../../src/proxy/target.ts"
import { selfSigned } from "../../support/certificate.ts"
import { client, listenOn } from "../harness.ts"
import { CONTEXT } from "./drive.ts"

/** How a peer sends what it says before TLS: each thing at once, or each byte by itself. */
export type Pace = "at once" | "byte by byte"

async function say(socket: Socket, bytes: Uint8Array, pace: Pace): Promise<void> {
  if (pace === "at once") {
    socket.write(bytes)
    return
  }
  socket.setNoDelay(true)
  for (const byte of bytes) {
    socket.write(Uint8Array.of(byte))
    await turn()
  }
}

/** Speaks a prelude on a socket of a test. Rejects with the code of a refusal, or when the peer ends. */
function speak(socket: Socket, prelude: Prelude, pace: Pace): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = Promise.resolve()
    const send = (bytes: Uint8Array) => {
      said = said.then(() => say(socket, bytes, pace))
    }
    if (prelude.opening !== undefined) send(prelude.opening)
    const ended = () => reject(new Error("ended"))
    const read = (chunk: Buffer) => {
      const step = prelude.push(chunk)
      if (step.send !== undefined) send(step.send)
      if (step.status === "more") return
      socket.off("data", read).off("end", ended).off("error", reject)
      if (step.status === "refused") {
        reject(new Error(step.code))
        return
      }
      if (step.rest.length > 0) socket.unshift(Buffer.from(step.rest))
      said.then(resolve, reject)
    }
    socket.on("data", read).once("end", ended).once("error", reject)
  })
}

/** A server that speaks a protocol up to TLS, and then writes its own name, and what the client says, back. */
export async function echoServer(
  protocol: StarttlsProtocol,
  name: string,
  pace: Pace = "at once",
): Promise<DialEndpoint> {
  const certificate = selfSigned([name])
  const server = createServer((socket) => {
    speak(socket, protocol.toClient(CONTEXT), pace).then(
      () => {
        const tls = new ServerTls(socket, { isServer: true, ...certificate })
        tls.on("error", () => {})
        tls.write(`${name} `)
        tls.pipe(tls)
      },
      () => socket.destroy(),
    )
  })
  return listenOn(server)
}

/** Connects to a port, speaks a protocol up to TLS, and finishes the handshake. */
export async function secureClient(
  port: number,
  protocol: StarttlsProtocol,
  name: string,
  pace: Pace = "at once",
): Promise<TLSSocket> {
  const socket = await client(port)
  await speak(socket, protocol.toBackend({ ...CONTEXT, serverName: name }), pace)
  return secure(socket, name)
}

/** Finishes a handshake on a connected socket. */
export function secure(socket: Socket, name: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const tls = tlsConnect({ socket, servername: name, rejectUnauthorized: false }, () => resolve(tls))
    tls.once("error", reject)
    tls.once("close", () => reject(new Error("closed")))
  })
}

/** Says something and gives what comes back. */
export async function ask(socket: TLSSocket, text: string, length: number): Promise<string> {
  socket.write(text)
  let heard = ""
  for await (const chunk of socket) {
    heard += chunk
    if (heard.length >= length) break
  }
  return heard
}
