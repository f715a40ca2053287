import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { describe, expect, onTestFinished, test } from "vitest"
import { DEFAULT_HEALTH_POLICY } from "../../../src/proxy/health/endpoint-health.ts"
import { runProbe } from "../../../src/proxy/health/probe.ts"
import { LinePrelude } from "../../../src/proxy/index.ts"
import type { ListenerPolicy } from "../../../src/proxy/policy.ts"
import { encodeProxyV1 } from "../../../src/proxy/proxy-protocol/encode.ts"
import { parseProxyHeader } from "../../../src/proxy/proxy-protocol/parser.ts"
import type { StarttlsProtocol } from "../../../src/proxy/starttls/prelude.ts"
import { STARTTLS_PROTOCOLS, type StarttlsName } from "../../../src/proxy/starttls/protocols.ts"
import {
  backend,
  client,
  clientHello,
  closedPort,
  deferred,
  ending,
  nextRecord,
  readAll,
  routerTo,
  startProxy,
} from "../harness.ts"
import { connectionPolicy, listenerPolicy, policyRouter, proxyProtocol } from "../policy-harness.ts"
import { ask, echoServer, secure, secureClient } from "./peers.ts"

const SSL_REQUEST = Buffer.from("0000000804d2162f", "hex")
const STARTUP = Buffer.from("00000013000300007573657200 6a6f65000000".replaceAll(" ", ""), "hex")

/** A listener whose clients speak a protocol before TLS. */
function speaking(name: StarttlsName, asked: Partial<ListenerPolicy> = {}): { readonly policy: ListenerPolicy } {
  const starttls = { protocol: STARTTLS_PROTOCOLS[name], greetingName: "gw.example" }
  return { policy: listenerPolicy({ starttls, ...asked }) }
}

const ALL = Object.keys(STARTTLS_PROTOCOLS) as StarttlsName[]

