import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { AnnotationScan } from "../../../src/gateway/policies/annotated-objects.ts"
import { PolicyCompiler } from "../../../src/gateway/policies/compiler.ts"
import { POLICY_KEYS } from "../../../src/gateway/policies/fields.ts"
import type { PolicyOptions } from "../../../src/gateway/policies/options.ts"
import { admits } from "../../../src/proxy/limits/cidr.ts"
import { STARTTLS_PROTOCOLS } from "../../../src/proxy/starttls/protocols.ts"
import type { GatewayResources, ObjectRef } from "../../../src/routing/resources.ts"
import type { ListenerBinding, RouteMatch, TableListener, WeightedBackend } from "../../../src/routing/route-table.ts"

const group = "gateway.networking.k8s.io"
const ref = (kind: string, name: string, namespace = "infra"): ObjectRef => ({
  group: kind === "Service" ? "" : group,
  kind,
  namespace,
  name,
})
const none = Number.POSITIVE_INFINITY

type Annotations = Readonly<Record<string, string>>

function listener(name: string, parent = ref("Gateway", "public"), gateway = parent): TableListener {
  const id = `${parent.kind}/${parent.namespace}/${parent.name}/${name}`
  return { id, parent, gateway, name, port: 443, hostname: undefined }
}

const backend: WeightedBackend = {
  ref: ref("Service", "checkout", "shop"),
  port: 443,
  path: "spec.rules[0].backendRefs[0]",
  weight: 1,
  target: { kind: "endpoints", id: "shop/checkout:443", endpoints: [] },
}

function object(target: ObjectRef, annotations: Annotations = {}, spec: object = {}) {
  return { metadata: { namespace: target.namespace, name: target.name, annotations }, spec } as never
}

interface Setup {
  readonly gateway?: Annotations
  readonly listenerSet?: Annotations
  readonly route?: Annotations
  readonly service?: Annotations
  readonly options?: PolicyOptions
  readonly listeners?: readonly TableListener[]
  readonly port?: number
}

function compile({
  gateway,
  listenerSet,
  route,
  service,
  options,
  listeners = [listener("https")],
  port = 443,
}: Setup) {
  const resources: GatewayResources = {
    gateways: [object(ref("Gateway", "public"), gateway, { listeners: [{ name: "https" }, { name: "other" }] })],
    listenerSets: [object(ref("ListenerSet", "team"), listenerSet, { listeners: [{ name: "mail" }] })],
    tlsRoutes: [object(ref("TLSRoute", "checkout", "shop"), route)],
    services: [object(backend.ref, service)],
  }
  const binding: ListenerBinding = { key: "*:443", address: undefined, port, listeners, byAddress: false }
  const routes = [{ ref: ref("TLSRoute", "checkout", "shop"), backends: [backend], totalWeight: 1 }]
  const table = { routes, listeners: [binding] }
  const policies = new PolicyCompiler(options).compile(new AnnotationScan().scan(resources), table)
  const on = policies.binding("*:443")!
  const match: RouteMatch = {
    matched: true,
    listener: listeners[0]!,
    route: { ref: ref("TLSRoute", "checkout", "shop"), backends: [backend], totalWeight: 1 },
    hostname: "a.example",
  }
  const connection = on.connection(match, backend)
  const healthCheck = policies.healthCheck(match.route.ref, backend.ref, on.listener.starttls)
  return { problems: policies.problems, before: on.listener, connection, on, match, healthCheck }
}

describe("policies that nobody sets", () => {
  it("have their defaults, and ask nothing of anyone", () => {
    const { before, connection, problems, healthCheck } = compile({})
    expect(problems).toEqual([])
    expect(before).toEqual({
      scopes: [],
      proxyProtocol: undefined,
      helloTimeout: 10_000,
      maxHelloBytes: 65_536,
      quic: false,
      keepalive: 60_000,
    })
    expect(connection).toMatchObject({
      scopes: [],
      dialTimeout: 5_000,
      idleTimeout: 3_600_000,
      halfClosedTimeout: 120_000,
      maxDuration: none,
      bandwidth: none,
      backend: { proxyHeader: undefined, dialAttempts: 3, circuit: { maxConnections: none, maxPending: none } },
      drain: { onRemoval: "keep", onEndpointRemoval: "keep", window: 30_000 },
    })
    expect(healthCheck).toBeUndefined()
  })
})

