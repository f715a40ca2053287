// The parser alone: tells who is asked for, and closes.
//
//   node examples/client-hello.mjs 8443
import { createServer } from "node:net"
import { ClientHelloParser } from "tlsroute/client-hello"

const server = createServer((socket) => {
  const parser = new ClientHelloParser()
  socket.setTimeout(10_000, () => socket.destroy())
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk) => {
    const result = parser.push(chunk)
    if (result.status === "incomplete") return
    if (result.status === "invalid") console.log(`refused: ${result.error.code}`)
    else {
      const { serverName, alpnProtocols, ja4 } = result.hello
      console.log(JSON.stringify({ serverName, alpnProtocols, ja4 }))
    }
    socket.destroy()
  })
})

server.listen(Number(process.argv[2] ?? 8443), "127.0.0.1", () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`)
})