describe("a listener whose clients begin in plain text", () => {
  test.each(ALL)("passes TLS through between a client and a server that speak %s before it", async (name) => {
    const protocol = STARTTLS_PROTOCOLS[name]
    const endpoint = await echoServer(protocol, "a.example")
    const { port, proxy } = await startProxy({ router: routerTo(endpoint) }, speaking(name))
    const closed = nextRecord(proxy)
    const socket = await secureClient(port, protocol, "a.example")
    expect(await ask(socket, "hello", 15)).toBe("a.example hello")
    socket.destroy()
    expect(await closed).toMatchObject({ starttls: name, serverName: "a.example", dialAttempts: 1 })
  })

  test.each(ALL)("does so where both speak %s byte by byte", async (name) => {
    const protocol = STARTTLS_PROTOCOLS[name]
    const endpoint = await echoServer(protocol, "a.example", "byte by byte")
    const { port } = await startProxy({ router: routerTo(endpoint) }, speaking(name))
    expect(await ask(await secureClient(port, protocol, "a.example", "byte by byte"), "hello", 15)).toBe(
      "a.example hello",
    )
  })

  test("does so at a rate as well, where bytes are read another way", async () => {
    const protocol = STARTTLS_PROTOCOLS.smtp
    const endpoint = await echoServer(protocol, "a.example")
    const router = policyRouter(connectionPolicy({ bandwidth: 1_000_000 }), endpoint)
    const { port } = await startProxy({ router }, speaking("smtp"))
    expect(await ask(await secureClient(port, protocol, "a.example"), "hello", 15)).toBe("a.example hello")
  })

  test.each(["postgres", "ldap", "xmpp"] as const)(
    "takes TLS at once as it is, where a client of %s begins so",
    async (name) => {
      const endpoint = await echoServer(STARTTLS_PROTOCOLS[name], "a.example")
      const { port } = await startProxy({ router: routerTo(endpoint) }, speaking(name))
      expect(await ask(await secure(await client(port), "a.example"), "hello", 15)).toBe("a.example hello")
    },
  )

  test("carries much data both ways, none of it lost", async () => {
    const protocol = STARTTLS_PROTOCOLS.postgres
    const endpoint = await echoServer(protocol, "a.example")
    const { port } = await startProxy({ router: routerTo(endpoint) }, speaking("postgres"))
    const socket = await secureClient(port, protocol, "a.example")
    const text = Array.from({ length: 200_000 }, (_, line) => `line ${line}\n`).join("")
    expect(await ask(socket, text, text.length + 10)).toBe(`a.example ${text}`)
  })

  test("greets once the PROXY protocol header has told who the client is, and reads what comes behind it", async () => {
    const { port, proxy } = await startProxy(
      { router: routerTo(await closedPort()) },
      speaking("smtp", { proxyProtocol: proxyProtocol("required") }),
    )
    const closed = nextRecord(proxy)
    const socket = await client(port)
    const told = { source: { address: "203.0.113.7", port: 4 }, destination: { address: "198.51.100.1", port: 25 } }
    const answer = readAll(socket)
    socket.write(Buffer.concat([encodeProxyV1(told), Buffer.from("QUIT\r\n")]))
    expect((await answer).toString()).toBe("220 gw.example ESMTP\r\n221 gw.example closing the connection\r\n")
    expect(await closed).toMatchObject({
      clientAddress: "203.0.113.7",
      outcome: "client-gone",
      detail: "STARTTLS_QUIT",
    })
  })

  test.each([
    ["goes on without TLS", "postgres", STARTUP, "STARTTLS_REQUIRED", /^E.*TLS is required/s],
    [
      "sends plain bytes behind its request",
      "postgres",
      Buffer.concat([SSL_REQUEST, STARTUP]),
      "STARTTLS_INJECTION",
      /^E/,
    ],
    ["pipelines behind STARTTLS", "smtp", "STARTTLS\r\nRSET\r\n", "STARTTLS_INJECTION", /554 [^\n]*\n$/],
    ["begins with TLS where the server speaks first", "smtp", "\x16\x03\x01", "STARTTLS_TOO_SOON", /421 [^\n]*\n$/],
    ["speaks another protocol", "ldap", "EHLO a\r\n", "STARTTLS_SYNTAX", /1\.3\.6\.1\.4\.1\.1466\.20036$/],
    ["never stops", "imap", "a NOOP\r\n".repeat(100), "STARTTLS_TOO_MANY", /\* BYE [^\n]*\n$/],
  ] as const)(
    "refuses a client that %s, in the words of its protocol, and no backend hears of it",
    async (_, name, said, detail, told) => {
      let dialled = 0
      const endpoint = await backend(() => {
        dialled += 1
      })
      const { port, proxy } = await startProxy({ router: routerTo(endpoint) }, speaking(name))
      const closed = nextRecord(proxy)
      const socket = await client(port)
      const answer = readAll(socket)
      socket.write(said)
      expect((await answer).toString("latin1")).toMatch(told)
      socket.end()
      expect(await closed).toMatchObject({ outcome: "starttls-failed", detail, starttls: name })
      expect(dialled).toBe(0)
    },
  )

  test("takes nothing for TLS that was sent in plain text behind the request, however it comes", async () => {
    const { port, proxy } = await startProxy({ router: routerTo(await closedPort()) }, speaking("postgres"))
    const closed = nextRecord(proxy)
    const socket = await client(port)
    socket.write(SSL_REQUEST)
    expect((await once(socket, "data")).toString()).toBe("S")
    socket.write(STARTUP)
    expect(await closed).toMatchObject({ outcome: "not-tls" })
  })

  test.each([
    ["says nothing", [] as string[]],
    ["trickles", ["E", "H", "L", "O"]],
    ["stops behind STARTTLS", ["STARTTLS\r\n"]],
  ])("ends a client that %s at one deadline for all that comes before the ClientHello", async (_, said) => {
    const { port, proxy } = await startProxy(
      { router: routerTo(await closedPort()) },
      speaking("smtp", { helloTimeout: 300 }),
    )
    const closed = nextRecord(proxy)
    const socket = await client(port)
    for (const text of said) {
      socket.write(text)
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    expect(await closed).toMatchObject({ outcome: "hello-timeout" })
  })

  test("holds denials and limits before it greets", async () => {
    const { port } = await startProxy(
      { router: routerTo(await closedPort()) },
      speaking("smtp", {
        scopes: [{ key: "x", access: undefined, maxConnections: 1, maxConnectionsPerClient: 1, rate: undefined }],
      }),
    )
    const first = await client(port)
    expect((await once(first, "data")).toString()).toMatch(/^220 /)
    const second = connect(port, "127.0.0.1")
    onTestFinished(() => void second.destroy())
    expect(await ending(second)).toBe("ECONNRESET")
  })
})

describe("a backend that is spoken to before TLS", () => {
  /** What a server does once it is asked. */
  const answering =
    (answer: string) =>
    (socket: Socket): void => {
      socket.on("data", () => socket.write(answer))
    }
  const good = () => echoServer(STARTTLS_PROTOCOLS.postgres, "good.example")

  test.each([
    ["has no TLS", answering("N")],
    ["answers with an error", answering("E\0\0\0\x05\0")],
    ["answers and goes on in plain text", answering("SX")],
    ["speaks another protocol", answering("220 hi\r\n")],
    ["hangs up", (socket: Socket): void => void socket.on("data", () => socket.end())],
    ["resets", (socket: Socket): void => void socket.on("data", () => socket.resetAndDestroy())],
    ["says nothing for half of the time", () => {}],
  ])("and %s is left for the next one", async (_, serve) => {
    const bad = await backend(serve)
    const router = policyRouter(connectionPolicy(), bad, await good())
    const { port, proxy } = await startProxy({ router }, speaking("postgres"))
    for (const attempts of [2, 1]) {
      const closed = nextRecord(proxy)
      const socket = await secureClient(port, STARTTLS_PROTOCOLS.postgres, "good.example")
      expect(await ask(socket, "hello", 18)).toBe("good.example hello")
      socket.destroy()
      // Round robin: every other connection begins with the good one.
      expect([attempts, 3 - attempts]).toContain((await closed).dialAttempts)
    }
  })

  test.each([
    ["has no TLS", "postgres", answering("N"), "dial-failed", "STARTTLS_REFUSED"],
    ["says nothing", "postgres", () => {}, "dial-timeout", "STARTTLS_TIMEOUT"],
    [
      "greets half",
      "smtp",
      (socket: Socket): void => void socket.write("220 mx.exam"),
      "dial-timeout",
      "STARTTLS_TIMEOUT",
    ],
    ["hangs up", "smtp", (socket: Socket): void => void socket.end(), "dial-failed", "STARTTLS_CLOSED"],
    [
      "does not offer TLS",
      "smtp",
      (socket: Socket): void => void socket.write("220 mx\r\n250 mx\r\n"),
      "dial-failed",
      "STARTTLS_NOT_OFFERED",
    ],
    [
      "is too busy",
      "smtp",
      (socket: Socket): void => void socket.write("421 later\r\n"),
      "dial-failed",
      "STARTTLS_REFUSED",
    ],
    [
      "goes on in plain text",
      "pop3",
      (socket: Socket): void => void socket.write("+OK\r\n+OK\r\n+OK\r\n"),
      "dial-failed",
      "STARTTLS_INJECTION",
    ],
  ] as const)("and %s fails the dial with a code of its own", async (_, name, serve, outcome, detail) => {
    const dialTimeout = outcome === "dial-timeout" ? 400 : 20_000
    const router = policyRouter(connectionPolicy({ dialTimeout }), await backend(serve))
    const { port, proxy } = await startProxy({ router }, speaking(name))
    const closed = nextRecord(proxy)
    await expect(secureClient(port, STARTTLS_PROTOCOLS[name], "a.example")).rejects.toThrow()
    expect(await closed).toMatchObject({ outcome, detail, starttls: name, serverName: "a.example" })
  })

  /** Which of two endpoints connections begin with, once each has had its chance to fail. */
  async function firstChoices(header: boolean, serve: (socket: Socket) => void) {
    let asked = 0
    const bad = await backend((socket) => {
      asked += 1
      serve(socket)
    })
    const protocol = STARTTLS_PROTOCOLS.postgres
    const takesHeader: StarttlsProtocol = header ? behindHeader(protocol) : protocol
    const policy = connectionPolicy(
      {},
      {
        proxyHeader: header ? { version: 1, fields: [] } : undefined,
        health: { ...DEFAULT_HEALTH_POLICY, ejectAfter: 2, panicThreshold: 0 },
      },
    )
    const router = policyRouter(policy, bad, await echoServer(takesHeader, "good.example"))
    const { port } = await startProxy({ router }, speaking("postgres"))
    for (let count = 0; count < 8; count++) {
      const socket = await secureClient(port, protocol, "good.example")
      await ask(socket, "x", 14)
      socket.destroy()
    }
    return asked
  }

  /** A server's part of a protocol, behind a PROXY protocol header. */
  function behindHeader(protocol: StarttlsProtocol): StarttlsProtocol {
    return {
      ...protocol,
      toClient: (context) => {
        const prelude = protocol.toClient(context)
        let seen = false
        return {
          opening: undefined,
          push(chunk) {
            if (seen) return prelude.push(chunk)
            const header = parseProxyHeader(chunk)
            if (header.status !== "complete")
              return { status: "refused", code: "STARTTLS_SYNTAX", message: "no header" }
            seen = true
            return header.rest.length === 0 ? { status: "more", send: prelude.opening } : prelude.push(header.rest)
          },
        }
      },
    }
  }

  test("and refuses counts against its endpoint, which is left out", async () => {
    expect(await firstChoices(false, answering("N"))).toBe(2)
  })

  test("and refuses a client that it was told of does not count: no client takes an endpoint out for others", async () => {
    expect(await firstChoices(true, answering("N"))).toBe(4)
  })

  test("and breaks the protocol counts, whoever the client is", async () => {
    expect(await firstChoices(true, answering("HTTP/1.1 400\r\n"))).toBe(2)
  })

  test("is told by a PROXY protocol header who the client is before anything else", async () => {
    const read = deferred<Buffer>()
    const endpoint = await backend((socket) => socket.once("data", (chunk: Buffer) => read.resolve(chunk)))
    const policy = connectionPolicy({}, { proxyHeader: { version: 2, fields: ["authority"] } })
    const { port } = await startProxy({ router: policyRouter(policy, endpoint) }, speaking("postgres"))
    const socket = await client(port)
    socket.write(await clientHello("a.example"))
    const header = parseProxyHeader(await read.promise)
    expect(header).toMatchObject({ status: "complete", header: { authority: "a.example" } })
    expect(header.status === "complete" && Buffer.from(header.rest)).toEqual(SSL_REQUEST)
  })

  test("is sent the client's bytes as they are once TLS has begun, those behind the ClientHello too", async () => {
    const heard = deferred<Buffer>()
    const endpoint = await backend((socket) => {
      const chunks: Buffer[] = []
      socket.once("data", () => {
        socket.write("S")
        socket.on("data", (chunk) => {
          chunks.push(chunk)
          if (Buffer.concat(chunks).includes("early")) heard.resolve(Buffer.concat(chunks))
        })
      })
    })
    const { port } = await startProxy({ router: routerTo(endpoint) }, speaking("postgres"))
    const socket = await client(port)
    const hello = await clientHello("a.example")
    socket.write(hello)
    socket.write("early")
    expect(await heard.promise).toEqual(Buffer.concat([hello, Buffer.from("early")]))
  })
})

describe("a TLS probe of a server that is spoken to before TLS", () => {
  test.each(ALL)("speaks %s", async (name) => {
    const protocol = STARTTLS_PROTOCOLS[name]
    const endpoint = await echoServer(protocol, "a.example")
    const probe = { kind: "tls", ...endpoint, serverName: "a.example", timeout: 20_000 } as const
    expect(await runProbe({ ...probe, starttls: { protocol, greetingName: "gw.example" } })).toEqual({ healthy: true })
  })

  test.each([
    ["refuses", (socket: Socket): void => void socket.write("554 no\r\n"), "STARTTLS_REFUSED"],
    ["says nothing", (): void => {}, "timeout"],
    ["hangs up", (socket: Socket): void => void socket.destroy(), "closed"],
  ] as const)("is bad when it %s", async (_, serve, reason) => {
    const endpoint = await backend(serve)
    const starttls = { protocol: STARTTLS_PROTOCOLS.smtp, greetingName: "gw.example" }
    expect(await runProbe({ kind: "tls", ...endpoint, starttls, timeout: 300 })).toEqual({ healthy: false, reason })
  })
})

describe("a protocol of one's own", () => {
  const bounds = { maxLineBytes: 16, maxLines: 1, allows8bit: false }
  const opener: StarttlsProtocol = {
    name: "opener",
    greets: false,
    toClient: () => new LinePrelude({ ...bounds, line: () => ({ status: "tls", say: "OK\r\n" }) }),
    toBackend: () => new LinePrelude({ ...bounds, opening: "TLS\r\n", line: () => ({ status: "tls" }) }),
  }
  const listen = (protocol: StarttlsProtocol) => ({
    policy: listenerPolicy({ starttls: { protocol, greetingName: "gw.example" } }),
  })

  test("is spoken to clients and to backends", async () => {
    const { port, proxy } = await startProxy(
      { router: routerTo(await echoServer(opener, "a.example")) },
      listen(opener),
    )
    const closed = nextRecord(proxy)
    const socket = await secureClient(port, opener, "a.example")
    expect(await ask(socket, "hello", 15)).toBe("a.example hello")
    socket.destroy()
    expect(await closed).toMatchObject({ starttls: "opener" })
  })

  const broken = (push: () => unknown) => () => ({ opening: undefined, push }) as never
  const throws = () => {
    throw new Error("mine")
  }
  test.each([
    ["throws at a client", { toClient: throws }],
    ["throws at a client's bytes", { toClient: broken(throws) }],
    ["answers a client nonsense", { toClient: broken(() => ({ status: "yes" })) }],
    ["answers a client nothing", { toClient: broken(() => undefined) }],
    ["throws at a backend", { toBackend: throws }],
    ["throws at a backend's bytes", { toBackend: broken(throws) }],
    ["answers a backend nonsense", { toBackend: broken(() => ({ status: "tls", rest: "x" })) }],
  ] as const)("that %s costs that connection, and is told of", async (_, part) => {
    const endpoint = await backend((socket) => void socket.write("hi\r\n"))
    const { port, proxy } = await startProxy({ router: routerTo(endpoint) }, listen({ ...opener, ...part }))
    const [closed, failed] = [nextRecord(proxy), once(proxy, "error")]
    const socket = connect(port, "127.0.0.1").on("error", () => {})
    onTestFinished(() => void socket.destroy())
    socket.write("TLS\r\n")
    socket.once("data", async () => socket.write(await clientHello("a.example")))
    expect(await failed).toMatchObject([{ code: "ERR_TLSROUTE_STARTTLS" }])
    expect(await closed).toMatchObject({ detail: "STARTTLS_FAULT" })
  })
})
