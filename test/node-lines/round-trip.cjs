// One connection through the built gateway: a ClientHello out of Node's own TLS client, an answer in plain bytes.
const assert = require("node:assert/strict")
const { once } = require("node:events")
const net = require("node:net")
const tls = require("node:tls")

const NAME = "app.example.com"

async function clientHello() {
  const server = net.createServer()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const client = tls.connect({ host: "127.0.0.1", port: server.address().port, servername: NAME })
  client.on("error", () => undefined)
  const [socket] = await once(server, "connection")
  const [bytes] = await once(socket, "data")
  client.destroy()
  server.close()
  return bytes
}

exports.roundTrip = async ({ face, hello, proxy, routing, sources }) => {
  assert.equal(typeof proxy.SpliceProxy, "function")
  assert.equal(typeof routing.buildRouteTable, "function")
  assert.equal(typeof sources.fileSource, "function")

  const backend = net.createServer((socket) => {
    socket.once("data", (bytes) => {
      const result = hello.parseClientHello(bytes)
      socket.end(result.status === "complete" ? result.hello.serverName : result.status)
    })
    socket.on("error", () => undefined)
  })
  backend.listen(0, "127.0.0.1")
  await once(backend, "listening")

  const gateway = face.createPassthroughGateway({
    address: "127.0.0.1",
    mapPort: () => 0,
    source: {
      gateways: [
        {
          apiVersion: "gateway.networking.k8s.io/v1",
          kind: "Gateway",
          metadata: { name: "gateway", namespace: "default" },
          spec: {
            gatewayClassName: "tlsroute",
            listeners: [{ name: "tls", port: 8443, protocol: "TLS", tls: { mode: "Passthrough" } }],
          },
        },
      ],
      tlsRoutes: [
        {
          apiVersion: "gateway.networking.k8s.io/v1",
          kind: "TLSRoute",
          metadata: { name: "app", namespace: "default" },
          spec: {
            parentRefs: [{ name: "gateway" }],
            hostnames: [NAME],
            rules: [{ backendRefs: [{ name: "app", port: 443 }] }],
          },
        },
      ],
      services: [
        {
          apiVersion: "v1",
          kind: "Service",
          metadata: { name: "app", namespace: "default" },
          spec: { ports: [{ name: "tls", port: 443 }] },
        },
      ],
      endpointSlices: [
        {
          apiVersion: "discovery.k8s.io/v1",
          kind: "EndpointSlice",
          metadata: { name: "app-1", namespace: "default", labels: { "kubernetes.io/service-name": "app" } },
          addressType: "IPv4",
          ports: [{ name: "tls", port: backend.address().port }],
          endpoints: [{ addresses: ["127.0.0.1"] }],
        },
      ],
    },
  })
  await gateway.start()
  const [{ port }] = gateway.addresses()

  const client = net.connect({ host: "127.0.0.1", port })
  client.write(await clientHello())
  const [answer] = await once(client, "data")
  assert.equal(String(answer), NAME)
  await once(client, "close")

  await gateway.close({ drainTimeout: 0 })
  backend.close()
}