describe("STARTTLS", () => {
  const postgres = { "tlsroute.dev/starttls": "postgres" }

  it("is of the listener, and greets by a name", () => {
    const { before, problems } = compile({ gateway: { ...postgres, "tlsroute.dev/starttls-name": "db.example" } })
    expect(before.starttls).toEqual({ protocol: STARTTLS_PROTOCOLS.postgres, greetingName: "db.example" })
    expect(problems).toEqual([])
    expect(compile({ options: { starttls: "smtp" } }).before.starttls?.greetingName).toBe("gateway.invalid")
    expect(
      compile({ gateway: postgres, options: { listeners: { "infra/public": { starttls: "off" } } } }).before.starttls,
    ).toBeUndefined()
  })

  it("cannot differ between listeners of a port", () => {
    const { before, problems } = compile({
      gateway: { "tlsroute.dev/https.starttls": "postgres" },
      listeners: [listener("https"), listener("other")],
    })
    expect(before.starttls?.protocol.name).toBe("postgres")
    expect(problems).toMatchObject([{ code: "PolicyConflict", message: expect.stringContaining("STARTTLS") }])
  })

  it("cannot be one that nobody knows", () => {
    const { before, problems } = compile({ gateway: { "tlsroute.dev/starttls": "mysql" } })
    expect(before.starttls).toBeUndefined()
    expect(problems).toMatchObject([{ code: "InvalidPolicyValue", severity: "error" }])
  })

  it.each([
    [25, "smtp"],
    [587, "smtp"],
    [5432, "postgres"],
    [5222, "xmpp"],
  ])("is missed on port %i, where clients speak %s before TLS", (port, protocol) => {
    const told = {
      severity: "warning",
      code: "StarttlsExpected",
      message: expect.stringContaining(`starttls: ${protocol}`),
    }
    expect(compile({ port }).problems).toMatchObject([told])
    expect(compile({ port, gateway: { "tlsroute.dev/starttls": "ldap" } }).problems).toEqual([])
  })

  it.each([
    [465, "smtp"],
    [993, "imap"],
    [995, "pop3"],
  ])("is not expected on port %i, whose clients do not wait for a greeting in %s", (port, protocol) => {
    const message = expect.stringContaining("set https.starttls: off")
    const told = { severity: "warning", code: "StarttlsUnexpected", message }
    expect(compile({ port, gateway: { "tlsroute.dev/starttls": protocol } }).problems).toMatchObject([told])
    expect(compile({ port, gateway: postgres }).problems).toEqual([])
  })

  it("that greets first does not go with PROXY protocol headers that may come or not", () => {
    const proxied = { "tlsroute.dev/trusted-proxies": "10.0.0.0/8", "tlsroute.dev/accept-proxy-protocol": "optional" }
    const { problems } = compile({ gateway: { ...proxied, "tlsroute.dev/starttls": "smtp" } })
    expect(problems).toMatchObject([{ severity: "warning", code: "GreetingWaits" }])
    expect(compile({ gateway: { ...proxied, ...postgres } }).problems).toEqual([])
  })

  it("is spoken by TLS probes, which differ by it, and not by TCP probes", () => {
    const check = (kind: string, gateway: Annotations) =>
      compile({ gateway, route: { "tlsroute.dev/health-check": kind } })
    const spoken = check("tls", postgres)
    expect(spoken.healthCheck?.starttls?.protocol.name).toBe("postgres")
    expect(spoken.connection.backend.check?.id).toBe(spoken.healthCheck?.id)
    expect(spoken.healthCheck?.id).not.toBe(check("tls", {}).healthCheck?.id)
    expect(check("tcp", postgres).healthCheck).toEqual(check("tcp", {}).healthCheck)
  })
})

