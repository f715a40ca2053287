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

describe.each(names)("through the gateway, asking for %s", (name) => {
  const why = (client: Parameters<typeof missing>[0]) => missing(client)
  const skipped = (client: Parameters<typeof missing>[0]) =>
    why(client) === undefined ? "" : ` (skipped: ${why(client)})`

  it.skipIf(why("curl"))(
    `curl over HTTP/1.1 reaches that backend and verifies its certificate${skipped("curl")}`,
    async () => {
      const { code, stdout, stderr } = await run("curl", [
        "-sS",
        "--http1.1",
        "--max-time",
        "20",
        "--cacert",
        ca(name),
        "--connect-to",
        `${name}:443:127.0.0.1:${port}`,
        `https://${name}/`,
      ])
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${name} says hello over HTTP/1.1\n`, stderr: "" })
    },
  )

  it.skipIf(why("openssl"))(
    `openssl s_client reaches that backend and verifies its certificate${skipped("openssl")}`,
    async () => {
      const { stdout, stderr } = await run(
        "openssl",
        [
          "s_client",
          "-connect",
          `127.0.0.1:${port}`,
          "-servername",
          name,
          "-CAfile",
          ca(name),
          "-verify_return_error",
          "-verify_hostname",
          name,
          "-ign_eof",
        ],
        `GET / HTTP/1.1\r\nhost: ${name}\r\n\r\n`,
      )
      expect(stdout, stderr).toContain(`${name} says hello over HTTP/1.1`)
      expect(stdout).toContain("Verify return code: 0 (ok)")
    },
  )

  it.skipIf(why("gnutls-cli"))(
    `gnutls-cli reaches that backend and verifies its certificate${skipped("gnutls-cli")}`,
    async () => {
      const { stdout, stderr } = await run(
        "gnutls-cli",
        [
          "--port",
          String(port),
          "--sni-hostname",
          name,
          "--verify-hostname",
          name,
          "--x509cafile",
          ca(name),
          "--alpn",
          "http/1.1",
          "127.0.0.1",
        ],
        `GET / HTTP/1.1\r\nhost: ${name}\r\n\r\n`,
      )
      expect(stdout, stderr).toContain(`${name} says hello over HTTP/1.1`)
      expect(stdout).toContain("The certificate is trusted")
    },
  )

  it("Node's https reaches that backend and verifies its certificate", async () => {
    const body = await new Promise<string>((resolve, reject) => {
      const request = https.get(
        {
          host: "127.0.0.1",
          port,
          servername: name,
          headers: { host: name },
          ca: certificates.get(name)?.cert,
          agent: false,
        },
        (response) => response.setEncoding("utf8").on("data", resolve),
      )
      request.on("error", reject)
    })
    expect(body).toBe(`${name} says hello over HTTP/1.1\n`)
  })

  it("Node's http2 reaches that backend and verifies its certificate", async () => {
    const session = http2.connect(`https://${name}`, {
      host: "127.0.0.1",
      port,
      servername: name,
      ca: certificates.get(name)?.cert,
    })
    try {
      const body = await new Promise<string>((resolve, reject) => {
        session.on("error", reject)
        session.request({ ":path": "/" }).setEncoding("utf8").on("data", resolve).on("error", reject).end()
      })
      expect(body).toBe(`${name} says hello over HTTP/2.0\n`)
    } finally {
      session.close()
    }
  })
})

describe("a name that no route has", () => {
  it("is refused with a plain end of the connection, not an alert and not a reset", async () => {
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => {
      https.get({ host: "127.0.0.1", port, servername: "nobody.example.com", agent: false }).on("error", resolve)
    })
    expect(error.message).toMatch(/disconnected before secure TLS connection was established|socket hang up/)
  })
})

describe("a ClientHello cut up on its way", () => {
  const name = names[0]

  // A relay in front of the gateway that rewrites how the client's first flight is cut, never its handshake bytes.
  async function through(cut: (hello: Buffer) => readonly Buffer[]): Promise<string> {
    const relay = net.createServer({ noDelay: true }, (client) => {
      const up = net.connect({ port, host: "127.0.0.1", noDelay: true })
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
    try {
      return await new Promise<string>((resolve, reject) => {
        https
          .get(
            {
              host: "127.0.0.1",
              port: (relay.address() as net.AddressInfo).port,
              servername: name,
              ca: certificates.get(name)?.cert,
              agent: false,
            },
            (response) => response.setEncoding("utf8").on("data", resolve),
          )
          .on("error", reject)
      })
    } finally {
      relay.close()
    }
  }

  const segments = (size: number) => (hello: Buffer) =>
    Array.from({ length: Math.ceil(hello.length / size) }, (_, i) => hello.subarray(i * size, (i + 1) * size))

  const records = (size: number) => (hello: Buffer) => {
    const fragments = segments(size)(hello.subarray(5))
    return [
      Buffer.concat(
        fragments.flatMap((fragment) => [
          Buffer.from([22, 3, 1, fragment.length >> 8, fragment.length & 255]),
          fragment,
        ]),
      ),
    ]
  }

  it.each([1, 2, 3, 5, 7, 64, 200])("into TCP segments of %i bytes is routed all the same", async (size) => {
    expect(await through(segments(size))).toContain(name)
  })

  // OpenSSL takes a ClientHello in fragments of any size but refuses a flood of them: 32 records are enough.
  it.each([16, 50, 100, 255])("into TLS records of %i bytes is routed all the same", async (size) => {
    expect(await through(records(size))).toContain(name)
  })

  it("into TLS records, and those into single bytes, is routed all the same", async () => {
    expect(await through((hello) => segments(1)(Buffer.concat(records(40)(hello))))).toContain(name)
  })
})
