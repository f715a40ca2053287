import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import http2 from "node:http2"
import https from "node:https"
import net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { PassthroughGateway } from "../../src/gateway/gateway.ts"
import { selfSigned } from "../support/certificate.ts"
import { missing, run } from "../support/clients.ts"
import { startGateway } from "../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"

// Two real HTTPS servers with certificates of their own, one gateway that holds neither key.
const names = ["one.example.com", "two.example.com"] as const
const dir = mkdtempSync(join(tmpdir(), "tlsroute-clients-"))
const certificates = new Map(names.map((name) => [name, selfSigned([name])]))
const backends: http2.Http2SecureServer[] = []
let served: PassthroughGateway
let port: number

const ca = (name: (typeof names)[number]) => join(dir, `${name}.pem`)

beforeAll(async () => {
  const parts = []
  for (const name of names) {
    const pair = certificates.get(name)
    if (pair === undefined) throw new Error(name)
    writeFileSync(ca(name), pair.cert)
    const server = http2.createSecureServer({ ...pair, allowHTTP1: true }, (request, response) => {
      response.setHeader("connection", "close")
      response.end(`${name} says hello over HTTP/${request.httpVersion}\n`)
    })
    backends.push(server)
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const label = name.split(".")[0] as string
    parts.push(service(label, [(server.address() as net.AddressInfo).port]), {
      tlsRoutes: [route(label, [name], [{ name: label, port: 443 }])],
    })
  }
  const source = resources({ gateways: [gateway([listener("tls", 8443)])] }, ...parts)
  ;({ gateway: served, port } = await startGateway({ source }))
})

afterAll(async () => {
  await served.close({ drainTimeout: 0 })
  for (const server of backends) server.close()
  rmSync(dir, { recursive: true, force: true })
})

type Name = (typeof names)[number]

/** Asks for a name on a port and gives what came back; fails unless the backend's own certificate was verified. */
type Ask = (name: Name, port: number) => Promise<string>

const curl: Ask = async (name, at) => {
  const { code, stdout, stderr } = await run("curl", [
    ...["-sS", "--http1.1", "--max-time", "20", "--cacert", ca(name)],
    ...["--connect-to", `${name}:443:127.0.0.1:${at}`, `https://${name}/`],
  ])
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
  return stdout
}

const openssl: Ask = async (name, at) => {
  const { stdout, stderr } = await run(
    "openssl",
    [
      ...["s_client", "-connect", `127.0.0.1:${at}`, "-servername", name, "-CAfile", ca(name)],
      ...["-verify_return_error", "-verify_hostname", name, "-ign_eof"],
    ],
    `GET / HTTP/1.1\r\nhost: ${name}\r\n\r\n`,
  )
  expect(stdout, stderr).toContain("Verify return code: 0 (ok)")
  return stdout
}

const gnutls: Ask = async (name, at) => {
  const { stdout, stderr } = await run(
    "gnutls-cli",
    [
      ...["--port", String(at), "--sni-hostname", name, "--verify-hostname", name, "--x509cafile", ca(name)],
      ...["--alpn", "http/1.1", "127.0.0.1"],
    ],
    `GET / HTTP/1.1\r\nhost: ${name}\r\n\r\n`,
  )
  expect(stdout, stderr).toContain("The certificate is trusted")
  return stdout
}

const nodeHttps: Ask = (name, at) =>
  new Promise((resolve, reject) => {
    const cert = certificates.get(name)?.cert
    https
      .get(
        { host: "127.0.0.1", port: at, servername: name, headers: { host: name }, ca: cert, agent: false },
        (response) => response.setEncoding("utf8").on("data", resolve),
      )
      .on("error", reject)
  })