describe("an inherited policy", () => {
  const onGateway = { "tlsroute.dev/idle-timeout": "2s" }
  const onListener = { "tlsroute.dev/https.idle-timeout": "3s" }
  const onRoute = { "tlsroute.dev/idle-timeout": "4s" }
  it.each<[string, Setup, number]>([
    ["the program", { options: { idleTimeout: "1s" } }, 1000],
    ["the Gateway over the program", { options: { idleTimeout: "1s" }, gateway: onGateway }, 2000],
    ["the listener over its Gateway", { gateway: { ...onGateway, ...onListener } }, 3000],
    ["not another listener", { gateway: { "tlsroute.dev/other.idle-timeout": "3s" } }, 3_600_000],
    ["the route over the listener", { gateway: onListener, route: onRoute }, 4000],
    [
      "the program by the route's name over its annotation",
      { route: onRoute, options: { routes: { "shop/checkout": { idleTimeout: 5000 } } } },
      5000,
    ],
    [
      "the program by the listener's name",
      { options: { listeners: { "infra/public/https": { idleTimeout: 6000 } } } },
      6000,
    ],
    ["the program by the Gateway's name", { options: { listeners: { "infra/public": { idleTimeout: 7000 } } } }, 7000],
    [
      "only the program when annotations are ignored",
      { options: { annotations: "ignore" }, route: onRoute },
      3_600_000,
    ],
  ])("is decided by %s", (_, setup, idleTimeout) => {
    const { connection, problems } = compile(setup)
    expect(problems).toEqual([])
    expect(connection.idleTimeout).toBe(idleTimeout)
  })

  it("of a ListenerSet falls back to the Gateway it joins", () => {
    const { connection } = compile({
      listeners: [listener("mail", ref("ListenerSet", "team"), ref("Gateway", "public"))],
      gateway: { "tlsroute.dev/idle-timeout": "2s", "tlsroute.dev/max-duration": "1h" },
      listenerSet: { "tlsroute.dev/mail.max-duration": "2h" },
    })
    expect(connection).toMatchObject({ idleTimeout: 2000, maxDuration: 7_200_000 })
  })

  it("about a backend is decided by the Service, then the route, then the program", () => {
    const route = { "tlsroute.dev/send-proxy-protocol": "v1", "tlsroute.dev/dial-attempts": "7" }
    const service = { "tlsroute.dev/send-proxy-protocol": "v2", "tlsroute.dev/health-check": "tls" }
    const { connection, healthCheck } = compile({ route, service, options: { dialAttempts: 9, ejectAfter: 5 } })
    expect(connection.backend).toMatchObject({
      proxyHeader: { version: 2 },
      dialAttempts: 7,
      health: { ejectAfter: 5 },
    })
    expect(connection.backend.check).toEqual(healthCheck)
    expect(healthCheck).toEqual({
      id: expect.stringMatching(/^tls /),
      kind: "tls",
      serverName: undefined,
      proxyHeader: 2,
      interval: 10_000,
      timeout: 2000,
      rise: 2,
      fall: 3,
    })
  })
})

describe("a limit", () => {
  const limits = { "tlsroute.dev/max-connections": "10" }
  const ofListener = { "tlsroute.dev/https.max-connections": "5" }

  it("is held to at every level that sets it, and counted by that level's object", () => {
    const { before, connection } = compile({
      gateway: { ...limits, ...ofListener },
      route: { ...limits, "tlsroute.dev/max-connections-per-client": "2" },
      service: limits,
    })
    expect(before.scopes.map(({ key, maxConnections }) => [key, maxConnections])).toEqual([
      ["Gateway/infra/public/https", 5],
      ["Gateway/infra/public", 10],
    ])
    expect(connection.scopes).toMatchObject([
      { key: "TLSRoute/shop/checkout", maxConnections: 10, maxConnectionsPerClient: 2 },
    ])
    expect(connection.backend.circuit.maxConnections).toBe(10)
  })

  it("of one listener among several on a port waits for the SNI, that of their Gateway does not", () => {
    const listeners = [listener("https"), listener("other")]
    const { before, connection } = compile({ gateway: { ...limits, ...ofListener }, listeners })
    expect(before.scopes.map(({ key }) => key)).toEqual(["Gateway/infra/public"])
    expect(connection.scopes.map(({ key }) => key)).toEqual(["Gateway/infra/public/https"])
  })

  it("of the program counts every connection", () => {
    const scopeUnder = (options?: PolicyOptions) =>
      new PolicyCompiler(options).compile([], { listeners: [], routes: [] }).gatewayScope
    expect(scopeUnder({ maxConnections: 100, connectionRatePerClient: 3 })).toMatchObject({
      key: "gateway",
      maxConnections: 100,
      rate: { perSecond: 3, burst: 10 },
    })
    expect(scopeUnder()).toBeUndefined()
  })
})

describe("PROXY protocol on a port that listeners share", () => {
  const listeners = [listener("https"), listener("other")]

  it("is the first listener's, and others that differ are told", () => {
    const gateway = {
      "tlsroute.dev/https.accept-proxy-protocol": "required",
      "tlsroute.dev/https.trusted-proxies": "10.0.0.0/8",
    }
    const { before, problems } = compile({ gateway, listeners })
    expect(before.proxyProtocol).toMatchObject({ mode: "required" })
    expect(problems).toMatchObject([{ severity: "error", code: "PolicyConflict", object: { name: "public" } }])
  })

  it("believes nobody until it is told whom", () => {
    const { before } = compile({ gateway: { "tlsroute.dev/accept-proxy-protocol": "optional" } })
    expect(before.proxyProtocol?.trusted.has("10.0.0.1")).toBe(false)
  })

  it("is no conflict when both say the same", () => {
    const same = { acceptProxyProtocol: "required", trustedProxies: ["10.0.0.0/8"] } as const
    const options = { listeners: { "infra/public/https": same, "infra/public/other": same } }
    expect(compile({ options, listeners }).problems).toEqual([])
  })
})

