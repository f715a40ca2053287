// Options as programs hold them: plain objects in variables, whose words TypeScript takes for strings, and values that may
// be undefined. Compiled by types.test.ts, never run.
import {
  createPassthroughGateway,
  fileSource,
  objectSource,
  type PolicyOptions,
  type SourceFunction,
  TableServer,
} from "tlsroute"
import { parseClientHello } from "tlsroute/client-hello"
import { type ConnectionPolicy, DnsCache, type ListenerPolicy, type Router, SpliceProxy } from "tlsroute/proxy"
import { buildRouteTable } from "tlsroute/routing"

declare const maybe: number | undefined

const policies = {
  refusal: "alert",
  loadBalancing: "round-robin",
  helloTimeout: "5s",
  dialTimeout: maybe,
  allowCidrs: ["10.0.0.0/8"],
  sendProxyProtocolFields: ["authority", "alpn"],
  quic: "on",
  starttls: "postgres",
  onRemoval: "drain",
  annotations: "ignore",
  listeners: { "infra/public": { acceptProxyProtocol: "required", trustedProxies: ["10.0.0.0/8"] } },
  routes: { "shop/checkout": { idleTimeout: "10m", onRemoval: "drain" } },
  backends: { "shop/checkout": { sendProxyProtocol: "v2", healthCheck: "tls" } },
}

const options = {
  source: fileSource("gateway.yaml", { debounce: maybe }),
  onError: "apply",
  workers: "auto",
  refusal: "alert",
  address: "127.0.0.1",
  mapPort: { 443: 8443 },
  externalBackends: ["app.internal.example"],
  resolve: { "app.internal.example": ["127.0.0.1:9443"] },
  limits: { maxHelloMemory: maybe },
  policies,
}
const gateway = createPassthroughGateway(options)
const how = { unusable: "wait", tolerateBindErrors: true }
await gateway.start(how)
await gateway.close({ drainTimeout: maybe })

// What a misspelt name would do quietly is still the compiler's to say.
// @ts-expect-error there is no such policy
export const misspelt: PolicyOptions = { helloTimout: "5s" }
// @ts-expect-error a route has no such policy
export const misplaced: PolicyOptions = { routes: { "shop/checkout": { helloTimeout: "5s" } } }

const server = new TableServer({ policies })
const plane = { router: server, balance: "round-robin", refusal: "reset", deadlines: { hello: maybe } }
const proxy = new SpliceProxy({ ...plane, names: new DnsCache({ maxTtl: maybe }) })
await proxy.listen({ key: "public", port: 0, backlog: maybe })
parseClientHello(new Uint8Array(), { maxBytes: maybe })
buildRouteTable({}).statuses({ now: undefined, bound: undefined, addresses: undefined })

// What is answered on the way of each connection keeps its exact types: said of the variable, they are inferred.
export const router: Router = {
  route({ hello }) {
    if (hello.serverName !== "app.example.com") return { action: "refuse", reason: "unknown-name" }
    return { action: "forward", target: { kind: "name", id: "app", host: "app.internal.example", port: 443 } }
  },
}
export const listener: ListenerPolicy = {
  scopes: [],
  proxyProtocol: undefined,
  helloTimeout: 5_000,
  maxHelloBytes: 65_536,
  refusal: "alert",
  keepalive: 60_000,
  quic: false,
}
export const drain: ConnectionPolicy["drain"] = { onRemoval: "keep", onEndpointRemoval: "keep", window: 0 }

export const source: SourceFunction = async function* () {
  const tlsRoutes = [{ metadata: { name: "app" }, spec: { parentRefs: [{ name: "edge" }], rules: [] } }]
  yield {
    tlsRoutes,
    problems: [{ severity: "warning", code: "Stale", path: "", message: "the database does not answer" }],
  }
}
createPassthroughGateway({ source: objectSource({}), policies: undefined, onError: undefined })
