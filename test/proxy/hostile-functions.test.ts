import { once } from "node:events"
import { describe, expect, test } from "vitest"
import { type NameResolver, ProxyError, type Router, type SpliceProxyOptions } from "../../src/proxy/index.ts"
import { backend, client, clientHello, ending, nextRecord, startProxy } from "./harness.ts"
import { connectionPolicy, scope } from "./policy-harness.ts"

const named = { kind: "name", id: "somewhere", host: "somewhere.example.com", port: 443 } as const
const toName: Router = { route: () => ({ action: "forward", target: named }) }

/** What became of one client, and that the proxy serves the next one. */
async function refusal(options: SpliceProxyOptions) {
  const errors: unknown[] = []
  const honest = await backend((socket) => socket.pipe(socket))
  const { proxy, port } = await startProxy({ deadlines: { dial: 2_000 }, ...options })
  proxy.on("error", (error) => errors.push(error))
  const closed = nextRecord(proxy)
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  await ending(socket)
  const record = await closed
  const target = { kind: "endpoints", id: "honest", endpoints: [honest] } as const
  proxy.setRouter({ route: () => ({ action: "forward", target }) })
  const next = await client(port)
  next.write(await clientHello("example.com"))
  await once(next, "data")
  return { outcome: record.outcome, detail: record.detail, errors }
}

const endpoints = [{ address: "127.0.0.1", port: 1 }]
const target = { kind: "endpoints", id: "there", endpoints } as const
const policy = connectionPolicy()

describe("a router that", () => {
  test.each<[string, () => unknown, RegExp]>([
    [
      "throws",
      () => {
        throw new Error("out of order")
      },
      /out of order/,
    ],
    [
      "throws nothing at all",
      () => {
        throw undefined
      },
      /undefined/,
    ],
    ["answers nothing", () => undefined, /undefined/],
    ["answers null", () => null, /null/],
    ["answers a word", () => "refuse", /refuse/],
    ["answers a promise", async () => ({ action: "forward", target }), /promise/],
    ["answers a promise that rejects", () => Promise.reject(new Error("out of order")), /promise/],
    ["refuses without a reason", () => ({ action: "refuse" }), /reason must be text/],
    ["refuses for a reason that is no text", () => ({ action: "refuse", reason: {} }), /reason must be text/],
    ["calls its route by no text", () => ({ action: "forward", target, route: { name: "a" } }), /route must be text/],
    ["calls its listener by no text", () => ({ action: "forward", target, listener: 443 }), /listener must be text/],
    ["asks for what there is not", () => ({ action: "reject" }), /action must be/],
    ["forwards nowhere", () => ({ action: "forward" }), /target must be/],
    ["forwards to a target without an id", () => ({ action: "forward", target: { ...target, id: 7 } }), /target/],
    ["forwards to a target of no kind", () => ({ action: "forward", target: { id: "there" } }), /target\.kind/],
    [
      "forwards to a target without endpoints",
      () => ({ action: "forward", target: { kind: "endpoints", id: "there" } }),
      /target\.endpoints/,
    ],
    [
      "forwards to endpoints that are none",
      () => ({ action: "forward", target: { ...target, endpoints: [null] } }),
      /target\.endpoints/,
    ],
    ["forwards to a name without a host", () => ({ action: "forward", target: { ...named, host: 1 } }), /target\.host/],
    ["forwards to an empty name", () => ({ action: "forward", target: { ...named, host: "" } }), /target\.host/],
    ["forwards to half a port", () => ({ action: "forward", target: { ...named, port: 5.5 } }), /target\.port/],
    ["forwards to a port that is none", () => ({ action: "forward", target: { ...named, port: 0 } }), /target\.port/],
    [
      "has an empty policy",
      () => ({ action: "forward", target, policy: {} }),
      /policy: the option "scopes" is missing/,
    ],
    [
      "has a policy without a backend",
      () => ({ action: "forward", target, policy: { ...policy, backend: undefined } }),
      /policy: the option "backend" is missing/,
    ],
    [
      "has a limit that is not a number",
      () => ({ action: "forward", target, policy: { ...policy, idleTimeout: Number.NaN } }),
      /"idleTimeout" must be a number of milliseconds, 0 or more, not NaN/,
    ],
    [
      "has a scope that is none",
      () => ({ action: "forward", target, policy: { ...policy, scopes: [null] } }),
      /"scopes\[0\]"/,
    ],
    [
      "has a scope whose list of networks is none",
      () => ({ action: "forward", target, policy: { ...policy, scopes: [{ ...scope("x"), access: { deny: [] } }] } }),
      /"scopes\[0\]\.access\.deny"/,
    ],
    [
      "has a limit of a circuit that is a word",
      () => ({
        action: "forward",
        target,
        policy: { ...policy, backend: { ...policy.backend, circuit: { maxConnections: "many", maxPending: 1 } } },
      }),
      /"backend\.circuit\.maxConnections" must be a number/,
    ],
    [
      "wants a header without fields",
      () => ({
        action: "forward",
        target,
        policy: { ...policy, backend: { ...policy.backend, proxyHeader: { version: 2 } } },
      }),
      /proxyHeader|"fields" is missing/,
    ],
  ])("%s costs one connection, and is reported", async (_, route, message) => {
    const { outcome, errors } = await refusal({ router: { route } as Router })
    expect(outcome).toBe("router-error")
    expect(errors).toEqual([expect.objectContaining({ code: "ERR_TLSROUTE_ROUTER" })])
    expect((errors[0] as Error).message).toMatch(message)
  })

  test.each<[string, unknown, string]>([
    ["is a name", { address: "localhost", port: 1 }, "ERR_INVALID_IP_ADDRESS"],
    ["has no address", { port: 1 }, "ERR_INVALID_IP_ADDRESS"],
    ["has no port", { address: "127.0.0.1" }, "ERR_MISSING_ARGS"],
    ["has a port too large", { address: "127.0.0.1", port: 65_536 }, "ERR_SOCKET_BAD_PORT"],
  ])("forwards to an endpoint that %s reaches nothing", async (_, endpoint, detail) => {
    const router = {
      route: () => ({ action: "forward", target: { kind: "endpoints", id: "there", endpoints: [endpoint] } }),
    } as unknown as Router
    expect(await refusal({ router })).toEqual({ outcome: "dial-failed", detail, errors: [] })
  })
})