describe("an annotation", () => {
  it.each<[string, Setup, string, RegExp]>([
    [
      "with a slip in its name",
      { route: { "tlsroute.dev/idle-timeot": "1s" } },
      "UnknownPolicy",
      /did you mean tlsroute.dev\/idle-timeout\?/,
    ],
    ["with a name nobody knows", { route: { "tlsroute.dev/x": "1s" } }, "UnknownPolicy", /no policy is named "x"/],
    [
      "with a name that every object has",
      { route: { "tlsroute.dev/constructor": "1s" } },
      "UnknownPolicy",
      /no policy/,
    ],
    [
      "on a kind that cannot have it",
      { service: { "tlsroute.dev/hello-timeout": "1s" } },
      "MisplacedPolicy",
      /set it on a Gateway, ListenerSet$/,
    ],
    [
      "for a listener that is not there",
      { gateway: { "tlsroute.dev/nope.idle-timeout": "1s" } },
      "MisplacedPolicy",
      /no listener named "nope"/,
    ],
    [
      "for a listener, on a route",
      { route: { "tlsroute.dev/https.idle-timeout": "1s" } },
      "MisplacedPolicy",
      /no listeners/,
    ],
    [
      "with a value it cannot have",
      { route: { "tlsroute.dev/idle-timeout": "soon" } },
      "InvalidPolicyValue",
      /expected a duration .*"soon"; it has no effect/,
    ],
    [
      "with a value that is no text",
      { route: { "tlsroute.dev/max-connections": 5 as never } },
      "InvalidPolicyValue",
      /put it in quotes/,
    ],
  ])("%s is an error that says what to do", (_, setup, code, message) => {
    const { problems } = compile(setup)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({ severity: "error", code, message: expect.stringMatching(message) })
    expect(problems[0]?.path).toMatch(/^metadata\.annotations\["tlsroute\.dev\/.*"\]$/)
  })

  it("of another domain is none of our business", () => {
    expect(compile({ route: { "example.com/idle-timeout": "soon", "x.tlsroute.dev/y": "z" } }).problems).toEqual([])
  })

  it.each(["allow-cidrs", "deny-cidrs"])("%s that cannot be read lets nobody connect", (name) => {
    const { connection, problems } = compile({ route: { [`tlsroute.dev/${name}`]: "10.0.0.0/33" } })
    expect(problems[0]?.message).toMatch(/until it is right nobody may connect/)
    expect(connection.scopes.map(({ access }) => admits(access!, "10.0.0.1"))).toEqual([false])
  })

  it("that lets some connect does not open what another that cannot be read has closed, in either order", () => {
    const allow = ["tlsroute.dev/allow-cidrs", "10.0.0.0/8"] as const
    const deny = ["tlsroute.dev/deny-cidrs", "10.66.0.0/33"] as const
    for (const annotations of [
      [allow, deny],
      [deny, allow],
    ]) {
      const { connection } = compile({ route: Object.fromEntries(annotations) })
      expect(connection.scopes.map(({ access }) => admits(access!, "10.66.0.1"))).toEqual([false])
    }
  })

  it("of any name and value is taken or reported, and never throws", () => {
    const names = fc.oneof(
      fc.string(),
      fc.constantFrom(...POLICY_KEYS),
      fc.constantFrom("idle-timeout", "https.allow-cidrs", "."),
    )
    const values = fc.anything() as fc.Arbitrary<string>
    const annotations = fc.dictionary(
      names.map((text) => `tlsroute.dev/${text}`),
      values,
    )
    fc.assert(
      fc.property(annotations, (given) => {
        const { problems } = compile({ gateway: given, route: given, service: given })
        for (const problem of problems) expect(problem.message.length).toBeGreaterThan(10)
      }),
    )
  })

  it("of anything that is no object of Kubernetes is passed over", () => {
    fc.assert(
      fc.property(fc.array(fc.anything()), (objects) => {
        const resources = { gateways: objects, tlsRoutes: objects, services: objects } as never
        const found = new AnnotationScan().scan(resources)
        expect(new PolicyCompiler().compile(found, { listeners: [], routes: [] }).binding("x")).toBeUndefined()
      }),
    )
  })
})

