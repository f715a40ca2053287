// A gateway whose objects are plain values in variables, and what its records tell.
//
//   node examples/typescript/objects.ts 8443 127.0.0.1:9443
import { type ConnectionRecord, createPassthroughGateway, GatewayError, objectSource } from "tlsroute"

const [port = "8443", backend = "127.0.0.1:9443"] = process.argv.slice(2)

const edge = {
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "Gateway",
  metadata: { name: "edge" },
  spec: {
    gatewayClassName: "example",
    listeners: [
      {
        name: "tls",
        port: 443,
        protocol: "TLS",
        tls: { mode: "Passthrough" },
        allowedRoutes: { namespaces: { from: "Same" } },
      },
    ],
  },
}

const route = {
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "TLSRoute",
  metadata: { name: "app" },
  spec: {
    parentRefs: [{ name: "edge" }],
    hostnames: ["app.example.com"],
    rules: [{ backendRefs: [{ name: "app.internal.example", port: 443 }] }],
  },
}

const source = objectSource({ gateways: [edge], tlsRoutes: [route] })

const gateway = createPassthroughGateway({
  source,
  address: "127.0.0.1",
  mapPort: { 443: Number(port) },
  externalBackends: ["app.internal.example"],
  resolve: { "app.internal.example": backend },
})

/** `kind` tells how far a connection came, and TypeScript what there is then. */
function describe(record: ConnectionRecord): string {
  switch (record.kind) {
    case "refused":
      return `refused: ${record.outcome}`
    case "abandoned":
      return `gone before a backend was reached: ${record.outcome}`
    case "spliced":
      return `${record.outcome} with ${record.endpoint.address}:${record.endpoint.port}`
  }
}

gateway.on("close", (record) => console.log(`${record.serverName ?? "no name"}: ${describe(record)}`))
gateway.on("config", ({ problems }) => {
  for (const { severity, code, path, message } of problems) console.log(`${severity} ${code}: ${path}: ${message}`)
})

try {
  await gateway.start()
} catch (error) {
  if (error instanceof GatewayError && error.code === "ERR_TLSROUTE_UNUSABLE") {
    for (const { path, message } of error.problems) console.error(`${path}: ${message}`)
  }
  throw error
}
process.once("SIGINT", () => void gateway.close({ drainTimeout: 10_000 }))
