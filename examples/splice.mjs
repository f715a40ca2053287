// The splice alone: a TCP forwarder that loses no byte, half-close and reset included.
//
//   node examples/splice.mjs 8443 example.org 443
import { connect, createServer } from "node:net"
import { spliceSockets } from "tlsroute/proxy"

const [port = "8443", host = "example.org", hostPort = "443"] = process.argv.slice(2)

// Both ends must outlive the other's end of stream: that is what half-close means.
const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
  const backend = connect({ host, port: Number(hostPort), allowHalfOpen: true })
  client.on("error", () => backend.destroy())
  backend.on("error", () => client.destroy())
  backend.once("connect", async () => {
    const { outcome, bytesFromA, bytesFromB } = await spliceSockets(client, backend, { idle: 60_000 })
    console.log(`${outcome}: ${bytesFromA} bytes up, ${bytesFromB} bytes down`)
  })
})

server.listen(Number(port), "127.0.0.1", () => console.log(`listening on 127.0.0.1:${server.address().port}`))