describe("the policies option", () => {
  it.each<[string, unknown, RegExp]>([
    ["an unknown policy", { idleTimout: 1 }, /^policies\.idleTimout: no such policy; did you mean idleTimeout\?/],
    [
      "a value that cannot be read",
      { routes: { "a/b": { idleTimeout: "soon" } } },
      /^policies\.routes\["a\/b"\]\.idleTimeout: expected a duration/,
    ],
    [
      "a policy at a level that cannot have it",
      { backends: { "a/b": { helloTimeout: 1 } } },
      /^policies\.backends\["a\/b"\]\.helloTimeout: cannot be set here/,
    ],
    ["a key that names no object", { routes: { b: {} } }, /^policies\.routes\["b"\]: expected a key like/],
    ["a network that is none", { allowCidrs: ["10.0.0.1/8"] }, /^policies\.allowCidrs: .*10\.0\.0\.0\/8/],
  ])("with %s throws, naming the setting", (_, options, message) => {
    expect(() => new PolicyCompiler(options as PolicyOptions)).toThrow(
      expect.objectContaining({ code: "ERR_TLSROUTE_POLICY", message: expect.stringMatching(message) }),
    )
  })
})

describe("QUIC", () => {
  const on = { "tlsroute.dev/quic": "on" }

  it("is taken by a listener whose annotation says so", () => {
    const { before, problems } = compile({ gateway: on })
    expect(before).toMatchObject({ quic: true })
    expect(problems).toEqual([])
    expect(compile({ gateway: { "tlsroute.dev/other.quic": "on" } }).before).toMatchObject({ quic: false })
  })

  it("makes a problem of each policy that means nothing for datagrams, where it is set", () => {
    const { problems } = compile({
      gateway: { ...on, "tlsroute.dev/bandwidth": "1MiB", "tlsroute.dev/half-closed-timeout": "1m" },
      route: { "tlsroute.dev/bandwidth": "2MiB" },
      service: { "tlsroute.dev/send-proxy-protocol": "v2" },
    })
    expect(problems.map(({ severity, code, object, message }) => [severity, code, object?.kind, message])).toEqual([
      ["warning", "NoMeaningForQuic", "Gateway", expect.stringContaining("bandwidth")],
      ["warning", "NoMeaningForQuic", "Gateway", expect.stringContaining("half-closed-timeout")],
      ["warning", "NoMeaningForQuic", "TLSRoute", expect.stringContaining("bandwidth")],
      ["warning", "NoMeaningForQuic", "Service", expect.stringContaining("send-proxy-protocol")],
    ])
  })

  it("is a problem on a port whose clients speak over TCP alone, and so is its limit where nobody takes it", () => {
    const told = (options: Parameters<typeof compile>[0]) =>
      compile(options).problems.map(({ severity, code, message }) => [severity, code, message])
    expect(told({ gateway: on, port: 993, listeners: [{ ...listener("https"), port: 993 }] })).toEqual([
      ["warning", "NoMeaningForQuic", expect.stringContaining("clients of port 993 speak IMAP")],
    ])
    const limited = { "tlsroute.dev/quic-idle-timeout": "1m" }
    expect(told({ route: limited })).toEqual([
      ["warning", "NoMeaningForQuic", expect.stringContaining("no listener takes QUIC")],
    ])
    expect(told({ gateway: on, route: limited })).toEqual([])
  })

  it("says nothing of those policies where it is off, or where they ask for nothing", () => {
    const off = { "tlsroute.dev/bandwidth": "1MiB" }
    expect(compile({ gateway: off, service: { "tlsroute.dev/send-proxy-protocol": "v2" } }).problems).toEqual([])
    const neutral = { "tlsroute.dev/bandwidth": "0", "tlsroute.dev/accept-proxy-protocol": "off" }
    expect(compile({ gateway: { ...on, ...neutral } }).problems).toEqual([])
  })

  it.each([
    { "tlsroute.dev/accept-proxy-protocol": "required", "tlsroute.dev/trusted-proxies": "10.0.0.0/8" },
    { "tlsroute.dev/starttls": "postgres" },
  ])("is not taken where connections must begin with something else: %j", (annotations) => {
    const { before, problems } = compile({ gateway: { ...on, ...annotations }, port: 5432 })
    expect(before).toMatchObject({ quic: false })
    expect(problems).toContainEqual(expect.objectContaining({ severity: "error", code: "QuicNotTaken" }))
  })
})