const nodeHttp2: Ask = async (name, at) => {
  const cert = certificates.get(name)?.cert
  const session = http2.connect(`https://${name}`, { host: "127.0.0.1", port: at, servername: name, ca: cert })
  try {
    return await new Promise<string>((resolve, reject) => {
      session.on("error", reject)
      session.request({ ":path": "/" }).setEncoding("utf8").on("data", resolve).on("error", reject).end()
    })
  } finally {
    session.close()
  }
}

const clients = [
  ["curl", curl, missing("curl"), "1.1"],
  ["openssl s_client", openssl, missing("openssl"), "1.1"],
  ["gnutls-cli", gnutls, missing("gnutls-cli"), "1.1"],
  ["Node's https", nodeHttps, undefined, "1.1"],
  ["Node's http2", nodeHttp2, undefined, "2.0"],
] as const

describe.each(clients)("%s", (_client, ask, why, version) => {
  const skipped = why === undefined ? "" : ` (skipped: ${why})`

  it.skipIf(why !== undefined).each(names)(
    `asking for %s reaches that backend and verifies its certificate${skipped}`,
    async (name) => {
      expect(await ask(name, port)).toContain(`${name} says hello over HTTP/${version}\n`)
    },
  )

  // OpenSSL, which serves here, takes a ClientHello in fragments of any size but refuses a flood of them.
  it.skipIf(why !== undefined).each([
    ["TCP segments of one byte", segments(1)],
    ["TLS records of 100 bytes", records(100)],
    [
      "TLS records of 100 bytes, and those into TCP segments of one byte",
      (hello: Buffer) => segments(1)(Buffer.concat(records(100)(hello))),
    ],
  ])(`is routed all the same with its ClientHello cut into %s${skipped}`, async (_cut, cut) => {
    await using relay = await relayTo(port, cut)
    expect(await ask(names[0], relay.port)).toContain(`${names[0]} says hello over HTTP/${version}\n`)
  })
})

describe("a ClientHello cut up on its way", () => {
  const through = async (cut: Cut): Promise<string> => {
    await using relay = await relayTo(port, cut)
    return await nodeHttps(names[0], relay.port)
  }

  it.each([1, 2, 3, 5, 7, 64, 200])("into TCP segments of %i bytes is routed all the same", async (size) => {
    expect(await through(segments(size))).toContain(names[0])
  })

  it.each([16, 50, 100, 255])("into TLS records of %i bytes is routed all the same", async (size) => {
    expect(await through(records(size))).toContain(names[0])
  })
})

/** Cuts the first flight of a client into the pieces that are sent. */
type Cut = (hello: Buffer) => readonly Buffer[]

function segments(size: number): Cut {
  return (hello) =>
    Array.from({ length: Math.ceil(hello.length / size) }, (_, i) => hello.subarray(i * size, (i + 1) * size))
}

function records(size: number): Cut {
  return (hello) => [
    Buffer.concat(
      segments(size)(hello.subarray(5)).flatMap((fragment) => [
        Buffer.from([22, 3, 1, fragment.length >> 8, fragment.length & 255]),
        fragment,
      ]),
    ),
  ]
}

/** A relay in front of a port that rewrites how each client's first flight is cut, never its handshake bytes. */
async function relayTo(target: number, cut: Cut): Promise<AsyncDisposable & { readonly port: number }> {
  const relay = net.createServer({ noDelay: true }, (client) => {
    const up = net.connect({ port: target, host: "127.0.0.1", noDelay: true })
    client.once("data", (hello: Buffer) => {
      client.pause()
      const pieces = cut(hello)
      const next = (index: number): void => {
        const piece = pieces[index]
        if (piece === undefined) client.pipe(up)
        // One piece per turn of the loop, so that the pieces leave as segments of their own.
        else up.write(piece, () => setImmediate(next, index + 1))
      }
      next(0)
    })
    up.pipe(client)
    up.on("error", () => client.destroy())
    client.on("error", () => up.destroy())
  })
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve))
  return { port: (relay.address() as net.AddressInfo).port, [Symbol.asyncDispose]: async () => void relay.close() }
}