describe("a resolver that", () => {
  const never = new Promise(() => {})
  test.each<[string, () => unknown, outcome: string, detail: string | undefined]>([
    [
      "throws",
      () => {
        throw Object.assign(new Error("gone"), { code: "ENOTFOUND" })
      },
      "unresolved",
      "ENOTFOUND",
    ],
    [
      "throws nothing at all",
      () => {
        throw undefined
      },
      "unresolved",
      undefined,
    ],
    [
      "says that the address is forbidden",
      () => Promise.reject(new ProxyError("ERR_TLSROUTE_FORBIDDEN_ADDRESS", "no")),
      "forbidden-address",
      "ERR_TLSROUTE_FORBIDDEN_ADDRESS",
    ],
    ["is broken", () => Promise.reject(new TypeError("x is not a function")), "unresolved", "TypeError"],
    ["rejects with undefined", () => Promise.reject(undefined), "unresolved", undefined],
    ["rejects with null", () => Promise.reject(null), "unresolved", undefined],
    ["rejects with a code that is none", () => Promise.reject({ code: 42 }), "unresolved", undefined],
    ["answers nothing", () => undefined, "unresolved", "INVALID_ANSWER"],
    ["answers a word", () => "127.0.0.1", "unresolved", "INVALID_ANSWER"],
    ["answers an empty list", () => [], "unresolved", "INVALID_ANSWER"],
    ["answers a list of nothing", () => [undefined], "unresolved", "INVALID_ANSWER"],
    ["answers addresses without ports", () => ["127.0.0.1"], "unresolved", "INVALID_ANSWER"],
    ["promises nonsense", async () => ({ address: "127.0.0.1", port: 1 }), "unresolved", "INVALID_ANSWER"],
    ["answers an endpoint without an address", () => [{ port: 1 }], "dial-failed", "ERR_INVALID_IP_ADDRESS"],
    ["answers another name", () => [{ address: "localhost", port: 1 }], "dial-failed", "ERR_INVALID_IP_ADDRESS"],
    [
      "answers something like a promise that throws",
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: what is under test
        then() {
          throw undefined
        },
      }),
      "unresolved",
      undefined,
    ],
    ["never answers", () => never, "dial-timeout", "NAME_LOOKUP"],
  ])("%s costs one connection", async (_, resolve, outcome, detail) => {
    const names = { resolve } as NameResolver
    expect(await refusal({ router: toName, names })).toEqual({ outcome, detail, errors: [] })
  })

  test.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw undefined
      },
    ],
    ["rejects with undefined", () => Promise.reject(undefined)],
    ["answers nonsense", () => [null]],
    ["answers a word", () => "127.0.0.1"],
  ])("%s when asked again changes nothing", async (_, renew) => {
    const names = { resolve: () => endpoints, renew } as unknown as NameResolver
    expect(await refusal({ router: toName, names })).toMatchObject({ outcome: "dial-failed", detail: "ECONNREFUSED" })
  })

  test.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("still busy")
      },
    ],
    ["rejects", () => Promise.reject(new Error("still busy"))],
  ])("%s when it is closed is reported, and the proxy is closed all the same", async (_, close) => {
    const { proxy } = await startProxy({ router: toName, names: { resolve: () => endpoints, close } as NameResolver })
    const failed = once(proxy, "error")
    await proxy.close()
    const [error] = await failed
    expect(error).toMatchObject({ code: "ERR_TLSROUTE_NAME", message: expect.stringMatching(/still busy/) })
  })

  test("that gives nothing to stop telling of failed lookups with is closed like any other", async () => {
    const closed: string[] = []
    const names = { resolve: () => endpoints, onFailure: () => undefined, close: () => void closed.push("names") }
    const { proxy } = await startProxy({ router: toName, names: names as unknown as NameResolver })
    proxy.on("error", (error) => closed.push(error.message))
    await proxy.close()
    expect(closed).toEqual(["names"])
  })

  test("never answers when asked again ends at the dial's deadline", async () => {
    const names = { resolve: () => endpoints, renew: () => never } as unknown as NameResolver
    expect(await refusal({ router: toName, names })).toMatchObject({ outcome: "dial-timeout", detail: "ECONNREFUSED" })
  })
})
