import { once } from "node:events"
import net from "node:net"

/** Length of the backend's repeating pattern, as `CHUNK` in load/common.h. */
const patternLength = 256 * 1024
const verifiedBytes = 4 * 1024 * 1024

/**
 * Checks once that a proxy routes by name and carries every byte in order, both ways.
 *
 * @param {number} port
 * @param {{ source: Buffer, sink: Buffer, echo: Buffer }} hellos ClientHello by backend
 */
export async function verifyProxy(port, hellos) {
  const pattern = Buffer.alloc(verifiedBytes)
  for (let i = 0; i < pattern.length; i++) {
    const place = i % patternLength
    pattern[i] = place * 31 + Math.floor(place / 251)
  }
  await expectBytes("download", port, hellos.source, pattern)
  await expectBytes("upload", port, Buffer.concat([hellos.sink, pattern]), Buffer.from("K"))
  const sent = Buffer.concat([hellos.echo, pattern])
  await expectBytes("echo", port, sent, sent)
}

/**
 * @param {string} what
 * @param {number} port
 * @param {Buffer} sent
 * @param {Buffer} expected
 */
async function expectBytes(what, port, sent, expected) {
  const socket = net.connect(port, "127.0.0.1")
  socket.setTimeout(10_000, () => socket.destroy(new Error(`${what}: nothing came for 10 s`)))
  await once(socket, "connect")
  socket.write(sent)
  let received = 0
  try {
    for await (const chunk of socket) {
      const wanted = expected.subarray(received, received + chunk.length)
      if (!chunk.subarray(0, wanted.length).equals(wanted)) {
        throw new Error(`${what}: wrong bytes after ${received}: the proxy does not carry what the backend sends`)
      }
      received += wanted.length
      if (received === expected.length) return
    }
  } finally {
    socket.destroy()
  }
  throw new Error(`${what}: closed after ${received} of ${expected.length} bytes`)
}
