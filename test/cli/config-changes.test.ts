import { describe, expect, test } from "vitest"
import { ConfigChanges } from "../../src/cli/log/config-changes.ts"
import { jsonLine } from "../../src/cli/log/json-line.ts"
import type { BindingState } from "../../src/gateway/bindings.ts"
import type { ConfigApplied } from "../../src/gateway/events.ts"
import { createRouteTableBuilder } from "../../src/routing/table-builder.ts"

const gateway = {
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "Gateway",
  metadata: { namespace: "shop", name: "gateway" },
  spec: {
    gatewayClassName: "tlsroute",
    listeners: [{ name: "tls", port: 443, protocol: "TLS", tls: { mode: "Passthrough" as const } }],
  },
}
const route = (name: string, backend = "missing") => ({
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "TLSRoute",
  metadata: { namespace: "shop", name },
  spec: {
    parentRefs: [{ name: "gateway" }],
    hostnames: [`${name}.example.com`],
    rules: [{ backendRefs: [{ name: backend, port: 443 }] }],
  },
})

/** Applies routes as a gateway would. Their backends are not there: each brings a problem. */
function applier(): (routes: readonly ReturnType<typeof route>[], error?: string) => ConfigApplied {
  const builder = createRouteTableBuilder()
  return (tlsRoutes, message) => {
    const table = builder.build({ gateways: [gateway], tlsRoutes })
    const bindings = table.listeners.map((binding): BindingState => {
      if (message === undefined) return { bound: true, binding, address: "::", port: 443 }
      return { bound: false, binding, message, code: undefined, error: new Error(message) }
    })
    return { table, bindings, problems: table.problems, kept: [] }
  }
}

const bytesOf = (lines: readonly object[]): number => lines.reduce((sum, line) => sum + jsonLine(line).length, 0)

describe("the log of configurations", () => {
  test("tells the first one whole", () => {
    const [line, ...more] = new ConfigChanges().next(applier()([route("one")]))
    expect(more).toEqual([])
    expect(line?.fields).toMatchObject({
      routes: 1,
      added: { count: 1, names: ["shop/one"] },
      errors: 1,
      bindings: [{ gatewayPort: 443, listeners: ["Gateway/shop/gateway/tls"], port: 443 }],
      problems: [{ code: "BackendNotFound", object: { name: "one" } }],
    })
    expect(line?.worse).toBe(true)
  })

  test("then what was added, changed and removed, and the problems that are new", () => {
    const apply = applier()
    const changes = new ConfigChanges()
    const [one, two, three] = [route("one"), route("two"), route("three")]
    changes.next(apply([one, two]))
    const [line] = changes.next(apply([one, route("two", "gone"), three]))
    expect(line?.fields).toMatchObject({
      routes: 3,
      added: { names: ["shop/three"] },
      changed: { names: ["shop/two"] },
      bindings: [],
      problems: [{ object: { name: "three" } }, { object: { name: "two" } }],
      resolved: 1,
    })
    const [last] = changes.next(apply([one]))
    expect(last?.fields).toMatchObject({ removed: { count: 2 }, problems: [], resolved: 2, errors: 1 })
    expect(last?.worse).toBe(false)
  })

  test("tells a socket again when it fails, and when it is gone", () => {
    const apply = applier()
    const changes = new ConfigChanges()
    const routes = [route("one")]
    changes.next(apply(routes))
    const [failed] = changes.next(apply(routes, "EADDRINUSE"))
    expect(failed).toMatchObject({ worse: true, fields: { bindings: [{ error: "EADDRINUSE" }], problems: [] } })
    const [same] = changes.next(apply(routes, "EADDRINUSE"))
    expect(same).toMatchObject({ worse: false, fields: { bindings: [] } })
    const empty = createRouteTableBuilder().build({})
    const [closed] = changes.next({ table: empty, bindings: [], problems: [], kept: [] })
    expect(closed?.fields).toMatchObject({ closed: { names: ["*:443"] } })
  })

  test("leaves out no problem, and has a bound for each line", () => {
    const routes = Array.from({ length: 95 }, (_, at) => route(`route-${at}`))
    const lines = new ConfigChanges().next(applier()(routes))
    expect(lines.flatMap(({ fields }) => fields.problems)).toHaveLength(95)
    for (const { fields } of lines) expect(jsonLine(fields).length).toBeLessThan(10_000)
    expect(lines[0]?.fields).toMatchObject({ added: { count: 95, names: { length: 10 } } })
  })

  test("costs as much for one change among a thousand routes as among ten", () => {
    const cost = (count: number): number => {
      const apply = applier()
      const changes = new ConfigChanges()
      const routes = Array.from({ length: count }, (_, at) => route(`route-${String(at).padStart(4, "0")}`))
      changes.next(apply(routes))
      return bytesOf(changes.next(apply([...routes, route("route-more")])))
    }
    expect(cost(1000)).toBeLessThan(cost(10) + 20)
  })
})
