// What one writes first: read the ClientHello from the first chunk, connect, pipe both ways.
// Run with `{"port": number, "routes": {"name": port}}` as the argument.
import net from "node:net"

const { port, routes } = JSON.parse(process.argv[2])

net
  .createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on("error", () => client.destroy())
    client.once("data", (hello) => {
      const backend = routes[readServerName(hello)]
      if (backend === undefined) return client.destroy()
      const upstream = net.connect({ host: "127.0.0.1", port: backend, allowHalfOpen: true, noDelay: true })
      upstream.on("error", () => client.destroy())
      client.on("close", () => upstream.destroy())
      upstream.write(hello)
      client.pipe(upstream).pipe(client)
    })
  })
  .listen(port, "127.0.0.1", 4096)

/** Takes for granted that the hello came whole and well-formed. */
function readServerName(hello) {
  let at = 43 // record, handshake, version, random
  at += 1 + hello[at]
  at += 2 + hello.readUInt16BE(at)
  at += 1 + hello[at] + 2
  while (at < hello.length) {
    const type = hello.readUInt16BE(at)
    const length = hello.readUInt16BE(at + 2)
    if (type === 0) return hello.toString("latin1", at + 9, at + 4 + length)
    at += 4 + length
  }
}
